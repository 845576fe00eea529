/* tests/unit/wire_test.c: numbers and varints on the wire, and what a failed reader does. */
#include "protocol/wire.h"

#include "tests/harness/test.h"

enum { ROOM = 64 };

TEST(numbers_are_big_endian)
{
    static const uint8_t expected[] = {0xfe, 0x01, 0x02, 0x80, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9};
    uint8_t at[ROOM];
    struct wire_writer w = wire_writer_of(at, sizeof(at));

    wire_put_i8(&w, -2);
    wire_put_i16(&w, 0x0102);
    wire_put_i32(&w, INT32_MIN + 3);
    wire_put_u64(&w, 9);
    CHECK_BYTES_EQ(((struct bytes){at, (size_t)(w.at - at)}),
                   ((struct bytes){expected, sizeof(expected)}));

    struct wire_reader r = wire_reader_of((struct bytes){expected, sizeof(expected)});
    CHECK_EQ(wire_i8(&r), -2);
    CHECK_EQ(wire_i16(&r), 0x0102);
    CHECK_EQ(wire_i32(&r), INT32_MIN + 3);
    CHECK_EQ(wire_u64(&r), 9);
    CHECK_EQ(wire_left(&r), 0);
    CHECK_OK(r.err);
}

TEST(a_double_and_a_uuid_come_back)
{
    uint8_t at[ROOM];
    struct uuid u = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    struct wire_writer w = wire_writer_of(at, sizeof(at));

    wire_put_f64(&w, -0.5);
    wire_put_uuid(&w, u);
    CHECK_EQ(at[0], 0xbf);
    CHECK_EQ(at[8], 1);
    struct wire_reader r = wire_reader_of((struct bytes){at, (size_t)(w.at - at)});
    CHECK(wire_f64(&r) == -0.5);
    CHECK(uuid_equal(wire_uuid(&r), u));
    CHECK_OK(r.err);
}

TEST(a_varint_has_the_published_bytes)
{
    static const struct {
        uint32_t value;
        uint8_t bytes[WIRE_UVARINT_BYTES_MAX];
        size_t len;
    } cases[] = {
        {0, {0x00}, 1},
        {127, {0x7f}, 1},
        {128, {0x80, 0x01}, 2},
        {300, {0xac, 0x02}, 2},
        {16383, {0xff, 0x7f}, 2},
        {16384, {0x80, 0x80, 0x01}, 3},
        {UINT32_MAX, {0xff, 0xff, 0xff, 0xff, 0x0f}, 5},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t at[ROOM];
        struct wire_writer w = wire_writer_of(at, sizeof(at));
        struct bytes expected = {cases[i].bytes, cases[i].len};
        wire_put_uvarint(&w, cases[i].value);
        CHECK_BYTES_EQ(((struct bytes){at, (size_t)(w.at - at)}), expected);
        CHECK_EQ(wire_uvarint_bytes(cases[i].value), cases[i].len);
        struct wire_reader r = wire_reader_of(expected);
        CHECK_EQ(wire_uvarint(&r), cases[i].value);
        CHECK_EQ(wire_left(&r), 0);
    }
}

static void check_signed(int64_t v)
{
    uint8_t at[ROOM];
    struct wire_writer w = wire_writer_of(at, sizeof(at));

    wire_put_varlong(&w, v);
    size_t len = (size_t)(w.at - at);
    CHECK_EQ(wire_varlong_bytes(v), len);
    struct wire_reader r = wire_reader_of((struct bytes){at, len});
    CHECK_EQ(wire_varlong(&r), v);
    CHECK_EQ(wire_left(&r), 0);
    if (v < INT32_MIN || v > INT32_MAX) {
        return;
    }
    w = wire_writer_of(at, sizeof(at));
    wire_put_varint(&w, (int32_t)v);
    CHECK_EQ((size_t)(w.at - at), len);
    CHECK_EQ(wire_varint_bytes((int32_t)v), len);
    r = wire_reader_of((struct bytes){at, len});
    CHECK_EQ(wire_varint(&r), v);
}

TEST(a_signed_varint_comes_back_around_every_power_of_two)
{
    for (int bit = 0; bit < 63; bit++) {
        int64_t power = INT64_C(1) << bit;
        for (int64_t near = -2; near <= 2; near++) {
            check_signed(power + near);
            check_signed(-power + near);
        }
    }
    check_signed(INT64_MIN);
    check_signed(INT64_MAX);
    check_signed(INT32_MIN);
    check_signed(INT32_MAX);
}

TEST(a_varint_that_does_not_fit_its_type_is_refused)
{
    static const uint8_t too_big[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    static const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    static const uint8_t long_too_big[] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0x03};
    struct wire_reader r = wire_reader_of((struct bytes){too_big, sizeof(too_big)});

    CHECK_EQ(wire_uvarint(&r), 0);
    CHECK_ERR(r.err, ERR_MALFORMED);
    r = wire_reader_of((struct bytes){too_long, sizeof(too_long)});
    CHECK_EQ(wire_varint(&r), 0);
    CHECK_ERR(r.err, ERR_MALFORMED);
    r = wire_reader_of((struct bytes){long_too_big, sizeof(long_too_big)});
    CHECK_EQ(wire_varlong(&r), 0);
    CHECK_ERR(r.err, ERR_MALFORMED);
}

TEST(a_varint_that_is_cut_off_is_refused)
{
    static const uint8_t cut[] = {0x80, 0x80};

    for (size_t len = 0; len <= sizeof(cut); len++) {
        struct wire_reader r = wire_reader_of((struct bytes){cut, len});
        CHECK_EQ(wire_uvarint(&r), 0);
        CHECK_ERR(r.err, ERR_MALFORMED);
    }
}

TEST(a_failed_reader_yields_zeros_and_keeps_its_first_reason)
{
    static const uint8_t some[] = {1, 2, 3};
    struct wire_reader r = wire_reader_of((struct bytes){some, sizeof(some)});

    wire_fail(&r, ERR_LIMIT);
    CHECK_EQ(wire_u8(&r), 0);
    CHECK_EQ(wire_i64(&r), 0);
    CHECK_EQ(wire_uvarint(&r), 0);
    CHECK(wire_bytes(&r, 0).at == NULL);
    CHECK(uuid_is_zero(wire_uuid(&r)));
    CHECK_ERR(r.err, ERR_LIMIT);
    CHECK_EQ(wire_left(&r), 0);
}

TEST(a_number_that_is_cut_off_is_refused_whole)
{
    static const uint8_t some[] = {1, 2, 3};
    struct wire_reader r = wire_reader_of((struct bytes){some, sizeof(some)});

    CHECK_EQ(wire_i32(&r), 0);
    CHECK_ERR(r.err, ERR_MALFORMED);
}

TEST(an_empty_slice_that_was_read_is_not_null)
{
    static const uint8_t some[] = {1};
    struct wire_reader r = wire_reader_of((struct bytes){some, sizeof(some)});

    CHECK(wire_bytes(&r, 0).at != NULL);
    CHECK_EQ(wire_bytes(&r, 1).len, 1);
    CHECK(wire_bytes(&r, 0).at != NULL);
    CHECK_OK(r.err);
}
