/* tests/unit/message_test.c: what the vectors do not show: defaults, constructors, refusals, memory. */
#include "protocol/message.h"

#include "base/mem.h"
#include "schema/consumer_group_records.h"
#include "schema/describe_topic_partitions.h"
#include "schema/fetch.h"
#include "schema/find_coordinator.h"
#include "schema/join_group.h"
#include "schema/messages.h"
#include "schema/metadata.h"
#include "schema/produce.h"
#include "schema/share_acknowledge.h"
#include "tests/harness/test.h"

enum { STRUCT_BYTES_MAX = 1024 };

/* A Produce request with one topic and that many partitions. */
static struct produce_request produce_of(struct arena *arena, int32_t partitions)
{
    struct produce_request in;

    produce_request_init(&in);
    in.acks = -1;
    in.timeout_ms = 1500;
    in.topic_data = produce_request_topics_new(arena, 1);
    in.topic_data.at[0].name = BYTES("orders");
    in.topic_data.at[0].partition_data = produce_request_partitions_new(arena, partitions);
    for (int32_t i = 0; i < partitions; i++) {
        in.topic_data.at[0].partition_data.at[i].index = i;
        in.topic_data.at[0].partition_data.at[i].records = BYTES("records");
    }
    return in;
}

TEST(a_request_comes_back_in_every_version)
{
    struct produce_request in = produce_of(arena, 3), out;

    for (int16_t v = produce_request_message.first; v < 13; v++) {
        struct bytes wire = produce_request_bytes(arena, &in, v);
        CHECK_EQ(wire.len, produce_request_size(&in, v));
        CHECK_OK(produce_request_read(arena, wire, v, &out));
        CHECK(out.transactional_id.at == NULL);
        CHECK_EQ(out.acks, -1);
        CHECK_EQ(out.timeout_ms, 1500);
        CHECK_EQ(out.topic_data.len, 1);
        CHECK_BYTES_EQ(out.topic_data.at[0].name, BYTES("orders"));
        CHECK_EQ(out.topic_data.at[0].partition_data.len, 3);
        CHECK_EQ(out.topic_data.at[0].partition_data.at[2].index, 2);
        CHECK_BYTES_EQ(out.topic_data.at[0].partition_data.at[2].records, BYTES("records"));
    }
}

TEST(an_ignorable_field_is_dropped_where_the_version_lacks_it)
{
    struct produce_request in = produce_of(arena, 1), out;

    CHECK_OK(produce_request_read(arena, produce_request_bytes(arena, &in, 13), 13, &out));
    CHECK_BYTES_EQ(out.topic_data.at[0].name, BYTES(""));
}

TEST(constructors_and_init_set_the_defaults_of_the_schema)
{
    struct produce_response_partitions p = produce_response_partitions_new(arena, 2);
    struct fetch_request fetch;
    struct metadata_request metadata;

    CHECK_EQ(p.len, 2);
    CHECK_EQ(p.at[1].error_code, KAFKA_NONE);
    CHECK_EQ(p.at[1].log_append_time_ms, -1);
    CHECK_EQ(p.at[1].current_leader.leader_id, -1);
    CHECK(p.at[1].error_message.at == NULL);
    fetch_request_init(&fetch);
    CHECK_EQ(fetch.max_bytes, INT32_MAX);
    CHECK_EQ(fetch.replica_state.replica_id, -1);
    CHECK_BYTES_EQ(fetch.rack_id, BYTES(""));
    metadata_request_init(&metadata);
    CHECK(metadata.allow_auto_topic_creation);
    CHECK_EQ(metadata.topics.len, 0);
}

TEST(a_field_that_the_version_lacks_is_read_as_its_default)
{
    struct fetch_request in, out;

    fetch_request_init(&in);
    in.max_bytes = 7;
    in.rack_id = BYTES("here");
    CHECK_OK(fetch_request_read(arena, fetch_request_bytes(arena, &in, 4), 4, &out));
    CHECK_EQ(out.max_bytes, 7);
    CHECK_EQ(out.session_epoch, -1);
    CHECK_BYTES_EQ(out.rack_id, BYTES(""));
}

TEST(constructors_give_null_and_empty_arrays_without_memory)
{
    struct arena none;

    arena_init(&none, 0);
    CHECK_EQ(int32_array_new(&none, -1).len, -1);
    CHECK_EQ(int32_array_new(&none, 0).len, 0);
    CHECK_EQ(produce_response_topics_new(&none, -1).len, -1);
    CHECK(!none.exhausted);
    CHECK_EQ(int32_array_new(&none, 1).len, 0);
    CHECK_EQ(produce_response_topics_new(&none, 1).len, 0);
    CHECK(none.exhausted);
}

