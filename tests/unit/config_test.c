/* tests/unit/config_test.c: keys, values, units, files, environment, topic defaults. */
#include "broker/config_value.h"

#include "base/mem.h"
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
    enum config_key from;

    topic_settings_resolve(c, NULL, 0, &s);
    CHECK_EQ(s.retention_ms, 604800000);
    CHECK_EQ(s.max_message_bytes, 1048588);
    CHECK_EQ(s.compression, -1);
    CHECK_EQ(s.cleanup, CLEANUP_DELETE);
    CHECK_OK(config_set(c, BYTES("log.retention.hours"), BYTES("2"), CONFIG_FROM_SET));
    CHECK_BYTES_EQ(topic_config_default(c, TOPIC_CONFIG_RETENTION_MS, arena, &from),
                   BYTES("7200000"));
    CHECK_EQ(from, CONFIG_LOG_RETENTION_HOURS);
    CHECK_OK(config_set(c, BYTES("log.retention.ms"), BYTES("5000"), CONFIG_FROM_SET));
    topic_settings_resolve(c, NULL, 0, &s);
    CHECK_EQ(s.retention_ms, 5000);
    struct image_config own[] = {{BYTES("cleanup.policy"), BYTES("compact,delete")},
                                 {BYTES("compression.type"), BYTES("zstd")},
                                 {BYTES("retention.ms"), BYTES("77")}};
    topic_settings_resolve(c, own, 3, &s);
    CHECK_EQ(s.retention_ms, 77);
    CHECK_EQ(s.cleanup, CLEANUP_DELETE | CLEANUP_COMPACT);
    CHECK_EQ(s.compression, CODEC_ZSTD);
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
