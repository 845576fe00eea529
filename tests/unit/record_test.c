/* tests/unit/record_test.c: records and varints. */
#include "protocol/record.h"

#include "protocol/record_stream.h"
#include "protocol/varint.h"
#include "tests/harness/test.h"

enum { BYTES_MAX = 1 << 20 };

static struct buf sample(int32_t *count)
{
    static const struct record_header headers[] = {
        {BYTES("trace"), BYTES("0123")}, {BYTES(""), BYTES("")}, {BYTES("none"), {NULL, 0}}};
    struct buf b, encoded;

    buf_init(&b, BYTES_MAX);
    buf_init(&encoded, BYTES_MAX);
    CHECK_OK(record_headers_write(&encoded, headers, COUNT_OF(headers)));
    CHECK_OK(record_write(&b, &(struct record){.key = BYTES("key"), .value = BYTES("value")}));
    CHECK_OK(record_write(&b, &(struct record){.timestamp_delta = INT64_MIN,
                                               .offset_delta = INT32_MIN,
                                               .value = BYTES(""),
                                               .header_count = COUNT_OF(headers),
                                               .headers = buf_view(&encoded)}));
    CHECK_OK(record_write(&b, &(struct record){.attributes = -1,
                                               .timestamp_delta = INT64_MAX,
                                               .offset_delta = INT32_MAX,
                                               .key = BYTES("")}));
    buf_deinit(&encoded);
    *count = 3;
    return b;
}

static enum err read_all(struct bytes in, int32_t count, int *got)
{
    struct record_reader r;
    struct record record;
    enum err e;

    *got = 0;
    record_reader_init(&r, in, count);
    while ((e = record_next(&r, &record)) == OK) {
        ++*got;
    }
    return e;
}

/* The walk over pieces, here of one piece. */
static enum err stream_all(struct compression *c, struct bytes in, int32_t count, int *got)
{
    struct record_stream s;
    struct record_facts facts;
    enum err e;

    *got = 0;
    CHECK_OK(compression_read_start(c, CODEC_NONE, in, BYTES_MAX));
    record_stream_init(&s, c, count, INT32_MAX);
    while ((e = record_stream_next(&s, &facts)) == OK) {
        ++*got;
    }
    CHECK_OK(s.codec_err);
    return e;
}

TEST(records_read_as_they_were_written)
{
    int32_t count;
    struct buf b = sample(&count);
    struct record_reader r;
    struct record one;
    struct record_header h;

    record_reader_init(&r, buf_view(&b), count);
    CHECK_OK(record_next(&r, &one));
    CHECK_BYTES_EQ(one.key, BYTES("key"));
    CHECK_BYTES_EQ(one.value, BYTES("value"));
    CHECK_EQ(one.body_bytes, 14);
    CHECK_OK(record_next(&r, &one));
    CHECK_EQ(one.timestamp_delta, INT64_MIN);
    CHECK_EQ(one.offset_delta, INT32_MIN);
    CHECK_BYTES_EQ(one.key, BYTES_NULL);
    CHECK_BYTES_EQ(one.value, BYTES(""));
    CHECK_EQ(one.header_count, 3);
    struct bytes rest = one.headers;
    CHECK(record_header_next(&rest, &h));
    CHECK_BYTES_EQ(h.key, BYTES("trace"));
    CHECK_BYTES_EQ(h.value, BYTES("0123"));
    CHECK(record_header_next(&rest, &h));
    CHECK_BYTES_EQ(h.key, BYTES(""));
    CHECK(record_header_next(&rest, &h));
    CHECK_BYTES_EQ(h.value, BYTES_NULL);
    CHECK(!record_header_next(&rest, &h));
    CHECK_OK(record_next(&r, &one));
    CHECK_EQ(one.attributes, -1);
    CHECK_EQ(one.timestamp_delta, INT64_MAX);
    CHECK_EQ(one.offset_delta, INT32_MAX);
    CHECK_ERR(record_next(&r, &one), ERR_NOT_FOUND);
    buf_deinit(&b);
}

TEST(every_prefix_and_every_other_count_is_refused)
{
    int32_t count;
    struct buf b = sample(&count);
    struct compression *c;
    int got;

    CHECK_OK(compression_new(&c));
    for (size_t len = 0; len < b.len; len++) {
        CHECK_ERR(read_all((struct bytes){b.at, len}, count, &got), ERR_MALFORMED);
        CHECK_ERR(stream_all(c, (struct bytes){b.at, len}, count, &got), ERR_MALFORMED);
    }
    for (int32_t other = -1; other <= count + 1; other++) {
        enum err want = other == count ? ERR_NOT_FOUND : ERR_MALFORMED;
        CHECK_ERR(read_all(buf_view(&b), other, &got), want);
        CHECK_ERR(stream_all(c, buf_view(&b), other, &got), want);
    }
    compression_free(c);
    buf_deinit(&b);
}

/* Goal: one byte of a record at a time becomes every value; both walks must end, and agree. */
TEST(both_walks_judge_any_changed_byte_alike)
{
    int32_t count;
    struct buf b = sample(&count);
    struct compression *c;
    int got, got_stream;

    CHECK_OK(compression_new(&c));
    for (size_t at = 0; at < b.len; at++) {
        uint8_t old = b.at[at];
        for (int value = 0; value < 256; value++) {
            b.at[at] = (uint8_t)value;
            enum err e = read_all(buf_view(&b), count, &got);
            CHECK_ERR(stream_all(c, buf_view(&b), count, &got_stream), e);
            CHECK_SAYS(got == got_stream, "byte %zu = %d: %d and %d", at, value, got, got_stream);
        }
        b.at[at] = old;
    }
    compression_free(c);
    buf_deinit(&b);
}

TEST(a_header_count_larger_than_the_record_is_refused)
{
    static const uint8_t many[] = {16, 0, 0, 0, 1, 1, 0xfe, 0xff, 0x07};
    static const uint8_t null_key[] = {16, 0, 0, 0, 1, 1, 2, 1, 1};
    int got;

    CHECK_ERR(read_all((struct bytes){many, sizeof(many)}, 1, &got), ERR_MALFORMED);
    CHECK_ERR(read_all((struct bytes){null_key, sizeof(null_key)}, 1, &got), ERR_MALFORMED);
}

TEST(a_varint_has_the_size_that_was_foretold)
{
    static const int64_t values[] = {0,
                                     -1,
                                     63,
                                     64,
                                     -64,
                                     -65,
                                     8191,
                                     8192,
                                     INT32_MAX,
                                     INT32_MIN,
                                     INT64_MAX,
                                     INT64_MIN,
                                     INT64_C(1) << 34};
    uint8_t at[VARLONG_BYTES_MAX];
    int64_t out;

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        size_t len = (size_t)(varlong_put(at, values[i]) - at);
        CHECK_EQ(len, varlong_size(values[i]));
        struct varint_reader r = {at, at + len};
        CHECK(varlong_take(&r, &out));
        CHECK_EQ(out, values[i]);
        CHECK(r.at == r.end);
        r = (struct varint_reader){at, at + len - 1};
        CHECK(!varlong_take(&r, &out));
    }
}

TEST(a_varint_that_does_not_end_in_time_is_refused)
{
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0x00};
    struct varint_reader r = {endless, endless + sizeof(endless)};
    int64_t wide;
    int32_t narrow;

    CHECK(!varlong_take(&r, &wide));
    r.at = endless;
    CHECK(!varint_take(&r, &narrow));
}