TEST(an_exhausted_arena_gives_null_bytes)
{
    struct arena none;
    struct produce_request in = produce_of(arena, 1);

    arena_init(&none, 0);
    CHECK(produce_request_bytes(&none, &in, 9).at == NULL);
}

TEST(every_message_at_its_defaults_comes_back_in_every_version)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX], out[STRUCT_BYTES_MAX];

    for (int i = 0; i < MESSAGE_COUNT; i++) {
        const struct message_info *m = message_table[i];
        CHECK(m->body->bytes <= STRUCT_BYTES_MAX);
        CHECK(message_find(bytes_of(m->name)) == m);
        for (int16_t v = m->first; v <= m->last; v++) {
            arena_reset(arena);
            message_init(m, in);
            struct bytes wire = message_bytes(arena, m, v, in);
            struct wire_reader r = wire_reader_of(wire);
            CHECK_OK(message_read(&r, arena, m, v, out));
            CHECK_EQ(wire_left(&r), 0);
            CHECK_BYTES_EQ(message_bytes(arena, m, v, out), wire);
        }
    }
    CHECK(message_find(BYTES("NoSuchMessage")) == NULL);
}

TEST(a_version_that_does_not_exist_is_refused)
{
    struct produce_request out;

    CHECK_ERR(produce_request_read(arena, BYTES("abc"), 2, &out), ERR_UNSUPPORTED);
    CHECK_ERR(produce_request_read(arena, BYTES("abc"), 14, &out), ERR_UNSUPPORTED);
    CHECK_ERR(produce_request_read(arena, BYTES("abc"), -1, &out), ERR_UNSUPPORTED);
}

TEST(the_reader_stops_behind_the_message)
{
    struct produce_request in = produce_of(arena, 1), out;
    struct bytes wire = produce_request_bytes(arena, &in, 9);
    uint8_t *more = arena_alloc(arena, wire.len + 3);

    memcpy(more, wire.at, wire.len);
    struct wire_reader r = wire_reader_of((struct bytes){more, wire.len + 3});
    CHECK_OK(message_read(&r, arena, &produce_request_message, 9, &out));
    CHECK_EQ(wire_left(&r), 3);
}

/* null transactional id, acks, timeout, then that count of topics */
static struct bytes produce_with_count(struct arena *arena, uint32_t count, size_t rest)
{
    size_t len = 2 + 2 + 4 + 4 + rest;
    uint8_t *at = arena_alloc(arena, len);

    wire_store_u16(at, UINT16_MAX);
    wire_store_u32(at + 8, count);
    return (struct bytes){at, len};
}

TEST(a_count_that_the_bytes_cannot_hold_takes_no_memory)
{
    static const uint32_t counts[] = {1, 2, 1000, 1000000, INT32_MAX};
    struct produce_request out;

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct arena none;
        arena_init(&none, 0);
        CHECK_ERR(produce_request_read(&none, produce_with_count(arena, counts[i], 2), 3, &out),
                  ERR_MALFORMED);
        CHECK(!none.exhausted);
    }
}

TEST(a_null_where_none_may_be_is_malformed)
{
    struct produce_request out;

    CHECK_ERR(produce_request_read(arena, produce_with_count(arena, UINT32_MAX, 0), 3, &out),
              ERR_MALFORMED);
}

TEST(more_elements_than_the_limit_are_refused)
{
    struct share_acknowledge_request in, out;
    struct share_acknowledge_request_topics *topics = &in.topics;

    share_acknowledge_request_init(&in);
    *topics = share_acknowledge_request_topics_new(arena, 1);
    topics->at[0].partitions = share_acknowledge_request_partitions_new(arena, 1);
    struct share_acknowledge_request_partition *p = &topics->at[0].partitions.at[0];
    p->acknowledgement_batches = share_acknowledge_request_acknowledgement_batches_new(arena, 1);
    for (int32_t over = 0; over <= 1; over++) {
        p->acknowledgement_batches.at[0].acknowledge_types =
            int8_array_new(arena, ARRAY_COUNT_MAX + over);
        struct bytes wire = share_acknowledge_request_bytes(arena, &in, 1);
        CHECK_EQ(share_acknowledge_request_read(arena, wire, 1, &out), over == 0 ? OK : ERR_LIMIT);
    }
}

