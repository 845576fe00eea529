/* tests/unit/metadata_records_test.c: what is written is what a replay gives. */
#include "broker/metadata_records.h"

#include "base/mem.h"
#include "tests/harness/test.h"

static struct config *config_or_die(void)
{
    struct config *c = NULL;

    CHECK_OK(config_new(&c));
    return c;
}

static struct uuid id_of(uint8_t n)
{
    return (struct uuid){{n, 1, 2, 3}};
}

static void write_topic(struct metadata_writer *w, uint8_t n, struct bytes name, int32_t partitions)
{
    static const int32_t replicas[] = {1};
    struct image_partition p = {.leader = 1, .replicas = replicas, .replica_count = 1};

    metadata_write_topic(w, id_of(n), name);
    for (int32_t i = 0; i < partitions; i++) {
        metadata_write_partition(w, id_of(n), i, &p);
    }
}

/* One change on top of `base`; its batch is copied out. */
static const struct image *finish(struct metadata_writer *w, struct arena *arena,
                                  const struct image *base, struct bytes *batch)
{
    const struct image *image = NULL;
    struct bytes at;
    int64_t offset = base == NULL ? 0 : image_version(base);

    CHECK_OK(metadata_writer_finish(w, 1000, offset, &at, &image));
    *batch = arena_copy(arena, at);
    metadata_writer_drop(w);
    return image;
}

static void same_topics(const struct image *a, const struct image *b)
{
    CHECK_EQ(image_topic_count(a), image_topic_count(b));
    for (int32_t i = 0; i < image_topic_count(a); i++) {
        const struct image_topic *x = image_topic_at(a, i), *y = image_topic_at(b, i);
        CHECK(uuid_equal(x->id, y->id));
        CHECK_BYTES_EQ(x->name, y->name);
        CHECK_EQ(x->partition_count, y->partition_count);
        CHECK_EQ(x->config_count, y->config_count);
        CHECK_EQ(x->settings.retention_ms, y->settings.retention_ms);
        for (int32_t j = 0; j < x->partition_count; j++) {
            CHECK_EQ(x->partitions[j].leader, y->partitions[j].leader);
            CHECK_EQ(y->partitions[j].replicas[0], 1);
        }
    }
}

TEST(a_replay_gives_the_image_that_the_writer_had)
{
    struct config *config = config_or_die();
    struct metadata_writer w;
    struct bytes first, second;
    struct image_config c = {BYTES("retention.ms"), BYTES("123")};

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    write_topic(&w, 1, BYTES("orders"), 300);
    metadata_write_config(&w, RESOURCE_TOPIC, BYTES("orders"), &c);
    write_topic(&w, 2, BYTES("gone"), 2);
    metadata_write_producer_ids(&w, 1, 1000);
    const struct image *one = finish(&w, arena, NULL, &first);
    CHECK_EQ(image_version(one), 1 + 300 + 1 + 1 + 2 + 1);
    CHECK_EQ(image_topic_by_name(one, BYTES("orders"))->settings.retention_ms, 123);

    CHECK_OK(metadata_writer_begin(&w, config, one));
    metadata_write_remove_topic(&w, id_of(2));
    write_topic(&w, 3, BYTES("gone"), 1);
    const struct image *two = finish(&w, arena, one, &second);
    CHECK_EQ(image_topic_by_name(two, BYTES("gone"))->partition_count, 1);
    CHECK_EQ(image_topic_by_name(one, BYTES("gone"))->partition_count, 2);

    const struct image *again = NULL;
    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    CHECK_OK(metadata_writer_replay(&w, first));
    CHECK_OK(metadata_writer_replay(&w, second));
    CHECK_EQ(metadata_writer_next_producer_id(&w), 1000);
    CHECK_OK(metadata_writer_replayed(&w, image_version(two), &again));
    metadata_writer_drop(&w);
    same_topics(two, again);
    image_unref(one);
    image_unref(two);
    image_unref(again);
    config_free(config);
}

/* One setting; value NULL takes it away. */
static void write_config(struct metadata_writer *w, enum image_resource_type type, const char *name,
                         const char *key, const char *value)
{
    struct image_config c = {bytes_of(key), value == NULL ? BYTES_NULL : bytes_of(value)};

    metadata_write_config(w, type, bytes_of(name), &c);
}

TEST(settings_of_groups_and_brokers_survive_a_replay)
{
    struct config *config = config_or_die();
    struct metadata_writer w;
    struct bytes batches[2];
    const struct image *again = NULL;
    int32_t count = 0;

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    write_topic(&w, 1, BYTES("t"), 2);
    write_config(&w, RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");
    write_config(&w, RESOURCE_GROUP, "g", "consumer.heartbeat.interval.ms", "6000");
    write_config(&w, RESOURCE_GROUP, "h", "consumer.heartbeat.interval.ms", "7000");
    write_config(&w, RESOURCE_BROKER, "", "message.max.bytes", "5000");
    const struct image *one = finish(&w, arena, NULL, &batches[0]);
    CHECK_EQ(image_resource_count(one), 3);
    CHECK_EQ(image_topic_by_name(one, BYTES("t"))->settings.max_message_bytes, 5000);

    CHECK_OK(metadata_writer_begin(&w, config, one));
    write_config(&w, RESOURCE_BROKER, "", "message.max.bytes", NULL);
    write_config(&w, RESOURCE_GROUP, "g", "consumer.heartbeat.interval.ms", NULL);
    write_config(&w, RESOURCE_GROUP, "h", "consumer.heartbeat.interval.ms", NULL);
    const struct image *two = finish(&w, arena, one, &batches[1]);

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    CHECK_OK(metadata_writer_replay(&w, batches[0]));
    CHECK_OK(metadata_writer_replay(&w, batches[1]));
    CHECK_OK(metadata_writer_replayed(&w, image_version(two), &again));
    metadata_writer_drop(&w);
    const struct image *both[] = {two, again};
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        const struct image_config *c = image_group_configs(both[i], BYTES("g"), &count);
        CHECK_EQ(image_resource_count(both[i]), 1);
        CHECK_EQ(count, 1);
        CHECK_BYTES_EQ(c[0].key, BYTES("consumer.session.timeout.ms"));
        CHECK_BYTES_EQ(c[0].value, BYTES("50000"));
        CHECK(image_group_configs(both[i], BYTES("h"), &count) == NULL);
        CHECK_EQ(image_topic_by_name(both[i], BYTES("t"))->settings.max_message_bytes, 1048588);
        CHECK_EQ(image_topic_by_name(both[i], BYTES("t"))->partition_count, 2);
    }
    CHECK_EQ(image_resource_count(one), 3); /* nothing of the old world has changed */
    image_unref(one);
    image_unref(two);
    image_unref(again);
    config_free(config);
}

