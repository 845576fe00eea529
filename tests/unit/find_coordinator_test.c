/* tests/unit/find_coordinator_test.c: who coordinates. */
#include "schema/find_coordinator.h"

#include "broker/coordinator.h"
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
static void bench_init(struct bench *b, struct arena *arena, int16_t version, bool with_topic)
{
    static const int32_t replicas[] = {7};
    static const struct image_partition partition = {
        .leader = 7, .replicas = replicas, .replica_count = 1};
    struct image_edit *e = NULL;

    *b = (struct bench){.node.broker_id = 7};
    b->core.node = &b->node;
    b->rq = (struct request){.core = &b->core,
                             .arena = arena,
                             .version = version,
                             .local = {.host = "10.0.0.7", .port = 9092}};
    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 7, .host = BYTES("")});
    if (with_topic) {
        image_edit_topic_put(e, &(struct image_topic){.id = {{1}},
                                                      .name = OFFSETS_TOPIC,
                                                      .partitions = &partition,
                                                      .partition_count = 1});
    }
    CHECK_OK(image_edit_finish(e, 1, &b->rq.image));
}

TEST(a_group_is_coordinated_by_this_node)
{
    struct bench b;
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    bench_init(&b, arena, 3, true);
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

    bench_init(&b, arena, 6, true);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        find_coordinator_request_init(&in);
        find_coordinator_response_init(&out);
        in.key_type = cases[i].key_type;
        in.coordinator_keys = string_array_new(arena, 2);
        in.coordinator_keys.at[0] = BYTES("a");
        in.coordinator_keys.at[1] =
            in.key_type == 2 ? BYTES("b:AAAAAAAAAAAAAAAAAAAAAA:0") : BYTES("b");
        handle_find_coordinator(&b.rq, &in, &out);
        CHECK_EQ(out.coordinators.len, 2);
        CHECK_BYTES_EQ(out.coordinators.at[1].key, in.coordinator_keys.at[1]);
        CHECK_EQ(out.coordinators.at[1].error_code, cases[i].error);
        CHECK_EQ(out.coordinators.at[1].node_id, cases[i].error == KAFKA_NONE ? 7 : -1);
    }
    image_unref(b.rq.image);
}

TEST(before_the_topic_of_the_groups_is_made_there_is_no_coordinator)
{
    struct bench b;
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    for (int16_t v = 3; v <= 4; v++) {
        bench_init(&b, arena, v, false);
        find_coordinator_request_init(&in);
        find_coordinator_response_init(&out);
        in.key = BYTES("group");
        in.coordinator_keys = string_array_new(arena, 1);
        in.coordinator_keys.at[0] = BYTES("group");
        handle_find_coordinator(&b.rq, &in, &out);
        CHECK_EQ(v == 3 ? out.error_code : out.coordinators.at[0].error_code,
                 KAFKA_COORDINATOR_NOT_AVAILABLE);
        CHECK_EQ(v == 3 ? out.node_id : out.coordinators.at[0].node_id, -1);
        image_unref(b.rq.image);
    }
}

TEST(the_key_of_a_share_group_has_three_parts)
{
    static const struct {
        const char *key;
        bool good;
    } cases[] = {{"g:AAAAAAAAAAAAAAAAAAAAAA:0", true},
                 {"a:b:AAAAAAAAAAAAAAAAAAAAAA:0", true},
                 {"", false},
                 {"g", false},
                 {"g:0", false},
                 {":::", false},
                 {":AAAAAAAAAAAAAAAAAAAAAA:0", false},
                 {"g:AAAAAAAAAAAAAAAAAAAAAA:x", false},
                 {"g:topic:0", false}};
    struct bench b;
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    bench_init(&b, arena, 6, true);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        find_coordinator_request_init(&in);
        find_coordinator_response_init(&out);
        in.key_type = 2;
        in.coordinator_keys = string_array_new(arena, 1);
        in.coordinator_keys.at[0] = bytes_of(cases[i].key);
        handle_find_coordinator(&b.rq, &in, &out);
        CHECK_EQ(out.coordinators.at[0].error_code,
                 cases[i].good ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_INVALID_REQUEST);
    }
    image_unref(b.rq.image);
}
