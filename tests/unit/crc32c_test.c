/* tests/unit/crc32c_test.c: both ways to compute CRC-32C against published values and each other. */
#include "base/crc32c.h"
#include "tests/harness/test.h"

enum { DATA_BYTES = 40000 };

static uint32_t by_both_ways(uint32_t crc, struct bytes data)
{
    uint32_t portable = crc32c_portable(crc, data);

    CHECK_EQ(crc32c(crc, data), portable);
    if (crc32c_has_fast()) {
        CHECK_EQ(crc32c_fast(crc, data), portable);
    }
    return portable;
}

static struct bytes random_data(struct arena *arena)
{
    uint8_t *at = arena_alloc(arena, DATA_BYTES + 64);

    for (size_t i = 0; i < DATA_BYTES + 64; i++) {
        at[i] = (uint8_t)test_random();
    }
    return (struct bytes){at, DATA_BYTES};
}

TEST(the_examples_of_rfc_3720_come_out)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    CHECK_EQ(by_both_ways(0, BYTES("")), 0);
    CHECK_EQ(by_both_ways(0, BYTES_NULL), 0);
    CHECK_EQ(by_both_ways(0, BYTES("123456789")), 0xe3069283u);
    CHECK_EQ(by_both_ways(0, (struct bytes){zeros, 32}), 0x8a9136aau);
    CHECK_EQ(by_both_ways(0, (struct bytes){ones, 32}), 0x62a8ab43u);
    CHECK_EQ(by_both_ways(0, (struct bytes){up, 32}), 0x46dd794eu);
    CHECK_EQ(by_both_ways(0, (struct bytes){down, 32}), 0x113fdb5cu);
}

/* Bit by bit, straight from the definition. */
static uint32_t by_definition(struct bytes data)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < data.len; i++) {
        crc ^= data.at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

TEST(every_length_and_alignment_agrees_with_the_definition)
{
    struct bytes data = random_data(arena);

    for (size_t len = 0; len < 1700; len++) {
        struct bytes part = {data.at + len % 16, len};
        CHECK_EQ(by_both_ways(0, part), by_definition(part));
    }
    for (int i = 0; i < 100; i++) {
        struct bytes part = {data.at + test_random_below(64), test_random_below(DATA_BYTES)};
        CHECK_EQ(by_both_ways(0, part), by_definition(part));
    }
}

TEST(a_checksum_can_be_continued_anywhere)
{
    struct bytes data = random_data(arena);
    uint32_t whole = by_both_ways(0, data);

    for (int i = 0; i < 100; i++) {
        size_t cut = test_random_below(data.len + 1);
        uint32_t first = by_both_ways(0, bytes_slice(data, 0, cut));
        CHECK_EQ(by_both_ways(first, bytes_slice(data, cut, data.len)), whole);
    }
}

TEST(a_fused_copy_copies_and_checks)
{
    struct bytes data = random_data(arena);
    uint8_t *to = arena_alloc(arena, DATA_BYTES + 64);

    for (int i = 0; i < 100; i++) {
        struct bytes part = {data.at + test_random_below(64), test_random_below(DATA_BYTES)};
        to[part.len] = 0x5a;
        CHECK_EQ(crc32c_copy(7, to, part), crc32c_portable(7, part));
        CHECK_EQ(memcmp(to, part.at, part.len), 0);
        CHECK_EQ(to[part.len], 0x5a);
    }
    CHECK_EQ(crc32c_copy(7, NULL, BYTES_NULL), 7);
}
