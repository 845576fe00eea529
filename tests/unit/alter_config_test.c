/* tests/unit/alter_config_test.c: what may be changed, and what is written for it. The verdicts are those of Apache
 * Kafka 4.4, asked the same. */
#include "broker/alter_config.h"

#include "broker/image_edit.h"
#include "tests/harness/test.h"

enum { WISH_ALTERS_MAX = 4 };

/* The topic "t" with retention.ms=7; broker 1 with background.threads=8; group "g" with heartbeats every 6 s. */
static const struct image *image_or_die(void)
{
    static const int32_t replicas[] = {1};
    struct image_partition p = {.leader = 1, .replicas = replicas, .replica_count = 1};
    struct image_config topic = {BYTES("retention.ms"), BYTES("7")};
    struct image_config broker = {BYTES("background.threads"), BYTES("8")};
    struct image_config group = {BYTES("consumer.heartbeat.interval.ms"), BYTES("6000")};
    struct image_topic t = {.id = {{1}},
                            .name = BYTES("t"),
                            .partitions = &p,
                            .partition_count = 1,
                            .configs = &topic,
                            .config_count = 1};
    const struct image *out = NULL;
    struct image_edit *e = NULL;

    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_topic_put(e, &t);
    image_edit_resource_put(e, &(struct image_resource){RESOURCE_BROKER, BYTES("1"), &broker, 1});
    image_edit_resource_put(e, &(struct image_resource){RESOURCE_GROUP, BYTES("g"), &group, 1});
    CHECK_OK(image_edit_finish(e, 1, &out));
    return out;
}

/* One change of a thing; alters end at a NULL key. */
struct wish {
    int8_t type;
    const char *name;
    struct {
        const char *key, *value;
        int8_t operation;
    } alters[WISH_ALTERS_MAX];
    bool replace;
};

static struct bytes text(const char *s)
{
    return s == NULL ? BYTES_NULL : bytes_of(s);
}

/* What is planned lives in the arena, which gets a copy of what lay in the image. */
static struct config_alteration plan(struct arena *arena, const struct wish *w)
{
    struct config_alter *alters = ARENA_ARRAY(arena, struct config_alter, WISH_ALTERS_MAX);
    struct config_alteration a = {
        .type = w->type, .name = bytes_of(w->name), .alters = alters, .replace = w->replace};
    const struct image *image = image_or_die();
    struct config *config = NULL;

    while (a.count < WISH_ALTERS_MAX && w->alters[a.count].key != NULL) {
        alters[a.count] =
            (struct config_alter){bytes_of(w->alters[a.count].key), text(w->alters[a.count].value),
                                  w->alters[a.count].operation};
        a.count++;
    }
    CHECK_OK(config_new(&config));
    CHECK_OK(config_set(config, BYTES("node.id"), BYTES("1"), CONFIG_FROM_SET));
    alter_config_plan(&a, image, config, arena);
    struct image_config *puts = ARENA_ARRAY(arena, struct image_config, a.put_count);
    for (int32_t i = 0; i < a.put_count; i++) {
        puts[i] = (struct image_config){arena_copy(arena, a.puts[i].key),
                                        arena_copy(arena, a.puts[i].value)};
    }
    a.puts = puts;
    CHECK_EQ(a.error == KAFKA_NONE, a.message.at == NULL);
    config_free(config);
    image_unref(image);
    return a;
}

