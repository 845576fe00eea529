/* tests/unit/config_test.c: keys, values, units, files, environment, topic defaults. */
#include "broker/config_value.h"

#include "base/mem.h"
#include "broker/config_view.h"
#include "broker/image_edit.h"
#include "protocol/compression.h"
#include "tests/harness/test.h"

static struct config *config_or_die(void)
{
    struct config *c = NULL;

    CHECK_OK(config_new(&c));
    return c;
}

TEST(every_default_passes_its_own_check)
{
    struct bytes why;

    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_info *info = config_info((enum config_key)i);
        if (info->default_text != NULL && info->default_text[0] != 0) {
            CHECK_OK(config_check_value(info, bytes_of(info->default_text), arena, &why));
        }
    }
    for (int i = 0; i < TOPIC_CONFIG_KEY_COUNT; i++) {
        const struct config_info *info = topic_config_info((enum topic_config_key)i);
        CHECK_OK(config_check_value(info, bytes_of(info->default_text), arena, &why));
    }
}

TEST(keys_are_in_order_and_found_by_name)
{
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const char *name = config_info((enum config_key)i)->name;
        CHECK(i == 0 || strcmp(config_info((enum config_key)(i - 1))->name, name) < 0);
        CHECK_EQ(config_find(bytes_of(name)), i);
    }
    for (int i = 0; i < TOPIC_CONFIG_KEY_COUNT; i++) {
        CHECK_EQ(topic_config_find(bytes_of(topic_config_info((enum topic_config_key)i)->name)), i);
    }
    for (int i = 0; i < GROUP_CONFIG_KEY_COUNT; i++) {
        CHECK_EQ(group_config_find(bytes_of(group_config_info((enum group_config_key)i)->name)), i);
    }
    CHECK_EQ(config_find(BYTES("num.partition")), CONFIG_KEY_COUNT);
}

TEST(every_topic_key_names_broker_keys_that_exist)
{
    struct config *c = config_or_die();

    for (int i = 0; i < TOPIC_CONFIG_KEY_COUNT; i++) {
        const char *list = topic_config_info((enum topic_config_key)i)->broker_keys;
        while (list != NULL && *list != 0) {
            size_t len = strcspn(list, ",*");
            CHECK(config_find((struct bytes){(const uint8_t *)list, len}) != CONFIG_KEY_COUNT);
            list += strcspn(list, ",");
            list += *list == ',';
        }
    }
    config_free(c);
}

TEST(a_mistyped_key_is_refused_with_the_one_that_was_meant)
{
    struct config *c = config_or_die();

    CHECK_ERR(config_set(c, BYTES("log.dir"), BYTES("/d"), CONFIG_FROM_SET), OK);
    CHECK_ERR(config_set(c, BYTES("num.partitons"), BYTES("3"), CONFIG_FROM_SET), ERR_NOT_FOUND);
    CHECK(strstr(err_crumb(), "did you mean 'num.partitions'?") != NULL);
    CHECK_ERR(config_set(c, BYTES("zzzzzzzzzzzz"), BYTES("3"), CONFIG_FROM_SET), ERR_NOT_FOUND);
    CHECK(strstr(err_crumb(), "did you mean") == NULL);
    config_free(c);
}

