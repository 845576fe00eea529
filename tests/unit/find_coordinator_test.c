/* tests/unit/find_coordinator_test.c: who coordinates, and what a group has committed, before there are groups. */
#include "schema/find_coordinator.h"
#include "schema/offset_fetch.h"

#include "broker/handler.h"
#include "broker/image_edit.h"
#include "broker/node.h"
#include "tests/harness/test.h"

struct bench {
    struct node node;
    struct core core;
    struct request rq;
};

/* Broker 7, told as the address it is reached at. */
static void bench_init(struct bench *b, struct arena *arena, int16_t version)
{
    struct image_edit *e = NULL;

    *b = (struct bench){.node.broker_id = 7};
    b->core.node = &b->node;
    b->rq = (struct request){.core = &b->core,
                             .arena = arena,
                             .version = version,
                             .local = {.host = "10.0.0.7", .port = 9092}};
    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 7, .host = BYTES("")});
    CHECK_OK(image_edit_finish(e, 1, &b->rq.image));
}

TEST(a_group_is_coordinated_by_this_node)
{
    struct bench b;
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    bench_init(&b, arena, 3);
    find_coordinator_request_init(&in);
    find_coordinator_response_init(&out);
    in.key = BYTES("group");
    handle_find_coordinator(&b.rq, &in, &out);
    CHECK_EQ(out.error_code, KAFKA_NONE);
    CHECK_EQ(out.node_id, 7);
    CHECK_BYTES_EQ(out.host, BYTES("10.0.0.7"));
    CHECK_EQ(out.port, 9092);
    image_unref(b.rq.image);
}

TEST(many_keys_are_answered_one_by_one_and_transactions_have_no_coordinator)
{
    struct bench b;
    struct find_coordinator_request in;
    struct find_coordinator_response out;
    static const struct {
        int8_t key_type;
        enum kafka_error error;
    } cases[] = {{0, KAFKA_NONE},
                 {1, KAFKA_COORDINATOR_NOT_AVAILABLE},
                 {2, KAFKA_COORDINATOR_NOT_AVAILABLE},
                 {3, KAFKA_INVALID_REQUEST}};

    bench_init(&b, arena, 6);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        find_coordinator_request_init(&in);
        find_coordinator_response_init(&out);
        in.key_type = cases[i].key_type;
        in.coordinator_keys = string_array_new(arena, 2);
        in.coordinator_keys.at[0] = BYTES("a");
        in.coordinator_keys.at[1] = BYTES("b");
        handle_find_coordinator(&b.rq, &in, &out);
        CHECK_EQ(out.coordinators.len, 2);
        CHECK_BYTES_EQ(out.coordinators.at[1].key, BYTES("b"));
        CHECK_EQ(out.coordinators.at[1].error_code, cases[i].error);
        CHECK_EQ(out.coordinators.at[1].node_id, cases[i].error == KAFKA_NONE ? 7 : -1);
    }
    image_unref(b.rq.image);
}

TEST(no_group_has_committed_anything)
{
    struct bench b;
    struct offset_fetch_request in;
    struct offset_fetch_response out;

    bench_init(&b, arena, 7);
    offset_fetch_request_init(&in);
    offset_fetch_response_init(&out);
    in.topics = offset_fetch_request_topics_new(arena, 1);
    in.topics.at[0].name = BYTES("t");
    in.topics.at[0].partition_indexes = int32_array_new(arena, 1);
    in.topics.at[0].partition_indexes.at[0] = 4;
    handle_offset_fetch(&b.rq, &in, &out);
    CHECK_EQ(out.topics.at[0].partitions.at[0].partition_index, 4);
    CHECK_EQ(out.topics.at[0].partitions.at[0].committed_offset, -1);
    CHECK_EQ(out.topics.at[0].partitions.at[0].error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(out.topics.at[0].partitions.at[0].metadata, BYTES(""));
    in.topics.len = -1; /* all that the group has */
    offset_fetch_response_init(&out);
    handle_offset_fetch(&b.rq, &in, &out);
    CHECK_EQ(out.topics.len, 0);
    image_unref(b.rq.image);
}

TEST(offsets_by_the_id_of_an_unknown_topic_are_refused)
{
    struct bench b;
    struct offset_fetch_request in;
    struct offset_fetch_response out;

    bench_init(&b, arena, 10);
    offset_fetch_request_init(&in);
    offset_fetch_response_init(&out);
    in.groups = offset_fetch_request_groups_new(arena, 1);
    in.groups.at[0].group_id = BYTES("g");
    in.groups.at[0].topics = offset_fetch_request_group_topics_new(arena, 1);
    in.groups.at[0].topics.at[0].topic_id = (struct uuid){{1}};
    in.groups.at[0].topics.at[0].partition_indexes = int32_array_new(arena, 1);
    handle_offset_fetch(&b.rq, &in, &out);
    CHECK_BYTES_EQ(out.groups.at[0].group_id, BYTES("g"));
    CHECK_EQ(out.groups.at[0].topics.at[0].partitions.at[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    image_unref(b.rq.image);
}
