/* tests/data/produce_test.c: Produce, from the request to the answer. */
#include "tests/data/rig.h"

#include "base/mem.h"

static struct bytes plain(struct rig *rig)
{
    return rig_batch(rig, (struct rig_batch){.records = 3});
}

TEST(acks_all_is_answered_when_the_batch_is_durable)
{
    for (int core = 0; core < 2; core++) {
        struct rig *rig = rig_new(arena, 2);

        rig_topic(rig, "t", 2, NULL);
        struct served *s = rig_produce(rig, core, 9, rig_produce_one(rig, "t", 1, -1, plain(rig)));
        rig_run(rig);
        CHECK(!s->finished);
        CHECK_EQ(plog_end(rig_log(rig, "t", 1)), 3);
        fake_plog_sync(rig_log(rig, "t", 1));
        rig_run(rig);
        CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
        CHECK_EQ(served_produced(s)->base_offset, 0);
        CHECK_EQ(served_produced(s)->log_append_time_ms, -1);
        CHECK_EQ(served_produced(s)->log_start_offset, 0);
        served_end(s);
        rig_end(rig);
    }
}

TEST(acks_one_is_answered_when_the_batch_is_in_the_log_and_acks_none_never)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct served *one = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, 1, plain(rig)));
    struct served *none = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, 0, plain(rig)));
    rig_run(rig);
    CHECK_EQ(served_produced(one)->error_code, KAFKA_NONE);
    CHECK(!one->rq.no_reply);
    CHECK(none->finished && none->rq.no_reply && !none->rq.close);
    CHECK_EQ(plog_end(rig_log(rig, "t", 1)), 6);
    served_end(one);
    served_end(none);
    rig_end(rig);
}

TEST(an_error_without_acknowledgement_closes_the_connection)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "x", 0, 0, plain(rig)));
    CHECK(s->finished && s->rq.close);
    served_end(s);
    rig_end(rig);
}

TEST(other_acks_and_unknown_places_are_refused_each_for_itself)
{
    struct rig *rig = rig_new(arena, 1);
    const struct {
        const char *topic;
        int32_t partition;
        int16_t acks, version;
        enum kafka_error error;
    } cases[] = {
        {"t", 0, 2, 9, KAFKA_INVALID_REQUIRED_ACKS},
        {"t", 0, -2, 9, KAFKA_INVALID_REQUIRED_ACKS},
        {"t", 1, -1, 9, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {"t", -1, -1, 9, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {"x", 0, -1, 12, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {"x", 0, -1, 13, KAFKA_UNKNOWN_TOPIC_ID},
        {"in", 0, -1, 9, KAFKA_INVALID_TOPIC_EXCEPTION},
    };

    rig_topic(rig, "t", 1, NULL);
    rig_topic(rig, "in", 1, &(struct rig_topic_options){.compression = -1, .internal = true});
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct served *s = rig_produce(
            rig, 0, cases[i].version,
            rig_produce_one(rig, cases[i].topic, cases[i].partition, cases[i].acks, plain(rig)));

        CHECK_EQ(served_produced(s)->error_code, cases[i].error);
        CHECK_EQ(served_produced(s)->base_offset, -1);
        CHECK_EQ(served_produced(s)->log_start_offset, -1);
        CHECK_EQ(served_produced(s)->index, cases[i].partition);
        served_end(s);
    }
    CHECK_EQ(plog_end(rig_log(rig, "t", 0)), 0);
    rig_end(rig);
}

TEST(a_bad_batch_is_told_why_and_is_not_appended)
{
    struct rig *rig = rig_new(arena, 1);
    struct bytes good = plain(rig);
    uint8_t *bad = arena_alloc(arena, good.len);

    rig_topic(rig, "t", 1, NULL);
    memcpy(bad, good.at, good.len);
    bad[good.len - 1] ^= 1;
    struct served *s =
        rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, (struct bytes){bad, good.len}));
    CHECK_EQ(served_produced(s)->error_code, KAFKA_CORRUPT_MESSAGE);
    served_end(s);
    s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, BYTES_NULL));
    CHECK(served_produced(s)->error_code != KAFKA_NONE);
    served_end(s);
    CHECK_EQ(plog_end(rig_log(rig, "t", 0)), 0);
    rig_end(rig);
}

TEST(the_append_time_is_answered_only_when_the_topic_stamps_it)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .log_append_time = true});
    struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, 1, plain(rig)));
    CHECK_EQ(served_produced(s)->log_append_time_ms, rig->cores[0].wall_ms);
    served_end(s);
    rig_end(rig);
}

