/* tests/unit/raft_membership_test.c: corners of changes that take a state of their own. */
#include "raft/raft.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

static void change_to(struct single *s, const struct raft_configuration *target)
{
    single_step(s, &(struct raft_in){.kind = RAFT_IN_CHANGE, .change.target = target});
}

/* Commits all there is, by the word of two followers. */
static void commit(struct single *s, uint64_t first, uint64_t second)
{
    single_durable(s, s->ticket);
    single_acked(s, first);
    single_acked(s, second);
}

/* Thesis 4.2.2: the leader that is not in C_new leads until that is committed, and hands over to the voter whose log is
 * the longest. */
TEST(a_leader_that_is_removed_hands_over_to_the_longest_log)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(4), target = {.count = 4};

    for (uint32_t i = 0; i < target.count; i++) {
        target.members[i] = (struct raft_member){.replica_id = i + 2, .roles = RAFT_VOTER};
    }
    target.members[3].roles = RAFT_LEARNER;
    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    change_to(s, &target);
    commit(s, 2, 3); /* the learner is in */
    commit(s, 2, 3); /* C_old,new */
    CHECK(!s->view.joint && !s->view.configuration_committed);
    CHECK_EQ(s->view.role, RAFT_LEADER);
    single_durable(s, s->ticket);
    single_acked(s, 4);
    single_propose(s, 1);
    CHECK_EQ(s->view.role, RAFT_LEADER);
    single_acked(s, 3); /* C_new is committed */
    CHECK_EQ(s->view.role, RAFT_FOLLOWER);
    CHECK(single_sent(s, RAFT_TIMEOUT_NOW, 3) != NULL);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_DONE);
}

TEST(nobody_changes_members_in_a_transfer)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), target = single_voters(4);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    single_step(s, &(struct raft_in){.kind = RAFT_IN_TRANSFER, .transfer.to = 2});
    change_to(s, &target);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_TRANSFERRING);
    single_do(s, RAFT_IN_CAMPAIGN); /* it leads */
    CHECK_EQ(s->out_count, 0);
}

/* A relaxed disk commits in the step after an append, which may append as well: then C_new has to wait for the next step,
 * and a change that is asked for in between finds the joint configuration. */
static struct single *in_the_middle_of_a_change(struct arena *arena)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_options options = {.election_ms = 1000,
                                   .beat_ms = 100,
                                   .append_bytes_max = 100,
                                   .window_bytes = 100,
                                   .window_messages = 4,
                                   .relaxed = true};
    struct raft_configuration before = single_voters(1), joint = single_voters(2);
    struct raft_bound runs[] = {{1, 1}};

    joint.members[0].roles = RAFT_VOTER | RAFT_OUTGOING;
    joint.members[1].roles = RAFT_LEARNER;
    single_init(s,
                &(struct raft_start){.options = &options,
                                     .configuration = &joint,
                                     .configuration_index = 1,
                                     .previous = &before},
                runs, COUNT_OF(runs));
    single_elect(s);
    CHECK_EQ(s->view.durable, 2);
    CHECK_EQ(s->view.commit, 0);
    single_propose(s, 1);
    CHECK(s->view.joint && s->view.configuration_committed);
    return s;
}

TEST(a_change_waits_for_a_joint_configuration_of_an_earlier_leader)
{
    struct single *s = in_the_middle_of_a_change(arena);
    struct raft_configuration before = single_voters(1);

    change_to(s, &before);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_CHANGING);
    CHECK(!s->view.joint); /* and C_new follows in the same step */
    CHECK_EQ(single_find(s, RAFT_OUT_APPEND)->append.source, RAFT_ENTRY_CONFIGURATION);
    change_to(s, &before); /* C_new is not committed */
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_CHANGING);
}

TEST(a_change_of_an_earlier_leader_can_be_cancelled)
{
    struct single *s = in_the_middle_of_a_change(arena);
    struct raft_configuration c;

    single_do(s, RAFT_IN_CANCEL);
    raft_configuration_get(s->raft, &c);
    CHECK_EQ(single_find(s, RAFT_OUT_APPEND)->append.source, RAFT_ENTRY_CONFIGURATION);
    CHECK(!s->view.joint && c.members[0].roles == RAFT_VOTER);
    single_durable(s, s->ticket);
    single_do(s, RAFT_IN_CANCEL); /* there is nothing any more */
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_INVALID);
}

