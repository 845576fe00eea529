/* tests/groups/offsets_script_test.c: whatever happens to committed offsets, a restart brings back what was there.
 *
 * A random script of everything that changes them; now and then what groups have is written down, and compared with
 * what a second coordinator makes of the log.
 */
#include "schema/delete_groups.h"
#include "schema/offset_delete.h"
#include "tests/groups/offsets_rig.h"

enum { STEPS = 4000, RESTART_EVERY = 200, PARTITIONS = 20, WAIT_MS_MAX = 4000 };

static const char *const groups[] = {"g", "h", "", "a group with a longer name"};
static const char *const topics[] = {"t", "u", "topic.with.a.longer.name"};

static const char *any_group(void)
{
    return groups[test_random_below(COUNT_OF(groups))];
}

static const char *any_topic(void)
{
    return topics[test_random_below(COUNT_OF(topics))];
}

static bool is_topic(const struct fake_host *h, const char *topic)
{
    return image_topic_by_name(h->image, bytes_of(topic)) != NULL;
}

/* Version 10 names topics by ids, so by those that are there. */
static void commit(struct fake_host *h, int step)
{
    static const char *const metadata[] = {NULL, "", "short", "longer than what fits beside it"};
    const char *topic = any_topic();
    int16_t version = (int16_t)(2 + test_random_below(is_topic(h, topic) ? 9 : 8));

    (void)rig_commit(h, COMMIT(.group = any_group(), .topic = topic, .version = version,
                               .partition = (int32_t)test_random_below(PARTITIONS), .offset = step,
                               .epoch = (int32_t)test_random_below(4),
                               .retention_ms = (int64_t)test_random_below(3) * 20000,
                               .metadata = metadata[test_random_below(COUNT_OF(metadata))]));
}

static void delete_offset(struct fake_host *h)
{
    struct offset_delete_request r;

    offset_delete_request_init(&r);
    r.group_id = bytes_of(any_group());
    r.topics = offset_delete_request_topics_new(h->arena, 1);
    r.topics.at[0].name = bytes_of(any_topic());
    r.topics.at[0].partitions = offset_delete_request_partitions_new(h->arena, 1);
    r.topics.at[0].partitions.at[0].partition_index = (int32_t)test_random_below(PARTITIONS);
    (void)fake_answer(FAKE_RUN(h, group_offset_delete, offset_delete, 0, &r));
}

static void delete_group(struct fake_host *h)
{
    struct delete_groups_request r;

    delete_groups_request_init(&r);
    r.groups_names = string_array_new(h->arena, 1);
    r.groups_names.at[0] = bytes_of(any_group());
    (void)fake_answer(FAKE_RUN(h, group_delete, delete_groups, 2, &r));
}

static void change_topic(struct fake_host *h)
{
    const char *topic = any_topic();

    if (is_topic(h, topic)) {
        fake_topic_remove(h, topic);
    } else {
        fake_topic(h, topic, PARTITIONS);
    }
}

static void step(struct fake_host *h, int at)
{
    switch (test_random_below(40)) {
    case 0:
        change_topic(h);
        break;
    case 1:
        delete_group(h);
        break;
    case 2:
        fake_wait(h, (int64_t)test_random_below(WAIT_MS_MAX));
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        delete_offset(h);
        break;
    default:
        commit(h, at);
    }
}

TEST(whatever_happens_to_offsets_a_restart_brings_back_what_was_there)
{
    struct fake_host *h = fake_host_new(arena);
    size_t seen = 0;

    fake_set(h, "offsets.retention.minutes", "1");
    fake_set(h, "offsets.retention.check.interval.ms", "1000");
    for (size_t i = 0; i < COUNT_OF(topics); i++) {
        fake_topic(h, topics[i], PARTITIONS);
    }
    fake_start(h);
    for (int at = 1; at <= STEPS; at++) {
        step(h, at);
        if (at % RESTART_EVERY != 0) {
            continue;
        }
        struct bytes before[COUNT_OF(groups)];
        size_t count = groups_count(h->groups);

        for (size_t i = 0; i < COUNT_OF(groups); i++) {
            before[i] = rig_all(h, groups[i]);
            seen += before[i].len;
        }
        fake_restart(h);
        CHECK_EQ(groups_count(h->groups), count);
        for (size_t i = 0; i < COUNT_OF(groups); i++) {
            CHECK_BYTES_EQ(rig_all(h, groups[i]), before[i]);
        }
    }
    CHECK(seen > 0 && !h->lost);
    fake_host_end(h);
}
