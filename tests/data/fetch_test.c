/* tests/data/fetch_test.c: Fetch without sessions: bytes, limits, waits and errors. */
#include "tests/data/rig.h"

#include "base/mem.h"
#include "broker/connection.h"

static const int64_t at_zero[8] = {0};

/* Base offsets and record order of what was fetched are those of the log from `from` on. */
static void check_batches(struct bytes all, int64_t from, int count)
{
    struct batch b;

    for (int i = 0; i < count; i++) {
        CHECK_OK(batch_next(&all, &b));
        CHECK_EQ(b.header.base_offset, from + i);
    }
    CHECK_EQ(all.len, 0);
}

TEST(what_is_durable_is_fetched_without_a_copy)
{
    for (int core = 0; core < 2; core++) {
        struct rig *rig = rig_new(arena, 2);

        rig_topic(rig, "t", 1, NULL);
        rig_fill(rig, "t", 0, 5);
        struct served *s = rig_fetch(rig, core, 12, rig_fetch_of(rig, "t", 1, (int64_t[]){2}));
        rig_run(rig);
        const struct fetch_response_partition *p = served_fetched(s, 0);
        CHECK_EQ(p->error_code, KAFKA_NONE);
        CHECK_EQ(p->high_watermark, 5);
        CHECK_EQ(p->last_stable_offset, 5);
        CHECK_EQ(p->log_start_offset, 0);
        CHECK_EQ(p->preferred_read_replica, -1);
        CHECK_EQ(p->aborted_transactions.len, -1);
        struct bytes all = served_bytes(rig, s);
        CHECK_EQ(p->records.len, all.len);
        check_batches(all, 2, 3);
        CHECK(s->rq.ranges_first->at.at == rig_log(rig, "t", 0)->batches[2].at);
        CHECK_EQ(rig_log(rig, "t", 0)->lent, 1); /* until it is sent */
        served_end(s);
        rig_run(rig);
        CHECK_EQ(rig_log(rig, "t", 0)->lent, 0);
        rig_end(rig);
    }
}

TEST(read_committed_gets_an_empty_list_of_aborted_transactions)
{
    struct rig *rig = rig_new(arena, 1);
    struct fetch_request *in;

    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 1);
    in = rig_fetch_of(rig, "t", 1, at_zero);
    in->isolation_level = 1;
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(served_fetched(s, 0)->aborted_transactions.len, 0);
    served_end(s);
    rig_end(rig);
}

TEST(what_is_not_durable_is_neither_seen_nor_out_of_range)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 2);
    struct served *w = rig_produce(
        rig, 0, 9,
        rig_produce_one(rig, "t", 0, 1, rig_batch(rig, (struct rig_batch){.records = 3})));
    served_end(w);
    for (int64_t offset = 2; offset <= 5; offset++) {
        struct fetch_request *in = rig_fetch_of(rig, "t", 1, &offset);
        in->max_wait_ms = 0;
        struct served *s = rig_fetch(rig, 0, 12, in);
        CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
        CHECK_EQ(served_fetched(s, 0)->high_watermark, 2);
        CHECK_EQ(served_fetched(s, 0)->records.len, 0);
        CHECK(served_fetched(s, 0)->records.at != NULL);
        served_end(s);
    }
    for (int64_t offset = -1; offset <= 6; offset += 7) {
        struct served *s = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, &offset));
        CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
        CHECK_EQ(served_fetched(s, 0)->high_watermark, -1);
        CHECK_EQ(served_fetched(s, 0)->last_stable_offset, -1);
        CHECK_EQ(served_fetched(s, 0)->log_start_offset, -1);
        served_end(s);
    }
    rig_end(rig);
}

TEST(an_offset_inside_a_batch_gets_the_whole_batch)
{
    struct rig *rig = rig_new(arena, 1);
    struct batch b;

    rig_topic(rig, "t", 1, NULL);
    struct served *w = rig_produce(
        rig, 0, 9,
        rig_produce_one(rig, "t", 0, 1, rig_batch(rig, (struct rig_batch){.records = 9})));
    served_end(w);
    fake_plog_sync(rig_log(rig, "t", 0));
    struct served *s = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, (int64_t[]){5}));
    struct bytes all = served_bytes(rig, s);
    CHECK_OK(batch_next(&all, &b));
    CHECK_EQ(b.header.base_offset, 0);
    CHECK_EQ(b.header.record_count, 9);
    served_end(s);
    rig_end(rig);
}

