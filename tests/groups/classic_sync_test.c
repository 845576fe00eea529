/* tests/groups/classic_sync_test.c: SyncGroup, Heartbeat, sessions and commits: the life of a generation. */
#include "broker/groups/classic_internal.h"
#include "tests/groups/classic_rig.h"

/* Two members whose JoinGroup was answered; the first leads. */
static void two_joined(struct fake_host *h, const struct join_group_response *m[2])
{
    struct fake_call *a = JOIN(h, .version = 3), *b = JOIN(h, .version = 3);

    fake_wait(h, DELAY_MS + 1);
    m[0] = joined(a);
    m[1] = joined(b);
}

TEST(followers_wait_for_the_leader)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower, *leader;

    two_joined(h, m);
    follower = SYNC(h, m[1]);
    CHECK(!fake_answered(follower));
    CHECK_BYTES_EQ(classic_state(h), BYTES("CompletingRebalance"));
    leader = classic_sync(h, m[0], &m[0]->members);
    CHECK_BYTES_EQ(synced(follower)->assignment,
                   arena_format(arena, "for %.*s", BYTES_ARG(m[1]->member_id)));
    CHECK_BYTES_EQ(synced(follower)->protocol_name, BYTES("range"));
    CHECK_BYTES_EQ(synced(follower)->protocol_type, BYTES("consumer"));
    CHECK_EQ(synced(leader)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    /* Who asks again gets what is stored. */
    CHECK_BYTES_EQ(synced(SYNC(h, m[1]))->assignment, synced(follower)->assignment);
    fake_host_end(h);
}

TEST(who_asks_after_the_leader_gets_what_is_stored)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];

    two_joined(h, m);
    classic_sync(h, m[0], &m[0]->members);
    CHECK_BYTES_EQ(synced(SYNC(h, m[1]))->assignment,
                   arena_format(arena, "for %.*s", BYTES_ARG(m[1]->member_id)));
    fake_host_end(h);
}

TEST(members_that_the_leader_left_out_have_an_empty_assignment)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower;

    two_joined(h, m);
    follower = SYNC(h, m[1]);
    struct join_group_response_members only = m[0]->members;
    CHECK_BYTES_EQ(only.at[0].member_id, m[0]->member_id);
    only.len = 1;
    classic_sync(h, m[0], &only);
    CHECK_EQ(synced(follower)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(synced(follower)->assignment, BYTES(""));
    fake_host_end(h);
}

