/* tests/unit/record_json_test.c: records as JSON lines, there and back. */
#include "tools/record_json.h"

#include "tests/harness/test.h"

enum { LINE_BYTES = 4096 };

static struct bytes printed(struct arena *arena, const struct record_json *r)
{
    FILE *to = tmpfile();
    char *at = arena_alloc(arena, LINE_BYTES);

    CHECK(to != NULL && at != NULL);
    CHECK_OK(record_json_print(to, arena, r));
    rewind(to);
    size_t len = fread(at, 1, LINE_BYTES, to);
    (void)fclose(to);
    return (struct bytes){(const uint8_t *)at, len};
}

static const struct record_header trace[] = {
    {{(const uint8_t *)"trace", 5}, {(const uint8_t *)"abc", 3}}};

TEST(the_form_is_the_documented_one)
{
    struct record_json r = {.topic = BYTES("orders"),
                            .partition = 2,
                            .offset = 1042,
                            .timestamp_ms = INT64_C(1763800000000),
                            .key = BYTES("user-1"),
                            .value = BYTES("{\"id\":1}"),
                            .headers = trace,
                            .header_count = 1};

    CHECK_BYTES_EQ(
        printed(arena, &r),
        BYTES("{\"topic\":\"orders\",\"partition\":2,\"offset\":1042,\"timestamp\":1763800000000,"
              "\"key\":\"user-1\",\"value\":\"{\\\"id\\\":1}\","
              "\"headers\":[{\"key\":\"trace\",\"value\":\"abc\"}]}"));
}

TEST(what_is_printed_reads_back_whatever_bytes_are_in_it)
{
    static const uint8_t any[] = {0, 1, '"', '\\', 0xff, 0xc3, '\n', 0x80};
    const struct record_header headers[] = {
        {BYTES("a"), {any, sizeof(any)}}, {{any, sizeof(any)}, BYTES_NULL}, {BYTES(""), BYTES("")}};
    struct record_json out, r = {.topic = BYTES("t"),
                                 .timestamp_ms = 5,
                                 .key = {any, sizeof(any)},
                                 .value = {any, 4},
                                 .headers = headers,
                                 .header_count = 3};

    CHECK_OK(record_json_parse(arena, printed(arena, &r), &out));
    CHECK_BYTES_EQ(out.key, r.key);
    CHECK_BYTES_EQ(out.value, r.value);
    CHECK_EQ(out.timestamp_ms, 5);
    CHECK_EQ(out.partition, 0);
    CHECK_EQ(out.header_count, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_BYTES_EQ(out.headers[i].key, headers[i].key);
        CHECK_BYTES_EQ(out.headers[i].value, headers[i].value);
    }
}

TEST(null_and_empty_stay_different)
{
    struct record_json out, r = {.topic = BYTES("t"), .key = BYTES_NULL, .value = BYTES("")};

    CHECK_OK(record_json_parse(arena, printed(arena, &r), &out));
    CHECK(out.key.at == NULL);
    CHECK_BYTES_EQ(out.value, BYTES(""));
}

TEST(what_is_not_said_is_not_made_up)
{
    struct record_json out;

    CHECK_OK(record_json_parse(arena, BYTES("{}"), &out));
    CHECK_EQ(out.partition, -1);
    CHECK_EQ(out.timestamp_ms, -1);
    CHECK(out.key.at == NULL && out.value.at == NULL);
    CHECK_EQ(out.header_count, 0);
}

TEST(a_value_that_is_no_string_is_json_text_and_headers_may_be_an_object)
{
    struct record_json out;

    CHECK_OK(record_json_parse(
        arena, BYTES("{\"value\":{\"id\":1},\"key\":7,\"headers\":{\"a\":\"b\"}}"), &out));
    CHECK_BYTES_EQ(out.value, BYTES("{\"id\":1}"));
    CHECK_BYTES_EQ(out.key, BYTES("7"));
    CHECK_EQ(out.header_count, 1);
    CHECK_BYTES_EQ(out.headers[0].key, BYTES("a"));
    CHECK_BYTES_EQ(out.headers[0].value, BYTES("b"));
}

TEST(what_does_not_fit_is_malformed)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{",
        "{\"vlaue\":1}",
        "{\"value_base64\":\"*\"}",
        "{\"value_base64\":1}",
        "{\"partition\":\"a\"}",
        "{\"partition\":3000000000}",
        "{\"timestamp\":-2}",
        "{\"headers\":7}",
        "{\"headers\":[7]}",
        "{\"headers\":[{}]}",
        "{\"headers\":[{\"key\":\"a\",\"x\":1}]}",
        "{\"key\":\"a\",\"key\":\"b\"}",
    };
    struct record_json out;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(record_json_parse(arena, bytes_of(wrong[i]), &out) == ERR_MALFORMED,
                   "%s was taken", wrong[i]);
    }
}
