/* tests/unit/compression_test.c: round trips, dialects, ceilings, and memory that is not there. */
#include "protocol/compression.h"

#include "base/mem.h"
#include "tests/harness/test.h"

enum { BYTES_MAX = 64 << 20, PLAIN_BYTES = 300000 };

/* Half text that repeats, half noise. */
static struct bytes plain_of(struct arena *arena, size_t len)
{
    uint8_t *at = arena_alloc(arena, len);

    for (size_t i = 0; i < len; i++) {
        at[i] = i < len / 2 ? (uint8_t)("abcdefghij"[i % 10]) : (uint8_t)test_random();
    }
    return (struct bytes){at, len};
}

static void check_round_trip(struct compression *c, enum codec codec, int level, struct bytes plain)
{
    struct buf packed, again;

    buf_init(&packed, BYTES_MAX);
    buf_init(&again, BYTES_MAX);
    CHECK_OK(buf_add(&packed, BYTES("kept")));
    CHECK_OK(compression_pack(c, codec, level, plain, &packed));
    CHECK_OK(buf_add(&again, BYTES("kept")));
    CHECK_OK(compression_unpack(c, codec, bytes_slice(buf_view(&packed), 4, SIZE_MAX), &again));
    CHECK(bytes_starts_with(buf_view(&again), BYTES("kept")));
    CHECK_SAYS(bytes_equal(bytes_slice(buf_view(&again), 4, SIZE_MAX), plain), "%s level %d, %zu",
               codec_name(codec), level, plain.len);
    buf_deinit(&packed);
    buf_deinit(&again);
}

TEST(every_codec_gives_back_what_it_got)
{
    static const size_t sizes[] = {
        0, 1, 14, (32 << 10) - 1, 32 << 10, 64 << 10, (64 << 10) + 1, 128 << 10, PLAIN_BYTES};
    struct bytes plain = plain_of(arena, PLAIN_BYTES);
    struct compression *c;

    CHECK_OK(compression_new(&c));
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct bytes piece = bytes_slice(plain, PLAIN_BYTES / 2 - sizes[i] / 2, sizes[i]);
            check_round_trip(c, (enum codec)codec, codec_level_default((enum codec)codec), piece);
        }
    }
    compression_free(c);
}

TEST(every_level_gives_back_what_it_got)
{
    static const struct {
        enum codec codec;
        int level;
    } levels[] = {{CODEC_GZIP, 1},  {CODEC_GZIP, 9},       {CODEC_LZ4, 1},   {CODEC_LZ4, 12},
                  {CODEC_LZ4, 17},  {CODEC_ZSTD, -131072}, {CODEC_ZSTD, -1}, {CODEC_ZSTD, 0},
                  {CODEC_ZSTD, 19}, {CODEC_ZSTD, 22}};
    struct bytes plain = plain_of(arena, PLAIN_BYTES);
    struct compression *c;

    CHECK_OK(compression_new(&c));
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        CHECK(codec_level_valid(levels[i].codec, levels[i].level));
        check_round_trip(c, levels[i].codec, levels[i].level, plain);
    }
    compression_free(c);
}

TEST(names_and_levels_are_those_of_the_topic_settings)
{
    enum codec codec;

    for (int i = 0; i < CODEC_COUNT; i++) {
        CHECK_OK(codec_of_name(bytes_of(codec_name((enum codec)i)), &codec));
        CHECK_EQ(codec, i);
    }
    CHECK_ERR(codec_of_name(BYTES("GZIP"), &codec), ERR_NOT_FOUND);
    CHECK(!codec_known(-1) && !codec_known(5));
    CHECK_EQ(codec_level_default(CODEC_GZIP), -1);
    CHECK(codec_level_valid(CODEC_GZIP, -1) && !codec_level_valid(CODEC_GZIP, 0));
    CHECK(!codec_level_valid(CODEC_GZIP, 10));
    CHECK(!codec_level_valid(CODEC_LZ4, 0) && !codec_level_valid(CODEC_LZ4, 18));
    CHECK(!codec_level_valid(CODEC_ZSTD, -131073) && !codec_level_valid(CODEC_ZSTD, 23));
    CHECK(!codec_level_valid(CODEC_SNAPPY, 1));
}