TEST(a_waiting_fetch_is_answered_by_the_next_durable_batch)
{
    for (int core = 0; core < 2; core++) {
        struct rig *rig = rig_new(arena, 2);

        rig_topic(rig, "t", 2, NULL);
        struct served *s = rig_fetch(rig, core, 12, rig_fetch_of(rig, "t", 2, at_zero));
        rig_wait(rig, 100 * 1000);
        CHECK(!s->finished);
        struct served *w = rig_produce(
            rig, 0, 9, rig_produce_one(rig, "t", 1, -1, rig_batch(rig, (struct rig_batch){0})));
        rig_run(rig);
        CHECK(!s->finished);
        fake_plog_sync(rig_log(rig, "t", 1));
        rig_run(rig);
        CHECK_EQ(served_fetched(s, 0)->records.len, 0);
        CHECK(served_fetched(s, 1)->records.len > 0);
        CHECK(list_empty(&rig_partition(rig, "t", 0)->fetch_waiting));
        served_end(s);
        served_end(w);
        rig_end(rig);
    }
}

TEST(a_wait_ends_in_time_and_then_the_answer_is_empty)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 2, at_zero);
    in->max_wait_ms = 2500; /* longer than the look for the client */
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_wait(rig, 2400 * 1000);
    CHECK(!s->finished);
    rig_wait(rig, 200 * 1000);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    CHECK_EQ(served_fetched(s, 1)->records.len, 0);
    CHECK(s->rq.sent == NULL);
    served_end(s);
    rig_end(rig);
}

TEST(a_client_that_has_gone_does_not_wait_to_the_end)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 2, at_zero);
    in->max_wait_ms = INT32_MAX;
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_wait(rig, 500 * 1000);
    s->rq.abandoned = true;
    rig_wait(rig, 1100 * 1000);
    CHECK(s->finished);
    served_end(s);
    rig_end(rig);
}

TEST(a_node_that_stops_answers_who_waits)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 1, at_zero);
    in->max_wait_ms = INT32_MAX;
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig->cores[0].stopping = true;
    rig_wait(rig, 1100 * 1000);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    served_end(s);
    rig_end(rig);
}

TEST(bytes_that_come_between_look_and_wait_are_not_missed)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct plog *l = rig_log(rig, "t", 1);
    struct served *w = rig_produce(
        rig, 1, 9, rig_produce_one(rig, "t", 1, -1, rig_batch(rig, (struct rig_batch){0})));
    struct served *s =
        rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 2, at_zero)); /* the visit is on its way */
    struct rig_message *visit = rig->first;
    CHECK(visit != NULL && visit->next == NULL);
    rig->first = rig->last = NULL;
    visit->message->run(&rig->cores[1], visit->message); /* it looked, and is on its way back */
    fake_plog_sync(l);
    rig_run(rig);
    CHECK(served_fetched(s, 1)->records.len > 0);
    served_end(s);
    served_end(w);
    rig_end(rig);
}

TEST(too_few_bytes_wait_for_the_rest_and_wake_once)
{
    struct rig *rig = rig_new(arena, 1);
    struct bytes one = rig_batch(rig, (struct rig_batch){.value_bytes = 100});

    rig_topic(rig, "t", 1, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 1, at_zero);
    in->min_bytes = (int32_t)(5 * one.len);
    rig_fill(rig, "t", 0, 0);
    struct served *s = rig_fetch(rig, 0, 12, in);
    for (int i = 0; i < 5; i++) {
        CHECK(!s->finished);
        /* Nobody moved until there was enough. */
        CHECK_EQ(rig_partition(rig, "t", 0)->fetch_waiting.len, 1);
        served_end(rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, 1, one)));
        fake_plog_sync(rig_log(rig, "t", 0));
        if (i < 4) {
            CHECK(rig->first == NULL);
        }
    }
    rig_run(rig);
    CHECK_EQ(served_fetched(s, 0)->records.len, 5 * one.len);
    served_end(s);
    rig_end(rig);
}

TEST(bytes_of_several_partitions_add_up)
{
    struct rig *rig = rig_new(arena, 3);
    struct bytes one = rig_batch(rig, (struct rig_batch){.value_bytes = 100});

    rig_topic(rig, "t", 6, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 6, at_zero);
    in->min_bytes = (int32_t)(5 * one.len);
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    for (int32_t i = 0; i < 5; i++) {
        CHECK(!s->finished);
        struct served *w = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", i, 1, one));
        rig_run(rig);
        served_end(w);
        fake_plog_sync(rig_log(rig, "t", i));
        rig_run(rig);
    }
    for (int32_t i = 0; i < 6; i++) {
        CHECK_EQ(served_fetched(s, i)->records.len, i < 5 ? one.len : 0);
    }
    served_end(s);
    rig_end(rig);
}

