/* tests/groups/consumer_migrate_test.c: a group changes its protocol while it works, up and down.
 */
#include "broker/groups/classic_internal.h"
#include "schema/describe_groups.h"
#include "tests/groups/consumer_old_rig.h"
#include "tests/groups/offsets_rig.h"

static struct bytes shown(struct fake_host *h, struct old_pair p)
{
    return old_named(h, consumer_shown(h), p);
}

/* Kinds of the records from `from` on, a tombstone with "-" before it: "2 5 5 -8". */
static struct bytes kinds(struct fake_host *h, int32_t from)
{
    struct bytes text = BYTES("");

    for (int32_t i = from; i < fake_record_count(h); i++) {
        const struct fake_record *r = fake_record(h, i);

        text = arena_format(h->arena, "%.*s%s%s%d", BYTES_ARG(text), i == from ? "" : " ",
                            r->record.value == NULL ? "-" : "", r->record.key_info->key);
    }
    return text;
}

/* "<state> <protocol> <member>=<digits> ...". */
static struct bytes classic_shown(struct fake_host *h, struct old_pair p)
{
    struct describe_groups_request in;
    struct bytes text;

    describe_groups_request_init(&in);
    in.groups = string_array_new(h->arena, 1);
    in.groups.at[0] = BYTES("g");
    const struct describe_groups_response *out =
        fake_answer(FAKE_RUN(h, group_describe, describe_groups, 5, &in));
    const struct describe_groups_response_group *group = &out->groups.at[0];
    text = arena_format(h->arena, "%.*s %.*s", BYTES_ARG(group->group_state),
                        BYTES_ARG(group->protocol_data));
    for (int32_t i = 0; i < group->members.len; i++) {
        const struct sync_group_response assigned = {.assignment =
                                                         group->members.at[i].member_assignment};

        text = arena_format(h->arena, "%.*s %.*s=%.*s", BYTES_ARG(text),
                            BYTES_ARG(group->members.at[i].member_id),
                            BYTES_ARG(old_assigned(h, &assigned)));
    }
    return old_named(h, text, p);
}

/* ---- up ---- */

TEST(the_first_consumer_turns_a_classic_group_into_its_own_with_all_that_members_have)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);
    int32_t records = fake_record_count(h);

    CHECK_BEAT(h, "2 ", .member = "a", .topic = "t");
    CHECK_BYTES_EQ(kinds(h, records), BYTES("-2 5 5 3 7 7 6 8 8 5 3 7 7 6 8"));
    CHECK_BYTES_EQ(shown(h, p), BYTES("Reconciling 2/2 F@1 01 -> 0, S@1 23 -> 23, a@2  -> 1"));
    /* The others hear of it as of any rebalance, and say what they own. */
    CHECK_EQ(classic_beat(h, p.first, 1), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(classic_beat(h, p.second, 1), KAFKA_REBALANCE_IN_PROGRESS);
    const struct join_group_response *r = OLD_JOIN(h, .id = p.first, .owned = "01");
    CHECK_EQ(r->generation_id, 1);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("0"));
    CHECK_EQ(classic_beat(h, p.first, 1), KAFKA_REBALANCE_IN_PROGRESS);
    r = OLD_JOIN(h, .id = p.first, .owned = "0");
    CHECK_EQ(r->generation_id, 2);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("0"));
    CHECK_EQ(classic_beat(h, p.first, 2), KAFKA_NONE);
    CHECK_BEAT(h, "2 1", .member = "a", .epoch = 2, .owned = "");
    r = OLD_JOIN(h, .id = p.second, .owned = "23");
    CHECK_EQ(r->generation_id, 2);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("23"));
    CHECK_BYTES_EQ(shown(h, p), BYTES("Stable 2/2 F@2 0 -> 0, S@2 23 -> 23, a@2 1 -> 1"));
    fake_restart(h);
    CHECK_BYTES_EQ(shown(h, p), BYTES("Stable 2/2 F@2 0 -> 0, S@2 23 -> 23, a@2 1 -> 1"));
    CHECK_EQ(classic_beat(h, p.first, 2), KAFKA_NONE);
    fake_host_end(h);
}

