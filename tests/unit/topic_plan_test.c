/* tests/unit/topic_plan_test.c: which topics may be made, and how settings are described. */
#include "broker/topic_plan.h"

#include "broker/config.h"
#include "broker/describe_config.h"
#include "broker/image_edit.h"
#include "broker/names.h"
#include "tests/harness/test.h"

static struct config *config_or_die(void)
{
    struct config *c = NULL;

    CHECK_OK(config_new(&c));
    return c;
}

/* Two brokers and the topic "a.b". */
static const struct image *image_or_die(void)
{
    struct image_edit *e = NULL;
    const struct image *out = NULL;
    static const int32_t replicas[] = {1};
    struct image_partition p = {.leader = 1, .replicas = replicas, .replica_count = 1};
    struct image_topic t = {
        .id = {{1}}, .name = BYTES("a.b"), .partitions = &p, .partition_count = 1};

    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 1});
    image_edit_broker_put(e, &(struct image_broker){.id = 5});
    image_edit_topic_put(e, &t);
    CHECK_OK(image_edit_finish(e, 1, &out));
    return out;
}

static struct topic_plan plan(struct arena *arena, const struct create_topics_request_topic *in)
{
    const struct image *image = image_or_die();
    struct config *config = config_or_die();
    struct topic_plan out;

    topic_plan_make(&out, image, config, in, arena);
    image_unref(image);
    config_free(config);
    return out;
}

static struct create_topics_request_topic wish(const char *name, int32_t partitions,
                                               int16_t replicas)
{
    return (struct create_topics_request_topic){
        .name = bytes_of(name), .num_partitions = partitions, .replication_factor = replicas};
}