TEST(values_out_of_type_or_range_are_refused_with_the_reason)
{
    struct config *c = config_or_die();

    CHECK_ERR(config_set(c, BYTES("num.partitions"), BYTES("0"), CONFIG_FROM_SET), ERR_USAGE);
    CHECK(strstr(err_crumb(), "at least 1") != NULL);
    CHECK_ERR(config_set(c, BYTES("num.partitions"), BYTES("many"), CONFIG_FROM_SET), ERR_USAGE);
    CHECK_ERR(config_set(c, BYTES("num.partitions"), BYTES("3000000000"), CONFIG_FROM_SET),
              ERR_USAGE);
    CHECK_ERR(config_set(c, BYTES("auto.create.topics.enable"), BYTES("yes"), CONFIG_FROM_SET),
              ERR_USAGE);
    CHECK_ERR(config_set(c, BYTES("compression.type"), BYTES("rar"), CONFIG_FROM_SET), ERR_USAGE);
    CHECK_ERR(config_set(c, BYTES("compression.gzip.level"), BYTES("10"), CONFIG_FROM_SET),
              ERR_USAGE);
    CHECK_OK(config_set(c, BYTES("compression.gzip.level"), BYTES("-1"), CONFIG_FROM_SET));
    CHECK_EQ(config_i64(c, CONFIG_NUM_PARTITIONS), 1);
    CHECK(!config_is_set(c, CONFIG_NUM_PARTITIONS));
    config_free(c);
}

TEST(units_become_plain_numbers)
{
    struct config *c = config_or_die();

    CHECK_OK(config_set(c, BYTES("log.retention.ms"), BYTES("7d"), CONFIG_FROM_SET));
    CHECK_EQ(config_i64(c, CONFIG_LOG_RETENTION_MS), 604800000);
    CHECK_BYTES_EQ(config_text(c, CONFIG_LOG_RETENTION_MS), BYTES("604800000"));
    CHECK_OK(config_set(c, BYTES("log.segment.bytes"), BYTES("512 MiB"), CONFIG_FROM_SET));
    CHECK_EQ(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 512 << 20);
    CHECK_ERR(config_set(c, BYTES("log.segment.bytes"), BYTES("512 parsecs"), CONFIG_FROM_SET),
              ERR_USAGE);
    config_free(c);
}

TEST(properties_are_read_as_java_reads_them)
{
    struct config *c = config_or_die();
    struct bytes text = BYTES(
        "# a comment\n! another\n\n"
        "num.partitions = 4\r\n"
        "  broker.rack:\\\n     row\\:7\n"
        "log.dirs /data/one\n");

    CHECK_OK(config_parse_properties(c, text));
    CHECK_EQ(config_i64(c, CONFIG_NUM_PARTITIONS), 4);
    CHECK_BYTES_EQ(config_text(c, CONFIG_BROKER_RACK), BYTES("row:7"));
    CHECK_BYTES_EQ(config_text(c, CONFIG_LOG_DIRS), BYTES("/data/one"));
    CHECK_EQ(config_source(c, CONFIG_LOG_DIRS), CONFIG_FROM_FILE);
    CHECK_ERR(config_parse_properties(c, BYTES("num.partitions=2\n\nfoo.bar=1\n")), ERR_NOT_FOUND);
    CHECK(strstr(err_crumb(), "line 3") != NULL);
    config_free(c);
}

TEST(variables_of_the_environment_follow_the_image_rule)
{
    struct config *c = config_or_die();

    CHECK_OK(config_parse_environment(c, BYTES("KAFKA_NUM_PARTITIONS=9")));
    CHECK_OK(config_parse_environment(c, BYTES("KAFKA_HEAP_OPTS=-Xmx1g")));
    CHECK_OK(config_parse_environment(c, BYTES("PATH=/bin")));
    CHECK_OK(config_parse_environment(c, BYTES("CLUSTER_ID=abc")));
    CHECK_EQ(config_i64(c, CONFIG_NUM_PARTITIONS), 9);
    CHECK_BYTES_EQ(config_text(c, CONFIG_CLUSTER_ID), BYTES("abc"));
    CHECK_ERR(config_parse_environment(c, BYTES("KAFKA_NUM_PARTITIONS=x")), ERR_USAGE);
    config_free(c);
}

