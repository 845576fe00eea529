/* tests/data/offsets_test.c: ListOffsets and OffsetForLeaderEpoch. */
#include "tests/data/rig.h"

struct asked {
    int64_t timestamp;
    int32_t epoch;
    int8_t isolation;
    int32_t partition;
};

static struct list_offsets_request *list_of(struct rig *rig, const char *topic, struct asked a)
{
    struct list_offsets_request *in = ARENA_NEW(rig->arena, struct list_offsets_request);

    list_offsets_request_init(in);
    in->replica_id = -1;
    in->isolation_level = a.isolation;
    in->topics = list_offsets_request_topics_new(rig->arena, 1);
    in->topics.at[0].name = bytes_of(topic);
    in->topics.at[0].partitions = list_offsets_request_partitions_new(rig->arena, 1);
    in->topics.at[0].partitions.at[0].partition_index = a.partition;
    in->topics.at[0].partitions.at[0].timestamp = a.timestamp;
    in->topics.at[0].partitions.at[0].current_leader_epoch = a.epoch;
    return in;
}

static struct list_offsets_response_partition listed(struct rig *rig, int16_t version,
                                                     const char *topic, struct asked a)
{
    struct served *s = rig_list_offsets(rig, 0, version, list_of(rig, topic, a));

    rig_run(rig);
    CHECK(s->finished);
    struct list_offsets_response_partition p = s->out.list_offsets.topics.at[0].partitions.at[0];
    served_end(s);
    return p;
}

/* Batches with timestamps 1000, 3000, 2000 at offsets 0, 1, 2, in epochs 1, 1, 4; a fourth is not durable. */
static void fill(struct rig *rig)
{
    static const int64_t times[] = {1000, 3000, 2000, 9000};

    rig_topic(rig, "t", 2, &(struct rig_topic_options){.compression = -1, .leader_epoch = 1});
    for (int i = 0; i < 4; i++) {
        if (i == 2) {
            rig_topic(rig, "t", 2,
                      &(struct rig_topic_options){.compression = -1, .leader_epoch = 4});
        }
        struct served *s = rig_produce(
            rig, 0, 9,
            rig_produce_one(rig, "t", 1, 1,
                            rig_batch(rig, (struct rig_batch){.timestamp_ms = times[i]})));
        rig_run(rig);
        CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
        served_end(s);
        if (i == 2) {
            fake_plog_sync(rig_log(rig, "t", 1));
        }
    }
}

TEST(special_timestamps_and_times_give_what_kafka_gives)
{
    struct rig *rig = rig_new(arena, 2);
    const struct {
        int64_t asked, timestamp, offset;
        int32_t epoch;
    } cases[] = {
        {-1, -1, 3, 4},     {-2, -1, 0, 1},     {-3, 3000, 1, 1},   {-4, -1, 0, 1},
        {-5, -1, -1, -1},   {-6, -1, -1, -1},   {0, 1000, 0, 1},    {1000, 1000, 0, 1},
        {1001, 3000, 1, 1}, {3000, 3000, 1, 1}, {3001, -1, -1, -1}, {INT64_MAX, -1, -1, -1},
    };

    fill(rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int8_t isolation = 0; isolation <= 1; isolation++) {
            for (int cold = 0; cold < 2; cold++) {
                struct asked a = {cases[i].asked, -1, isolation, 1};
                struct served *s = NULL;

                rig_log(rig, "t", 1)->cold = cold == 1;
                s = rig_list_offsets(rig, 0, 11, list_of(rig, "t", a));
                rig_run(rig);
                fake_plog_answer(rig_log(rig, "t", 1));
                rig_run(rig);
                CHECK(s->finished);
                struct list_offsets_response_partition *p =
                    &s->out.list_offsets.topics.at[0].partitions.at[0];
                CHECK_EQ(p->error_code, KAFKA_NONE);
                CHECK_EQ(p->timestamp, cases[i].timestamp);
                CHECK_EQ(p->offset, cases[i].offset);
                CHECK_EQ(p->leader_epoch, cases[i].epoch);
                served_end(s);
            }
        }
    }
    rig_end(rig);
}

TEST(special_timestamps_have_their_first_versions)
{
    struct rig *rig = rig_new(arena, 1);
    static const int16_t first[] = {0, 1, 1, 7, 8, 9, 11};

    fill(rig);
    for (int64_t t = 1; t <= 7; t++) {
        for (int16_t version = 1; version <= 11; version++) {
            bool known = t <= 6 && version >= first[t];
            struct list_offsets_response_partition p =
                listed(rig, version, "t", (struct asked){-t, -1, 0, 1});

            CHECK_EQ(p.error_code, known ? KAFKA_NONE : KAFKA_UNSUPPORTED_VERSION);
            CHECK(known || (p.offset == -1 && p.timestamp == -1));
            CHECK(version >= 4 || p.leader_epoch == -1);
        }
    }
    rig_end(rig);
}

TEST(an_empty_partition_begins_and_ends_at_zero)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 2, &(struct rig_topic_options){.compression = -1, .leader_epoch = 3});
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-1, -1, 1, 0}).offset, 0);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-2, -1, 1, 0}).offset, 0);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-2, -1, 1, 0}).leader_epoch, 3);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-3, -1, 1, 0}).offset, -1);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){0, -1, 1, 0}).offset, -1);
    rig_end(rig);
}

