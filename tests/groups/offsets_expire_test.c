/* tests/groups/offsets_expire_test.c: what offsets go by themselves, which an operator may delete, and when a group
 * goes with them.
 */
#include "schema/group_records.h"
#include "schema/join_group.h"
#include "schema/offset_delete.h"
#include "tests/groups/offsets_rig.h"

#include <stdio.h>

enum { RETENTION_MS = 60 * 1000, CHECK_MS = 1000, SESSION_MS = 10000 };

static struct fake_host *host_that_expires(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_set(h, "offsets.retention.minutes", "1");
    fake_set(h, "offsets.retention.check.interval.ms", "1000");
    fake_topic(h, "t", 4);
    fake_topic(h, "u", 4);
    fake_start(h);
    return h;
}

static bool is_there(struct fake_host *h, const char *group)
{
    return group_find(h->groups, bytes_of(group)) != NULL;
}

/* A member that says it is there: it commits, as one that polls does. */
static void stay(struct fake_host *h, int64_t ms)
{
    for (int64_t left = ms; left > 0; left -= SESSION_MS / 2) {
        CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 3, .member = "m",
                                      .generation = 1)),
                 KAFKA_NONE);
        fake_wait(h, MIN(left, SESSION_MS / 2));
    }
}

/* ---- expiry ---- */

TEST(an_offset_committed_by_hand_goes_so_long_after_its_commit_and_the_group_with_the_last_one)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 0, .offset = 1));
    fake_wait(h, RETENTION_MS / 2);
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 1, .offset = 2));
    fake_wait(h, RETENTION_MS / 2 - 1);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=1/0'' t:1=2/0''"));
    fake_wait(h, CHECK_MS + 1);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:1=2/0''"));
    fake_wait(h, RETENTION_MS);
    CHECK(!is_there(h, "g"));
    CHECK(fake_record_last(h, &group_metadata_key_message)->record.value == NULL);
    fake_restart(h);
    CHECK(!is_there(h, "g"));
    fake_host_end(h);
}

TEST(a_retention_that_was_asked_for_overrules)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(
        h, COMMIT(.group = "g", .topic = "t", .partition = 0, .version = 4, .retention_ms = 3000));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 1, .version = 4,
                               .retention_ms = 2 * RETENTION_MS));
    fake_wait(h, 3000 + CHECK_MS);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:1=0/-1''"));
    fake_wait(h, RETENTION_MS + CHECK_MS);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:1=0/-1''"));
    fake_wait(h, RETENTION_MS);
    CHECK(!is_there(h, "g"));
    fake_host_end(h);
}

TEST(offsets_of_a_group_that_its_members_left_go_so_long_after_they_left)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 1));
    fake_wait(h, RETENTION_MS - 5000);
    rig_members(h, "g", "consumer", NULL); /* empty since now */
    fake_wait(h, RETENTION_MS - 1);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("u:0=1/0''"));
    fake_wait(h, CHECK_MS + 1);
    CHECK(!is_there(h, "g"));
    fake_host_end(h);
}

TEST(offsets_of_topics_that_members_read_stay_and_others_go)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 1));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 2));
    rig_members(h, "g", "consumer", "t");
    stay(h, RETENTION_MS + 2 * CHECK_MS);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=1/0'' t:3=0/0''"));
    fake_host_end(h);
}

TEST(offsets_of_members_whose_topics_cannot_be_known_stay)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 2));
    rig_members(h, "g", "connect", "t");
    stay(h, RETENTION_MS + 2 * CHECK_MS);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:3=0/0'' u:0=2/0''"));
    fake_host_end(h);
}

TEST(while_members_join_nothing_expires)
{
    struct fake_host *h = host_that_expires(arena);
    struct join_group_request r;

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 2));
    fake_wait(h, RETENTION_MS - SESSION_MS / 2);
    rig_members(h, "g", "consumer", "t");
    join_group_request_init(&r);
    r.group_id = BYTES("g");
    r.session_timeout_ms = r.rebalance_timeout_ms = 3 * SESSION_MS;
    r.protocol_type = BYTES("consumer");
    r.protocols = join_group_request_protocols_new(arena, 1);
    r.protocols.at[0].name = BYTES("range");
    struct fake_call *join = FAKE_RUN(h, group_join, join_group, 3, &r);
    stay(h, SESSION_MS);
    CHECK(!fake_answered(join));
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:3=0/0'' u:0=2/0''"));
    fake_host_end(h);
}

TEST(in_a_consumer_group_topics_that_are_read_stay_until_it_is_left)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "c", .topic = "t", .offset = 1));
    (void)rig_commit(h, COMMIT(.group = "c", .topic = "u", .offset = 2));
    int32_t epoch = rig_heartbeat(h, "c", 0, "t");
    for (int64_t ms = 0; ms < RETENTION_MS + CHECK_MS; ms += SESSION_MS) {
        CHECK_EQ(rig_heartbeat(h, "c", epoch, NULL), epoch);
        fake_wait(h, SESSION_MS);
    }
    CHECK_BYTES_EQ(rig_all(h, "c"), BYTES("t:0=1/0''"));
    (void)rig_heartbeat(h, "c", -1, NULL);
    fake_wait(h, CHECK_MS);
    CHECK(!is_there(h, "c"));
    fake_restart(h);
    CHECK(!is_there(h, "c"));
    fake_host_end(h);
}

