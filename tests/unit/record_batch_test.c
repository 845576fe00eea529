/* tests/unit/record_batch_test.c: headers, stamps, walking, internal batches. */
#include "protocol/record_batch.h"

#include "base/mem.h"
#include "protocol/record.h"
#include "protocol/wire.h"
#include "tests/harness/test.h"

enum { BYTES_MAX = 1 << 20 };

static const struct segment_header place = {.base_raft_index = 1000,
                                            .base_term = 7,
                                            .delta = 12,
                                            .log_start_offset = 40,
                                            .topic_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9}},
                                            .partition = 3,
                                            .created_ms = 1700000000000};

static struct buf segment_batch(void)
{
    struct buf b;

    buf_init(&b, BYTES_MAX);
    CHECK_OK(segment_header_build(&b, 988, 7, &place));
    return b;
}

TEST(a_batch_header_reads_as_it_was_written)
{
    uint8_t at[BATCH_HEADER_BYTES];
    struct batch_header in = {.base_offset = INT64_MIN + 1,
                              .length = 4711,
                              .leader_epoch = -1,
                              .magic = BATCH_MAGIC,
                              .crc = 0xfedcba98,
                              .attributes = 0x8035,
                              .last_offset_delta = INT32_MAX,
                              .base_timestamp = -1,
                              .max_timestamp = INT64_MAX,
                              .producer_id = INT64_MAX - 1,
                              .producer_epoch = -2,
                              .base_sequence = 77,
                              .record_count = -5};
    struct batch_header out;

    batch_header_write(at, &in);
    CHECK_OK(batch_header_read((struct bytes){at, sizeof(at)}, &out));
    CHECK_EQ(out.base_offset, in.base_offset);
    CHECK_EQ(out.length, in.length);
    CHECK_EQ(out.leader_epoch, in.leader_epoch);
    CHECK_EQ(out.crc, in.crc);
    CHECK_EQ(out.attributes, in.attributes);
    CHECK_EQ(out.last_offset_delta, in.last_offset_delta);
    CHECK_EQ(out.base_timestamp, in.base_timestamp);
    CHECK_EQ(out.max_timestamp, in.max_timestamp);
    CHECK_EQ(out.producer_id, in.producer_id);
    CHECK_EQ(out.producer_epoch, in.producer_epoch);
    CHECK_EQ(out.base_sequence, in.base_sequence);
    CHECK_EQ(out.record_count, in.record_count);
    CHECK_EQ(batch_size(&out), 4711 + 12);
}

TEST(a_header_with_an_impossible_length_or_magic_is_refused)
{
    struct buf b = segment_batch();
    struct batch_header h;

    for (size_t len = 0; len < BATCH_HEADER_BYTES; len++) {
        CHECK_ERR(batch_header_read((struct bytes){b.at, len}, &h), ERR_MALFORMED);
    }
    static const uint32_t lengths[] = {0, 48, UINT32_MAX, INT32_MAX, INT32_MAX - 11};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        wire_store_u32(b.at + 8, lengths[i]);
        CHECK_ERR(batch_header_read(buf_view(&b), &h), ERR_MALFORMED);
    }
    wire_store_u32(b.at + 8, 49);
    CHECK_OK(batch_header_read(buf_view(&b), &h));
    b.at[16] = 1;
    CHECK_ERR(batch_header_read(buf_view(&b), &h), ERR_MALFORMED);
    buf_deinit(&b);
}

TEST(offsets_and_sequences_at_their_ends_wrap)
{
    struct batch_header h = {.base_offset = INT64_MAX, .last_offset_delta = 1};

    CHECK_EQ(batch_last_offset(&h), INT64_MIN);
    CHECK_EQ(batch_next_offset(&h), INT64_MIN + 1);
    h.base_sequence = INT32_MAX;
    CHECK_EQ(batch_last_sequence(&h), 0);
    h.base_sequence = -1;
    CHECK_EQ(batch_last_sequence(&h), -1);
}

TEST(a_stamp_leaves_the_checksum_right)
{
    struct buf b = segment_batch();
    struct batch_header h;

    batch_stamp(b.at, 123456789, 42);
    CHECK(batch_crc_ok(buf_view(&b)));
    CHECK_OK(batch_header_read(buf_view(&b), &h));
    CHECK_EQ(h.base_offset, 123456789);
    CHECK_EQ(h.leader_epoch, 42);
    batch_stamp_append_time(b.at, b.len, 99);
    CHECK(batch_crc_ok(buf_view(&b)));
    CHECK_OK(batch_header_read(buf_view(&b), &h));
    CHECK_EQ(h.max_timestamp, 99);
    CHECK_EQ(h.attributes, BATCH_CONTROL | BATCH_LOG_APPEND_TIME);
    batch_stamp_max_timestamp(b.at, b.len, false, 98);
    CHECK_OK(batch_header_read(buf_view(&b), &h));
    CHECK_EQ(h.attributes, BATCH_CONTROL);
    buf_deinit(&b);
}

TEST(any_changed_bit_behind_the_checksum_is_seen)
{
    struct buf b = segment_batch();

    for (size_t bit = BATCH_CRC_FROM * 8; bit < b.len * 8; bit++) {
        b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!batch_crc_ok(buf_view(&b)));
        b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(batch_crc_ok(buf_view(&b)));
    CHECK(!batch_crc_ok((struct bytes){b.at, BATCH_HEADER_BYTES - 1}));
    buf_deinit(&b);
}