TEST(calls_that_wait_when_the_group_is_taken_over_are_told_to_join_again)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);
    struct fake_call *parked = old_join_start(h, &(struct old_joiner){.id = p.first, .owned = "0"});

    CHECK(!fake_answered(parked));
    BEAT(h, .member = "a", .topic = "t");
    CHECK_EQ(joined(parked)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    fake_host_end(h);
}

/* Epoch 0 would tell the consumer to join. */
TEST(a_group_that_is_taken_over_before_its_first_generation_has_an_epoch)
{
    struct fake_host *h = consumer_host(arena);
    struct fake_call *parked = old_join_start(h, &(struct old_joiner){.version = 3});

    CHECK(!fake_answered(parked));
    CHECK_BEAT(h, "1 ", .member = "a", .regex = "nothing");
    CHECK_EQ(joined(parked)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_BEAT(h, "1 -", .member = "a", .epoch = 1);
    fake_host_end(h);
}

/* The consumer alone would not be a reason for it: it subscribes to nothing. */
TEST(a_group_that_is_taken_over_between_two_generations_is_divided_anew)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);
    struct fake_call *joins[] = {old_join_start(h, &(struct old_joiner){.id = p.first}),
                                 old_join_start(h, &(struct old_joiner){.id = p.second})};

    CHECK(fake_answered(joins[0]) && fake_answered(joins[1]));
    (void)old_join_start(h, &(struct old_joiner){.id = p.first, .protocols = "range,sticky"});
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    CHECK_BEAT(h, "3 ", .member = "a", .regex = "nothing");
    CHECK_BYTES_EQ(shown(h, p), BYTES("Reconciling 3/3 F@2  -> 13, S@2  -> 02, a@3  -> "));
    fake_host_end(h);
}

TEST(an_empty_classic_group_is_taken_over_with_its_offsets)
{
    struct fake_host *h = consumer_host(arena);
    int32_t records;

    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 7)), KAFKA_NONE);
    records = fake_record_count(h);
    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    CHECK_BYTES_EQ(kinds(h, records), BYTES("-2 5 3 7 6 8"));
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=7/0''"));
    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=7/0''"));
    fake_host_end(h);
}

#define NOT_UP "69 Cannot upgrade classic group g to consumer group because "

TEST(a_group_of_another_kind_is_not_taken_over)
{
    struct fake_host *h = consumer_host(arena);

    struct fake_call *c = old_join_start(h, &(struct old_joiner){.type = "connect", .version = 3});

    fake_wait(h, 2 * DELAY_MS);
    CHECK_EQ(joined(c)->error_code, KAFKA_NONE);
    CHECK_BEAT(h, NOT_UP "the group does not use the consumer embedded protocol.", .member = "a",
               .topic = "t");
    CHECK_BYTES_EQ(classic_state(h), BYTES("CompletingRebalance"));
    CHECK_BEAT(h, "69 Group g is not a consumer group.", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "69 Group g is not a consumer group.", .member = "a", .epoch = -1);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("error 69"));
    fake_host_end(h);
}

TEST(bytes_that_are_no_subscription_are_not_taken_over)
{
    static const char *const raws[] = {"", "m", "\xff\xff\x01\x01", "x nonsense"};

    for (size_t i = 0; i < COUNT_OF(raws); i++) {
        struct fake_host *h = consumer_host(arena);
        struct fake_call *c = old_join_start(h, &(struct old_joiner){.raw = raws[i], .version = 3});

        fake_wait(h, 2 * DELAY_MS);
        CHECK_EQ(joined(c)->error_code, KAFKA_NONE);
        CHECK_BEAT(h, NOT_UP "the embedded consumer protocol is malformed.", .member = "a",
                   .topic = "t");
        CHECK_EQ(classic_beat(h, joined(c)->member_id, 1), KAFKA_NONE);
        fake_host_end(h);
    }
}