TEST(changes_are_refused_as_by_kafka)
{
    static const struct {
        struct wish wish;
        enum kafka_error error;
    } cases[] = {
        {{2, "t", {{"retention.ms", "1", 0}}, false}, KAFKA_NONE},
        {{2, "t", {{"retention.ms", NULL, 1}}, false}, KAFKA_NONE},
        {{2, "t", {{"segment.ms", "5", 1}}, false}, KAFKA_NONE},
        {{2, "t", {{"no.such", NULL, 1}}, false}, KAFKA_NONE},
        {{2, "t", {{"no.such", "x", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"retention.ms", NULL, 0}}, false}, KAFKA_INVALID_REQUEST},
        {{2, "t", {{"retention.ms", "abc", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"retention.ms", "-2", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"compression.type", "foo", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"retention.ms", "5", 2}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"retention.ms", "5", 3}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"no.such", "5", 2}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"cleanup.policy", "foo", 2}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{"cleanup.policy", NULL, 2}}, false}, KAFKA_INVALID_REQUEST},
        {{2, "t", {{"retention.ms", "5", 9}}, false}, KAFKA_INVALID_REQUEST},
        {{2, "t", {{"retention.ms", "5", -1}}, false}, KAFKA_INVALID_REQUEST},
        {{2, "t", {{"retention.ms", "1", 0}, {"retention.ms", NULL, 1}}, false},
         KAFKA_INVALID_REQUEST},
        {{2, "t", {{"leader.replication.throttled.replicas", "foo", 0}}, false},
         KAFKA_INVALID_CONFIG},
        {{2, "t", {{"leader.replication.throttled.replicas", "0:1,1:2", 0}}, false}, KAFKA_NONE},
        {{2, "t", {{"leader.replication.throttled.replicas", "*", 0}}, false}, KAFKA_NONE},
        {{2, "t", {{"min.compaction.lag.ms", "9", 0}, {"max.compaction.lag.ms", "5", 0}}, false},
         KAFKA_INVALID_CONFIG},
        {{2, "t", {{"remote.storage.enable", "true", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{2, "t", {{NULL, NULL, 0}}, false}, KAFKA_NONE},
        {{2, "u", {{"retention.ms", "1", 0}}, false}, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {{2, "a b", {{"retention.ms", "1", 0}}, false}, KAFKA_INVALID_TOPIC_EXCEPTION},
        {{2, "", {{"retention.ms", "1", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{3, "t", {{"retention.ms", "1", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{8, "1", {{"kafka", "INFO", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{16, "m", {{"interval.ms", "1000", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "1", {{"background.threads", "9", 0}}, false}, KAFKA_NONE},
        {{4, "", {{"message.max.bytes", "9000", 0}}, false}, KAFKA_NONE},
        {{4, "1", {{"log.dirs", "/x", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "", {{"num.partitions", "3", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "1", {{"max.connections", "3", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "1", {{"ssl.key.password", "x", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "1", {{"background.threads", "0", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "1", {{"background.threads", "3", 2}}, false}, KAFKA_INVALID_CONFIG},
        {{4, "1", {{"no.such", "3", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{4, "7", {{"background.threads", "3", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{4, "abc", {{"background.threads", "3", 0}}, false}, KAFKA_INVALID_REQUEST},
        {{32, "g", {{"consumer.session.timeout.ms", "50000", 0}}, false}, KAFKA_NONE},
        {{32, "g", {{"consumer.session.timeout.ms", "1", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{32, "g", {{"consumer.session.timeout.ms", "1", 2}}, false}, KAFKA_INVALID_CONFIG},
        {{32, "g", {{"no.such", "1", 0}}, false}, KAFKA_INVALID_CONFIG},
        {{32, "", {{"consumer.session.timeout.ms", "50000", 0}}, false}, KAFKA_INVALID_REQUEST},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_EQ(plan(arena, &cases[i].wish).error, cases[i].error);
    }
}

TEST(only_what_differs_is_written)
{
    struct wish same = {2, "t", {{"retention.ms", "7", 0}, {"segment.ms", NULL, 1}}, false};
    struct wish change = {2, "t", {{"retention.ms", NULL, 1}, {"segment.ms", " 12 ", 0}}, false};

    CHECK_EQ(plan(arena, &same).put_count, 0);
    struct config_alteration a = plan(arena, &change);
    CHECK_EQ(a.put_count, 2);
    CHECK_BYTES_EQ(a.puts[0].key, BYTES("segment.ms"));
    CHECK_BYTES_EQ(a.puts[0].value, BYTES("12"));
    CHECK_BYTES_EQ(a.puts[1].key, BYTES("retention.ms"));
    CHECK(a.puts[1].value.at == NULL);
}

TEST(lists_grow_from_their_default_and_hold_nothing_twice)
{
    static const struct {
        const char *value;
        int8_t operation;
        const char *becomes;
    } cases[] = {{"compact", 2, "delete,compact"},
                 {"delete", 2, "delete"},
                 {"compact, delete", 2, "delete,compact"},
                 {"delete", 3, ""},
                 {"compact", 3, "delete"}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct wish w = {2, "t", {{"cleanup.policy", cases[i].value, cases[i].operation}}, false};
        struct config_alteration a = plan(arena, &w);
        CHECK_EQ(a.put_count, 1);
        CHECK_BYTES_EQ(a.puts[0].value, bytes_of(cases[i].becomes));
    }
}

TEST(to_replace_takes_away_what_is_not_named)
{
    struct wish w = {4, "1", {{"message.max.bytes", "9000", 0}}, true};
    struct wish none = {32, "g", {{NULL, NULL, 0}}, true};

    struct config_alteration a = plan(arena, &w);
    CHECK_EQ(a.put_count, 2);
    CHECK_BYTES_EQ(a.puts[0].key, BYTES("message.max.bytes"));
    CHECK_BYTES_EQ(a.puts[1].key, BYTES("background.threads"));
    CHECK(a.puts[1].value.at == NULL);
    a = plan(arena, &none);
    CHECK_EQ(a.put_count, 1);
    CHECK_BYTES_EQ(a.puts[0].key, BYTES("consumer.heartbeat.interval.ms"));
    CHECK(a.puts[0].value.at == NULL);
}