TEST(many_small_syncs_are_all_counted_although_marks_are_few)
{
    struct rig *rig = rig_new(arena, 1);
    struct bytes one = rig_batch(rig, (struct rig_batch){.value_bytes = 50});
    enum { COUNT = 40 };

    rig_topic(rig, "t", 1, NULL);
    for (int i = 0; i < COUNT; i++) {
        served_end(rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, 1, one)));
    }
    struct partition *p = rig_partition(rig, "t", 0);
    uint64_t last = 0;
    for (int i = 1; i <= COUNT; i++) {
        fake_plog_sync_some(p->log, i);
        CHECK(p->visible_bytes >= last && p->visible_bytes <= (uint64_t)i * one.len);
        last = p->visible_bytes;
    }
    CHECK_EQ(p->visible_bytes, COUNT * one.len);
    rig_end(rig);
}

TEST(a_request_without_time_or_need_is_answered_at_once)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 1, at_zero);
    in->max_wait_ms = 0;
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK(s->finished);
    served_end(s);
    in->max_wait_ms = 500;
    in->min_bytes = 0;
    s = rig_fetch(rig, 0, 12, in);
    CHECK(s->finished);
    served_end(s);
    in = rig_fetch_of(rig, "t", 0, at_zero); /* no partitions */
    s = rig_fetch(rig, 0, 12, in);
    CHECK(s->finished);
    CHECK_EQ(s->out.fetch.responses.len, 0);
    served_end(s);
    rig_end(rig);
}

TEST(limits_of_partition_and_response_hold_and_the_first_batch_passes_them)
{
    struct rig *rig = rig_new(arena, 3);

    rig_topic(rig, "t", 3, NULL);
    for (int32_t i = 0; i < 3; i++) {
        rig_fill(rig, "t", i, 10);
    }
    size_t one = rig_log(rig, "t", 0)->batches[0].len;

    struct fetch_request *in = rig_fetch_of(rig, "t", 3, at_zero);
    in->topics.at[0].partitions.at[0].partition_max_bytes = (int32_t)(3 * one);
    in->topics.at[0].partitions.at[1].partition_max_bytes = 1;
    in->max_bytes = (int32_t)(5 * one + 1);
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    CHECK_EQ(served_fetched(s, 0)->records.len, 3 * one);
    CHECK_EQ(served_fetched(s, 1)->records.len, 0);
    CHECK_EQ(served_fetched(s, 1)->high_watermark, 10);
    CHECK_EQ(served_fetched(s, 2)->records.len, 2 * one);
    served_end(s);

    in->max_bytes = 1; /* nobody fits: the first gives one batch */
    s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    CHECK_EQ(served_fetched(s, 0)->records.len, one);
    CHECK_EQ(served_fetched(s, 1)->records.len, 0);
    CHECK_EQ(served_fetched(s, 2)->records.len, 0);
    CHECK_EQ(served_fetched(s, 2)->high_watermark, 10);
    served_end(s);
    rig_end(rig);
}

TEST(the_first_partition_that_has_bytes_gives_a_batch_wherever_it_stands)
{
    for (int core = 0; core < 3; core++) {
        struct rig *rig = rig_new(arena, 3);

        rig_topic(rig, "t", 5, NULL);
        rig_fill(rig, "t", 3, 3);
        rig_fill(rig, "t", 4, 3);
        struct fetch_request *in = rig_fetch_of(rig, "t", 5, at_zero);
        for (int32_t i = 0; i < 5; i++) {
            in->topics.at[0].partitions.at[i].partition_max_bytes = 10;
        }
        struct served *s = rig_fetch(rig, core, 12, in);
        rig_run(rig);
        CHECK_EQ(served_fetched(s, 3)->records.len, rig_log(rig, "t", 3)->batches[0].len);
        CHECK_EQ(served_fetched(s, 4)->records.len, 0);
        served_end(s);
        rig_end(rig);
    }
}

