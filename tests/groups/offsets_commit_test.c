/* tests/groups/offsets_commit_test.c: OffsetCommit and OffsetFetch: what is answered, kept, written and brought back.
 */
#include "schema/group_records.h"
#include "tests/groups/offsets_rig.h"

static struct fake_host *host_with_topic(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_start(h);
    return h;
}

/* ---- what is answered ---- */

TEST(an_offset_is_fetched_as_it_was_committed_in_every_version)
{
    struct fake_host *h = host_with_topic(arena);

    for (int16_t v = 2; v <= 10; v++) {
        CHECK_EQ(rig_commit(h, COMMIT(.version = v, .group = "g", .topic = "t", .partition = 1,
                                      .offset = 100 + v, .epoch = 3, .metadata = "where")),
                 KAFKA_NONE);
        for (int16_t f = 1; f <= 10; f++) {
            struct rig_offset o = rig_fetch(h, f, "g", "t", 1);

            CHECK_EQ(o.error, KAFKA_NONE);
            CHECK_EQ(o.offset, 100 + v);
            CHECK_EQ(o.epoch, v >= 6 && f >= 5 ? 3 : -1);
            CHECK_BYTES_EQ(o.metadata, BYTES("where"));
        }
    }
    fake_host_end(h);
}

TEST(what_was_never_committed_is_minus_one_without_error)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 5));
    for (int16_t f = 1; f <= 10; f++) {
        struct rig_offset o = rig_fetch(h, f, f % 2 == 0 ? "g" : "nobody", "t", 2);

        CHECK_EQ(o.error, KAFKA_NONE);
        CHECK_EQ(o.offset, -1);
        CHECK_EQ(o.epoch, -1);
        CHECK_BYTES_EQ(o.metadata, BYTES(""));
    }
    fake_host_end(h);
}

TEST(all_that_a_group_has_comes_in_order_and_a_group_that_is_not_there_has_nothing)
{
    struct fake_host *h = host_with_topic(arena);

    fake_topic(h, "a", 20);
    for (int32_t i = 19; i >= 0; i -= 6) {
        (void)rig_commit(h, COMMIT(.group = "g", .topic = "a", .partition = i, .offset = i));
    }
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 7, .epoch = 2, .metadata = "x",
                               .version = 10));
    CHECK_BYTES_EQ(rig_all(h, "g"),
                   BYTES("a:1=1/0'' a:7=7/0'' a:13=13/0'' a:19=19/0'' t:0=7/2'x'"));
    CHECK_BYTES_EQ(rig_all(h, "nobody"), BYTES(""));
    fake_host_end(h);
}

TEST(what_does_not_exist_cannot_be_committed)
{
    struct fake_host *h = host_with_topic(arena);
    struct offset_commit_request r;

    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "nope")),
             KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 4)),
             KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = -1, .version = 10)),
             KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    message_init(&offset_commit_request_message, &r);
    r.group_id = BYTES("g");
    r.topics = offset_commit_request_topics_new(arena, 1);
    r.topics.at[0].topic_id.at[0] = 99;
    r.topics.at[0].partitions = offset_commit_request_partitions_new(arena, 1);
    const struct offset_commit_response *out =
        fake_answer(FAKE_RUN(h, group_offset_commit, offset_commit, 10, &r));
    CHECK_EQ(out->topics.at[0].partitions.at[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    CHECK_EQ(groups_count(h->groups), 0); /* the group was not even made */
    CHECK_EQ(fake_record_count(h), 0);
    fake_host_end(h);
}

TEST(an_unknown_topic_id_is_an_error_of_each_partition_that_is_fetched)
{
    struct fake_host *h = host_with_topic(arena);
    struct offset_fetch_request r;

    message_init(&offset_fetch_request_message, &r);
    r.groups = offset_fetch_request_groups_new(arena, 1);
    r.groups.at[0].group_id = BYTES("g");
    r.groups.at[0].topics = offset_fetch_request_group_topics_new(arena, 1);
    r.groups.at[0].topics.at[0].topic_id.at[0] = 99;
    r.groups.at[0].topics.at[0].partition_indexes = int32_array_new(arena, 2);
    const struct offset_fetch_response *out =
        fake_answer(FAKE_RUN(h, group_offset_fetch, offset_fetch, 10, &r));
    CHECK_EQ(out->groups.at[0].topics.at[0].partitions.len, 2);
    CHECK_EQ(out->groups.at[0].topics.at[0].partitions.at[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    CHECK_EQ(out->groups.at[0].topics.at[0].partitions.at[1].committed_offset, -1);
    fake_host_end(h);
}

TEST(metadata_is_measured_in_utf16_units)
{
    struct fake_host *h = fake_host_new(arena);

    fake_set(h, "offset.metadata.max.bytes", "4");
    fake_topic(h, "t", 1);
    fake_start(h);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .metadata = "abcd")), KAFKA_NONE);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t",
                                  .metadata = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9")),
             KAFKA_NONE);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t",
                                  .metadata = "\xf0\x9f\x98\x80\xf0\x9f\x98\x80")),
             KAFKA_NONE);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t",
                                  .metadata = "\xf0\x9f\x98\x80\xf0\x9f\x98\x80!")),
             KAFKA_OFFSET_METADATA_TOO_LARGE);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "other", .topic = "t", .metadata = "abcde")),
             KAFKA_OFFSET_METADATA_TOO_LARGE);
    CHECK(group_find(h->groups, BYTES("other")) == NULL);
    fake_host_end(h);
}