TEST(the_policy_says_which_way_is_open)
{
    static const struct {
        const char *policy;
        bool up, down;
    } policies[] = {{"disabled", false, false},
                    {"upgrade", true, false},
                    {"downgrade", false, true},
                    {"BIDIRECTIONAL", true, true}};

    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct fake_host *h = fake_host_new(arena);
        struct old_pair p;

        fake_topic(h, "t", 4);
        fake_set(h, "group.consumer.migration.policy", policies[i].policy);
        fake_start(h);
        p = old_group(h);
        const struct consumer_group_heartbeat_response *r = BEAT(h, .member = "a", .topic = "t");
        CHECK_EQ(r->error_code, policies[i].up ? KAFKA_NONE : KAFKA_GROUP_ID_NOT_FOUND);
        if (!policies[i].up) {
            CHECK_BYTES_EQ(consumer_said(h, r), BYTES(NOT_UP "the online upgrade is disabled."));
            fake_host_end(h);
            continue;
        }
        CHECK_BEAT(h, "-1 -", .member = "a", .epoch = -1);
        if (policies[i].down) {
            CHECK_BYTES_EQ(consumer_shown(h), BYTES("error 69"));
            CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
        } else {
            CHECK_BYTES_EQ(bytes_slice(shown(h, p), 0, 13), BYTES("Assigning 3/2"));
        }
        fake_host_end(h);
    }
}

TEST(a_group_that_is_too_large_is_not_taken_over)
{
    for (int max = 1; max <= 3; max++) {
        struct fake_host *h = fake_host_new(arena);
        const char *text = max == 1 ? "1" : max == 2 ? "2" : "3";

        fake_topic(h, "t", 4);
        fake_set(h, "group.consumer.max.size", text);
        fake_start(h);
        (void)old_group(h);
        const struct consumer_group_heartbeat_response *r = BEAT(h, .member = "a", .topic = "t");
        CHECK_EQ(r->error_code, max == 1   ? KAFKA_GROUP_ID_NOT_FOUND
                                : max == 2 ? KAFKA_GROUP_MAX_SIZE_REACHED
                                           : KAFKA_NONE);
        if (max < 3) {
            CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
        }
        fake_host_end(h);
    }
}

/* ---- down ---- */

TEST(when_the_last_consumer_leaves_the_others_rebalance_as_a_classic_group)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);
    int32_t records;

    BEAT(h, .member = "a", .topic = "t");
    records = fake_record_count(h);
    CHECK_BEAT(h, "-1 -", .member = "a", .epoch = -1);
    CHECK_BYTES_EQ(kinds(h, records), BYTES("-8 -8 -8 -7 -7 -7 -6 -5 -5 -5 -4 -3 2"));
    CHECK_BYTES_EQ(classic_shown(h, p), BYTES("PreparingRebalance  F=0 S=23"));
    CHECK_EQ(h->stats.group_members_consumer, 0);
    CHECK_EQ(classic_beat(h, p.first, 2), KAFKA_REBALANCE_IN_PROGRESS);
    struct fake_call *first = old_join_start(h, &(struct old_joiner){.id = p.first});
    struct fake_call *second = old_join_start(h, &(struct old_joiner){.id = p.second});
    CHECK_EQ(joined(first)->generation_id, 3);
    CHECK_EQ(joined(second)->generation_id, 3);
    CHECK_BYTES_EQ(joined(second)->leader, p.first);
    fake_host_end(h);
}