TEST(unused_bytes_of_one_partition_are_for_the_others)
{
    struct rig *rig = rig_new(arena, 3);
    int64_t offsets[12] = {0};

    rig_topic(rig, "t", 12, NULL);
    rig_fill(rig, "t", 11, 4);
    struct fetch_request *in = rig_fetch_of(rig, "t", 12, offsets);
    size_t one = rig_log(rig, "t", 11)->batches[0].len;
    in->max_bytes = (int32_t)(4 * one);
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    CHECK_EQ(served_fetched(s, 11)->records.len, 4 * one);
    served_end(s);
    rig_end(rig);
}

TEST(a_slow_disk_holds_up_only_its_own_fetch)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    rig_fill(rig, "t", 0, 2);
    rig_fill(rig, "t", 1, 2);
    rig_log(rig, "t", 1)->cold = true;
    struct served *slow = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 2, at_zero));
    struct served *fast = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, at_zero));
    rig_wait(rig, 600 * 1000);
    CHECK(fast->finished && !slow->finished);
    served_end(fast);
    fake_plog_answer(rig_log(rig, "t", 1));
    rig_run(rig);
    CHECK(served_fetched(slow, 1)->records.len > 0);
    served_end(slow);
    rig_end(rig);
}

TEST(a_topic_deleted_under_a_read_and_a_wait_is_safe)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    rig_topic(rig, "u", 2, NULL);
    rig_fill(rig, "t", 1, 2);
    struct plog *l = rig_log(rig, "t", 1);
    l->cold = true;
    struct served *reading = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 2, at_zero));
    struct served *waiting = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "u", 2, at_zero));
    rig_run(rig);
    rig_topic_remove(rig, "t");
    rig_topic_remove(rig, "u");
    rig_run(rig);
    CHECK_EQ(served_fetched(waiting, 0)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    CHECK_EQ(served_fetched(waiting, 1)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    CHECK(!reading->finished);
    fake_plog_answer(l);
    rig_run(rig);
    CHECK(served_fetched(reading, 1)->records.len > 0);
    served_end(waiting);
    served_end(reading); /* the log goes with its last reader */
    rig_end(rig);
}

TEST(disk_errors_are_told_as_clients_understand_them)
{
    const struct {
        enum err err;
        int16_t version;
        enum kafka_error error;
    } cases[] = {
        {ERR_CORRUPT, 12, KAFKA_CORRUPT_MESSAGE},       {ERR_IO, 12, KAFKA_STORAGE_ERROR},
        {ERR_IO, 5, KAFKA_NOT_LEADER_OR_FOLLOWER},      {ERR_IO, 6, KAFKA_STORAGE_ERROR},
        {ERR_NOT_FOUND, 12, KAFKA_OFFSET_OUT_OF_RANGE},
    };
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig_log(rig, "t", 0)->read_err = cases[i].err;
        struct served *s = rig_fetch(rig, 0, cases[i].version, rig_fetch_of(rig, "t", 1, at_zero));
        CHECK_EQ(served_fetched(s, 0)->error_code, cases[i].error);
        CHECK_EQ(served_fetched(s, 0)->high_watermark, -1);
        CHECK_EQ(served_fetched(s, 0)->records.len, 0);
        served_end(s);
    }
    rig_log(rig, "t", 0)->read_err = ERR_LIMIT; /* no memory: nothing yet */
    struct served *s = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, at_zero));
    CHECK(!s->finished);
    rig_wait(rig, 600 * 1000);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    served_end(s);
    rig_end(rig);
}

TEST(leader_epochs_fence)
{
    struct rig *rig = rig_new(arena, 1);
    const struct {
        int32_t epoch;
        enum kafka_error error;
    } cases[] = {{-1, KAFKA_NONE},
                 {-2, KAFKA_NONE},
                 {3, KAFKA_NONE},
                 {2, KAFKA_FENCED_LEADER_EPOCH},
                 {4, KAFKA_UNKNOWN_LEADER_EPOCH}};

    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .leader_epoch = 3});
    rig_fill(rig, "t", 0, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fetch_request *in = rig_fetch_of(rig, "t", 1, at_zero);
        in->topics.at[0].partitions.at[0].current_leader_epoch = cases[i].epoch;
        struct served *s = rig_fetch(rig, 0, 16, in);
        CHECK_EQ(served_fetched(s, 0)->error_code, cases[i].error);
        CHECK_EQ(served_fetched(s, 0)->current_leader.leader_epoch,
                 cases[i].error == KAFKA_FENCED_LEADER_EPOCH ? 3 : -1);
        CHECK_EQ(s->out.fetch.node_endpoints.len,
                 cases[i].error == KAFKA_FENCED_LEADER_EPOCH ? 1 : 0);
        served_end(s);
    }
    rig_end(rig);
}