TEST(an_assignment_is_not_told_before_it_is_durable)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower, *leader, *again;

    two_joined(h, m);
    h->slow = true;
    follower = SYNC(h, m[1]);
    leader = classic_sync(h, m[0], &m[0]->members);
    again = SYNC(h, m[1]);
    CHECK(!fake_answered(follower) && !fake_answered(leader) && !fake_answered(again));
    fake_sync(h);
    CHECK_EQ(synced(follower)->error_code, KAFKA_NONE);
    CHECK_EQ(synced(leader)->error_code, KAFKA_NONE);
    CHECK_EQ(synced(again)->error_code, KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_rebalance_ends_the_wait_for_the_leader)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower;

    two_joined(h, m);
    follower = SYNC(h, m[1]);
    JOIN(h, .version = 3);
    CHECK_EQ(synced(follower)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(synced(SYNC(h, m[1]))->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    fake_host_end(h);
}

TEST(a_second_sync_of_a_member_takes_the_place_of_the_first)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *first, *second;

    two_joined(h, m);
    first = SYNC(h, m[1]);
    second = SYNC(h, m[1]);
    CHECK_EQ(synced(first)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    classic_sync(h, m[0], &m[0]->members);
    CHECK_EQ(synced(second)->error_code, KAFKA_NONE);
    fake_host_end(h);
}

static enum kafka_error sync_error(struct fake_host *h, struct sync_group_request in,
                                   int16_t version)
{
    return synced(FAKE_RUN(h, group_sync, sync_group, version, &in))->error_code;
}

TEST(a_sync_says_who_and_which_generation)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct sync_group_request in;

    classic_stable(h, m, 2);
    sync_group_request_init(&in);
    CHECK_EQ(sync_error(h, in, 0), KAFKA_INVALID_GROUP_ID);
    in.group_id = BYTES("nobody");
    CHECK_EQ(sync_error(h, in, 0), KAFKA_UNKNOWN_MEMBER_ID);
    in.group_id = BYTES("g");
    in.generation_id = 1;
    CHECK_EQ(sync_error(h, in, 0), KAFKA_UNKNOWN_MEMBER_ID);
    in.member_id = m[1]->member_id;
    CHECK_EQ(sync_error(h, in, 0), KAFKA_NONE);
    CHECK_EQ(sync_error(h, in, 5), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    in.protocol_type = BYTES("consumer");
    in.protocol_name = BYTES("range");
    CHECK_EQ(sync_error(h, in, 5), KAFKA_NONE);
    in.protocol_name = BYTES("sticky");
    CHECK_EQ(sync_error(h, in, 5), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(sync_error(h, in, 4), KAFKA_NONE);
    in.generation_id = 2;
    CHECK_EQ(sync_error(h, in, 4), KAFKA_ILLEGAL_GENERATION);
    in.group_instance_id = BYTES("i");
    CHECK_EQ(sync_error(h, in, 4), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(members_that_never_sync_are_removed_after_the_rebalance_timeout)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *again;

    two_joined(h, m);
    classic_sync(h, m[0], &m[0]->members);
    for (int i = 0; i < 59; i++) {
        fake_wait(h, 1000);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
        CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_NONE);
    }
    fake_wait(h, 1001);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    again = JOIN(h, .id = m[0]->member_id);
    CHECK_EQ(joined(again)->members.len, 1);
    fake_host_end(h);
}

TEST(a_member_that_is_not_to_be_waited_for_is_removed_at_once)
{
    struct fake_host *h = fake_host_new(arena);

    fake_set(h, "group.initial.rebalance.delay.ms", "0");
    fake_start(h);
    struct fake_call *c = JOIN(h, .version = 3, .rebalance_ms = -1);
    fake_wait(h, 2);
    CHECK_EQ(joined(c)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    fake_host_end(h);
}

TEST(without_the_leader_s_sync_the_followers_begin_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower;

    two_joined(h, m);
    follower = SYNC(h, m[1]);
    for (int i = 0; i < 59; i++) {
        fake_wait(h, 1000);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    }
    fake_wait(h, 1001);
    CHECK_EQ(synced(follower)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_BYTES_EQ(joined(JOIN(h, .id = m[1]->member_id))->leader, m[1]->member_id);
    fake_host_end(h);
}

TEST(a_member_that_is_silent_is_removed)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];

    classic_stable(h, m, 2);
    fake_wait(h, SESSION_MS - 1);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    fake_wait(h, 2);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->members.len, 1);
    CHECK_EQ(classic_member_count(group_find(h->groups, BYTES("g"))), 1);
    fake_host_end(h);
}

TEST(a_group_whose_last_member_is_silent_becomes_empty)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];

    classic_stable(h, m, 1);
    CHECK_EQ(h->stats.group_members_classic, 1);
    fake_wait(h, SESSION_MS + 1);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_EQ(h->stats.group_members_classic, 0);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(synced(SYNC(h, m[0]))->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    const struct join_group_response *r = joined(JOIN(h));
    CHECK_EQ(r->error_code, KAFKA_MEMBER_ID_REQUIRED);
    /* Another protocol type may come now. */
    struct fake_call *c = JOIN(h, .version = 3, .type = "connect", .protocols = "eager");
    fake_wait(h, SESSION_MS + 1);
    CHECK_EQ(joined(c)->generation_id, 3);
    CHECK(!classic_is_consumer(group_find(h->groups, BYTES("g"))));
    fake_host_end(h);
}