TEST(a_duplicate_is_answered_with_the_first_offset_but_not_before_that_is_durable)
{
    struct rig *rig = rig_new(arena, 1);
    struct bytes b = rig_batch(
        rig, (struct rig_batch){.records = 2, .producer_id = 9, .timestamp_ms = 1699999999000});

    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 1);
    struct served *first = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, b));
    struct served *again = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, b));
    CHECK(!first->finished && !again->finished);
    fake_plog_sync(rig_log(rig, "t", 0));
    CHECK_EQ(served_produced(first)->base_offset, 1);
    CHECK_EQ(served_produced(again)->base_offset, 1);
    CHECK_EQ(served_produced(first)->log_append_time_ms, -1);
    CHECK_EQ(served_produced(again)->log_append_time_ms, 1699999999000);
    CHECK_EQ(plog_end(rig_log(rig, "t", 0)), 3);
    served_end(first);
    served_end(again);

    struct served *later = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, b));
    CHECK_EQ(served_produced(later)->base_offset, 1);
    served_end(later);
    rig_end(rig);
}

TEST(a_gap_and_an_old_epoch_are_refused)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    const struct {
        int16_t epoch;
        int32_t sequence;
        enum kafka_error error;
    } cases[] = {
        {3, 0, KAFKA_NONE},
        {3, 2, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER},
        {2, 1, KAFKA_INVALID_PRODUCER_EPOCH},
        {3, 1, KAFKA_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes b = rig_batch(rig, (struct rig_batch){.producer_id = 9,
                                                           .producer_epoch = cases[i].epoch,
                                                           .base_sequence = cases[i].sequence});
        struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, 1, b));

        CHECK_EQ(served_produced(s)->error_code, cases[i].error);
        CHECK_EQ(served_produced(s)->log_start_offset, 0);
        served_end(s);
    }
    rig_end(rig);
}

TEST(a_batch_whose_sync_fails_is_a_storage_error_and_its_retry_is_no_duplicate)
{
    struct rig *rig = rig_new(arena, 2);
    struct bytes b = rig_batch(rig, (struct rig_batch){.producer_id = 9});

    rig_topic(rig, "t", 2, NULL);
    struct plog *l = rig_log(rig, "t", 1);
    struct served *safe = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, plain(rig)));
    struct served *lost = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, b));
    rig_run(rig);
    l->durable = 3;
    fake_plog_fail(l, ERR_IO);
    rig_run(rig);
    CHECK_EQ(served_produced(safe)->error_code, KAFKA_NONE);
    CHECK_EQ(served_produced(lost)->error_code, KAFKA_STORAGE_ERROR);
    CHECK_EQ(served_produced(lost)->base_offset, -1);
    served_end(safe);
    served_end(lost);

    struct served *refused = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, b));
    rig_run(rig);
    CHECK_EQ(served_produced(refused)->error_code, KAFKA_STORAGE_ERROR);
    served_end(refused);
    l->state = OK;
    struct served *retry = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, b));
    rig_run(rig);
    fake_plog_sync(l);
    rig_run(rig);
    CHECK_EQ(served_produced(retry)->base_offset, 3);
    served_end(retry);
    rig_end(rig);
}

TEST(time_runs_out_only_for_who_still_waits)
{
    for (int core = 0; core < 2; core++) {
        struct rig *rig = rig_new(arena, 2);

        rig_topic(rig, "t", 2, NULL);
        struct served *s = rig_produce(rig, core, 9, rig_produce_one(rig, "t", 1, -1, plain(rig)));
        rig_wait(rig, 900 * 1000);
        CHECK(!s->finished);
        rig_wait(rig, 200 * 1000);
        CHECK_EQ(served_produced(s)->error_code, KAFKA_REQUEST_TIMED_OUT);
        served_end(s);
        /* The batch may be in the log, and is. */
        fake_plog_sync(rig_log(rig, "t", 1));
        CHECK_EQ(partition_high_watermark(rig_partition(rig, "t", 1)), 3);
        rig_end(rig);
    }
}

TEST(an_answer_that_crosses_the_time_out_on_its_way_is_harmless)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct produce_request *in = rig_produce_one(rig, "t", 1, -1, plain(rig));
    in->timeout_ms = 0;
    struct served *s = rig_produce(rig, 0, 9, in);
    rig_run(rig);
    fake_plog_sync(rig_log(rig, "t", 1)); /* the answer is in the queue ... */
    rig->cores[0].now_us += 5000;
    (void)timer_wheel_run(&rig->cores[0].timers, rig->cores[0].now_us,
                          10); /* ... and so is the cancel */
    rig_run(rig);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
    served_end(s);
    rig_end(rig);
}

