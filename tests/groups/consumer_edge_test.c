/* tests/groups/consumer_edge_test.c: the less travelled paths: settings, static members that come and go, full
 * groups, topics that are gone, and how a group is described, listed, read from and deleted.
 */
#include "broker/groups/consumer_internal.h"
#include "schema/delete_groups.h"
#include "tests/groups/consumer_rig.h"
#include "tests/groups/offsets_rig.h"

/* ---- what is let through, and what is not ---- */

TEST(without_the_consumer_protocol_nobody_is_served)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.coordinator.rebalance.protocols", "classic");
    fake_start(h);
    CHECK_EQ(BEAT(h, .member = "a", .topic = "t")->error_code, KAFKA_UNSUPPORTED_VERSION);
    CHECK_EQ(fake_record_count(h), 0);
    fake_host_end(h);
}

TEST(a_rebalance_timeout_need_not_be_sensible)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t", .timeout_ms = -2);
    fake_host_end(h);
}

TEST(an_assignor_is_known_by_its_exact_name)
{
    static const char *const wrong[] = {"", "Uniform", " range", "sticky"};
    struct fake_host *h = consumer_host(arena);

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_EQ(BEAT(h, .member = "a", .topic = "t", .assignor = wrong[i])->error_code,
                 KAFKA_UNSUPPORTED_ASSIGNOR);
    }
    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t", .assignor = "uniform");
    fake_host_end(h);
}

TEST(version_0_keeps_an_id_of_its_own)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BYTES_EQ(BEAT(h, .member = "mine", .topic = "t", .old = true)->member_id, BYTES("mine"));
    fake_host_end(h);
}

TEST(in_version_0_a_static_member_goes_for_a_while_without_naming_its_id)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    CHECK_EQ(BEAT(h, .member = "", .instance = "i", .epoch = -2, .old = true)->error_code,
             KAFKA_FENCED_INSTANCE_ID);
    CHECK_EQ(BEAT(h, .member = "", .instance = "j", .epoch = -2, .old = true)->error_code,
             KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(BEAT(h, .member = "", .instance = "i", .epoch = -2)->error_code,
             KAFKA_INVALID_REQUEST);
    CHECK_EQ(BEAT(h, .member = "", .instance = "i", .epoch = -1, .old = true)->error_code,
             KAFKA_INVALID_REQUEST);
    CHECK_EQ(BEAT(h, .member = "", .epoch = -2, .old = true)->error_code, KAFKA_INVALID_REQUEST);
    fake_host_end(h);
}

TEST(an_error_says_nothing_about_the_member)
{
    struct fake_host *h = consumer_host(arena);
    const struct consumer_group_heartbeat_response *r = BEAT(h, .member = "a", .epoch = 1);

    CHECK(r->member_id.at == NULL);
    CHECK_EQ(r->member_epoch, 0);
    CHECK_EQ(r->heartbeat_interval_ms, 0);
    CHECK(r->assignment == NULL);
    fake_host_end(h);
}

TEST(the_heartbeat_interval_is_told_while_one_stays)
{
    struct fake_host *h = fake_host_new(arena);

    fake_set(h, "group.consumer.heartbeat.interval.ms", "7000");
    fake_start(h);
    CHECK_EQ(BEAT(h, .member = "a", .topic = "t")->heartbeat_interval_ms, 7000);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->heartbeat_interval_ms, 7000);
    const struct consumer_group_heartbeat_response *r = BEAT(h, .member = "a", .epoch = -1);
    CHECK_EQ(r->heartbeat_interval_ms, 0);
    CHECK_BYTES_EQ(r->member_id, BYTES("a"));
    fake_host_end(h);
}

/* ---- static members ---- */

TEST(a_static_member_may_go_for_a_while_twice_and_come_back_as_itself)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    CHECK_BEAT(h, "-2 -", .member = "a", .instance = "i", .epoch = -2);
    CHECK_BEAT(h, "-2 -", .member = "a", .instance = "i", .epoch = -2);
    CHECK_EQ(BEAT(h, .member = "a", .instance = "i", .epoch = 2)->error_code,
             KAFKA_FENCED_MEMBER_EPOCH);
    CHECK_BEAT(h, "2 0123", .member = "a", .instance = "i", .topic = "t");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    /* It need not say its instance in every heartbeat. */
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "-1 -", .member = "a", .epoch = -1);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 3/3"));
    fake_host_end(h);
}

TEST(a_static_member_that_returns_to_other_topics_brings_a_new_epoch)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "u", 1);
    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    CHECK_BEAT(h, "3 0", .member = "b", .instance = "i", .topic = "u");
    fake_host_end(h);
}

TEST(others_do_not_get_what_a_static_member_left_for_a_while)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    CHECK_BEAT(h, "3 ", .member = "b", .topic = "t");
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 3, .owned = "");
    fake_wait(h, SESSION - 1);
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 3, .owned = "");
    fake_wait(h, 2);
    CHECK_BEAT(h, "4 0123", .member = "b", .epoch = 3, .owned = "");
    fake_host_end(h);
}

TEST(in_a_full_group_a_static_member_finds_its_place)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.max.size", "1");
    fake_set(h, "group.consumer.assignment.interval.ms", "0");
    fake_start(h);
    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    CHECK_EQ(BEAT(h, .member = "c", .instance = "other", .topic = "t")->error_code,
             KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_BEAT(h, "2 0123", .member = "b", .instance = "i", .topic = "t");
    CHECK_EQ(BEAT(h, .member = "b", .epoch = 2)->error_code, KAFKA_NONE);
    fake_host_end(h);
}

/* ---- topics ---- */

