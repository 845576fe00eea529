/* tests/data/fetch_session_test.c: incremental fetches (KIP-227). */
#include "tests/data/rig.h"

static const int64_t at_zero[8] = {0};

static struct fetch_request *full(struct rig *rig, const char *topic, int32_t count)
{
    struct fetch_request *in = rig_fetch_of(rig, topic, count, at_zero);

    in->session_epoch = 0;
    in->max_wait_ms = 0;
    return in;
}

/* Names nothing. */
static struct fetch_request *next(struct rig *rig, int32_t id, int32_t epoch)
{
    struct fetch_request *in = rig_fetch_of(rig, "none", 0, at_zero);

    in->topics.len = 0;
    in->session_id = id;
    in->session_epoch = epoch;
    in->max_wait_ms = 0;
    return in;
}

/* The session of a full fetch of so many partitions. */
static int32_t session_of(struct rig *rig, int16_t version, const char *topic, int32_t count)
{
    struct served *s = rig_fetch(rig, 0, version, full(rig, topic, count));
    int32_t id;

    rig_run(rig);
    CHECK_EQ(s->out.fetch.error_code, KAFKA_NONE);
    CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, count);
    id = s->out.fetch.session_id;
    served_end(s);
    return id;
}

static void check_error(struct rig *rig, int16_t version, const struct fetch_request *in,
                        enum kafka_error error)
{
    struct served *s = rig_fetch(rig, 0, version, in);

    rig_run(rig);
    CHECK(s->finished);
    CHECK_EQ(s->out.fetch.error_code, error);
    CHECK_EQ(s->out.fetch.session_id, 0);
    CHECK_EQ(s->out.fetch.responses.len, 0);
    served_end(s);
}

TEST(an_incremental_answer_has_only_what_is_new)
{
    for (int16_t version = 7; version <= 18; version++) {
        struct rig *rig = rig_new(arena, 2);

        rig_topic(rig, "t", 4, NULL);
        int32_t id = session_of(rig, version, "t", 4);
        CHECK(id != 0);
        struct served *s = rig_fetch(rig, 0, version, next(rig, id, 1));
        rig_run(rig);
        CHECK_EQ(s->out.fetch.session_id, id);
        CHECK_EQ(s->out.fetch.responses.len, 0);
        served_end(s);
        rig_fill(rig, "t", 2, 1);
        s = rig_fetch(rig, 0, version, next(rig, id, 2));
        rig_run(rig);
        CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
        CHECK_EQ(served_fetched(s, 0)->partition_index, 2);
        CHECK(served_fetched(s, 0)->records.len > 0);
        CHECK_EQ(served_fetched(s, 0)->high_watermark, 1);
        if (version >= 13) {
            CHECK(uuid_equal(s->out.fetch.responses.at[0].topic_id, rig_topic_id(rig, "t")));
        } else {
            CHECK_BYTES_EQ(s->out.fetch.responses.at[0].topic, BYTES("t"));
        }
        served_end(s);
        rig_end(rig);
    }
}

TEST(offsets_change_and_partitions_come_and_go_between_requests)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 4, NULL);
    for (int32_t i = 0; i < 4; i++) {
        rig_fill(rig, "t", i, 1);
    }
    int32_t id = session_of(rig, 12, "t", 2);
    struct fetch_request *in = next(rig, id, 1);
    in->topics = fetch_request_topics_new(arena, 1);
    in->topics.at[0].topic = BYTES("t");
    in->topics.at[0].partitions = fetch_request_partitions_new(arena, 2);
    for (int32_t i = 0; i < 2; i++) { /* 0 moves on, 3 is new */
        in->topics.at[0].partitions.at[i].partition = 3 * i;
        in->topics.at[0].partitions.at[i].fetch_offset = 1 - i;
        in->topics.at[0].partitions.at[i].partition_max_bytes = 1 << 20;
    }
    in->forgotten_topics_data = fetch_request_forgotten_topics_new(arena, 2);
    in->forgotten_topics_data.at[0].topic = BYTES("t");
    in->forgotten_topics_data.at[0].partitions = (struct int32_array){(int32_t[]){1, 9}, 2};
    in->forgotten_topics_data.at[1].topic = BYTES("unheard of");
    in->forgotten_topics_data.at[1].partitions = (struct int32_array){(int32_t[]){0}, 1};
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(s->out.fetch.error_code, KAFKA_NONE);
    CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
    CHECK_EQ(served_fetched(s, 0)->partition_index, 3);
    served_end(s);
    in = next(rig, id, 2);
    in->forgotten_topics_data = fetch_request_forgotten_topics_new(arena, 1);
    in->forgotten_topics_data.at[0].topic = BYTES("t");
    in->forgotten_topics_data.at[0].partitions = (struct int32_array){(int32_t[]){0, 3}, 2};
    s = rig_fetch(rig, 0, 12, in); /* nothing is left: the session ends */
    CHECK_EQ(s->out.fetch.error_code, KAFKA_NONE);
    CHECK_EQ(s->out.fetch.session_id, 0);
    served_end(s);
    check_error(rig, 12, next(rig, id, 3), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_end(rig);
}