TEST(an_added_partition_keeps_those_before_it)
{
    struct config *config = config_or_die();
    struct metadata_writer w;
    struct bytes batch;
    static const int32_t replicas[] = {1};
    struct image_partition p = {.leader = 1, .replicas = replicas, .replica_count = 1};

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    write_topic(&w, 1, BYTES("t"), 9);
    const struct image *one = finish(&w, arena, NULL, &batch);
    CHECK_OK(metadata_writer_begin(&w, config, one));
    metadata_write_partition(&w, id_of(1), 9, &p);
    const struct image *two = finish(&w, arena, one, &batch);
    CHECK_EQ(image_topic_by_name(two, BYTES("t"))->partition_count, 10);
    CHECK_EQ(image_topic_by_name(two, BYTES("t"))->partitions[3].replicas[0], 1);
    image_unref(one);
    image_unref(two);
    config_free(config);
}

TEST(records_that_do_not_fit_are_corrupt)
{
    struct config *config = config_or_die();
    struct metadata_writer w;
    struct bytes batch;

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    write_topic(&w, 1, BYTES("t"), 3);
    const struct image *one = finish(&w, arena, NULL, &batch);
    CHECK_OK(metadata_writer_begin(&w, config, one));
    metadata_write_remove_topic(&w, id_of(1));
    const struct image *two = finish(&w, arena, one, &batch);
    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    CHECK_ERR(metadata_writer_replay(&w, batch), ERR_CORRUPT);
    metadata_writer_drop(&w);
    for (size_t len = 0; len < batch.len; len++) {
        CHECK_OK(metadata_writer_begin(&w, config, NULL));
        CHECK_ERR(metadata_writer_replay(&w, bytes_slice(batch, 0, len)), ERR_CORRUPT);
        metadata_writer_drop(&w);
    }
    image_unref(one);
    image_unref(two);
    config_free(config);
}

TEST(a_change_that_runs_out_of_memory_gives_no_image_and_leaks_nothing)
{
    struct config *config = config_or_die();

    for (uint64_t nth = 1;; nth++) {
        struct metadata_writer w;
        const struct image *image = NULL;
        struct bytes batch;
        CHECK(nth < 300);
        (void)mem_fail_nth(nth);
        enum err e = metadata_writer_begin(&w, config, NULL);
        if (e == OK) {
            write_topic(&w, 1, BYTES("t"), 40);
            write_config(&w, RESOURCE_TOPIC, "t", "retention.ms", "5");
            write_config(&w, RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");
            write_config(&w, RESOURCE_BROKER, "", "message.max.bytes", "5000");
            write_config(&w, RESOURCE_BROKER, "", "log.segment.bytes", "5000000");
            e = metadata_writer_error(&w);
        }
        if (e == OK) {
            e = metadata_writer_finish(&w, 1, 0, &batch, &image);
        }
        bool reached = mem_fail_nth(0) == 0;
        metadata_writer_drop(&w);
        CHECK_EQ(e, reached ? ERR_NOMEM : OK);
        image_unref(image);
        if (!reached) {
            break;
        }
    }
    config_free(config);
}

TEST(a_change_of_settings_that_runs_out_of_memory_leaves_the_image_before_it)
{
    struct config *config = config_or_die();
    struct metadata_writer w;
    struct bytes batch;
    int32_t count = 0;

    CHECK_OK(metadata_writer_begin(&w, config, NULL));
    write_topic(&w, 1, BYTES("t"), 3);
    write_config(&w, RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");
    const struct image *base = finish(&w, arena, NULL, &batch);
    for (uint64_t nth = 1;; nth++) {
        const struct image *image = NULL;
        CHECK(nth < 300);
        (void)mem_fail_nth(nth);
        enum err e = metadata_writer_begin(&w, config, base);
        if (e == OK) {
            write_config(&w, RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "51000");
            write_config(&w, RESOURCE_BROKER, "1", "message.max.bytes", "5000");
            e = metadata_writer_error(&w);
        }
        if (e == OK) {
            e = metadata_writer_finish(&w, 1, image_version(base), &batch, &image);
        }
        bool reached = mem_fail_nth(0) == 0;
        metadata_writer_drop(&w);
        CHECK_EQ(e, reached ? ERR_NOMEM : OK);
        image_unref(image);
        CHECK_BYTES_EQ(image_group_configs(base, BYTES("g"), &count)->value, BYTES("50000"));
        if (!reached) {
            break;
        }
    }
    image_unref(base);
    config_free(config);
}