TEST(who_waits_in_a_call_is_alive)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *follower, *c;

    classic_stable(h, m, 2);
    c = JOIN(h, .id = m[1]->member_id, .metadata = "x");
    for (int i = 0; i < 5; i++) {
        fake_wait(h, SESSION_MS - 1);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    }
    CHECK(!fake_answered(c));
    m[0] = joined(JOIN(h, .id = m[0]->member_id));
    CHECK_EQ(m[0]->generation_id, 2);
    m[1] = joined(c);
    follower = SYNC(h, m[1]);
    for (int i = 0; i < 5; i++) {
        fake_wait(h, SESSION_MS - 1);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 2), KAFKA_NONE);
    }
    classic_sync(h, m[0], &m[0]->members);
    CHECK_EQ(synced(follower)->error_code, KAFKA_NONE);
    fake_wait(h, SESSION_MS - 1); /* its session began with the answer */
    CHECK_EQ(classic_beat(h, m[1]->member_id, 2), KAFKA_NONE);
    fake_host_end(h);
}

TEST(heartbeats_say_who_and_which_generation)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];
    struct heartbeat_request in;

    CHECK_EQ(classic_beat(h, BYTES("x"), 1), KAFKA_UNKNOWN_MEMBER_ID);
    classic_stable(h, m, 1);
    CHECK_EQ(classic_beat(h, BYTES("x"), 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 0), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    heartbeat_request_init(&in);
    const struct heartbeat_response *out =
        fake_answer(FAKE_RUN(h, group_heartbeat, heartbeat, 4, &in));
    CHECK_EQ(out->error_code, KAFKA_INVALID_GROUP_ID);
    fake_host_end(h);
}

static enum kafka_error commit(struct fake_host *h, struct bytes id, int32_t generation)
{
    return classic_check_commit(
        h->groups, group_find(h->groups, BYTES("g")),
        &(struct group_committer){
            .member_id = id, .instance_id = BYTES_NULL, .generation = generation, .version = 8});
}

TEST(members_commit_in_their_generation_and_others_when_nobody_is_in)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *c;

    classic_stable(h, m, 1);
    CHECK_EQ(commit(h, m[0]->member_id, 1), KAFKA_NONE);
    CHECK_EQ(commit(h, m[0]->member_id, 2), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(commit(h, m[0]->member_id, -1), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(commit(h, BYTES("x"), 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(commit(h, BYTES(""), -1), KAFKA_UNKNOWN_MEMBER_ID);
    for (int i = 0; i < 3; i++) { /* a commit is a sign of life */
        fake_wait(h, SESSION_MS - 1);
        CHECK_EQ(commit(h, m[0]->member_id, 1), KAFKA_NONE);
    }
    c = JOIN(h, .version = 3);
    CHECK_EQ(commit(h, m[0]->member_id, 1), KAFKA_NONE); /* while the next one is prepared */
    m[0] = joined(JOIN(h, .id = m[0]->member_id));
    CHECK_EQ(commit(h, m[0]->member_id, 2), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(commit(h, joined(c)->member_id, 2), KAFKA_REBALANCE_IN_PROGRESS);
    fake_wait(h, SESSION_MS + 1);
    fake_wait(h, REBALANCE_MS + 1);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_EQ(commit(h, BYTES(""), -1), KAFKA_NONE);
    CHECK_EQ(commit(h, BYTES(""), 2), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(an_assignment_too_large_to_keep_is_refused)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct sync_group_request in;
    struct fake_call *follower;

    two_joined(h, m);
    follower = SYNC(h, m[1]);
    sync_group_request_init(&in);
    in.group_id = BYTES("g");
    in.generation_id = 1;
    in.member_id = m[0]->member_id;
    in.assignments = sync_group_request_assignments_new(arena, 1);
    in.assignments.at[0].member_id = m[1]->member_id;
    in.assignments.at[0].assignment =
        (struct bytes){arena_alloc(arena, CLASSIC_RECORD_BYTES_MAX), CLASSIC_RECORD_BYTES_MAX};
    CHECK_EQ(sync_error(h, in, 3), KAFKA_UNKNOWN_SERVER_ERROR);
    CHECK_EQ(synced(follower)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    CHECK(!h->lost);
    fake_host_end(h);
}