TEST(what_has_no_effect_is_named)
{
    struct config *c = config_or_die();

    CHECK(config_ignored(c, 0) == NULL);
    CHECK_OK(config_set(c, BYTES("num.network.threads"), BYTES("3"), CONFIG_FROM_SET));
    CHECK_OK(config_set(c, BYTES("num.partitions"), BYTES("3"), CONFIG_FROM_SET));
    CHECK_STR_EQ(config_ignored(c, 0), "num.network.threads");
    CHECK(config_ignored(c, 1) == NULL);
    CHECK_OK(config_set(c, BYTES("listener.name.sasl.plain.sasl.jaas.config"), BYTES("x"),
                        CONFIG_FROM_SET));
    CHECK_STR_EQ(config_ignored(c, 1), "listener.name.sasl.plain.sasl.jaas.config");
    CHECK(config_ignored(c, 2) == NULL);
    config_free(c);
}

TEST(listeners_parse_and_only_plaintext_ones_are_accepted)
{
    struct config *c = config_or_die();
    struct listener_config l[LISTENER_COUNT_MAX];
    int count = 0;

    CHECK_OK(config_listeners(BYTES("PLAINTEXT://:9092, IN://[::1]:19,A://h:0"), l, &count));
    CHECK_EQ(count, 3);
    CHECK_BYTES_EQ(l[0].host, BYTES(""));
    CHECK_EQ(l[0].port, 9092);
    CHECK_BYTES_EQ(l[1].host, BYTES("::1"));
    CHECK_BYTES_EQ(l[2].name, BYTES("A"));
    CHECK_ERR(config_listeners(BYTES("PLAINTEXT:/x"), l, &count), ERR_USAGE);
    CHECK_ERR(config_listeners(BYTES("PLAINTEXT://x:99999"), l, &count), ERR_USAGE);
    CHECK_OK(config_check(c));
    CHECK_OK(config_set(c, BYTES("listeners"), BYTES("SSL://:9093"), CONFIG_FROM_SET));
    CHECK_ERR(config_check(c), ERR_USAGE);
    CHECK_OK(config_set(c, BYTES("listeners"), BYTES("IN://:9093"), CONFIG_FROM_SET));
    CHECK_OK(config_set(c, BYTES("listener.security.protocol.map"), BYTES("OUT:SSL,IN:PLAINTEXT"),
                        CONFIG_FROM_SET));
    CHECK_OK(config_check(c));
    config_free(c);
}

TEST(a_topic_setting_comes_from_topic_then_broker_then_default)
{
    struct config *c = config_or_die();
    struct topic_settings s;
    enum config_level from;
    struct config_view v = config_view_of(c, NULL);
    struct own_configs none = {NULL, 0};

    topic_settings_resolve(&v, none, &s);
    CHECK_EQ(s.retention_ms, 604800000);
    CHECK_EQ(s.max_message_bytes, 1048588);
    CHECK_EQ(s.compression, -1);
    CHECK_EQ(s.cleanup, CLEANUP_DELETE);
    CHECK_OK(config_set(c, BYTES("log.retention.hours"), BYTES("2"), CONFIG_FROM_SET));
    CHECK_BYTES_EQ(topic_config_default(&v, TOPIC_CONFIG_RETENTION_MS, arena, &from),
                   BYTES("7200000"));
    CHECK_EQ(from, CONFIG_LEVEL_STATIC);
    (void)mem_fail_nth(1);
    topic_settings_resolve(&v, none, &s);
    CHECK_EQ(mem_fail_nth(0), 1); /* it needed no memory */
    CHECK_EQ(s.retention_ms, 7200000);
    CHECK_OK(config_set(c, BYTES("log.retention.ms"), BYTES("5000"), CONFIG_FROM_SET));
    topic_settings_resolve(&v, none, &s);
    CHECK_EQ(s.retention_ms, 5000);
    struct image_config own[] = {{BYTES("cleanup.policy"), BYTES("compact,delete")},
                                 {BYTES("compression.type"), BYTES("zstd")},
                                 {BYTES("retention.ms"), BYTES("77")}};
    topic_settings_resolve(&v, (struct own_configs){own, 3}, &s);
    CHECK_EQ(s.retention_ms, 77);
    CHECK_EQ(s.cleanup, CLEANUP_DELETE | CLEANUP_COMPACT);
    CHECK_EQ(s.compression, CODEC_ZSTD);
    config_free(c);
}