/* ---- who may ---- */

TEST(a_group_that_is_not_there_takes_commits_without_generation_only)
{
    struct fake_host *h = host_with_topic(arena);

    CHECK_EQ(rig_commit(h, COMMIT(.version = 8, .group = "g", .topic = "t", .generation = 3,
                                  .member = "m")),
             KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(rig_commit(h, COMMIT(.version = 9, .group = "g", .topic = "t", .generation = 3,
                                  .member = "m")),
             KAFKA_GROUP_ID_NOT_FOUND);
    CHECK_EQ(groups_count(h->groups), 0);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "m", .generation = -1)),
             KAFKA_NONE);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "", .topic = "t", .generation = -5)), KAFKA_NONE);
    CHECK_EQ(groups_count(h->groups), 2);
    fake_host_end(h);
}

TEST(a_group_with_members_takes_commits_of_members_only)
{
    struct fake_host *h = host_with_topic(arena);

    rig_members(h, "g", "consumer", "t");
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t")), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(rig_commit(h, COMMIT(.version = 9, .group = "g", .topic = "t", .generation = 2,
                                  .member = "m")),
             KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(rig_commit(h, COMMIT(.version = 9, .group = "g", .topic = "t", .generation = 1,
                                  .member = "m", .offset = 8)),
             KAFKA_NONE);
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, 8);
    fake_host_end(h);
}

TEST(a_consumer_group_takes_commits_of_its_members_in_their_epoch)
{
    struct fake_host *h = host_with_topic(arena);
    int32_t epoch = rig_heartbeat(h, "g", 0, "t");

    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t")), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "m", .generation = epoch,
                                  .version = 8)),
             KAFKA_UNSUPPORTED_VERSION);
    CHECK_EQ(
        rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "m", .generation = epoch + 1)),
        KAFKA_STALE_MEMBER_EPOCH);
    CHECK(fake_record_last(h, &offset_commit_key_message) == NULL);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "m", .generation = epoch,
                                  .offset = 4)),
             KAFKA_NONE);
    fake_restart(h);
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, 4);
    fake_host_end(h);
}