/* A prefix gives an error, or less than the whole. */
TEST(no_prefix_of_a_packed_batch_passes_for_the_whole)
{
    struct bytes plain = plain_of(arena, 500);
    struct compression *c;
    struct buf packed, out;

    CHECK_OK(compression_new(&c));
    buf_init(&packed, BYTES_MAX);
    buf_init(&out, BYTES_MAX);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        buf_reset(&packed);
        CHECK_OK(compression_pack(c, (enum codec)codec, codec_level_default((enum codec)codec),
                                  plain, &packed));
        for (size_t len = 0; len < packed.len; len++) {
            buf_reset(&out);
            enum err e =
                compression_unpack(c, (enum codec)codec, (struct bytes){packed.at, len}, &out);
            CHECK(e == ERR_MALFORMED || (e == OK && out.len < plain.len));
            CHECK(e == OK || out.len == 0);
        }
    }
    buf_deinit(&packed);
    buf_deinit(&out);
    compression_free(c);
}

TEST(what_would_pass_the_ceiling_stops_there)
{
    enum { ZEROS = 32 << 20, CEILING = 1 << 20 };
    struct bytes zeros = {arena_alloc(arena, ZEROS), ZEROS};
    struct compression *c;
    struct buf packed, out;
    struct bytes piece;

    CHECK_OK(compression_new(&c));
    buf_init(&packed, BYTES_MAX);
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        buf_reset(&packed);
        CHECK_OK(compression_pack(c, (enum codec)codec, codec_level_default((enum codec)codec),
                                  zeros, &packed));
        buf_init(&out, CEILING);
        CHECK_ERR(compression_unpack(c, (enum codec)codec, buf_view(&packed), &out), ERR_LIMIT);
        CHECK_EQ(out.len, 0);
        CHECK(out.cap <= CEILING);
        buf_deinit(&out);
        CHECK_OK(compression_read_start(c, (enum codec)codec, buf_view(&packed), ZEROS - 1));
        enum err e;
        while ((e = compression_read(c, &piece)) == OK && piece.len > 0) {
            CHECK(codec == CODEC_NONE || piece.len <= 64 << 10);
        }
        CHECK_EQ(e, ERR_LIMIT);
        CHECK_ERR(compression_read(c, &piece), ERR_LIMIT);
    }
    buf_deinit(&packed);
    compression_free(c);
}

TEST(a_packed_batch_that_passes_the_ceiling_is_taken_back)
{
    struct bytes plain = plain_of(arena, PLAIN_BYTES);
    struct compression *c;
    struct buf out;

    CHECK_OK(compression_new(&c));
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        buf_init(&out, PLAIN_BYTES / 4);
        CHECK_OK(buf_add(&out, BYTES("kept")));
        CHECK_ERR(compression_pack(c, (enum codec)codec, codec_level_default((enum codec)codec),
                                   plain, &out),
                  ERR_LIMIT);
        CHECK_BYTES_EQ(buf_view(&out), BYTES("kept"));
        buf_deinit(&out);
    }
    compression_free(c);
}

static void check_reads_as(enum codec codec, struct bytes packed, enum err want, struct bytes plain)
{
    struct compression *c;
    struct buf out;

    CHECK_OK(compression_new(&c));
    buf_init(&out, BYTES_MAX);
    CHECK_ERR(compression_unpack(c, codec, packed, &out), want);
    if (want == OK) {
        CHECK_BYTES_EQ(buf_view(&out), plain);
    }
    buf_deinit(&out);
    compression_free(c);
}

TEST(snappy_is_read_raw_and_framed_and_framed_twice)
{
    static const uint8_t raw[] = {3, 8, 'a', 'b', 'c'};
    static const uint8_t framed[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0,   0,   1,  0,
                                     0,    0,   1,   0,   0,   0,   5,   3, 8, 'a', 'b', 'c'};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a'};
    uint8_t twice[2 * sizeof(framed) + 3] = {0};

    memcpy(twice, framed, sizeof(framed));
    memcpy(twice + sizeof(framed), framed, sizeof(framed));
    check_reads_as(CODEC_SNAPPY, (struct bytes){raw, sizeof(raw)}, OK, BYTES("abc"));
    check_reads_as(CODEC_SNAPPY, (struct bytes){framed, sizeof(framed)}, OK, BYTES("abc"));
    check_reads_as(CODEC_SNAPPY, (struct bytes){twice, sizeof(twice)}, OK, BYTES("abcabc"));
    check_reads_as(CODEC_SNAPPY, (struct bytes){framed, 16}, OK, BYTES(""));
    check_reads_as(CODEC_SNAPPY, (struct bytes){huge, sizeof(huge)}, ERR_MALFORMED, BYTES_NULL);
}