/* An image in which these settings were changed at run time; at most one of a broker or group each. */
static const struct image *image_with(int8_t type, const char *name, const char *key,
                                      const char *value)
{
    struct image_config c = {bytes_of(key), bytes_of(value)};
    const struct image *out = NULL;
    struct image_edit *e = NULL;

    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_resource_put(
        e, &(struct image_resource){
               .type = type, .name = bytes_of(name), .configs = &c, .config_count = 1});
    CHECK_OK(image_edit_finish(e, 1, &out));
    return out;
}

TEST(every_group_key_names_broker_keys_that_exist_and_has_a_default_that_is_allowed)
{
    struct config *c = config_or_die();
    struct config_view v = config_view_of(c, NULL);
    struct own_configs none = {NULL, 0};
    enum config_level from;
    struct bytes why;

    for (int i = 0; i < GROUP_CONFIG_KEY_COUNT; i++) {
        const struct config_info *info = group_config_info((enum group_config_key)i);
        const char *const keys[] = {info->broker_keys, info->least, info->most};
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            CHECK(keys[k] == NULL || config_find(bytes_of(keys[k])) != CONFIG_KEY_COUNT);
        }
        struct bytes value = group_config_default(&v, (enum group_config_key)i, &from);
        CHECK_EQ(from, CONFIG_LEVEL_DEFAULT);
        CHECK_BYTES_EQ(value, bytes_of(info->default_text));
        CHECK_OK(group_config_check(&v, (enum group_config_key)i, value, arena, &why));
    }
    CHECK_OK(group_configs_check(&v, none, arena, &why));
    config_free(c);
}

