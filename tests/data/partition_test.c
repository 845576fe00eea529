/* tests/data/partition_test.c: partitions follow the image; doubles are found. */
#include "tests/data/rig.h"

#include "broker/partition_doubles.h"

TEST(partitions_appear_change_and_go_with_the_image)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 3, NULL);
    CHECK_EQ(rig->cores[0].partitions.len, 2);
    CHECK_EQ(rig->cores[1].partitions.len, 1);
    struct partition *p = rig_partition(rig, "t", 0);
    CHECK_EQ(p->leader_epoch, 0);
    CHECK_BYTES_EQ(p->topic, BYTES("t"));
    rig_topic(rig, "t", 5, &(struct rig_topic_options){.leader_epoch = 2, .relaxed = true});
    CHECK(rig_partition(rig, "t", 0) == p);
    CHECK_EQ(p->leader_epoch, 2);
    CHECK(p->log->config.settings.relaxed);
    CHECK_EQ(rig->cores[0].partitions.len, 3);
    partitions_reconcile(&rig->cores[0], rig->image); /* once more changes nothing */
    CHECK_EQ(rig->cores[0].partitions.len, 3);
    CHECK_EQ(fake_plog_alive(), 5);
    rig_topic_remove(rig, "t");
    CHECK_EQ(fake_plog_alive(), 0);
    rig_end(rig);
}

TEST(start_up_opens_the_logs_of_this_core)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 3, NULL);
    for (int i = 0; i < 2; i++) {
        partitions_close(&rig->cores[i]);
    }
    CHECK_EQ(fake_plog_alive(), 0);
    CHECK_OK(partitions_open(&rig->cores[1], rig->image));
    CHECK_EQ(rig->cores[1].partitions.len, 1);
    CHECK_EQ(fake_plog_alive(), 1);
    rig_end(rig);
}

TEST(doubles_are_found_in_any_order)
{
    struct partition_at list[] = {
        {.topic = BYTES("a"), .partition = 1, .at = 0},
        {.topic = BYTES("b"), .partition = 1, .at = 1},
        {.topic = BYTES("a"), .partition = 0, .at = 2},
        {.topic = BYTES("a"), .partition = 1, .at = 3},
        {.topic = BYTES("b"), .partition = -1, .at = 4},
        {.topic = BYTES("a"), .partition = 1, .at = 5},
    };
    static const bool twice[] = {true, false, false, true, false, true};
    static const bool repeated[] = {true, false, false, true, false, false};

    partition_doubles_find(list, COUNT_OF(list));
    for (int32_t i = 0; i < (int32_t)COUNT_OF(list); i++) {
        CHECK_EQ(list[i].at, i);
        CHECK_EQ(list[i].twice, twice[i]);
        CHECK_EQ(list[i].repeated, repeated[i]);
    }
}

TEST(visits_run_in_the_order_of_submission_and_come_back)
{
    struct rig *rig = rig_new(arena, 3);
    struct served *s[30];

    rig_topic(rig, "t", 3, NULL);
    for (int i = 0; i < 30; i++) {
        s[i] = rig_produce(
            rig, i % 3, 9,
            rig_produce_one(rig, "t", 2, 1, rig_batch(rig, (struct rig_batch){.records = 2})));
    }
    rig_run(rig);
    int64_t last[3] = {-1, -1, -1};
    for (int i = 0; i < 30; i++) {
        CHECK(served_produced(s[i])->base_offset > last[i % 3]);
        last[i % 3] = served_produced(s[i])->base_offset;
        served_end(s[i]);
    }
    rig_end(rig);
}

/* Requests in every state a request can be in, then the node is taken apart: nothing of them is touched. */
TEST(a_node_that_stops_in_the_middle_leaves_nothing_behind)
{
    for (int ran = 0; ran < 2; ran++) {
        struct rig *rig = rig_new(arena, 2);
        struct bytes b = rig_batch(rig, (struct rig_batch){0});
        static const int64_t offsets[4] = {0};
        struct served *s[6];
        struct list_offsets_request *list = ARENA_NEW(arena, struct list_offsets_request);

        rig_topic(rig, "t", 4, NULL);
        rig_fill(rig, "t", 0, 1);
        rig_fill(rig, "t", 3, 1);
        rig_log(rig, "t", 2)->full = true;
        rig_log(rig, "t", 3)->cold = true;
        struct fetch_request *wait = rig_fetch_of(rig, "t", 1, (int64_t[]){1});
        wait->topics.at[0].partitions.at[0].partition = 1;
        wait->topics.at[0].partitions.at[0].fetch_offset = 0;
        list_offsets_request_init(list);
        list->topics = list_offsets_request_topics_new(arena, 1);
        list->topics.at[0].name = BYTES("t");
        list->topics.at[0].partitions = list_offsets_request_partitions_new(arena, 1);
        list->topics.at[0].partitions.at[0].partition_index = 3;
        s[0] = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, b)); /* for the disk */
        s[1] = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 2, -1, b)); /* for memory */
        s[2] = rig_fetch(rig, 0, 12, wait);                                 /* for bytes */
        s[3] = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, offsets));   /* for its client */
        s[4] = rig_fetch(rig, 1, 12, rig_fetch_of(rig, "t", 4, offsets));   /* for a read */
        s[5] = rig_list_offsets(rig, 0, 11, list);                          /* for a search */
        if (ran == 1) {
            rig_run(rig);
            rig_log(rig, "t", 1)->durable = 1; /* an answer is on its way when all ends */
        }
        rig_stop(rig);
        for (int i = 0; i < 6; i++) {
            served_drop(s[i]);
        }
        for (int32_t i = 0; i < 4; i++) {
            fake_plog_sync(rig_log(rig, "t", i));
            fake_plog_answer(rig_log(rig, "t", i));
        }
        rig_end(rig);
    }
}