TEST(a_new_leader_epoch_ends_a_wait)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 2, at_zero);
    in->topics.at[0].partitions.at[1].current_leader_epoch = 0;
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    CHECK(!s->finished);
    rig_topic(rig, "t", 2, &(struct rig_topic_options){.compression = -1, .leader_epoch = 1});
    rig_run(rig);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    CHECK_EQ(served_fetched(s, 1)->error_code, KAFKA_FENCED_LEADER_EPOCH);
    served_end(s);
    rig_end(rig);
}

TEST(a_client_that_diverged_is_told_where)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .leader_epoch = 2});
    rig_fill(rig, "t", 0, 3); /* epoch 2: 0..2 */
    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .leader_epoch = 5});
    rig_fill(rig, "t", 0, 2); /* epoch 5: 3, 4 */
    const struct {
        int64_t offset;
        int32_t last_epoch, diverging;
        int64_t end;
        enum kafka_error error;
    } cases[] = {
        {3, 2, -1, -1, KAFKA_NONE}, {4, 2, 2, 3, KAFKA_NONE},
        {4, 5, -1, -1, KAFKA_NONE}, {4, 4, 2, 3, KAFKA_NONE},
        {0, 1, -1, -1, KAFKA_NONE}, {1, 1, 1, 0, KAFKA_NONE},
        {9, 2, 2, 3, KAFKA_NONE},   {4, 6, -1, -1, KAFKA_OFFSET_OUT_OF_RANGE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fetch_request *in = rig_fetch_of(rig, "t", 1, &cases[i].offset);
        in->topics.at[0].partitions.at[0].last_fetched_epoch = cases[i].last_epoch;
        struct served *s = rig_fetch(rig, 0, 12, in);
        const struct fetch_response_partition *p = served_fetched(s, 0);
        CHECK_EQ(p->error_code, cases[i].error);
        CHECK_EQ(p->diverging_epoch.epoch, cases[i].diverging);
        CHECK_EQ(p->diverging_epoch.end_offset, cases[i].end);
        CHECK(cases[i].diverging == -1 || p->records.len == 0);
        served_end(s);
    }
    rig_end(rig);
}

TEST(unknown_places_are_answered_in_their_order_and_do_not_end_a_wait)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 3, at_zero);
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK(!s->finished);
    rig_wait(rig, 600 * 1000);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    CHECK_EQ(served_fetched(s, 1)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(served_fetched(s, 2)->partition_index, 2);
    served_end(s);
    in = rig_fetch_of(rig, "x", 1, at_zero);
    s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    served_end(s);
    s = rig_fetch(rig, 0, 13, in);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    served_end(s);
    in = rig_fetch_of(rig, "t", 1, at_zero);
    in->replica_id = 2;
    s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    served_end(s);
    rig_end(rig);
}

TEST(one_partition_named_twice_is_answered_twice)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct fetch_request *in = rig_fetch_of(rig, "t", 2, at_zero);
    in->topics.at[0].partitions.at[0].partition = 1;
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    CHECK_EQ(rig_partition(rig, "t", 1)->fetch_waiting.len, 2);
    rig_fill(rig, "t", 1, 1);
    rig_run(rig);
    CHECK(served_fetched(s, 0)->records.len > 0);
    CHECK(served_fetched(s, 1)->records.len > 0);
    served_end(s);
    rig_end(rig);
}

TEST(relaxed_topics_wake_fetches_at_the_append)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .relaxed = true});
    struct served *s = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 1, at_zero));
    served_end(rig_produce(rig, 0, 9,
                           rig_produce_one(rig, "t", 0, 1, rig_batch(rig, (struct rig_batch){0}))));
    rig_run(rig);
    CHECK(served_fetched(s, 0)->records.len > 0);
    served_end(s);
    rig_end(rig);
}

enum { RANDOM_PARTITIONS = 6, RANDOM_FETCHES = 12 };

static struct served *random_fetch(struct rig *rig)
{
    int64_t offsets[RANDOM_PARTITIONS];
    struct fetch_request *in;

    for (int i = 0; i < RANDOM_PARTITIONS; i++) {
        offsets[i] = plog_end(rig_log(rig, "t", i)) - (int64_t)test_random_below(3);
        offsets[i] = MAX(offsets[i], 0);
    }
    in = rig_fetch_of(rig, "t", 1 + (int32_t)test_random_below(RANDOM_PARTITIONS), offsets);
    in->max_wait_ms = (int32_t)test_random_below(50);
    in->min_bytes = (int32_t)test_random_below(400);
    in->max_bytes = (int32_t)test_random_below(1000);
    return rig_fetch(rig, (int)test_random_below(3), 12, in);
}