TEST(a_group_has_its_own_number_within_the_bounds_of_the_broker_else_that_of_the_broker)
{
    struct config *c = config_or_die();
    enum group_config_key key = GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS;
    const struct image *i = image_with(RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");

    CHECK_EQ(group_config_i64(c, NULL, BYTES("g"), key), 45000);
    CHECK_EQ(group_config_i64(c, i, BYTES("g"), key), 50000);
    CHECK_EQ(group_config_i64(c, i, BYTES("h"), key), 45000);
    CHECK_OK(
        config_set(c, BYTES("group.consumer.session.timeout.ms"), BYTES("46000"), CONFIG_FROM_SET));
    CHECK_EQ(group_config_i64(c, i, BYTES("h"), key), 46000);
    CHECK_OK(config_set(c, BYTES("group.consumer.max.session.timeout.ms"), BYTES("48000"),
                        CONFIG_FROM_SET));
    CHECK_EQ(group_config_i64(c, i, BYTES("g"), key), 48000);
    CHECK_OK(config_set(c, BYTES("group.consumer.min.session.timeout.ms"), BYTES("47000"),
                        CONFIG_FROM_SET));
    CHECK_EQ(group_config_i64(c, i, BYTES("h"), key), 47000);
    image_unref(i);
    config_free(c);
}

TEST(what_is_changed_at_run_time_lies_above_what_was_set_at_the_start)
{
    struct config *c = config_or_die();
    const char *key = "group.consumer.assignment.interval.ms";
    const struct image *all = image_with(RESOURCE_BROKER, "", key, "20");
    const struct image *one = image_with(RESOURCE_BROKER, "1", key, "30");
    const struct image *other = image_with(RESOURCE_BROKER, "2", key, "40");
    enum group_config_key group_key = GROUP_CONFIG_CONSUMER_ASSIGNMENT_INTERVAL_MS;
    enum config_level from;

    CHECK_OK(config_set(c, BYTES("node.id"), BYTES("1"), CONFIG_FROM_SET));
    CHECK_OK(config_set(c, bytes_of(key), BYTES("10"), CONFIG_FROM_SET));
    CHECK_EQ(group_config_i64(c, NULL, BYTES("g"), group_key), 10);
    CHECK_EQ(group_config_i64(c, all, BYTES("g"), group_key), 20);
    CHECK_EQ(group_config_i64(c, one, BYTES("g"), group_key), 30);
    CHECK_EQ(group_config_i64(c, other, BYTES("g"), group_key), 10);
    struct config_view v = config_view_of(c, one);
    CHECK_EQ(config_view_i64(&v, CONFIG_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS), 30);
    CHECK_BYTES_EQ(config_view_text(&v, CONFIG_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS, &from),
                   BYTES("30"));
    CHECK_EQ(from, CONFIG_LEVEL_BROKER);
    CHECK(config_is_dynamic(CONFIG_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS));
    CHECK(config_is_dynamic(CONFIG_MESSAGE_MAX_BYTES));
    CHECK(config_is_dynamic(CONFIG_BACKGROUND_THREADS));
    CHECK(!config_is_dynamic(CONFIG_MAX_CONNECTIONS));
    CHECK(!config_is_dynamic(CONFIG_LOG_DIRS));
    CHECK(!config_is_dynamic(CONFIG_LISTENERS));
    image_unref(all);
    image_unref(one);
    image_unref(other);
    config_free(c);
}

TEST(settings_of_groups_are_refused_as_by_kafka)
{
    static const struct {
        const char *key, *value;
        bool right;
    } cases[] = {{"consumer.session.timeout.ms", "44999", false},
                 {"consumer.session.timeout.ms", "60000", true},
                 {"consumer.session.timeout.ms", "60001", false},
                 {"consumer.session.timeout.ms", "0", false},
                 {"consumer.assignment.interval.ms", "15001", false},
                 {"consumer.assignor.offload.enable", "x", false},
                 {"share.record.lock.duration.ms", "14999", false},
                 {"share.auto.offset.reset", "by_duration:PT1H", true},
                 {"share.auto.offset.reset", "by_duration:P1DT2H3M4.5S", true},
                 {"share.auto.offset.reset", "by_duration:P", false},
                 {"share.auto.offset.reset", "by_duration:P1DT", false},
                 {"share.auto.offset.reset", "by_duration:x", false},
                 {"share.auto.offset.reset", "sometimes", false},
                 {"share.delivery.count.limit", "50", false},
                 {"streams.num.standby.replicas", "9", false},
                 {"streams.task.offset.interval.ms", "1", false},
                 {"streams.assignor.name", "foo", false}};
    struct config *c = config_or_die();
    struct config_view v = config_view_of(c, NULL);
    struct bytes why;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum group_config_key key = group_config_find(bytes_of(cases[i].key));
        enum err e = group_config_check(&v, key, bytes_of(cases[i].value), arena, &why);
        CHECK_EQ(e, cases[i].right ? OK : ERR_USAGE);
    }
    CHECK_OK(config_set(c, BYTES("group.consumer.min.session.timeout.ms"), BYTES("100"),
                        CONFIG_FROM_SET));
    struct image_config own = {BYTES("consumer.session.timeout.ms"), BYTES("5000")};
    CHECK_ERR(group_configs_check(&v, (struct own_configs){&own, 1}, arena, &why), ERR_USAGE);
    config_free(c);
}

TEST(running_out_of_memory_leaves_the_old_value)
{
    struct config *c = config_or_die();

    CHECK_OK(config_set(c, BYTES("num.partitions"), BYTES("5"), CONFIG_FROM_SET));
    (void)mem_fail_nth(1);
    CHECK_ERR(config_set(c, BYTES("num.partitions"), BYTES("6"), CONFIG_FROM_SET), ERR_NOMEM);
    (void)mem_fail_nth(0);
    CHECK_EQ(config_i64(c, CONFIG_NUM_PARTITIONS), 5);
    config_free(c);
}
