/* tests/unit/consumer_protocol_test.c: subscriptions and assignments of classic members, of all ages. */
#include "broker/groups/consumer_protocol.h"
#include "tests/harness/test.h"

/* As a member writes it: of one topic, in this version, with `more` behind it. */
static struct bytes subscription(struct arena *arena, int16_t version, struct bytes more)
{
    const struct message_info *m = &consumer_protocol_subscription_message;
    struct consumer_protocol_subscription s;
    struct bytes name = BYTES("orders");

    message_init(m, &s);
    s.topics = (struct string_array){&name, 1};
    size_t size = message_size(m, MIN(version, m->last), &s), len = 2 + size + more.len;
    uint8_t *at = ARENA_ARRAY(arena, uint8_t, len);
    struct wire_writer w = wire_writer_of(at, len);
    wire_put_i16(&w, version);
    message_write(&w, m, MIN(version, m->last), &s);
    wire_put_bytes(&w, more);
    return (struct bytes){at, len};
}

TEST(a_subscription_of_every_version_is_read)
{
    for (int16_t version = 0; version <= 3; version++) {
        struct consumer_protocol_subscription s;
        struct bytes from = subscription(arena, version, BYTES(""));
        CHECK_OK(consumer_protocol_take_subscription(arena, from, &s));
        CHECK_EQ(consumer_protocol_version(from), version);
        CHECK_EQ(s.topics.len, 1);
        CHECK_BYTES_EQ(s.topics.at[0], BYTES("orders"));
        CHECK_EQ(s.generation_id, -1);
    }
}

TEST(a_later_version_is_read_as_ours)
{
    struct consumer_protocol_subscription s;
    struct bytes from = subscription(arena, 9, BYTES("what we do not know"));

    CHECK_OK(consumer_protocol_take_subscription(arena, from, &s));
    CHECK_EQ(s.topics.len, 1);
    CHECK_BYTES_EQ(s.topics.at[0], BYTES("orders"));
}

TEST(bytes_that_are_no_subscription_are_refused)
{
    struct consumer_protocol_subscription s;
    struct bytes from = subscription(arena, 3, BYTES(""));

    for (size_t len = 0; len < from.len; len++) {
        CHECK_ERR(consumer_protocol_take_subscription(arena, bytes_slice(from, 0, len), &s),
                  ERR_MALFORMED);
    }
    CHECK_ERR(consumer_protocol_take_subscription(arena, BYTES("\xff\xff"), &s), ERR_MALFORMED);
    CHECK_ERR(consumer_protocol_take_subscription(arena, BYTES_NULL, &s), ERR_MALFORMED);
    CHECK_EQ(consumer_protocol_version(BYTES("\0")), -1);
}

TEST(an_assignment_is_written_in_a_version_that_we_know_and_read_back)
{
    int32_t partitions[] = {0, 7};
    struct consumer_protocol_assignment_assigned_partition one = {.topic = BYTES("orders"),
                                                                  .partitions = {partitions, 2}};
    struct consumer_protocol_assignment in, out;

    message_init(&consumer_protocol_assignment_message, &in);
    in.assigned_partitions.at = &one;
    in.assigned_partitions.len = 1;
    static const int16_t asked[] = {-1, 0, 1, 3, 9}, given[] = {0, 0, 1, 3, 3};
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct bytes b = consumer_protocol_put_assignment(arena, asked[i], &in);
        CHECK_EQ(consumer_protocol_version(b), given[i]);
        CHECK_OK(consumer_protocol_take_assignment(arena, b, &out));
        CHECK_EQ(out.assigned_partitions.len, 1);
        CHECK_BYTES_EQ(out.assigned_partitions.at[0].topic, BYTES("orders"));
        CHECK_EQ(out.assigned_partitions.at[0].partitions.len, 2);
        CHECK_EQ(out.assigned_partitions.at[0].partitions.at[1], 7);
        CHECK(!out.user_data.at);
    }
}

TEST(without_memory_the_consumer_protocol_says_so)
{
    struct consumer_protocol_assignment in;
    struct consumer_protocol_subscription s;
    struct arena none;

    message_init(&consumer_protocol_assignment_message, &in);
    arena_init(&none, 0);
    CHECK(!consumer_protocol_put_assignment(&none, 0, &in).at);
    CHECK_ERR(consumer_protocol_take_subscription(&none, subscription(arena, 0, BYTES("")), &s),
              ERR_NOMEM);
    arena_deinit(&none);
}