TEST(without_memory_appends_wait_in_order_and_go_on_when_there_is_some)
{
    struct rig *rig = rig_new(arena, 2);
    struct served *s[4];

    rig_topic(rig, "t", 2, NULL);
    struct plog *l = rig_log(rig, "t", 1);
    l->full = true;
    for (int i = 0; i < 4; i++) {
        s[i] =
            rig_produce(rig, i % 2, 9, rig_produce_one(rig, "t", 1, i == 0 ? 1 : -1, plain(rig)));
        rig_run(rig);
    }
    rig_wait(rig, 50 * 1000);
    CHECK_EQ(plog_end(l), 0);
    l->full = false;
    rig_wait(rig, 5 * 1000); /* nobody tells: the timer finds out */
    CHECK_EQ(plog_end(l), 12);
    CHECK(s[0]->finished && !s[1]->finished);
    fake_plog_sync(l);
    rig_run(rig);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(served_produced(s[i])->base_offset, 3 * i);
        served_end(s[i]);
    }
    rig_end(rig);
}

TEST(who_waits_for_memory_too_long_is_told_and_is_not_appended)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct plog *l = rig_log(rig, "t", 1);
    l->full = true;
    struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, 1, plain(rig)));
    rig_wait(rig, 1100 * 1000);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_REQUEST_TIMED_OUT);
    served_end(s);
    l->full = false;
    rig_wait(rig, 10 * 1000);
    CHECK_EQ(plog_end(l), 0);
    rig_end(rig);
}

TEST(parked_appends_fail_when_the_log_begins_to_refuse)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct plog *l = rig_log(rig, "t", 0);
    l->full = true;
    struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, plain(rig)));
    CHECK(!s->finished);
    fake_plog_fail(l, ERR_NOSPACE);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_STORAGE_ERROR);
    served_end(s);
    rig_wait(rig, 10 * 1000);
    rig_end(rig);
}

TEST(deleting_the_topic_answers_who_waits)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct served *durable = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, plain(rig)));
    rig_run(rig);
    rig_log(rig, "t", 1)->full = true;
    struct served *room = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 1, -1, plain(rig)));
    rig_run(rig);
    rig_topic_remove(rig, "t");
    rig_run(rig);
    CHECK_EQ(served_produced(durable)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_EQ(served_produced(room)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    served_end(durable);
    served_end(room);
    rig_end(rig);
}

TEST(a_partition_its_owner_does_not_have_is_not_led_here_and_names_the_leader)
{
    struct rig *rig = rig_new(arena, 2);

    rig_topic(rig, "t", 2, NULL);
    struct produce_request *in = rig_produce_one(rig, "t", 1, -1, plain(rig));
    struct served *s = rig_produce(rig, 0, 10, in); /* decided by the image it began with */
    rig_topic_remove(rig, "t");
    rig_run(rig);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    CHECK_EQ(served_produced(s)->current_leader.leader_id, 1);
    CHECK_EQ(s->out.produce.node_endpoints.len, 1);
    CHECK_EQ(s->out.produce.node_endpoints.at[0].node_id, 1);
    CHECK_BYTES_EQ(s->out.produce.node_endpoints.at[0].host, BYTES("10.0.0.1"));
    CHECK_EQ(s->out.produce.node_endpoints.at[0].port, 1234);
    served_end(s);
    rig_end(rig);
}

TEST(requests_of_one_connection_are_appended_in_their_order)
{
    struct rig *rig = rig_new(arena, 2);
    struct served *s[20];

    rig_topic(rig, "t", 2, NULL);
    for (int i = 0; i < 20; i++) {
        s[i] = rig_produce(rig, 0, 9,
                           rig_produce_one(rig, "t", 1, -1,
                                           rig_batch(rig, (struct rig_batch){.producer_id = 5,
                                                                             .base_sequence = i})));
    }
    rig_run(rig);
    fake_plog_sync(rig_log(rig, "t", 1));
    rig_run(rig);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(served_produced(s[i])->error_code, KAFKA_NONE);
        CHECK_EQ(served_produced(s[i])->base_offset, i);
        served_end(s[i]);
    }
    rig_end(rig);
}

