/* tests/unit/record_pattern_test.c: the language of -o patterns. */
#include "tools/record_pattern.h"

#include "tests/harness/test.h"

enum { TEXT_BYTES = 4096 };

static struct bytes printed(struct arena *arena, const char *pattern)
{
    static const struct record_header headers[] = {
        {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}},
        {{(const uint8_t *)"c", 1}, {NULL, 0}}};
    struct record_json r = {.topic = BYTES("orders"),
                            .partition = 2,
                            .offset = 1042,
                            .timestamp_ms = INT64_C(1795334401500),
                            .key = BYTES_NULL,
                            .value = BYTES("v\xff"),
                            .headers = headers,
                            .header_count = 2};
    FILE *to = tmpfile();
    char *at = arena_alloc(arena, TEXT_BYTES);

    CHECK(to != NULL && at != NULL);
    CHECK_OK(record_pattern_check(bytes_of(pattern)));
    CHECK_OK(record_pattern_print(to, arena, bytes_of(pattern), &r));
    rewind(to);
    size_t len = fread(at, 1, TEXT_BYTES, to);
    (void)fclose(to);
    return (struct bytes){(const uint8_t *)at, len};
}

TEST(every_letter_prints_its_part)
{
    CHECK_BYTES_EQ(printed(arena, "%t[%p]:%o"), BYTES("orders[2]:1042"));
    CHECK_BYTES_EQ(printed(arena, "%T %T{ms} %T{iso}"),
                   BYTES("1795334401500 1795334401500 2026-11-22T08:00:01.500Z"));
    CHECK_BYTES_EQ(printed(arena, "<%k> %v"), BYTES("<> v\xff"));
    CHECK_BYTES_EQ(printed(arena, "%v{hex} %v{base64} %k{hex}."), BYTES("76ff dv8= ."));
    CHECK_BYTES_EQ(printed(arena, "%h %s %S %%"), BYTES("a=b,c= 2 -1 %"));
}

TEST(escapes_become_what_they_stand_for)
{
    CHECK_BYTES_EQ(printed(arena, "a\\tb\\n\\r\\\\\\x41\\%"), BYTES("a\tb\n\r\\A%"));
    CHECK_BYTES_EQ(printed(arena, "\\0"), ((struct bytes){(const uint8_t *)"", 1}));
}

TEST(a_pattern_that_means_nothing_is_refused)
{
    static const char *const wrong[] = {"%",    "%x", "%T{",  "%T{local}", "%p{hex}",
                                        "a\\q", "\\", "\\x4", "\\xzz",     "%v{}"};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(record_pattern_check(bytes_of(wrong[i])) == ERR_USAGE, "'%s' was taken",
                   wrong[i]);
    }
}
