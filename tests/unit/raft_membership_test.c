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
