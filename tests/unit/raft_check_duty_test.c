/* tests/unit/raft_check_duty_test.c: what a replica owes its host and its peers (check_hand.h): that what is not answered,
 * told or awaited in time is seen.
 */
#include "tests/raft/check_hand.h"

static void settle(struct hand *g, uint64_t id)
{
    struct replica *r = replica_of(g->check, id);

    out_settle(g->check, r);
    answer_settle(g->check, r);
    view_told(g->check, r);
}

static void resign(struct hand *g, uint64_t id, uint32_t term)
{
    hand_in(g, id, RAFT_IN_TIME);
    hand_role(g, id, RAFT_FOLLOWER, term, 0);
}

static void ask_transfer(struct hand *g, uint64_t id, uint64_t to)
{
    struct raft_in in = {.kind = RAFT_IN_TRANSFER, .now_ms = g->now_ms, .transfer.to = to};

    check_before(g->check, id, &in);
}

static void ask_change(struct hand *g, uint64_t id, const struct raft_configuration *target)
{
    struct raft_in in = {.kind = RAFT_IN_CHANGE, .now_ms = g->now_ms, .change.target = target};

    check_before(g->check, id, &in);
}

static void end_change(struct hand *g, uint64_t id, enum raft_reason reason)
{
    struct raft_out out = {.kind = RAFT_OUT_CHANGE, .change.reason = reason};

    hand_out(g, id, &out);
}

static void end_transfer(struct hand *g, uint64_t id, enum raft_reason reason)
{
    struct raft_out out = {.kind = RAFT_OUT_TRANSFER, .transfer.reason = reason};

    hand_out(g, id, &out);
}

static struct raft_configuration with_4(const struct hand *g)
{
    struct raft_configuration c = g->initial;

    c.members[c.count++] = (struct raft_member){.replica_id = 4, .roles = RAFT_VOTER};
    return c;
}

/* -- changes and transfers ----------------------------------------------------------------------------------- */

TEST(a_change_that_goes_with_the_leadership_is_answered)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration target = with_4(g);

    ask_change(g, 1, &target);
    settle(g, 1);
    resign(g, 1, 1);
    end_change(g, 1, RAFT_LOST);
    settle(g, 1);
    hand_free(g);
}

TEST(a_change_that_is_forgotten_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration target = with_4(g);

    ask_change(g, 1, &target);
    settle(g, 1);
    resign(g, 1, 1);
    BREAKS(g, "answer", settle(g, 1));
}

TEST(a_change_that_nobody_has_cancelled_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration target = with_4(g);

    ask_change(g, 1, &target);
    settle(g, 1);
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "answer", end_change(g, 1, RAFT_CANCELLED));
}

TEST(a_change_that_a_follower_takes_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration target = with_4(g);

    ask_change(g, 2, &target);
    BREAKS(g, "answer", settle(g, 2));
}

TEST(a_transfer_to_nobody_is_seen)
{
    struct hand *g = hand_led(arena);

    ask_transfer(g, 1, 9);
    BREAKS(g, "answer", settle(g, 1));
}

TEST(a_transfer_that_ends_too_early_is_seen)
{
    struct hand *g = hand_led(arena);

    ask_transfer(g, 1, 2);
    settle(g, 1);
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "answer", end_transfer(g, 1, RAFT_NOT_CAUGHT_UP));
}

TEST(a_proposal_that_is_taken_in_a_transfer_is_seen)
{
    struct hand *g = hand_led(arena);

    ask_transfer(g, 1, 2);
    settle(g, 1);
    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    BREAKS(g, "answer", settle(g, 1));
}

TEST(who_is_told_to_campaign_and_is_behind_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_in(g, 2, RAFT_IN_TIME);
    ask_transfer(g, 1, 2);
    BREAKS(g, "election",
           hand_sends(
               g, &(struct raft_message){.kind = RAFT_TIMEOUT_NOW, .term = 1, .from = 1, .to = 2}));
}

/* -- the rest ------------------------------------------------------------------------------------------------ */

TEST(a_barrier_that_is_forgotten_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_in in = {.kind = RAFT_IN_BARRIER, .barrier.ticket = 1};

    check_before(g->check, 1, &in);
    settle(g, 1);
    resign(g, 1, 1);
    BREAKS(g, "barrier", settle(g, 1));
}

TEST(a_proposal_without_an_answer_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_in in = {.kind = RAFT_IN_PROPOSE, .propose.last = 3};

    check_before(g->check, 2, &in);
    BREAKS(g, "answer", settle(g, 2));
}

TEST(an_early_campaign_is_seen)
{
    struct hand *g = hand_new(arena);

    g->now_ms = E_MS / 2;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "election", hand_role(g, 1, RAFT_PRE_CANDIDATE, 0, 0));
}

TEST(a_late_voter_that_campaigns_early_is_seen)
{
    struct hand *g = hand_new(arena);
    struct raft_configuration c = g->initial;

    c.members[1].priority = 1;
    CHECK(member_late(&c, 1));
    CHECK(!member_late(&c, 2));
    CHECK(!member_late(&c, 9)); /* who was a voter before need not wait */
    hand_free(g);
}

TEST(a_vote_that_deposes_a_live_leader_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv_vote(g, 1, 3, 2, (struct raft_bound){2, 1});
    BREAKS(g, "election", hand_hard(g, 1, 2, 3));
}

/* Of a joint configuration everything stays that is in the new side, or in the old one. */
TEST(a_learner_that_is_lost_with_the_joint_configuration_is_seen)
{
    struct raft_configuration joint = hand_voters(1, 3), next = hand_voters(1, 3);

    (void)arena;
    joint.members[2].roles = RAFT_OUTGOING | RAFT_LEARNER;
    joint.members[1].roles |= RAFT_OUTGOING;
    joint.members[0].roles |= RAFT_OUTGOING;
    CHECK(member_step(&joint, &next) == NULL); /* back */
    next.members[2].roles = RAFT_LEARNER;
    CHECK(member_step(&joint, &next) == NULL);
    next.count = 2;
    CHECK(member_step(&joint, &next) != NULL);
}