TEST(who_is_alone_after_an_unclean_end_is_not_fenced_and_who_waits_for_others_is)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_options options = {.election_ms = 1000,
                                   .beat_ms = 100,
                                   .append_bytes_max = 100,
                                   .window_bytes = 100,
                                   .window_messages = 4,
                                   .relaxed = true};
    struct raft_configuration c = single_voters(1);
    struct raft_start start = {.options = &options, .configuration = &c, .fenced = true};

    single_init(s, &start, NULL, 0);
    CHECK(!s->view.fenced);
    c.members[0].replica_id = 2;
    single_init(s, &start, NULL, 0);
    CHECK(s->view.fenced);
}

static void answer(struct single *s, uint64_t from, uint64_t match)
{
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = from,
                                             .reply = {.boot = 1,
                                                       .sequence = s->newest[from].sequence,
                                                       .sent_bytes = s->newest[from].sent_bytes,
                                                       .match = match,
                                                       .durable = match,
                                                       .last = match}});
}

/* Thesis 4.2.1: a round brings what the log had when it began, and has to be shorter than an election time-out. */
TEST(a_new_voter_catches_up_in_rounds_before_it_counts)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), target = single_voters(4);
    uint64_t election_ms;

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    election_ms = s->options.election_ms;
    single_lead(s);
    single_propose(s, 9);
    change_to(s, &target);
    commit(s, 2, 3);
    answer(s, 4, 9); /* the round began when the log went to 10 */
    CHECK(!s->view.joint && s->view.last.index == 11);
    for (uint64_t round = 1; round < RAFT_CATCH_UP_ROUND_MAX; round++) {
        uint64_t last = s->view.last.index;

        single_propose(s, 1); /* of the next round */
        for (uint64_t wait = 0; wait <= election_ms; wait += s->options.beat_ms) {
            single_time(s, s->now_ms + s->options.beat_ms);
            single_acked(s, 2);
            single_acked(s, 3);
        }
        answer(s, 4, last);
        CHECK(!s->view.joint && s->view.changing);
    }
    answer(s, 4, s->view.last.index); /* the last round is quick enough */
    CHECK(s->view.joint);
}

/* It was quick enough for a change that was cancelled; of the next one that says nothing. */
TEST(a_new_voter_catches_up_for_each_change)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(4), target = single_voters(5);

    c.members[3].roles = RAFT_LEARNER;
    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    change_to(s, &target);
    commit(s, 2, 3);
    single_acked(s, 4); /* 5 never answers */
    single_do(s, RAFT_IN_CANCEL);
    commit(s, 2, 3);
    CHECK(!s->view.changing);
    single_propose(s, 1);
    commit(s, 2, 3);
    target.count = 4;
    change_to(s, &target);
    CHECK(s->view.changing && !s->view.joint);
    single_acked(s, 4);
    CHECK(s->view.joint);
}

TEST(a_new_voter_that_is_slow_in_all_rounds_ends_the_change)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), target = single_voters(4);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    change_to(s, &target);
    commit(s, 2, 3);
    for (uint64_t round = 1; round <= RAFT_CATCH_UP_ROUND_MAX; round++) {
        CHECK(s->view.changing && !single_find(s, RAFT_OUT_CHANGE));
        for (uint64_t wait = 0; wait <= s->options.election_ms; wait += s->options.beat_ms) {
            single_time(s, s->now_ms + s->options.beat_ms);
            single_acked(s, 2);
            single_acked(s, 3);
        }
        answer(s, 4, s->view.last.index);
    }
    CHECK_EQ(single_find(s, RAFT_OUT_APPEND)->append.source, RAFT_ENTRY_CONFIGURATION);
    single_durable(s, s->ticket);
    single_acked(s, 2);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_NOT_CAUGHT_UP);
    raft_configuration_get(s->raft, &c);
    CHECK_EQ(c.count, 3);
    CHECK(!raft_peer_get(s->raft, 2, &(struct raft_peer_view){0})); /* forgotten */
}

