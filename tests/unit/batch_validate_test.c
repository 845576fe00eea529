/* tests/unit/batch_validate_test.c: what the vector files do not say. The verdicts themselves are compared
 * with Kafka's in batch_vectors_test.c.
 */
#include "protocol/batch_validate.h"

#include "base/mem.h"
#include "protocol/batch_builder.h"
#include "protocol/wire.h"
#include "tests/harness/test.h"

#define NOW INT64_C(1700000000000)

enum { BYTES_MAX = 64 << 20, ARENA_MAX = 64 << 20 };

struct scene {
    struct compression *compression;
    struct batch_rules rules;
    struct batch_submission in;
    struct batch_verdict out;
    struct buf batch;
};

static void scene_init(struct scene *s, struct arena *arena)
{
    *s = (struct scene){.rules = batch_rules_default()};
    CHECK_OK(compression_new(&s->compression));
    buf_init(&s->batch, BYTES_MAX);
    s->in = (struct batch_submission){.produce_version = 13,
                                      .now_ms = NOW,
                                      .rules = &s->rules,
                                      .compression = s->compression,
                                      .arena = arena};
}

static void scene_deinit(struct scene *s)
{
    buf_deinit(&s->batch);
    compression_free(s->compression);
}

/* `count` records of the value given. */
static void scene_batch(struct scene *s, enum codec codec, int count, struct bytes value)
{
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_builder b;

    batch_builder_init(&b, BYTES_MAX);
    for (int i = 0; i < count; i++) {
        CHECK_OK(batch_builder_add(
            &b, &(struct batch_builder_record){.timestamp_ms = NOW + i % 3, .value = value}));
    }
    o.codec = codec;
    o.level = codec_level_default(codec);
    o.compression = s->compression;
    buf_reset(&s->batch);
    CHECK_OK(batch_builder_finish(&b, &o, &s->batch));
    batch_builder_deinit(&b);
    s->in.records = buf_view(&s->batch);
}

static void check_verdict(struct scene *s, enum kafka_error want)
{
    CHECK_OK(batch_validate(&s->in, &s->out));
    CHECK_SAYS(s->out.error == want, "%d: %.*s", (int)s->out.error, BYTES_ARG(s->out.message));
    CHECK((want == KAFKA_NONE) == (s->out.batch.at != NULL));
    CHECK((want == KAFKA_NONE) == (s->out.message.at == NULL));
}

TEST(a_good_batch_is_appended_as_it_came_without_an_allocation)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_NONE, 100, BYTES("value"));
    (void)mem_fail_nth(1);
    check_verdict(&s, KAFKA_NONE);
    CHECK_EQ(mem_fail_nth(0), 1);
    CHECK(s.out.batch.at == s.batch.at && s.out.batch.len == s.batch.len);
    CHECK_EQ(s.out.header.record_count, 100);
    CHECK_EQ(s.out.max_timestamp, NOW + 2);
    CHECK_EQ(s.out.log_append_time_ms, -1);
    CHECK(!s.out.rebuilt);
    scene_deinit(&s);
}

TEST(a_topic_that_stamps_gets_a_stamped_copy)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_LZ4, 100, BYTES("value"));
    s.rules.log_append_time = true;
    s.in.now_ms = NOW + 5000;
    check_verdict(&s, KAFKA_NONE);
    CHECK(s.out.batch.at != s.batch.at);
    CHECK(batch_crc_ok(s.out.batch) && batch_crc_ok(buf_view(&s.batch)));
    CHECK_EQ(s.out.header.max_timestamp, NOW + 5000);
    CHECK_EQ(s.out.max_timestamp, NOW + 5000);
    CHECK_EQ(s.out.log_append_time_ms, NOW + 5000);
    CHECK(s.out.header.attributes & BATCH_LOG_APPEND_TIME);
    scene_deinit(&s);
}

TEST(every_codec_becomes_every_other_codec)
{
    struct scene s;

    scene_init(&s, arena);
    for (int from = CODEC_NONE; from < CODEC_COUNT; from++) {
        for (int to = CODEC_NONE; to < CODEC_COUNT; to++) {
            scene_batch(&s, (enum codec)from, 500, BYTES("the same value again and again"));
            s.rules.compression = to;
            s.rules.compression_level = codec_level_default((enum codec)to);
            check_verdict(&s, KAFKA_NONE);
            CHECK_EQ(s.out.rebuilt, from != to);
            CHECK_EQ(batch_codec(&s.out.header), to);
            CHECK_EQ(s.out.header.record_count, 500);
            CHECK(batch_crc_ok(s.out.batch));
            s.in.records = s.out.batch;
            s.rules.compression = BATCH_CODEC_PRODUCER;
            check_verdict(&s, KAFKA_NONE);
        }
    }
    scene_deinit(&s);
}

TEST(a_batch_that_grows_past_the_limit_by_recompression_is_too_large)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_ZSTD, 1000, BYTES("the same value again and again"));
    s.rules.batch_bytes_max = (int64_t)s.batch.len;
    check_verdict(&s, KAFKA_NONE);
    s.rules.compression = CODEC_NONE;
    check_verdict(&s, KAFKA_MESSAGE_TOO_LARGE);
    s.rules.batch_bytes_max = BYTES_MAX;
    s.rules.segment_bytes = 30000;
    check_verdict(&s, KAFKA_RECORD_LIST_TOO_LARGE);
    scene_deinit(&s);
}