TEST(too_many_tagged_fields_are_refused)
{
    /* ResponseHeader-like tail: Metadata request 12 without topics, then the count of tags */
    static const uint8_t wire[] = {1, 0, 0, 0x91, 0x4e};
    struct metadata_request out;

    CHECK_ERR(metadata_request_read(arena, (struct bytes){wire, sizeof(wire)}, 12, &out),
              ERR_LIMIT);
}

/* Metadata request 12: no topics, two flags, one tag 0 of two bytes */
static const uint8_t tagged[] = {1, 0, 0, 1, 0, 2, 'h', 'i'};

TEST(unknown_tagged_fields_are_skipped_or_kept)
{
    struct metadata_request out;
    struct bytes wire = {tagged, sizeof(tagged)};

    CHECK_OK(metadata_request_read(arena, wire, 12, &out));
    CHECK(out.unknown_tags == NULL);
    CHECK_EQ(metadata_request_size(&out, 12), sizeof(tagged) - 4);

    struct wire_reader r = wire_reader_of(wire);
    CHECK_OK(message_read_all(&r, arena, &metadata_request_message, 12, &out));
    CHECK(out.unknown_tags != NULL);
    CHECK_BYTES_EQ(out.unknown_tags->data, BYTES("hi"));
    CHECK_BYTES_EQ(metadata_request_bytes(arena, &out, 12), wire);
}

TEST(a_known_tagged_field_must_fill_its_size)
{
    /* Fetch response 12: throttle, error, session, no topics; then tag 0 of version 16, which 12 does not know */
    static const uint8_t in_twelve[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 1, 0};
    struct fetch_response out;
    struct bytes wire = {in_twelve, sizeof(in_twelve)};

    CHECK_OK(fetch_response_read(arena, wire, 12, &out));
    CHECK_ERR(fetch_response_read(arena, wire, 16, &out),
              ERR_MALFORMED); /* an empty array is one byte */
}

TEST(a_nullable_struct_stands_behind_a_mark)
{
    struct describe_topic_partitions_response_cursor cursor = {.topic_name = BYTES("t"),
                                                               .partition_index = 4};
    struct describe_topic_partitions_response in, out;

    describe_topic_partitions_response_init(&in);
    CHECK(in.next_cursor == NULL);
    struct bytes wire = describe_topic_partitions_response_bytes(arena, &in, 0);
    CHECK_EQ(wire.at[wire.len - 2], 0xff);
    CHECK_OK(describe_topic_partitions_response_read(arena, wire, 0, &out));
    CHECK(out.next_cursor == NULL);

    in.next_cursor = &cursor;
    wire = describe_topic_partitions_response_bytes(arena, &in, 0);
    CHECK_OK(describe_topic_partitions_response_read(arena, wire, 0, &out));
    CHECK_BYTES_EQ(out.next_cursor->topic_name, BYTES("t"));
    CHECK_EQ(out.next_cursor->partition_index, 4);
}

TEST(a_tagged_struct_that_is_not_null_by_default_says_when_it_is)
{
    struct consumer_group_member_metadata_value in, out;

    consumer_group_member_metadata_value_init(&in);
    CHECK(in.classic_member_metadata != NULL);
    size_t at_default = consumer_group_member_metadata_value_size(&in, 0);
    in.classic_member_metadata = NULL;
    struct bytes wire = consumer_group_member_metadata_value_bytes(arena, &in, 0);
    CHECK_EQ(wire.len, at_default + 3); /* tag 0, size 1, byte 0 */
    CHECK_OK(consumer_group_member_metadata_value_read(arena, wire, 0, &out));
    CHECK(out.classic_member_metadata == NULL);
}

TEST(a_null_string_is_empty_where_the_version_knows_no_null)
{
    struct join_group_response in, out;

    join_group_response_init(&in);
    in.protocol_name = BYTES_NULL;
    CHECK_OK(join_group_response_read(arena, join_group_response_bytes(arena, &in, 7), 7, &out));
    CHECK(out.protocol_name.at == NULL);
    CHECK_OK(join_group_response_read(arena, join_group_response_bytes(arena, &in, 6), 6, &out));
    CHECK_BYTES_EQ(out.protocol_name, BYTES(""));
}