TEST(a_full_fetch_of_nothing_opens_a_session_to_be_filled)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    struct served *s = rig_fetch(rig, 0, 12, next(rig, 0, 0));
    int32_t id = s->out.fetch.session_id;
    CHECK(id != 0);
    CHECK_EQ(s->out.fetch.responses.len, 0);
    served_end(s);
    struct fetch_request *in = full(rig, "t", 1);
    in->session_id = id;
    in->session_epoch = 1;
    s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(s->out.fetch.error_code, KAFKA_NONE);
    CHECK_EQ(s->out.fetch.session_id, id);
    CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
    served_end(s);
    rig_end(rig);
}

TEST(wrong_ids_epochs_and_kinds_of_names_are_refused)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    int32_t names = session_of(rig, 12, "t", 1);
    int32_t ids = session_of(rig, 13, "t", 1);
    CHECK(names != ids);
    check_error(rig, 12, next(rig, names + 64, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    check_error(rig, 12, next(rig, names, 2), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    check_error(rig, 13, next(rig, names, 1), KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    check_error(rig, 12, next(rig, ids, 1), KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    served_end(rig_fetch(rig, 0, 12, next(rig, names, 1)));
    check_error(rig, 12, next(rig, names, 1), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    rig_end(rig);
}

TEST(a_full_request_ends_the_session_it_names_and_may_begin_another)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    int32_t id = session_of(rig, 12, "t", 1);
    struct fetch_request *in = full(rig, "t", 1);
    in->session_id = id;
    in->session_epoch = -1;
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(s->out.fetch.session_id, 0);
    served_end(s);
    check_error(rig, 12, next(rig, id, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    id = session_of(rig, 12, "t", 1);
    in = full(rig, "t", 1);
    in->session_id = id;
    s = rig_fetch(rig, 0, 12, in);
    CHECK(s->out.fetch.session_id != 0 && s->out.fetch.session_id != id);
    served_end(s);
    check_error(rig, 12, next(rig, id, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_end(rig);
}

TEST(errors_are_told_each_time_and_the_end_of_an_error_is_news)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 1);
    int32_t id = session_of(rig, 12, "t", 2); /* there is no partition 1 */
    int32_t epoch = 1;
    struct fetch_request *in = next(rig, id, epoch++);
    in->topics = fetch_request_topics_new(arena, 1);
    in->topics.at[0].topic = BYTES("t");
    in->topics.at[0].partitions = fetch_request_partitions_new(arena, 1);
    in->topics.at[0].partitions.at[0].fetch_offset = 1;
    in->topics.at[0].partitions.at[0].partition_max_bytes = 1 << 20;
    for (int i = 0; i < 3; i++) {
        struct served *s = rig_fetch(rig, 0, 12, in);
        CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
        CHECK_EQ(served_fetched(s, 0)->partition_index, 1);
        CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        served_end(s);
        in = next(rig, id, epoch++);
    }
    rig_topic(rig, "t", 2, NULL);
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    CHECK_EQ(served_fetched(s, 0)->high_watermark, 0);
    served_end(s);
    s = rig_fetch(rig, 0, 12, next(rig, id, epoch));
    CHECK_EQ(s->out.fetch.responses.len, 0);
    served_end(s);
    rig_end(rig);
}

TEST(who_got_bytes_goes_to_the_end_so_that_everyone_has_a_turn)
{
    struct rig *rig = rig_new(arena, 2);
    bool got[4] = {false};

    rig_topic(rig, "t", 4, NULL);
    struct fetch_request *in = full(rig, "t", 4);
    in->max_bytes = 1;
    struct served *s = rig_fetch(rig, 0, 12, in);
    rig_run(rig);
    int32_t id = s->out.fetch.session_id;
    served_end(s);
    for (int32_t i = 0; i < 4; i++) {
        rig_fill(rig, "t", i, 5);
    }
    for (int32_t i = 0; i < 4; i++) {
        in = next(rig, id, i + 1);
        in->max_bytes = 1;
        s = rig_fetch(rig, 0, 12, in);
        rig_run(rig);
        for (int32_t j = 0; j < s->out.fetch.responses.at[0].partitions.len; j++) {
            if (served_fetched(s, j)->records.len > 0) {
                got[served_fetched(s, j)->partition_index] = true;
            }
        }
        served_end(s);
    }
    CHECK(got[0] && got[1] && got[2] && got[3]);
    rig_end(rig);
}

TEST(a_session_can_wait_and_is_woken)
{
    struct rig *rig = rig_new(arena, 3);

    rig_topic(rig, "t", 7, NULL);
    int32_t id = session_of(rig, 17, "t", 7);
    struct fetch_request *in = next(rig, id, 1);
    in->max_wait_ms = 500;
    struct served *s = rig_fetch(rig, 0, 17, in);
    rig_wait(rig, 10000);
    CHECK(!s->finished);
    rig_fill(rig, "t", 5, 1);
    CHECK_EQ(s->out.fetch.responses.at[0].partitions.len, 1);
    CHECK_EQ(served_fetched(s, 0)->partition_index, 5);
    served_end(s);
    rig_end(rig);
}

TEST(a_session_that_changed_under_a_waiting_fetch_says_so)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    int32_t id = session_of(rig, 12, "t", 1);
    struct fetch_request *in = next(rig, id, 1);
    in->max_wait_ms = 500;
    struct served *waiting = rig_fetch(rig, 0, 12, in);
    served_end(rig_fetch(rig, 0, 12, next(rig, id, 2))); /* an impatient client */
    rig_wait(rig, 600 * 1000);
    CHECK_EQ(waiting->out.fetch.error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    served_end(waiting);
    in = next(rig, id, 3);
    in->max_wait_ms = 500;
    waiting = rig_fetch(rig, 0, 12, in);
    in = full(rig, "t", 1);
    in->session_id = id;
    served_end(rig_fetch(rig, 0, 12, in));
    rig_wait(rig, 600 * 1000);
    CHECK_EQ(waiting->out.fetch.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    served_end(waiting);
    rig_end(rig);
}

TEST(slots_are_shared_among_cores_and_taken_from_idle_and_smaller_sessions)
{
    struct rig *rig = rig_new(arena, 1);

    config_free(rig->config);
    CHECK_OK(config_new(&rig->config));
    CHECK_OK(config_set(rig->config, BYTES("max.incremental.fetch.session.cache.slots"), BYTES("2"),
                        CONFIG_FROM_SET));
    rig->node.config = rig->cores[0].config = rig->config;
    rig_topic(rig, "t", 5, NULL);
    int32_t first = session_of(rig, 12, "t", 3), second = session_of(rig, 12, "t", 2);
    CHECK(first != 0 && second != 0);
    CHECK_EQ(session_of(rig, 12, "t", 5), 0); /* all young and in use */
    rig_wait(rig, 100);
    rig->cores[0].now_us += UINT64_C(121) * 1000 * 1000;
    served_end(rig_fetch(rig, 0, 12, next(rig, first, 1)));
    served_end(rig_fetch(rig, 0, 12, next(rig, second, 1)));
    CHECK_EQ(session_of(rig, 12, "t", 2), 0); /* old but in use, and not smaller */
    int32_t third = session_of(rig, 12, "t", 4);
    CHECK(third != 0);
    check_error(rig, 12, next(rig, second, 2), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig->cores[0].now_us += UINT64_C(121) * 1000 * 1000;
    served_end(rig_fetch(rig, 0, 12, next(rig, third, 1)));
    CHECK(session_of(rig, 12, "t", 1) != 0); /* the first was idle */
    check_error(rig, 12, next(rig, first, 2), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_end(rig);
}

TEST(sessions_are_bounded_by_their_partitions)
{
    struct rig *rig = rig_new(arena, 1);
    struct fetch_request *in = full(rig, "t", 1);
    enum { MANY = 70000 };

    rig_topic(rig, "t", 1, NULL);
    in->topics.at[0].partitions = fetch_request_partitions_new(arena, MANY);
    for (int32_t i = 0; i < MANY; i++) {
        in->topics.at[0].partitions.at[i].partition = i;
    }
    struct served *s = rig_fetch(rig, 0, 12, in);
    CHECK_EQ(s->out.fetch.session_id, 0);
    served_end(s);
    int32_t id = session_of(rig, 12, "t", 1);
    struct fetch_request *more = next(rig, id, 1);
    more->topics = in->topics;
    check_error(rig, 12, more, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_end(rig);
}

TEST(a_session_by_name_follows_a_topic_that_was_made_anew)
{
    struct rig *rig = rig_new(arena, 1);

    rig_topic(rig, "t", 1, NULL);
    int32_t names = session_of(rig, 12, "t", 1);
    int32_t ids = session_of(rig, 13, "t", 1);
    rig_topic_remove(rig, "t");
    struct served *s = rig_fetch(rig, 0, 13, next(rig, ids, 1));
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    served_end(s);
    rig_topic(rig, "t", 1, NULL);
    rig_fill(rig, "t", 0, 1);
    s = rig_fetch(rig, 0, 12, next(rig, names, 1));
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_NONE);
    CHECK(served_fetched(s, 0)->records.len > 0);
    served_end(s);
    s = rig_fetch(rig, 0, 13, next(rig, ids, 2));
    CHECK_EQ(served_fetched(s, 0)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    served_end(s);
    rig_end(rig);
}