TEST(what_does_not_fit_one_batch_expires_in_several)
{
    enum { GROUPS = 30, PARTITIONS = 3000 };
    struct fake_host *h = host_that_expires(arena);
    char name[200] = {0}, group[16];

    memset(name, 'n', sizeof(name) - 1);
    fake_topic(h, name, PARTITIONS);
    for (int i = 0; i < GROUPS; i++) {
        struct offset_commit_request r;

        (void)snprintf(group, sizeof(group), "g%d", i);
        message_init(&offset_commit_request_message, &r);
        r.group_id = bytes_of(group);
        r.topics = offset_commit_request_topics_new(arena, 1);
        r.topics.at[0].name = bytes_of(name);
        r.topics.at[0].partitions = offset_commit_request_partitions_new(arena, PARTITIONS);
        for (int32_t k = 0; k < PARTITIONS; k++) {
            r.topics.at[0].partitions.at[k].partition_index = k;
        }
        (void)fake_answer(FAKE_RUN(h, group_offset_commit, offset_commit, 9, &r));
    }
    int32_t batches = h->batch_count;
    fake_wait(h, RETENTION_MS + CHECK_MS + 500);
    CHECK_EQ(groups_count(h->groups), 0);
    CHECK(h->batch_count >= batches + 4);
    CHECK(!h->lost);
    fake_host_end(h);
}

TEST(an_expiry_without_memory_or_disk_is_done_after_a_restart)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 1));
    fake_wait(h, RETENTION_MS - 100);
    h->fail_append = 1;
    fake_wait(h, CHECK_MS);
    CHECK(h->lost);
    fake_restart(h);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=1/0''"));
    fake_wait(h, CHECK_MS);
    CHECK(!is_there(h, "g"));
    fake_host_end(h);
}

TEST(offsets_of_a_topic_that_went_unnoticed_go_in_the_next_run)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 1));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 2));
    groups_free(h->groups);
    h->groups = NULL;
    fake_topic_remove(h, "t");
    fake_topic_remove(h, "u");
    fake_topic(h, "u", 4); /* another one */
    fake_start(h);
    fake_wait(h, CHECK_MS);
    CHECK(!is_there(h, "g"));
    fake_host_end(h);
}

/* ---- OffsetDelete ---- */

static const struct offset_delete_response *delete_offset(struct fake_host *h, const char *group,
                                                          const char *topic, int32_t partition)
{
    struct offset_delete_request r;

    message_init(&offset_delete_request_message, &r);
    r.group_id = bytes_of(group);
    r.topics = offset_delete_request_topics_new(h->arena, 1);
    r.topics.at[0].name = bytes_of(topic);
    r.topics.at[0].partitions = offset_delete_request_partitions_new(h->arena, 2);
    r.topics.at[0].partitions.at[0].partition_index = partition;
    r.topics.at[0].partitions.at[1].partition_index = 4; /* not there */
    return fake_answer(FAKE_RUN(h, group_offset_delete, offset_delete, 0, &r));
}

TEST(an_offset_is_deleted_whether_or_not_it_is_there)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 1, .offset = 5));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 6));
    for (int i = 0; i < 2; i++) {
        const struct offset_delete_response *out = delete_offset(h, "g", "t", 1);

        CHECK_EQ(out->error_code, KAFKA_NONE);
        CHECK_EQ(out->topics.at[0].partitions.at[0].error_code, KAFKA_NONE);
        CHECK_EQ(out->topics.at[0].partitions.at[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    CHECK_EQ(fake_record_count(h), 3); /* two commits, one tombstone */
    CHECK_EQ(group_find(h->groups, BYTES("g"))->offsets.count, 1);
    CHECK_EQ(group_find(h->groups, BYTES("g"))->offsets.topics.len, 1);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("u:0=6/0''"));
    fake_restart(h);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("u:0=6/0''"));
    fake_host_end(h);
}

TEST(offsets_are_deleted_in_groups_that_are_there_and_have_a_name)
{
    struct fake_host *h = host_that_expires(arena);

    CHECK_EQ(delete_offset(h, "g", "t", 1)->error_code, KAFKA_GROUP_ID_NOT_FOUND);
    CHECK_EQ(delete_offset(h, "", "t", 1)->error_code, KAFKA_INVALID_GROUP_ID);
    fake_host_end(h);
}

TEST(offsets_of_topics_that_members_read_are_not_deleted)
{
    struct fake_host *h = host_that_expires(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 5));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 6));
    rig_members(h, "g", "consumer", "t");
    CHECK_EQ(delete_offset(h, "g", "t", 0)->topics.at[0].partitions.at[0].error_code,
             KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    CHECK_EQ(delete_offset(h, "g", "u", 0)->topics.at[0].partitions.at[0].error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=5/0''"));
    rig_members(h, "g", "connect", "t");
    CHECK_EQ(delete_offset(h, "g", "t", 0)->error_code, KAFKA_NON_EMPTY_GROUP);
    (void)rig_commit(h, COMMIT(.group = "c", .topic = "t", .offset = 5));
    (void)rig_commit(h, COMMIT(.group = "c", .topic = "u", .offset = 6));
    (void)rig_heartbeat(h, "c", 0, "t");
    CHECK_EQ(delete_offset(h, "c", "t", 0)->topics.at[0].partitions.at[0].error_code,
             KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    CHECK_EQ(delete_offset(h, "c", "u", 0)->topics.at[0].partitions.at[0].error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(rig_all(h, "c"), BYTES("t:0=5/0''"));
    fake_host_end(h);
}