TEST(a_string_longer_than_the_protocol_allows_is_cut_between_characters)
{
    enum { LONG = INT16_MAX + 100 };
    uint8_t *text = ARENA_ARRAY(arena, uint8_t, LONG);
    struct join_group_response in, out;
    struct find_coordinator_request keys, read;

    CHECK(text != NULL);
    memset(text, 'a', LONG);
    memcpy(text + INT16_MAX - 2, "\xe2\x82\xac", 3); /* its last byte does not fit */
    join_group_response_init(&in);
    in.protocol_name = (struct bytes){text, LONG};
    for (int16_t version = 5; version <= 7; version++) { /* both forms of a length */
        struct bytes written = join_group_response_bytes(arena, &in, version);

        CHECK_OK(join_group_response_read(arena, written, version, &out));
        CHECK_BYTES_EQ(out.protocol_name, ((struct bytes){text, INT16_MAX - 2}));
    }
    find_coordinator_request_init(&keys);
    keys.coordinator_keys = string_array_new(arena, 1);
    keys.coordinator_keys.at[0] = (struct bytes){text, LONG};
    CHECK_OK(find_coordinator_request_read(arena, find_coordinator_request_bytes(arena, &keys, 4),
                                           4, &read));
    CHECK_EQ(read.coordinator_keys.at[0].len, (size_t)INT16_MAX - 2);
}

TEST(records_may_be_left_out_and_sent_from_where_they_are)
{
    struct fetch_response in;
    struct message_gaps gaps = {.max = 0};

    fetch_response_init(&in);
    in.responses = fetch_response_topics_new(arena, 1);
    in.responses.at[0].partitions = fetch_response_partitions_new(arena, 3);
    in.responses.at[0].partitions.at[0].records = BYTES("first");
    in.responses.at[0].partitions.at[1].records = BYTES("");
    in.responses.at[0].partitions.at[2].records = BYTES("third");

    size_t bytes = message_size_gaps(&fetch_response_message, 12, &in, &gaps.max);
    CHECK_EQ(gaps.max, 2);
    CHECK_EQ(bytes + 10, fetch_response_size(&in, 12));
    gaps.at = ARENA_ARRAY(arena, struct message_gap, gaps.max);
    uint8_t *at = arena_alloc(arena, bytes);
    struct wire_writer w = wire_writer_of(at, bytes);
    message_write_gaps(&w, &fetch_response_message, 12, &in, &gaps);
    CHECK(w.at == w.end);
    CHECK_EQ(gaps.len, 2);

    struct bytes whole = fetch_response_bytes(arena, &in, 12);
    CHECK_BYTES_EQ(bytes_slice(whole, gaps.at[0].position, 5), BYTES("first"));
    CHECK_BYTES_EQ(bytes_slice(whole, gaps.at[1].position + 5, 5), BYTES("third"));
    CHECK(memcmp(whole.at, at, gaps.at[0].position) == 0);
}

TEST(a_full_arena_is_no_memory_and_not_malformed)
{
    struct produce_request in = produce_of(arena, 100), out;
    struct bytes wire = produce_request_bytes(arena, &in, 9);
    struct arena small;

    arena_init(&small, 64);
    CHECK_ERR(produce_request_read(&small, wire, 9, &out), ERR_NOMEM);
    arena_deinit(&small);
}

TEST(every_allocation_of_a_read_may_fail)
{
    struct produce_request in = produce_of(arena, 500), out;
    struct bytes wire = produce_request_bytes(arena, &in, 9);

    for (uint64_t n = 1; n < 100; n++) {
        struct arena a;
        arena_init(&a, SIZE_MAX / 2);
        (void)mem_fail_nth(n);
        enum err e = produce_request_read(&a, wire, 9, &out);
        bool failed = mem_fail_nth(0) == 0;
        arena_deinit(&a);
        CHECK_EQ(e, failed ? ERR_NOMEM : OK);
        if (!failed) {
            CHECK(n > 1);
            return;
        }
    }
    CHECK(false);
}

/* Small numbers everywhere make counts that fit and nest: the most memory that noise can ask for. */
TEST(no_bytes_take_more_memory_than_the_factor_allows)
{
    enum { NOISE_BYTES = 4096 };
    uint8_t noise[NOISE_BYTES];
    _Alignas(16) uint8_t out[STRUCT_BYTES_MAX];

    for (int i = 0; i < MESSAGE_COUNT; i++) {
        const struct message_info *m = message_table[i];
        struct arena a;
        for (size_t k = 0; k < sizeof(noise); k++) {
            noise[k] = (uint8_t)test_random_below(i % 2 == 0 ? 3 : 100);
        }
        arena_init(&a, DECODE_FACTOR * sizeof(noise) + ARENA_SLACK_BYTES);
        struct wire_reader r = wire_reader_of((struct bytes){noise, sizeof(noise)});
        enum err e = message_read_all(&r, &a, m, m->last, out);
        arena_deinit(&a);
        CHECK_SAYS(e != ERR_NOMEM, "%s: %s", m->name, err_name(e));
    }
}
