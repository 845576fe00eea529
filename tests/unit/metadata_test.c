/* tests/unit/metadata_test.c: topics by name and by id. */
#include "schema/metadata.h"

#include "broker/handler.h"
#include "broker/image_edit.h"
#include "broker/node.h"
#include "tests/harness/test.h"

static const struct uuid ID_A = {{0xa}}, ID_B = {{0xb}}, ID_OTHER = {{0xc}}, ID_NONE = {{0}};

struct bench {
    struct node node;
    struct core core;
    struct request rq;
    struct metadata_request in;
    struct metadata_response out;
};

/* Topics "a" and "b" with a partition each. */
static void bench_init(struct bench *b, struct arena *arena)
{
    static const int32_t replicas[] = {7};
    static const struct image_partition partition = {
        .leader = 7, .replicas = replicas, .replica_count = 1};
    struct image_edit *e = NULL;

    *b = (struct bench){.node.broker_id = 7};
    b->core.node = &b->node;
    b->rq = (struct request){.core = &b->core, .arena = arena, .version = 13};
    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 7, .host = BYTES("h")});
    image_edit_topic_put(
        e, &(struct image_topic){
               .id = ID_A, .name = BYTES("a"), .partitions = &partition, .partition_count = 1});
    image_edit_topic_put(
        e, &(struct image_topic){
               .id = ID_B, .name = BYTES("b"), .partitions = &partition, .partition_count = 1});
    CHECK_OK(image_edit_finish(e, 1, &b->rq.image));
    metadata_request_init(&b->in);
    metadata_response_init(&b->out);
    b->in.allow_auto_topic_creation = false;
}

static void ask(struct bench *b, const struct metadata_request_topic *topics, int32_t count)
{
    b->in.topics = metadata_request_topics_new(b->rq.arena, count);
    for (int32_t i = 0; i < count; i++) {
        b->in.topics.at[i] = topics[i];
    }
    handle_metadata(&b->rq, &b->in, &b->out);
}

TEST(an_id_says_which_topic_whatever_the_name_beside_it)
{
    const struct bytes names[] = {BYTES(""), BYTES("b"), BYTES("none"), BYTES_NULL};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct bench b;

        bench_init(&b, arena);
        ask(&b, &(struct metadata_request_topic){.topic_id = ID_A, .name = names[i]}, 1);
        CHECK_EQ(b.out.topics.len, 1);
        CHECK_EQ(b.out.topics.at[0].error_code, KAFKA_NONE);
        CHECK_BYTES_EQ(b.out.topics.at[0].name, BYTES("a"));
        CHECK_EQ(b.out.topics.at[0].partitions.len, 1);
        image_unref(b.rq.image);
    }
}

TEST(an_unknown_id_is_not_looked_for_by_its_name)
{
    struct bench b;

    bench_init(&b, arena);
    ask(&b, &(struct metadata_request_topic){.topic_id = ID_OTHER, .name = BYTES("a")}, 1);
    CHECK_EQ(b.out.topics.len, 1);
    CHECK_EQ(b.out.topics.at[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    CHECK(b.out.topics.at[0].name.at == NULL);
    CHECK(uuid_equal(b.out.topics.at[0].topic_id, ID_OTHER));
    image_unref(b.rq.image);
}

TEST(beside_an_id_topics_without_one_are_not_answered)
{
    struct bench b;
    const struct metadata_request_topic topics[] = {{.topic_id = ID_NONE, .name = BYTES("a")},
                                                    {.topic_id = ID_B, .name = BYTES("")},
                                                    {.topic_id = ID_NONE}};

    bench_init(&b, arena);
    ask(&b, topics, COUNT_OF(topics));
    CHECK_EQ(b.out.topics.len, 1);
    CHECK_BYTES_EQ(b.out.topics.at[0].name, BYTES("b"));
    image_unref(b.rq.image);
}

TEST(without_ids_names_say_which_topics)
{
    struct bench b;
    const struct metadata_request_topic topics[] = {{.topic_id = ID_NONE, .name = BYTES("b")},
                                                    {.topic_id = ID_NONE, .name = BYTES("none")}};

    bench_init(&b, arena);
    ask(&b, topics, COUNT_OF(topics));
    CHECK_EQ(b.out.topics.len, 2);
    CHECK(uuid_equal(b.out.topics.at[0].topic_id, ID_B));
    CHECK_EQ(b.out.topics.at[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    image_unref(b.rq.image);
}