TEST(a_bomb_is_refused_in_bounded_memory)
{
    enum { BOMB = 32 << 20, CEILING = 1 << 20 };
    struct bytes zeros = {arena_alloc(arena, BOMB), BOMB};
    struct scene s;

    scene_init(&s, arena);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        scene_batch(&s, (enum codec)codec, 1, zeros);
        s.rules.batch_bytes_max = BYTES_MAX;
        s.rules.decompressed_bytes_max = CEILING;
        s.rules.compression = BATCH_CODEC_PRODUCER;
        check_verdict(&s, KAFKA_INVALID_RECORD);
        s.rules.compression = CODEC_NONE;
        check_verdict(&s, KAFKA_INVALID_RECORD);
        s.rules.decompressed_bytes_max = 2 * BOMB;
        s.rules.compression = BATCH_CODEC_PRODUCER;
        check_verdict(&s, KAFKA_NONE);
    }
    scene_deinit(&s);
}

TEST(the_list_of_wrong_records_is_bounded)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_NONE, BATCH_RECORD_ERRORS_MAX + 500, BYTES("value"));
    s.rules.compacted = true;
    check_verdict(&s, KAFKA_INVALID_RECORD);
    CHECK_EQ(s.out.record_error_count, BATCH_RECORD_ERRORS_MAX);
    CHECK_EQ(s.out.record_errors[BATCH_RECORD_ERRORS_MAX - 1].index, BATCH_RECORD_ERRORS_MAX - 1);
    scene_deinit(&s);
}

TEST(times_at_both_ends_of_the_bounds_pass_and_one_more_does_not)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_NONE, 1, BYTES("value"));
    s.rules.timestamp_before_max_ms = s.rules.timestamp_after_max_ms = 1000;
    for (int64_t off = -1001; off <= 1001; off += 1) {
        s.in.now_ms = NOW + off;
        check_verdict(&s, off < -1000 || off > 1000 ? KAFKA_INVALID_TIMESTAMP : KAFKA_NONE);
    }
    s.in.now_ms = INT64_MIN;
    check_verdict(&s, KAFKA_INVALID_TIMESTAMP);
    s.in.now_ms = INT64_MAX;
    check_verdict(&s, KAFKA_INVALID_TIMESTAMP);
    scene_deinit(&s);
}

TEST(only_our_own_may_write_control_records)
{
    struct scene s;

    scene_init(&s, arena);
    CHECK_OK(batch_end_transaction_build(
        &s.batch, &(struct batch_end_transaction){.producer_id = 1, .timestamp_ms = NOW}));
    s.in.records = buf_view(&s.batch);
    s.rules.compression = CODEC_ZSTD;
    s.rules.compression_level = 3;
    check_verdict(&s, KAFKA_INVALID_RECORD);
    s.in.origin = BATCH_FROM_COORDINATOR;
    check_verdict(&s, KAFKA_NONE);
    CHECK(!s.out.rebuilt);
    scene_deinit(&s);
}

TEST(an_internal_batch_from_a_client_is_refused)
{
    struct scene s;

    scene_init(&s, arena);
    CHECK_OK(segment_header_build(&s.batch, 0, 0, &(struct segment_header){0}));
    s.in.records = buf_view(&s.batch);
    check_verdict(&s, KAFKA_INVALID_RECORD);
    scene_deinit(&s);
}

/* Kafka keeps such a batch, and then no consumer gets past it. */
TEST(a_compressed_record_that_does_not_fill_its_length_is_refused)
{
    static const uint8_t records[] = {16, 0, 0, 0, 1, 2, 'v', 0, 0};
    struct batch_header h;
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_GZIP, 1, BYTES("v"));
    CHECK_OK(batch_header_read(buf_view(&s.batch), &h));
    s.batch.len = BATCH_HEADER_BYTES;
    CHECK_OK(compression_pack(s.compression, CODEC_GZIP, -1,
                              (struct bytes){records, sizeof(records)}, &s.batch));
    h.length = (int32_t)s.batch.len - BATCH_OVERHEAD_BYTES;
    batch_header_write(s.batch.at, &h);
    batch_stamp_max_timestamp(s.batch.at, s.batch.len, false, NOW);
    s.in.records = buf_view(&s.batch);
    check_verdict(&s, KAFKA_INVALID_RECORD);
    scene_deinit(&s);
}

TEST(no_prefix_of_a_good_batch_passes)
{
    struct scene s;

    scene_init(&s, arena);
    scene_batch(&s, CODEC_NONE, 3, BYTES("value"));
    for (size_t len = 0; len < s.batch.len; len++) {
        s.in.records.len = len;
        check_verdict(&s, KAFKA_INVALID_RECORD);
    }
    scene_deinit(&s);
}

/* Every allocation fails once: the answer is ERR_NOMEM, never a verdict; then it works again. */
TEST(without_memory_there_is_no_verdict)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        bool whole = false;
        for (uint64_t nth = 1; nth < 100 && !whole; nth++) {
            struct arena own;
            struct scene s;
            arena_init(&own, ARENA_MAX);
            scene_init(&s, &own);
            scene_batch(&s, (enum codec)codec, 2000, BYTES("some value that takes a few bytes"));
            s.rules.compression = codec == CODEC_ZSTD ? CODEC_GZIP : CODEC_ZSTD;
            s.rules.compression_level = 3;
            (void)mem_fail_nth(nth);
            enum err e = batch_validate(&s.in, &s.out);
            whole = mem_fail_nth(0) > 0;
            CHECK_ERR(e, whole ? OK : ERR_NOMEM);
            CHECK(!whole || s.out.error == KAFKA_NONE);
            arena_reset(&own);
            check_verdict(&s, KAFKA_NONE);
            scene_deinit(&s);
            arena_deinit(&own);
        }
        CHECK(whole);
    }
}