TEST(listing_is_fenced_and_unknown_places_are_refused)
{
    struct rig *rig = rig_new(arena, 1);

    fill(rig); /* epoch 4 */
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-1, 4, 0, 1}).error_code, KAFKA_NONE);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-1, 3, 0, 1}).error_code,
             KAFKA_FENCED_LEADER_EPOCH);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-1, 5, 0, 1}).error_code,
             KAFKA_UNKNOWN_LEADER_EPOCH);
    CHECK_EQ(listed(rig, 7, "t", (struct asked){-1, -1, 0, 2}).error_code,
             KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(listed(rig, 7, "x", (struct asked){-1, -1, 0, 0}).error_code,
             KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_log(rig, "t", 1)->read_err = ERR_CORRUPT;
    CHECK_EQ(listed(rig, 7, "t", (struct asked){5, -1, 0, 1}).error_code, KAFKA_CORRUPT_MESSAGE);
    rig_log(rig, "t", 1)->read_err = ERR_IO;
    CHECK_EQ(listed(rig, 7, "t", (struct asked){5, -1, 0, 1}).error_code, KAFKA_STORAGE_ERROR);
    rig_end(rig);
}

TEST(a_partition_listed_twice_is_refused_once_and_the_others_are_not)
{
    struct rig *rig = rig_new(arena, 2);
    struct list_offsets_request *in;
    static const int32_t partitions[] = {1, 0, 1};

    fill(rig);
    in = list_of(rig, "t", (struct asked){-1, -1, 0, 0});
    in->topics.at[0].partitions = list_offsets_request_partitions_new(arena, 3);
    for (int32_t i = 0; i < 3; i++) {
        in->topics.at[0].partitions.at[i].partition_index = partitions[i];
        in->topics.at[0].partitions.at[i].timestamp = -1;
    }
    struct served *s = rig_list_offsets(rig, 0, 7, in);
    rig_run(rig);
    const struct list_offsets_response_topic *t = &s->out.list_offsets.topics.at[0];
    CHECK_EQ(t->partitions.len, 2);
    CHECK_EQ(t->partitions.at[0].partition_index, 0);
    CHECK_EQ(t->partitions.at[0].error_code, KAFKA_NONE);
    CHECK_EQ(t->partitions.at[1].partition_index, 1);
    CHECK_EQ(t->partitions.at[1].error_code, KAFKA_INVALID_REQUEST);
    served_end(s);
    rig_end(rig);
}

TEST(epochs_end_where_the_next_one_begins)
{
    struct rig *rig = rig_new(arena, 2);
    const struct {
        int32_t current, asked;
        enum kafka_error error;
        int32_t epoch;
        int64_t end;
    } cases[] = {
        {-1, 4, KAFKA_NONE, 4, 4},
        {4, 4, KAFKA_NONE, 4, 4},
        {-1, 3, KAFKA_NONE, 1, 2},
        {-1, 1, KAFKA_NONE, 1, 2},
        {-1, 0, KAFKA_NONE, 0, 0},
        {-1, 5, KAFKA_NONE, -1, -1},
        {-1, -1, KAFKA_NONE, -1, -1},
        {-1, -2, KAFKA_NONE, -2, 0},
        {3, 4, KAFKA_FENCED_LEADER_EPOCH, -1, -1},
        {5, 4, KAFKA_UNKNOWN_LEADER_EPOCH, -1, -1},
    };

    fill(rig);
    for (int16_t version = 2; version <= 4; version++) {
        struct offset_for_leader_epoch_request *in =
            ARENA_NEW(arena, struct offset_for_leader_epoch_request);
        offset_for_leader_epoch_request_init(in);
        in->topics = offset_for_leader_epoch_request_topics_new(arena, 2);
        in->topics.at[0].topic = BYTES("t");
        in->topics.at[0].partitions =
            offset_for_leader_epoch_request_partitions_new(arena, COUNT_OF(cases));
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            in->topics.at[0].partitions.at[i].partition = 1;
            in->topics.at[0].partitions.at[i].current_leader_epoch = cases[i].current;
            in->topics.at[0].partitions.at[i].leader_epoch = cases[i].asked;
        }
        in->topics.at[1].topic = BYTES("x");
        in->topics.at[1].partitions = offset_for_leader_epoch_request_partitions_new(arena, 1);
        struct served *s = rig_epochs(rig, 0, version, in);
        rig_run(rig);
        CHECK(s->finished);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct offset_for_leader_epoch_response_partition *p =
                &s->out.epochs.topics.at[0].partitions.at[i];
            CHECK_EQ(p->error_code, cases[i].error);
            CHECK_EQ(p->partition, 1);
            CHECK_EQ(p->leader_epoch, cases[i].epoch);
            CHECK_EQ(p->end_offset, cases[i].end);
        }
        CHECK_EQ(s->out.epochs.topics.at[1].partitions.at[0].error_code,
                 KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        served_end(s);
    }
    rig_end(rig);
}