TEST(a_topic_that_is_gone_is_let_go)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    fake_topic_remove(h, "t");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 3/3 a@3  -> "));
    fake_host_end(h);
}

TEST(a_topic_of_the_same_name_is_another_topic)
{
    struct fake_host *h = consumer_host(arena);
    struct uuid old = fake_topic_id(h, "t");

    BEAT(h, .member = "a", .topic = "t");
    fake_topic_remove(h, "t");
    fake_topic(h, "t", 4);
    CHECK(!uuid_equal(old, fake_topic_id(h, "t")));
    BEAT(h, .member = "a", .epoch = 2, .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 3/3 a@3 0123 -> 0123"));
    fake_host_end(h);
}

/* ---- from outside ---- */

TEST(a_group_is_listed_in_each_of_its_states)
{
    struct fake_host *h = fake_host_new(arena);
    struct group_listing l;

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.assignment.interval.ms", "5000");
    fake_start(h);
    BEAT(h, .member = "a", .topic = "t");
#define STATE(want_)                                      \
    consumer_list(group_find(h->groups, BYTES("g")), &l); \
    CHECK_BYTES_EQ(l.state, BYTES(want_));                \
    CHECK_BYTES_EQ(l.protocol_type, BYTES("consumer"));   \
    CHECK_BYTES_EQ(l.type, BYTES("consumer"))
    STATE("Stable");
    BEAT(h, .member = "b", .topic = "t");
    STATE("Assigning");
    fake_wait(h, 5001);
    BEAT(h, .member = "b", .epoch = 2, .owned = "");
    STATE("Reconciling");
    BEAT(h, .member = "a", .epoch = -1);
    BEAT(h, .member = "b", .epoch = -1);
    STATE("Empty");
#undef STATE
    fake_host_end(h);
}

TEST(a_member_is_described_with_all_it_said)
{
    struct fake_host *h = consumer_host(arena);
    struct consumer_group_describe_request in;

    BEAT(h, .member = "a", .instance = "i", .rack = "r", .topic = "t", .regex = "u",
         .assignor = "range");
    consumer_group_describe_request_init(&in);
    in.group_ids = string_array_new(arena, 1);
    in.group_ids.at[0] = BYTES("g");
    const struct consumer_group_describe_response *out =
        fake_answer(FAKE_RUN(h, group_consumer_describe, consumer_group_describe, 1, &in));
    const struct consumer_group_describe_response_group *g = &out->groups.at[0];
    CHECK_BYTES_EQ(g->assignor_name, BYTES("range"));
    CHECK_EQ(g->members.len, 1);
    const struct consumer_group_describe_response_member *m = &g->members.at[0];
    CHECK_BYTES_EQ(m->instance_id, BYTES("i"));
    CHECK_BYTES_EQ(m->rack_id, BYTES("r"));
    CHECK_BYTES_EQ(m->client_id, BYTES("client"));
    CHECK_BYTES_EQ(m->client_host, BYTES("/127.0.0.1"));
    CHECK_EQ(m->subscribed_topic_names.len, 1);
    CHECK_BYTES_EQ(m->subscribed_topic_regex, BYTES("u"));
    CHECK_EQ(m->member_type, 1);
    CHECK_BYTES_EQ(m->assignment.topic_partitions.at[0].topic_name, BYTES("t"));
    fake_host_end(h);
}

TEST(offsets_are_read_by_members_in_their_epoch_and_by_who_is_none)
{
    struct fake_host *h = consumer_host(arena);
    struct group *group;

    BEAT(h, .member = "a", .topic = "t");
    group = group_find(h->groups, BYTES("g"));
#define FETCH(id_, epoch_) consumer_check_fetch(h->groups, group, (id_), (epoch_))
    CHECK_EQ(FETCH(BYTES("a"), 2), KAFKA_NONE);
    CHECK_EQ(FETCH(BYTES("a"), 1), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(FETCH(BYTES("a"), 3), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(FETCH(BYTES("a"), -1), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(FETCH(BYTES("x"), 2), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(FETCH(BYTES(""), -1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(FETCH(BYTES_NULL, -1), KAFKA_NONE);
#undef FETCH
    fake_host_end(h);
}

TEST(a_commit_in_an_old_version_is_not_supported_for_members)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    for (int16_t v = 2; v <= 8; v++) {
        CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "a", .generation = 2,
                                      .version = v)),
                 KAFKA_UNSUPPORTED_VERSION);
        CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "x", .generation = 2,
                                      .version = v)),
                 KAFKA_UNKNOWN_MEMBER_ID);
    }
    BEAT(h, .member = "a", .epoch = -1);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t")), KAFKA_NONE);
    fake_host_end(h);
}

static enum kafka_error delete_group(struct fake_host *h)
{
    struct delete_groups_request in;

    delete_groups_request_init(&in);
    in.groups_names = string_array_new(h->arena, 1);
    in.groups_names.at[0] = BYTES("g");
    const struct delete_groups_response *out =
        fake_answer(FAKE_RUN(h, group_delete, delete_groups, 2, &in));
    return out->results.at[0].error_code;
}

TEST(a_deleted_group_begins_anew)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .regex = "t");
    CHECK_EQ(delete_group(h), KAFKA_NON_EMPTY_GROUP);
    BEAT(h, .member = "a", .epoch = -1);
    CHECK_EQ(delete_group(h), KAFKA_NONE);
    CHECK_EQ(groups_count(h->groups), 0);
    fake_restart(h);
    CHECK_EQ(groups_count(h->groups), 0);
    CHECK_BEAT(h, "69 Consumer group g not found.", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    fake_host_end(h);
}