TEST(partitions_that_exist_get_the_groups_error_and_others_their_own)
{
    struct fake_host *h = host_with_topic(arena);
    struct offset_commit_request r;

    message_init(&offset_commit_request_message, &r);
    r.group_id = BYTES("g");
    r.generation_id_or_member_epoch = 7;
    r.topics = offset_commit_request_topics_new(arena, 2);
    r.topics.at[0].name = BYTES("nope");
    r.topics.at[0].partitions = offset_commit_request_partitions_new(arena, 1);
    r.topics.at[1].name = BYTES("t");
    r.topics.at[1].partitions = offset_commit_request_partitions_new(arena, 2);
    r.topics.at[1].partitions.at[1].partition_index = 3;
    const struct offset_commit_response *out =
        fake_answer(FAKE_RUN(h, group_offset_commit, offset_commit, 9, &r));
    CHECK_EQ(out->topics.at[0].partitions.at[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(out->topics.at[1].partitions.at[0].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    CHECK_EQ(out->topics.at[1].partitions.at[1].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    fake_host_end(h);
}

TEST(a_request_that_fits_no_batch_commits_nothing)
{
    enum { PARTITIONS = 300000 };
    struct fake_host *h = host_with_topic(arena);
    struct offset_commit_request r;

    message_init(&offset_commit_request_message, &r);
    r.group_id = BYTES("g");
    r.topics = offset_commit_request_topics_new(arena, 1);
    r.topics.at[0].name = BYTES("t");
    r.topics.at[0].partitions = offset_commit_request_partitions_new(arena, PARTITIONS);
    const struct offset_commit_response *out =
        fake_answer(FAKE_RUN(h, group_offset_commit, offset_commit, 9, &r));
    CHECK_EQ(out->topics.at[0].partitions.at[PARTITIONS - 1].error_code,
             KAFKA_INVALID_COMMIT_OFFSET_SIZE);
    CHECK_EQ(fake_record_count(h), 0);
    fake_host_end(h);
}

/* ---- what is written ---- */

TEST(a_commit_is_a_record_of_version_4_with_the_topics_id)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 2, .offset = 9, .epoch = 4,
                               .metadata = "m"));
    const struct group_record *r = &fake_record(h, 0)->record;
    const struct offset_commit_key *key = r->key;
    const struct offset_commit_value *value = r->value;

    CHECK_EQ(fake_record_count(h), 1);
    CHECK_EQ(r->key_info->key, 1);
    CHECK_EQ(r->value_version, 4);
    CHECK_BYTES_EQ(key->group, BYTES("g"));
    CHECK_BYTES_EQ(key->topic, BYTES("t"));
    CHECK_EQ(key->partition, 2);
    CHECK_EQ(value->offset, 9);
    CHECK_EQ(value->leader_epoch, 4);
    CHECK_EQ(value->expire_timestamp, -1);
    CHECK(uuid_equal(value->topic_id, fake_topic_id(h, "t")));
    fake_host_end(h);
}

TEST(a_commit_with_a_retention_is_a_record_of_version_1)
{
    struct fake_host *h = host_with_topic(arena);

    CHECK_EQ(rig_commit(h, COMMIT(.version = 4, .group = "g", .topic = "t", .offset = 9,
                                  .retention_ms = 5000)),
             KAFKA_NONE);
    const struct offset_commit_value *value = fake_record(h, 0)->record.value;

    CHECK_EQ(fake_record(h, 0)->record.value_version, 1);
    CHECK_EQ(value->expire_timestamp, value->commit_timestamp + 5000);
    (void)rig_commit(h, COMMIT(.version = 4, .group = "g", .topic = "t", .offset = 9,
                               .retention_ms = INT64_MAX));
    value = fake_record(h, 1)->record.value;
    CHECK_EQ(value->expire_timestamp, INT64_MAX);
    fake_host_end(h);
}

/* ---- durability ---- */

TEST(neither_a_commit_nor_a_fetch_is_answered_before_the_record_is_durable)
{
    struct fake_host *h = host_with_topic(arena);

    h->slow = true;
    struct fake_call *commit = rig_commit_start(h, COMMIT(.group = "g", .topic = "t", .offset = 5));
    struct fake_call *fetch = rig_fetch_start(h, 9, "g", "t", 0);
    struct fake_call *second = rig_commit_start(h, COMMIT(.group = "g", .topic = "t", .offset = 6));
    CHECK(!fake_answered(commit) && !fake_answered(fetch) && !fake_answered(second));
    fake_sync(h);
    CHECK_EQ(rig_fetched(fetch).offset, 5);
    CHECK(fake_answered(commit) && fake_answered(second));
    fake_host_end(h);
}

TEST(an_answer_that_waits_says_what_was_there_when_it_was_asked_for)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 5, .metadata = "first"));
    h->slow = true;
    (void)rig_commit_start(h, COMMIT(.group = "g", .topic = "t", .partition = 1));
    struct fake_call *fetch = rig_fetch_start(h, 9, "g", "t", 0);
    (void)rig_commit_start(h, COMMIT(.group = "g", .topic = "t", .offset = 6,
                                     .metadata = "one that does not fit where the first was"));
    fake_sync(h);
    CHECK_EQ(rig_fetched(fetch).offset, 5);
    CHECK_BYTES_EQ(rig_fetched(fetch).metadata, BYTES("first"));
    fake_host_end(h);
}