TEST(a_group_that_went_back_is_the_same_after_a_restart)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "a", .epoch = -1);
    fake_restart(h);
    CHECK_BYTES_EQ(classic_shown(h, p), BYTES("Stable range F=0 S=23"));
    CHECK_EQ(classic_beat(h, p.first, 2), KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_consumer_that_is_silent_leaves_a_classic_group_behind)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = old_group(h);

    BEAT(h, .member = "a", .topic = "t");
    OLD_JOIN(h, .id = p.first, .owned = "01", .rebalance_ms = REBALANCE_MS);
    OLD_JOIN(h, .id = p.second, .owned = "23", .rebalance_ms = REBALANCE_MS);
    fake_wait(h, SESSION + 1);
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    CHECK_BYTES_EQ(fake_header(fake_record_last(h, &group_metadata_key_message), "weir.reason"),
                   BYTES_NULL);
    fake_host_end(h);
}

TEST(a_static_consumer_that_comes_back_as_a_classic_member_changes_nothing_for_the_group)
{
    struct fake_host *h = consumer_host(arena);
    struct old_pair p = {BYTES("F"), BYTES("S")};

    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    const struct join_group_response *r =
        OLD_JOIN(h, .instance = "i", .rebalance_ms = REBALANCE_MS);
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->generation_id, 2);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("error 69"));
    p.first = r->member_id;
    CHECK_BYTES_EQ(classic_shown(h, p), BYTES("Stable range F=0123"));
    CHECK_EQ(classic_beat(h, p.first, 2), KAFKA_NONE);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("0123"));
    fake_restart(h);
    CHECK_BYTES_EQ(classic_shown(h, p), BYTES("Stable range F=0123"));
    /* And up again, without asking: nobody else has to move. */
    CHECK_BEAT(h, "2 0123", .member = "b", .instance = "i", .topic = "t");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 b@2 0123 -> 0123"));
    fake_host_end(h);
}

TEST(an_empty_consumer_group_is_taken_over_by_the_classic_protocol_with_its_offsets)
{
    struct fake_host *h = consumer_host(arena);
    int32_t records;

    BEAT(h, .member = "a", .topic = "t");
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = "a", .generation = 2,
                                  .offset = 7)),
             KAFKA_NONE);
    BEAT(h, .member = "a", .epoch = -1);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("x"))->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 3/3"));
    records = fake_record_count(h);
    CHECK_EQ(OLD_JOIN(h)->error_code, KAFKA_MEMBER_ID_REQUIRED);
    CHECK_BYTES_EQ(kinds(h, records), BYTES("-6 -4 -3 2"));
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=7/0''"));
    fake_restart(h);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=7/0''"));
    fake_host_end(h);
}

/* ---- what fails ---- */

static void up_and_down(struct fake_host *h, struct old_pair p)
{
    BEAT(h, .member = "a", .topic = "t");
    old_join_start(h, &(struct old_joiner){.id = p.first, .owned = "01"});
    old_join_start(h, &(struct old_joiner){.id = p.first, .owned = "0"});
    BEAT(h, .member = "a", .epoch = 2, .owned = "");
    BEAT(h, .member = "a", .epoch = -1);
}

/* Whichever of the two kinds it is. */
static struct bytes either_shown(struct fake_host *h, struct old_pair p)
{
    const struct group *group = group_find(h->groups, BYTES("g"));

    CHECK(group != NULL);
    return group->consumer != NULL ? shown(h, p) : classic_shown(h, p);
}

TEST(whatever_memory_is_missing_on_the_way_up_and_down_the_log_says_what_happened)
{
    int passed = 0;

    for (uint64_t nth = 1; nth <= 400 && passed < 3; nth++) {
        struct fake_host *h = consumer_host(arena);
        struct old_pair p = old_group(h);
        struct bytes before;

        h->fail_allocation = nth;
        up_and_down(h, p);
        h->fail_allocation = 0;
        passed = h->lost ? 0 : passed + 1;
        fake_restart(h);
        before = either_shown(h, p);
        fake_restart(h);
        CHECK_BYTES_EQ(either_shown(h, p), before);
        fake_host_end(h);
    }
    CHECK_EQ(passed, 3); /* and then there was enough */
}