TEST(one_request_spreads_over_cores_and_waits_for_all_of_them)
{
    struct rig *rig = rig_new(arena, 4);
    struct produce_request *in = ARENA_NEW(arena, struct produce_request);

    rig_topic(rig, "t", 8, NULL);
    produce_request_init(in);
    in->acks = -1;
    in->timeout_ms = 1000;
    in->topic_data = produce_request_topics_new(arena, 1);
    in->topic_data.at[0].name = BYTES("t");
    in->topic_data.at[0].partition_data = produce_request_partitions_new(arena, 9);
    for (int32_t i = 0; i < 9; i++) {
        in->topic_data.at[0].partition_data.at[i].index = i;
        in->topic_data.at[0].partition_data.at[i].records = plain(rig);
    }
    struct served *s = rig_produce(rig, 2, 9, in);
    rig_run(rig);
    for (int32_t i = 0; i < 8; i++) {
        CHECK(!s->finished);
        fake_plog_sync(rig_log(rig, "t", i));
        rig_run(rig);
    }
    CHECK(s->finished);
    for (int32_t i = 0; i < 9; i++) {
        CHECK_EQ(s->out.produce.responses.at[0].partition_responses.at[i].error_code,
                 i < 8 ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    served_end(s);
    rig_end(rig);
}

TEST(a_partition_named_twice_gets_the_last_batch_and_one_answer)
{
    struct rig *rig = rig_new(arena, 1);
    struct produce_request *in = rig_produce_one(rig, "t", 0, 1, plain(rig));

    rig_topic(rig, "t", 1, NULL);
    in->topic_data.at[0].partition_data = produce_request_partitions_new(arena, 2);
    in->topic_data.at[0].partition_data.at[0].records = plain(rig);
    in->topic_data.at[0].partition_data.at[1].records =
        rig_batch(rig, (struct rig_batch){.records = 7});
    struct served *s = rig_produce(rig, 0, 9, in);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
    CHECK_EQ(plog_end(rig_log(rig, "t", 0)), 7);
    served_end(s);
    rig_end(rig);
}

TEST(transactional_batches_are_refused)
{
    struct rig *rig = rig_new(arena, 1);
    struct bytes b =
        rig_batch(rig, (struct rig_batch){.producer_id = 9, .attributes = BATCH_TRANSACTIONAL});
    struct produce_request *in = rig_produce_one(rig, "t", 0, -1, b);

    rig_topic(rig, "t", 1, NULL);
    struct served *s = rig_produce(rig, 0, 9, in);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    served_end(s);
    in->transactional_id = BYTES("tx");
    s = rig_produce(rig, 0, 9, in);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_INVALID_PRODUCER_ID_MAPPING);
    served_end(s);
    CHECK_EQ(plog_end(rig_log(rig, "t", 0)), 0);
    rig_end(rig);
}

TEST(relaxed_topics_answer_at_once)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, &(struct rig_topic_options){.compression = -1, .relaxed = true});
    struct served *s = rig_produce(rig, 0, 9, rig_produce_one(rig, "t", 0, -1, plain(rig)));
    CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
    served_end(s);
    rig_end(rig);
}

TEST(topics_are_found_by_id_from_version_13_on)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct produce_request *in = rig_produce_one(rig, "t", 0, 1, plain(rig));
    in->topic_data.at[0].name = BYTES("");
    struct served *s = rig_produce(rig, 0, 13, in);
    CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
    CHECK(uuid_equal(s->out.produce.responses.at[0].topic_id, rig_topic_id(rig, "t")));
    served_end(s);
    rig_end(rig);
}

TEST(a_produce_survives_every_failed_allocation)
{
    struct rig *rig = rig_new(arena, 2);
    int64_t appended = 0;

    rig_topic(rig, "t", 2, &(struct rig_topic_options){.compression = CODEC_ZSTD});
    for (uint64_t nth = 1;; nth++) {
        struct produce_request *in = rig_produce_one(rig, "t", 1, -1, plain(rig));

        rig->fail_nth = nth;
        struct served *s = rig_produce(rig, 0, 9, in);
        bool failed = mem_fail_nth(0) == 0; /* the log in memory has failures of its own */
        rig->fail_nth = 0;
        rig_run(rig);
        fake_plog_sync(rig_log(rig, "t", 1));
        rig_run(rig);
        CHECK(s->finished);
        if (!s->arena.exhausted && served_produced(s)->error_code == KAFKA_NONE) {
            CHECK_EQ(served_produced(s)->base_offset, appended);
            appended += 3;
        }
        CHECK_EQ(plog_end(rig_log(rig, "t", 1)), appended);
        served_end(s);
        if (!failed) {
            break;
        }
        CHECK(nth < 1000);
    }
    CHECK(appended > 0);
    rig_end(rig);
}
