/* tests/unit/json_text_test.c: any bytes as a JSON string. */
#include "tools/json_text.h"

#include "tests/harness/test.h"

static struct bytes printed(struct arena *arena, struct bytes text)
{
    FILE *to = tmpfile();
    char *at = arena_alloc(arena, 1024);

    CHECK(to != NULL && at != NULL);
    json_text_print(to, text);
    rewind(to);
    size_t len = fread(at, 1, 1024, to);
    (void)fclose(to);
    return (struct bytes){(const uint8_t *)at, len};
}

TEST(what_json_reserves_is_escaped)
{
    CHECK_BYTES_EQ(printed(arena, BYTES("a\"b\\c\nd\te\x01\x7f")),
                   BYTES("\"a\\\"b\\\\c\\nd\\te\\u0001\\u007f\""));
    CHECK_BYTES_EQ(printed(arena, BYTES("")), BYTES("\"\""));
}

TEST(utf_8_stays_as_it_is)
{
    struct bytes text = BYTES("\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9f\"");

    CHECK_BYTES_EQ(printed(arena, bytes_slice(text, 1, text.len - 2)), text);
    CHECK(json_text_is_utf8(text));
}

TEST(what_is_not_utf_8_becomes_the_replacement_character)
{
    static const struct bytes wrong[] = {
        {(const uint8_t *)"\xff", 1},             /* no character begins so */
        {(const uint8_t *)"\x80", 1},             /* a continuation alone */
        {(const uint8_t *)"\xc3", 1},             /* cut off */
        {(const uint8_t *)"\xc0\xaf", 2},         /* overlong */
        {(const uint8_t *)"\xe0\x80\xaf", 3},     /* overlong */
        {(const uint8_t *)"\xed\xa0\x80", 3},     /* a surrogate */
        {(const uint8_t *)"\xf4\x90\x80\x80", 4}, /* past U+10FFFF */
        {(const uint8_t *)"\xf0\x80\x80\xaf", 4}, /* overlong */
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(!json_text_is_utf8(wrong[i]), "number %zu", i);
        CHECK_EQ(json_text_character(wrong[i]), 0);
        CHECK(bytes_starts_with(printed(arena, wrong[i]), BYTES("\"\\ufffd")));
    }
    CHECK_BYTES_EQ(printed(arena, BYTES("a\xff"
                                        "b")),
                   BYTES("\"a\\ufffdb\""));
}