TEST(a_run_of_batches_is_taken_apart_and_a_torn_tail_is_told_from_garbage)
{
    struct buf b = segment_batch();
    struct bytes one = arena_copy(arena, buf_view(&b));
    struct batch batch;

    CHECK_OK(buf_add(&b, one));
    for (size_t cut = 0; cut < one.len; cut++) {
        struct bytes rest = {b.at, one.len + cut};
        CHECK_OK(batch_next(&rest, &batch));
        CHECK_BYTES_EQ(batch.bytes, one);
        CHECK_ERR(batch_next(&rest, &batch), cut == 0 ? ERR_NOT_FOUND : ERR_AGAIN);
        CHECK_EQ(rest.len, cut);
    }
    b.at[one.len + 16] = 0;
    struct bytes rest = {b.at + one.len, one.len};
    CHECK_ERR(batch_next(&rest, &batch), ERR_MALFORMED);
    buf_deinit(&b);
}

TEST(an_internal_batch_is_one_record_that_no_client_counts)
{
    struct buf b = segment_batch();
    struct internal_batch in;
    struct segment_header out;
    struct batch_header h;

    CHECK(batch_crc_ok(buf_view(&b)));
    CHECK_OK(batch_header_read(buf_view(&b), &h));
    CHECK(batch_is_internal(&h));
    CHECK_EQ(h.record_count, 0);
    CHECK_EQ(batch_next_offset(&h), h.base_offset);
    CHECK_OK(internal_batch_parse(buf_view(&b), &in));
    CHECK_EQ(in.kind, INTERNAL_SEGMENT_HEADER);
    CHECK_EQ(in.base_offset, 988);
    CHECK_EQ(in.leader_epoch, 7);
    CHECK_EQ(in.timestamp_ms, place.created_ms);
    CHECK_OK(segment_header_parse(in.payload, &out));
    CHECK_EQ(out.base_raft_index, place.base_raft_index);
    CHECK_EQ(out.base_term, place.base_term);
    CHECK_EQ(out.delta, place.delta);
    CHECK_EQ(out.log_start_offset, place.log_start_offset);
    CHECK(uuid_equal(out.topic_id, place.topic_id));
    CHECK_EQ(out.partition, place.partition);
    CHECK_EQ(out.created_ms, place.created_ms);
    CHECK_ERR(segment_header_parse(bytes_slice(in.payload, 0, in.payload.len - 1), &out),
              ERR_MALFORMED);
    buf_deinit(&b);
}

TEST(the_bytes_of_an_internal_batch_are_the_documented_ones)
{
    struct buf b;
    static const uint8_t tail[] = {26, 0, 0, 1, 8, 0, 0, 0x57, 9, 6, 'a', 'b', 'c', 0};

    buf_init(&b, BYTES_MAX);
    CHECK_OK(internal_batch_build(
        &b, &(struct internal_batch){.kind = 9, .base_offset = 5, .payload = BYTES("abc")}));
    CHECK_BYTES_EQ(batch_records(buf_view(&b)), ((struct bytes){tail, sizeof(tail)}));
    CHECK_EQ(b.at[22], BATCH_CONTROL);
    CHECK_EQ(wire_load_u32(b.at + 23), UINT32_MAX);
    CHECK_EQ(wire_load_u32(b.at + 57), 0);
    buf_deinit(&b);
}

TEST(what_is_not_wholly_an_internal_batch_is_refused)
{
    struct buf b = segment_batch();
    struct internal_batch in;

    for (size_t len = 0; len < b.len; len++) {
        CHECK_ERR(internal_batch_parse((struct bytes){b.at, len}, &in), ERR_MALFORMED);
    }
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{22, 0},  {22, BATCH_CONTROL | 1},
                   {60, 1},  {26, 0}, /* header */
                   {62, 0},  {65, 0},
                   {66, 10}, /* record */
                   {67, 1},  {69, 0x58},
                   {70, 0}}; /* key */
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        uint8_t old = b.at[changes[i].at];
        CHECK_SAYS(old != changes[i].value, "change %zu changes nothing", i);
        b.at[changes[i].at] = changes[i].value;
        CHECK_SAYS(internal_batch_parse(buf_view(&b), &in) == ERR_MALFORMED, "change %zu", i);
        b.at[changes[i].at] = old;
    }
    CHECK_OK(internal_batch_parse(buf_view(&b), &in));
    buf_deinit(&b);
}

TEST(an_internal_batch_without_memory_leaves_the_buffer_as_it_was)
{
    struct buf b;

    buf_init(&b, BYTES_MAX);
    (void)mem_fail_nth(1);
    CHECK_ERR(segment_header_build(&b, 0, 0, &place), ERR_NOMEM);
    (void)mem_fail_nth(0);
    CHECK_EQ(b.len, 0);
    buf_deinit(&b);
    buf_init(&b, BATCH_HEADER_BYTES);
    CHECK_ERR(segment_header_build(&b, 0, 0, &place), ERR_LIMIT);
    CHECK_EQ(b.len, 0);
    buf_deinit(&b);
}