/* Nothing is announced twice: a start says what is known to be committed. */
TEST(a_configuration_that_was_committed_before_the_start_is_not_announced)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), previous = single_voters(2);
    struct raft_bound runs[] = {{4, 1}};
    struct raft_start start = {.configuration = &c, .previous = &previous, .commit = 3};
    struct raft_message m = {.kind = RAFT_APPEND, .term = 1, .from = 2};

    m.append.prev = runs[0];
    m.append.commit = 4;
    for (start.configuration_index = 3; start.configuration_index <= 4;
         start.configuration_index++) {
        single_init(s, &start, runs, COUNT_OF(runs));
        CHECK_EQ(s->view.configuration_committed, start.configuration_index == 3);
        single_receive(s, &m);
        CHECK_EQ(s->view.commit, 4);
        CHECK_EQ(single_count(s, RAFT_OUT_CONFIGURATION), start.configuration_index == 4);
    }
}

/* What was wanted lives in the leader alone: the next one, be it the same replica, finishes a joint configuration. */
TEST(a_cancellation_ends_with_the_leadership)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), target = single_voters(2);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    single_propose(s, 1);
    change_to(s, &target);
    CHECK(s->view.joint && !s->view.configuration_committed);
    single_do(s, RAFT_IN_CANCEL);
    single_receive(s, &(struct raft_message){.kind = RAFT_VOTE,
                                             .term = 2,
                                             .from = 2,
                                             .vote = {.last = {9, 1}, .transfer = true}});
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_LOST);
    single_elect(s);
    CHECK_EQ(s->term, 3);
    struct raft_peer_view p;
    CHECK(raft_peer_get(s->raft, 0, &p)); /* what was heard and sent in another term is nothing */
    CHECK(p.state == RAFT_PROBE && p.match == 0 && s->newest[2].boot == 0);
    CHECK(s->newest[2].sequence == 1 && s->newest[2].sent_bytes == 0);
    single_durable(s, s->ticket);
    single_acked(s, 2);
    CHECK(!s->view.joint && !s->view.configuration_committed);
    raft_configuration_get(s->raft, &c);
    CHECK_EQ(c.count, 2);
}

/* Who came in with an earlier change stays when a later one is given up. */
TEST(a_change_that_is_cancelled_removes_only_whom_it_has_added)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), first = single_voters(4),
                              second = single_voters(5);

    first.members[3].roles = second.members[3].roles = RAFT_LEARNER;
    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    change_to(s, &first);
    single_durable(s, s->ticket);
    single_acked(s, 2);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_DONE);
    change_to(s, &second);
    single_do(s, RAFT_IN_CANCEL);
    for (int stage = 0; stage < 2; stage++) {
        single_durable(s, s->ticket);
        single_acked(s, 2);
    }
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_CANCELLED);
    raft_configuration_get(s->raft, &c);
    CHECK_EQ(c.count, 4);
    CHECK_EQ(c.members[3].roles, RAFT_LEARNER);
    second.members[4].roles = RAFT_LEARNER;
    change_to(s, &second); /* and the next one is not given up */
    single_durable(s, s->ticket);
    single_acked(s, 2);
    CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason, RAFT_DONE);
}

TEST(a_change_after_one_that_went_back_goes_on)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3), target = single_voters(2);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    for (int cancelled = 1; cancelled >= 0; cancelled--) {
        change_to(s, &target);
        CHECK(s->view.joint);
        if (cancelled) {
            single_do(s, RAFT_IN_CANCEL);
        }
        for (int stage = 0; stage < 2; stage++) {
            single_durable(s, s->ticket);
            single_acked(s, 2);
        }
        CHECK_EQ(single_find(s, RAFT_OUT_CHANGE)->change.reason,
                 cancelled ? RAFT_CANCELLED : RAFT_DONE);
        raft_configuration_get(s->raft, &c);
        CHECK_EQ(c.count, cancelled ? 3 : 2);
    }
}