/* One thing happens. */
static void random_step(struct rig *rig, struct served **fetch, int *answered)
{
    int32_t partition = (int32_t)test_random_below(RANDOM_PARTITIONS);
    struct plog *l = rig_log(rig, "t", partition);
    struct served *w;

    switch (test_random_below(6)) {
    case 0:
        w = rig_produce(rig, (int)test_random_below(3), 9,
                        rig_produce_one(rig, "t", partition, 0,
                                        rig_batch(rig, (struct rig_batch){.value_bytes = 30})));
        rig_run(rig);
        served_end(w);
        break;
    case 1:
        fake_plog_sync(l);
        break;
    case 2:
        l->cold = !l->cold;
        break;
    case 3:
        fake_plog_answer(l);
        break;
    case 4:
        rig_wait(rig, 3000);
        break;
    default:
        if (*fetch == NULL) {
            *fetch = random_fetch(rig);
        } else if ((*fetch)->finished) {
            served_end(*fetch);
            *fetch = NULL;
            ++*answered;
        }
        break;
    }
}

/* Producers, consumers, syncs, slow disks and time in random order: every fetch ends, nothing is left. */
TEST(random_traffic_leaves_nothing_behind)
{
    enum { ROUNDS = 3000 };
    struct rig *rig = rig_new(arena, 3);
    struct served *fetches[RANDOM_FETCHES] = {NULL};
    int answered = 0;

    rig_topic(rig, "t", RANDOM_PARTITIONS, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        random_step(rig, &fetches[test_random_below(RANDOM_FETCHES)], &answered);
        if (test_random_below(2) == 0) {
            rig_run(rig);
        }
    }
    for (int tries = 0; tries < 5; tries++) {
        for (int i = 0; i < RANDOM_PARTITIONS; i++) {
            rig_log(rig, "t", i)->cold = false;
            fake_plog_answer(rig_log(rig, "t", i));
        }
        rig_wait(rig, 100 * 1000);
    }
    for (int i = 0; i < RANDOM_FETCHES; i++) {
        if (fetches[i] != NULL) {
            served_end(fetches[i]);
        }
    }
    CHECK(answered > 20);
    rig_end(rig);
}

TEST(replies_nobody_takes_bound_what_others_get)
{
    struct rig *rig = rig_new(arena, 2);
    struct connections connections = {0};
    struct served *s[4];

    rig_topic(rig, "t", 2, NULL);
    rig_fill(rig, "t", 1, 10);
    size_t one = rig_log(rig, "t", 1)->batches[0].len;
    connections.limits.budget_bytes = 15 * one;
    rig->cores[0].connections = &connections;
    const size_t batches[] = {10, 5, 1, 1};
    for (int i = 0; i < 4; i++) {
        s[i] = rig_fetch(rig, 0, 12, rig_fetch_of(rig, "t", 2, at_zero));
        rig_run(rig);
        CHECK_EQ(served_fetched(s[i], 1)->records.len, batches[i] * one);
    }
    for (int i = 0; i < 4; i++) {
        served_end(s[i]);
    }
    CHECK_EQ(rig->cores[0].fetch_lent, 0);
    rig_run(rig);
    rig_end(rig);
}

TEST(a_fetch_survives_every_failed_allocation)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 4, NULL);
    for (int32_t i = 0; i < 4; i++) {
        rig_fill(rig, "t", i, 2);
    }
    for (uint64_t nth = 1;; nth++) {
        struct fetch_request *in = rig_fetch_of(rig, "t", 4, at_zero);

        in->session_epoch = 0;
        rig->fail_nth = nth;
        struct served *s = rig_fetch(rig, 0, 12, in);
        rig_run(rig);
        bool failed = mem_fail_nth(0) == 0;
        rig->fail_nth = 0;
        rig_wait(rig, 600 * 1000);
        CHECK(s->finished);
        for (int32_t i = 0; !s->arena.exhausted && i < s->out.fetch.responses.len; i++) {
            CHECK_EQ(served_fetched(s, i)->error_code, KAFKA_NONE);
        }
        served_end(s);
        rig_run(rig);
        if (!failed) {
            break;
        }
        CHECK(nth < 1000);
    }
    rig_end(rig);
}
