/* tests/unit/bytes_test.c: slices and the growing buffer. */
#include "base/bytes.h"
#include "base/mem.h"
#include "tests/harness/test.h"

#include <stdio.h>

TEST(null_and_empty_are_different_slices_of_length_zero)
{
    CHECK(bytes_of(NULL).at == NULL);
    CHECK(bytes_of("").at != NULL);
    CHECK_EQ(bytes_of("").len, 0);
    CHECK(bytes_equal(BYTES_NULL, BYTES("")));
    CHECK_EQ(bytes_compare(BYTES_NULL, BYTES("")), 0);
}

TEST(slices_order_like_memcmp_and_a_prefix_comes_first)
{
    CHECK(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    CHECK(bytes_compare(BYTES("ab"), BYTES("a")) > 0);
    CHECK(bytes_compare(BYTES("a"), BYTES("ab")) < 0);
    CHECK(bytes_compare(BYTES("\x80"), BYTES("\x7f")) > 0);
    CHECK_EQ(bytes_compare(BYTES("ab"), BYTES("ab")), 0);
    CHECK(bytes_equal(BYTES("ab"), BYTES("ab")));
    CHECK(!bytes_equal(BYTES("ab"), BYTES("abc")));
    CHECK(!bytes_equal(BYTES("ab"), BYTES("ac")));
}

TEST(a_slice_of_a_slice_never_reaches_past_it)
{
    struct bytes b = BYTES("abcdef");

    CHECK_BYTES_EQ(bytes_slice(b, 2, 3), BYTES("cde"));
    CHECK_BYTES_EQ(bytes_slice(b, 4, 100), BYTES("ef"));
    CHECK_BYTES_EQ(bytes_slice(b, 6, 1), BYTES(""));
    CHECK_BYTES_EQ(bytes_slice(b, SIZE_MAX, SIZE_MAX), BYTES(""));
    CHECK_BYTES_EQ(bytes_slice(BYTES_NULL, 3, 3), BYTES_NULL);
}

TEST(searching_and_trimming_know_the_ends)
{
    CHECK_EQ(bytes_find(BYTES("abca"), 'a'), 0);
    CHECK_EQ(bytes_find(BYTES("abca"), 'c'), 2);
    CHECK_EQ(bytes_find(BYTES("abca"), 'x'), -1);
    CHECK_EQ(bytes_find(BYTES_NULL, 'x'), -1);
    CHECK(bytes_starts_with(BYTES("abc"), BYTES("")));
    CHECK(bytes_starts_with(BYTES("abc"), BYTES("abc")));
    CHECK(!bytes_starts_with(BYTES("abc"), BYTES("abcd")));
    CHECK_BYTES_EQ(bytes_trim(BYTES(" \t a b \r\n")), BYTES("a b"));
    CHECK_BYTES_EQ(bytes_trim(BYTES(" \n")), BYTES(""));
}

TEST(a_number_is_the_whole_slice_or_an_error)
{
    static const char *const wrong[] = {"",
                                        "-",
                                        "+",
                                        " 1",
                                        "1 ",
                                        "1x",
                                        "0x1",
                                        "--1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999"};
    int64_t n = 7;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_ERR(bytes_to_i64(bytes_of(wrong[i]), &n), ERR_MALFORMED);
        CHECK_EQ(n, 7);
    }
    CHECK_OK(bytes_to_i64(BYTES("9223372036854775807"), &n));
    CHECK_EQ(n, INT64_MAX);
    CHECK_OK(bytes_to_i64(BYTES("-9223372036854775808"), &n));
    CHECK_EQ(n, INT64_MIN);
    CHECK_OK(bytes_to_i64(BYTES("+0012"), &n));
    CHECK_EQ(n, 12);
}

/* Flip each bit of keys of all short lengths: about half of the hash's bits must change, and over 4096
 * consecutive numbers no bucket of 64 may be empty or hold three times its share. */
TEST(a_hash_mixes_every_bit_and_depends_on_the_seed)
{
    uint8_t key[40] = {0};
    int counts[64] = {0};

    for (size_t len = 1; len <= sizeof(key); len++) {
        uint64_t plain = bytes_hash((struct bytes){key, len}, 1);
        for (size_t bit = 0; bit < len * 8; bit++) {
            key[bit / 8] = (uint8_t)(1u << bit % 8);
            int changed = __builtin_popcountll(plain ^ bytes_hash((struct bytes){key, len}, 1));
            key[bit / 8] = 0;
            CHECK_SAYS(changed >= 12 && changed <= 52, "length %zu, bit %zu: %d bits", len, bit,
                       changed);
        }
        CHECK(plain != bytes_hash((struct bytes){key, len}, 2));
        CHECK(plain != bytes_hash((struct bytes){key, len - 1}, 1));
    }
    for (uint64_t i = 0; i < 4096; i++) {
        counts[bytes_hash((struct bytes){(const uint8_t *)&i, 8}, 99) % 64]++;
    }
    for (int i = 0; i < 64; i++) {
        CHECK(counts[i] > 0 && counts[i] < 3 * 64);
    }
}

TEST(a_c_string_needs_room_for_its_nul_and_has_none_inside)
{
    char out[4] = "zzz";

    CHECK_ERR(bytes_to_cstr(BYTES("abcd"), out, sizeof(out)), ERR_LIMIT);
    CHECK_ERR(bytes_to_cstr(BYTES("a\0b"), out, sizeof(out)), ERR_MALFORMED);
    CHECK_STR_EQ(out, "zzz");
    CHECK_OK(bytes_to_cstr(BYTES("abc"), out, sizeof(out)));
    CHECK_STR_EQ(out, "abc");
    CHECK_OK(bytes_to_cstr(BYTES_NULL, out, sizeof(out)));
    CHECK_STR_EQ(out, "");
}

TEST(a_buffer_grows_to_its_ceiling_and_not_past_it)
{
    struct buf b;

    buf_init(&b, 100);
    CHECK_BYTES_EQ(buf_view(&b), BYTES(""));
    for (int i = 0; i < 100; i++) {
        CHECK_OK(buf_add_u8(&b, (uint8_t)i));
    }
    CHECK_ERR(buf_add_u8(&b, 0), ERR_LIMIT);
    CHECK_ERR(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
    CHECK_EQ(b.len, 100);
    CHECK(b.cap <= 100);
    CHECK_EQ(b.at[99], 99);
    buf_reset(&b);
    CHECK_OK(buf_add_format(&b, "%d-%s", 42, "x"));
    CHECK_BYTES_EQ(buf_view(&b), BYTES("42-x"));
    buf_deinit(&b);
}

TEST(a_buffer_without_memory_keeps_what_it_has)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(buf_add(&b, BYTES("kept")));
    (void)mem_fail_nth(1);
    CHECK_ERR(buf_reserve(&b, 1 << 10), ERR_NOMEM);
    CHECK_EQ(mem_fail_nth(0), 0);
    CHECK_BYTES_EQ(buf_view(&b), BYTES("kept"));
    CHECK_OK(buf_reserve(&b, 1 << 10));
    CHECK_BYTES_EQ(buf_view(&b), BYTES("kept"));
    buf_deinit(&b);
}