TEST(names_are_refused_as_by_kafka)
{
    static const struct {
        const char *name;
        enum kafka_error error;
    } cases[] = {{"", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {".", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {"..", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {"a b", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {"a/b", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {"a.b", KAFKA_TOPIC_ALREADY_EXISTS},
                 {"a_b", KAFKA_INVALID_TOPIC_EXCEPTION},
                 {"a-b", KAFKA_NONE},
                 {"...", KAFKA_NONE}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct create_topics_request_topic in = wish(cases[i].name, 1, 1);
        CHECK_EQ(plan(arena, &in).error, cases[i].error);
    }
}

TEST(a_name_of_249_characters_fits_and_one_of_250_does_not)
{
    char name[251] = {0};
    struct create_topics_request_topic in = wish(name, 1, 1);

    memset(name, 'x', sizeof(name));
    name[250] = 0;
    in.name = (struct bytes){(const uint8_t *)name, 249};
    CHECK_EQ(plan(arena, &in).error, KAFKA_NONE);
    in.name.len = 250;
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_TOPIC_EXCEPTION);
}

TEST(counts_are_checked_and_minus_one_is_the_default)
{
    static const struct {
        int32_t partitions;
        int16_t replicas;
        enum kafka_error error;
    } cases[] = {{-1, -1, KAFKA_NONE},
                 {3, 2, KAFKA_NONE},
                 {0, 1, KAFKA_INVALID_PARTITIONS},
                 {-2, 1, KAFKA_INVALID_PARTITIONS},
                 {1, 0, KAFKA_INVALID_REPLICATION_FACTOR},
                 {1, -2, KAFKA_INVALID_REPLICATION_FACTOR},
                 {1, 3, KAFKA_INVALID_REPLICATION_FACTOR},
                 {10000, 1, KAFKA_POLICY_VIOLATION}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct create_topics_request_topic in = wish("t", cases[i].partitions, cases[i].replicas);
        CHECK_EQ(plan(arena, &in).error, cases[i].error);
    }
    struct create_topics_request_topic in = wish("t", 4, 2);
    struct topic_plan p = plan(arena, &in);
    CHECK_EQ(p.topic.partition_count, 4);
    CHECK_EQ(p.topic.partitions[0].leader, 1);
    CHECK_EQ(p.topic.partitions[1].leader, 5);
    CHECK_EQ(p.topic.partitions[1].replicas[1], 1);
}

static struct create_topics_request_topic manual(struct arena *arena, int32_t count,
                                                 const int32_t *partitions, int32_t *brokers)
{
    struct create_topics_request_topic in = wish("t", -1, -1);

    in.assignments = create_topics_request_assignments_new(arena, count);
    for (int32_t i = 0; i < count; i++) {
        in.assignments.at[i].partition_index = partitions[i];
        in.assignments.at[i].broker_ids = (struct int32_array){brokers, 2};
    }
    return in;
}

TEST(a_manual_assignment_is_taken_or_refused_row_by_row)
{
    int32_t both[] = {5, 1}, twice[] = {5, 5}, unknown[] = {5, 9};
    int32_t right[] = {1, 0}, gap[] = {0, 2}, again[] = {0, 0};

    struct create_topics_request_topic in = manual(arena, 2, right, both);
    struct topic_plan p = plan(arena, &in);
    CHECK_EQ(p.error, KAFKA_NONE);
    CHECK_EQ(p.topic.partition_count, 2);
    CHECK_EQ(p.topic.partitions[0].leader, 5);
    CHECK_EQ(p.replication_factor, 2);
    in = manual(arena, 2, gap, both);
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    in = manual(arena, 2, again, both);
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    in = manual(arena, 2, right, twice);
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    in = manual(arena, 2, right, unknown);
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    in = manual(arena, 2, right, both);
    in.num_partitions = 2;
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REQUEST);
    in = manual(arena, 2, right, both);
    in.assignments.at[1].broker_ids.len = 1;
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    in.assignments.at[1].broker_ids.len = 0;
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_REPLICA_ASSIGNMENT);
}

TEST(configs_of_a_new_topic_are_checked)
{
    struct create_topics_request_topic in = wish("t", 1, 1);

    in.configs = create_topics_request_configs_new(arena, 1);
    in.configs.at[0].name = BYTES("retention.ms");
    in.configs.at[0].value = BYTES("1000");
    CHECK_EQ(plan(arena, &in).error, KAFKA_NONE);
    in.configs.at[0].value = BYTES("soon");
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
    in.configs.at[0].value = BYTES("7d"); /* units are for files, not for the protocol */
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
    in.configs.at[0].value = BYTES_NULL;
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
    in.configs.at[0].name = BYTES("remote.storage.enable");
    in.configs.at[0].value = BYTES("true");
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
    in.configs.at[0].value = BYTES("false");
    CHECK_EQ(plan(arena, &in).error, KAFKA_NONE);
    in.configs.at[0].name = BYTES("max.compaction.lag.ms");
    in.configs.at[0].value = BYTES("1");
    CHECK_EQ(plan(arena, &in).error, KAFKA_NONE);
    in.configs = create_topics_request_configs_new(arena, 2);
    in.configs.at[0].name = BYTES("max.compaction.lag.ms");
    in.configs.at[0].value = BYTES("1");
    in.configs.at[1].name = BYTES("min.compaction.lag.ms");
    in.configs.at[1].value = BYTES("2");
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
    in.configs.len = 1;
    in.configs.at[0].name = BYTES("no.such.key");
    in.configs.at[0].value = BYTES("1");
    CHECK_EQ(plan(arena, &in).error, KAFKA_INVALID_CONFIG);
}

TEST(a_described_setting_names_its_source_and_synonyms)
{
    struct config *config = config_or_die();
    struct described_config d;
    struct image_config own = {BYTES("retention.ms"), BYTES("5")};
    struct own_configs none = {NULL, 0};
    struct config_view view = config_view_of(config, NULL);

    describe_topic_config(&view, TOPIC_CONFIG_RETENTION_MS, none, arena, &d);
    CHECK_EQ(d.source, DESCRIBED_DEFAULT);
    CHECK_BYTES_EQ(d.value, BYTES("604800000"));
    CHECK_BYTES_EQ(d.synonyms[0].name, BYTES("log.retention.hours"));
    CHECK_OK(config_set(config, BYTES("log.retention.hours"), BYTES("1"), CONFIG_FROM_FILE));
    describe_topic_config(&view, TOPIC_CONFIG_RETENTION_MS, none, arena, &d);
    CHECK_EQ(d.source, DESCRIBED_STATIC_BROKER);
    CHECK_BYTES_EQ(d.value, BYTES("3600000"));
    describe_topic_config(&view, TOPIC_CONFIG_RETENTION_MS, (struct own_configs){&own, 1}, arena,
                          &d);
    CHECK_EQ(d.source, DESCRIBED_TOPIC);
    CHECK_EQ(d.synonym_count, 3); /* its own, the file's, and the default of that key */
    CHECK_BYTES_EQ(d.value, BYTES("5"));
    describe_broker_config(&view, CONFIG_SSL_KEY_PASSWORD, &d);
    CHECK(d.sensitive);
    CHECK(d.value.at == NULL);
    CHECK_EQ(d.type, 9);
    config_free(config);
}

TEST(doubles_are_found_and_the_order_is_kept)
{
    struct name_at n[] = {{BYTES("b"), 0, false, false},
                          {BYTES("a"), 1, false, false},
                          {BYTES("b"), 2, false, false},
                          {BYTES("c"), 3, false, false}};

    names_find_doubles(n, 4);
    for (int32_t i = 0; i < 4; i++) {
        CHECK_EQ(n[i].at, i);
        CHECK_EQ(n[i].twice, i == 0 || i == 2);
        CHECK_EQ(n[i].again, i == 2);
    }
}

TEST(the_topic_of_the_coordinators_is_compacted_and_fits_the_brokers_there_are)
{
    const struct image *image = image_or_die();
    struct config *config = config_or_die();
    struct topic_plan out;

    CHECK_OK(
        config_set(config, BYTES("offsets.topic.num.partitions"), BYTES("7"), CONFIG_FROM_SET));
    CHECK_OK(
        config_set(config, BYTES("offsets.topic.segment.bytes"), BYTES("1000"), CONFIG_FROM_SET));

    struct create_topics_request_topic in = topic_plan_offsets_topic(image, config, arena);

    topic_plan_make(&out, image, config, &in, arena);
    CHECK_EQ(out.error, KAFKA_NONE);
    CHECK(bytes_equal(out.topic.name, BYTES("__consumer_offsets")));
    CHECK_EQ(out.topic.partition_count, 7);
    CHECK_EQ(out.replication_factor, 2);
    CHECK_EQ(out.topic.config_count, 3);
    CHECK(bytes_equal(out.topic.configs[0].value, BYTES("compact")));
    CHECK(bytes_equal(out.topic.configs[1].value, BYTES("producer")));
    CHECK(bytes_equal(out.topic.configs[2].value, BYTES("1048576")));
    image_unref(image);
    config_free(config);
}