TEST(several_members_and_frames_are_read_one_after_the_other)
{
    struct compression *c;
    struct buf twice;

    CHECK_OK(compression_new(&c));
    buf_init(&twice, BYTES_MAX);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(compression_pack(c, CODEC_GZIP, -1, BYTES("abc"), &twice));
    }
    check_reads_as(CODEC_GZIP, buf_view(&twice), OK, BYTES("abcabc"));
    CHECK_OK(buf_add(&twice, BYTES("this is no member at all")));
    check_reads_as(CODEC_GZIP, buf_view(&twice), OK, BYTES("abcabc"));
    buf_reset(&twice);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(compression_pack(c, CODEC_ZSTD, 3, BYTES("abc"), &twice));
    }
    check_reads_as(CODEC_ZSTD, buf_view(&twice), OK, BYTES("abcabc"));
    check_reads_as(CODEC_ZSTD, BYTES(""), OK, BYTES(""));
    buf_deinit(&twice);
    compression_free(c);
}

TEST(lz4_frames_are_written_as_java_writes_them_and_read_when_java_could)
{
    static const uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 3, 0,
                                    0,    0x80, 'a',  'b',  'c',  0,    0,    0, 0};
    uint8_t changed[sizeof(frame)];
    struct compression *c;
    struct buf packed;

    CHECK_OK(compression_new(&c));
    buf_init(&packed, BYTES_MAX);
    CHECK_OK(compression_pack(c, CODEC_LZ4, 9, BYTES("abc"), &packed));
    CHECK_BYTES_EQ(buf_view(&packed), ((struct bytes){frame, sizeof(frame)}));
    CHECK_OK(buf_add(&packed, BYTES("what follows the frame")));
    check_reads_as(CODEC_LZ4, buf_view(&packed), OK, BYTES("abc"));
    memcpy(changed, frame, sizeof(frame));
    changed[4] = 0x40; /* blocks that need each other */
    check_reads_as(CODEC_LZ4, (struct bytes){changed, sizeof(changed)}, ERR_MALFORMED, BYTES_NULL);
    changed[4] = 0x60;
    changed[6] ^= 1; /* the checksum of the head */
    check_reads_as(CODEC_LZ4, (struct bytes){changed, sizeof(changed)}, ERR_MALFORMED, BYTES_NULL);
    buf_deinit(&packed);
    compression_free(c);
}

TEST(good_bytes_before_a_fault_are_given_out_first)
{
    static const uint8_t cut[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82,
                                  3,    0,    0,    0x80, 'a',  'b',  'c'};
    struct compression *c;
    struct bytes piece;

    CHECK_OK(compression_new(&c));
    CHECK_OK(compression_read_start(c, CODEC_LZ4, (struct bytes){cut, sizeof(cut)}, BYTES_MAX));
    CHECK_OK(compression_read(c, &piece));
    CHECK_BYTES_EQ(piece, BYTES("abc"));
    CHECK_ERR(compression_read(c, &piece), ERR_MALFORMED);
    CHECK_ERR(compression_read(c, &piece), ERR_MALFORMED);
    compression_free(c);
}

/* Every allocation of packing and unpacking fails once; afterwards the context still works. */
TEST(without_memory_nothing_is_lost_but_the_call)
{
    struct bytes plain = plain_of(arena, 100000);

    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        int level = codec == CODEC_LZ4 ? 4 : codec_level_default((enum codec)codec);
        bool whole = false;
        for (uint64_t nth = 1; nth < 100 && !whole; nth++) {
            struct compression *c;
            struct buf packed, out;
            CHECK_OK(compression_new(&c));
            buf_init(&packed, BYTES_MAX);
            buf_init(&out, BYTES_MAX);
            (void)mem_fail_nth(nth);
            enum err e = compression_pack(c, (enum codec)codec, level, plain, &packed);
            if (e == OK) {
                e = compression_unpack(c, (enum codec)codec, buf_view(&packed), &out);
            }
            whole = mem_fail_nth(0) > 0;
            CHECK_ERR(e, whole ? OK : ERR_NOMEM);
            CHECK_EQ(out.len, whole ? plain.len : 0);
            check_round_trip(c, (enum codec)codec, level, plain);
            buf_deinit(&packed);
            buf_deinit(&out);
            compression_free(c);
        }
        CHECK(whole);
    }
}