TEST(a_fetch_does_not_wait_for_other_groups)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 5));
    h->slow = true;
    (void)rig_commit_start(h, COMMIT(.group = "other", .topic = "t"));
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, 5);
    fake_sync(h);
    fake_host_end(h);
}

TEST(a_commit_that_cannot_be_written_is_refused_and_what_was_there_stays)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 5));
    h->fail_append = 1;
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 6)), KAFKA_NOT_COORDINATOR);
    CHECK(h->lost);
    fake_restart(h);
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, 5);
    fake_host_end(h);
}

TEST(without_memory_a_commit_is_whole_or_refused)
{
    enum { TRIES_MAX = 100 };
    struct fake_host *h = host_with_topic(arena);
    int refused = 0, n = 1;

    for (; n < TRIES_MAX; n++) {
        h->fail_allocation = (uint64_t)n;
        enum kafka_error error =
            rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = n % 4, .offset = n,
                                 .metadata = "longer than nothing"));
        h->fail_allocation = 0;
        bool lost = h->lost;
        if (lost) {
            CHECK_EQ(error, KAFKA_NOT_COORDINATOR);
            fake_restart(h);
        }
        CHECK(rig_fetch(h, 9, "g", "t", n % 4).offset == (lost ? MAX(n - 4, -1) : n) || lost);
        refused += lost;
        if (!lost && refused > 0 && n > 20) {
            break;
        }
    }
    CHECK(refused > 0 && n < TRIES_MAX);
    fake_host_end(h);
}

TEST(a_script_of_commits_is_the_same_after_a_restart)
{
    enum { STEPS = 3000, PARTITIONS = 40, METADATA_MAX = 300 };
    static const char *const groups[] = {"g", "h", "", "a group with a longer name"};
    static const char *const topics[] = {"t", "u", "topic.with.a.longer.name"};
    struct fake_host *h = fake_host_new(arena);
    char metadata[METADATA_MAX + 1];

    memset(metadata, 'x', sizeof(metadata));
    for (size_t i = 0; i < COUNT_OF(topics); i++) {
        fake_topic(h, topics[i], PARTITIONS);
    }
    fake_start(h);
    for (int i = 0; i < STEPS; i++) {
        size_t len = test_random_below(3) == 0 ? test_random_below(METADATA_MAX) : 0;

        metadata[len] = 0;
        struct rig_commit in =
            *COMMIT(.version = (int16_t)(2 + test_random_below(9)),
                    .group = groups[test_random_below(COUNT_OF(groups))],
                    .topic = topics[test_random_below(COUNT_OF(topics))],
                    .partition = (int32_t)test_random_below(PARTITIONS), .offset = i,
                    .epoch = (int32_t)test_random_below(5),
                    .retention_ms = (int64_t)test_random_below(2) * 1000000, .metadata = metadata);
        CHECK_EQ(rig_commit(h, &in), KAFKA_NONE);
        metadata[len] = 'x';
    }
    struct bytes before[COUNT_OF(groups)];
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        before[i] = rig_all(h, groups[i]);
    }
    fake_restart(h);
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        CHECK(before[i].len > 0);
        CHECK_BYTES_EQ(rig_all(h, groups[i]), before[i]);
    }
    fake_host_end(h);
}

/* ---- topics ---- */

TEST(a_topic_that_is_deleted_takes_its_offsets_along)
{
    struct fake_host *h = host_with_topic(arena);

    fake_topic(h, "u", 1);
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 0, .offset = 1));
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 3, .offset = 2,
                               .version = 4, .retention_ms = 1000)); /* without topic id */
    (void)rig_commit(h, COMMIT(.group = "g", .topic = "u", .offset = 3));
    fake_topic_remove(h, "t");
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("u:0=3/0''"));
    fake_topic(h, "t", 4);
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, -1);
    fake_restart(h);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("u:0=3/0''"));
    fake_host_end(h);
}

TEST(an_offset_of_a_former_topic_of_that_name_is_not_shown)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 1));
    groups_free(h->groups); /* so it does not hear of the topic's end */
    h->groups = NULL;
    fake_topic_remove(h, "t");
    fake_topic(h, "t", 4);
    fake_start(h);
    CHECK_EQ(rig_fetch(h, 9, "g", "t", 0).offset, -1);
    CHECK_EQ(rig_fetch(h, 10, "g", "t", 0).offset, -1);
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES(""));
    fake_host_end(h);
}
