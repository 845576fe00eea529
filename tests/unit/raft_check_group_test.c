/* tests/unit/raft_check_group_test.c: the checkers of snapshots, membership, barriers and clients can fail.
 *
 * Each test makes a good history and then does one thing that breaks one law, and sees that this law is named.
 */
#include "tests/raft/check_hand.h"

/* -- I8, I16, state ------------------------------------------------------------------------------------------ */

static struct raft_snapshot snapshot_at_2(const struct hand *g)
{
    return (struct raft_snapshot){.bound = {2, 1}, .delta = 1, .configuration = g->initial};
}

static void install(struct hand *g, uint64_t id, const struct raft_snapshot *s)
{
    struct raft_out out = {.kind = RAFT_OUT_INSTALL, .install.snapshot = s};
    struct check_done done = {.ticket = ++g->tickets[id]};

    done.state = tree_find(g->check, s->bound)->state;
    hand_recv(g, id,
              &(struct raft_message){
                  .kind = RAFT_SNAPSHOT, .term = 1, .from = 1, .to = id, .install.snapshot = s});
    check_out(g->check, id, &out, &done);
}

TEST(a_snapshot_of_committed_history_is_taken)
{
    struct hand *g = hand_led(arena);
    struct raft_snapshot s = snapshot_at_2(g);

    install(g, 3, &s);
    hand_free(g);
}

TEST(a_snapshot_with_another_delta_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_snapshot s = snapshot_at_2(g);

    s.delta = 0;
    BREAKS(g, "I8", install(g, 3, &s));
}

TEST(a_snapshot_without_its_configuration_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_snapshot s = snapshot_at_2(g);

    s.configuration.count = 0;
    BREAKS(g, "I16", install(g, 3, &s));
}

TEST(a_snapshot_of_what_is_not_committed_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_snapshot s = snapshot_at_2(g);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    s.bound.index = 3;
    BREAKS(g, "I16", install(g, 3, &s));
}

TEST(a_snapshot_older_than_the_commit_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_snapshot s = snapshot_at_2(g);

    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_commit(g, 2, 2);
    BREAKS(g, "I4", install(g, 2, &s));
}

TEST(another_applied_state_is_seen)
{
    struct hand *g = hand_led(arena);
    struct check_state state = {.count = 1, .value = 101};

    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_commit(g, 2, 2);
    BREAKS(g, "state", check_applied(g->check, 2, 2, &state));
}

TEST(applying_what_is_not_committed_is_seen)
{
    struct hand *g = hand_led(arena);

    BREAKS(g, "state", hand_applied(g, 2, 2));
}

struct plain_log {
    struct check_entry entries[ROOM];
    uint64_t count;
};

static bool entry_of(const void *context, uint64_t at, struct check_entry *out)
{
    const struct plain_log *l = context;

    if (at < l->count) {
        *out = l->entries[at];
    }
    return at < l->count;
}

TEST(a_log_that_lost_its_end_is_seen)
{
    struct hand *g = hand_led(arena);
    struct plain_log l = {.entries = {{.bound = {1, 1}}, {.bound = {2, 1}, .value = 100}},
                          .count = 2};

    check_log(g->check, 1, entry_of, &l, 1);
    l.count = 1;
    BREAKS(g, "I2", check_log(g->check, 1, entry_of, &l, 1));
}

TEST(a_wrong_count_of_internal_entries_is_seen)
{
    struct hand *g = hand_led(arena);
    struct plain_log l = {.entries = {{.bound = {1, 1}}, {.bound = {2, 1}, .value = 100}},
                          .count = 2};

    BREAKS(g, "I8", check_log(g->check, 1, entry_of, &l, 2));
}

TEST(a_view_that_differs_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_view v = {.role = RAFT_LEADER,
                          .replica_id = 1,
                          .leader = 1,
                          .vote = 1,
                          .term = 1,
                          .boot = 1,
                          .last = {2, 1},
                          .durable = 2,
                          .commit = 2,
                          .configuration_committed = true};

    view_check(g->check, replica_of(g->check, 1), &v);
    v.commit = 1;
    BREAKS(g, "state", view_check(g->check, replica_of(g->check, 1), &v));
}

TEST(a_durable_index_that_is_not_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_view v = {.role = RAFT_LEADER,
                          .replica_id = 1,
                          .leader = 1,
                          .vote = 1,
                          .term = 1,
                          .boot = 1,
                          .last = {3, 1},
                          .durable = 3,
                          .commit = 2,
                          .configuration_committed = true};

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    BREAKS(g, "I6", view_check(g->check, replica_of(g->check, 1), &v));
}

/* -- I11 ------------------------------------------------------------------------------------------------- */

TEST(serving_before_the_term_is_applied_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_out serve = {.kind = RAFT_OUT_SERVE, .serve.term = 2};

    hand_elect(g, 1, 2, 2);
    hand_copy(g, 2, 1, (struct raft_bound){3, 2}, 0);
    hand_durable(g, 2);
    hand_in(g, 1, RAFT_IN_TIME);
    hand_commit(g, 1, 3);
    BREAKS(g, "I11", hand_out(g, 1, &serve));
}

TEST(serving_twice_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_out serve = {.kind = RAFT_OUT_SERVE, .serve.term = 1};

    hand_in(g, 1, RAFT_IN_APPLIED);
    hand_out(g, 1, &serve);
    BREAKS(g, "I11", hand_out(g, 1, &serve));
}

/* -- I15 ------------------------------------------------------------------------------------------------- */

static void configure(struct hand *g, uint64_t leader, struct raft_bound bound,
                      const struct raft_configuration *c)
{
    hand_in(g, leader, RAFT_IN_TIME);
    hand_append(g, leader,
                &(struct hand_append){.from = bound.index - 1,
                                      .source = RAFT_ENTRY_CONFIGURATION,
                                      .entry = {.bound = bound, .configuration = c}});
    hand_in(g, leader, RAFT_IN_TIME); /* a step ends when the next begins */
}

static struct raft_configuration joint_with_4(const struct hand *g)
{
    struct raft_configuration c = g->initial;

    for (uint32_t i = 0; i < c.count; i++) {
        c.members[i].roles = RAFT_VOTER | RAFT_OUTGOING;
    }
    c.members[c.count++] = (struct raft_member){.replica_id = 4, .roles = RAFT_VOTER};
    return c;
}

TEST(other_voters_without_a_joint_configuration_are_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = hand_voters(1, 2);

    BREAKS(g, "I15", configure(g, 1, (struct raft_bound){3, 1}, &c));
}

TEST(a_second_uncommitted_configuration_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = joint_with_4(g), d = hand_voters(1, 4);

    configure(g, 1, (struct raft_bound){3, 1}, &c);
    BREAKS(g, "I15", configure(g, 1, (struct raft_bound){4, 1}, &d));
}

/* Ongaro 2015. */
TEST(a_configuration_before_the_term_is_confirmed_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = joint_with_4(g);

    hand_elect(g, 1, 2, 2);
    BREAKS(g, "I15", configure(g, 1, (struct raft_bound){4, 2}, &c));
}

TEST(a_joint_commit_with_one_majority_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = g->initial;

    for (uint32_t i = 0; i < REPLICA_COUNT; i++) { /* from 1, 2, 3 to 1, 4, 5 */
        c.members[i].roles = RAFT_OUTGOING;
    }
    c.members[0].roles |= RAFT_VOTER;
    c.members[3] = (struct raft_member){.replica_id = 4, .roles = RAFT_VOTER};
    c.members[4] = (struct raft_member){.replica_id = 5, .roles = RAFT_VOTER};
    c.count = 5;
    configure(g, 1, (struct raft_bound){3, 1}, &c);
    hand_durable(g, 1);
    replica_of(g->check, 2)->tip_durable = replica_of(g->check, 1)->tip;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

TEST(a_learner_is_not_counted)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = g->initial;

    c.members[c.count++] = (struct raft_member){.replica_id = 4, .roles = RAFT_LEARNER};
    configure(g, 1, (struct raft_bound){3, 1}, &c);
    hand_durable(g, 1);
    hand_start(g, 4, &(struct raft_start){.term = 0});
    replica_of(g->check, 4)->tip_durable = replica_of(g->check, 1)->tip;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

TEST(a_replica_that_is_no_voter_and_campaigns_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_start(g, 4, &(struct raft_start){.term = 0});
    hand_in(g, 4, RAFT_IN_TIME);
    BREAKS(g, "I15", hand_role(g, 4, RAFT_CANDIDATE, 2, 0));
}

TEST(another_priority_in_force_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = g->initial;

    view_configuration(g->check, replica_of(g->check, 1), &c);
    c.members[2].priority = 1;
    BREAKS(g, "I15", view_configuration(g->check, replica_of(g->check, 1), &c));
}

TEST(another_configuration_in_force_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration c = joint_with_4(g);

    BREAKS(g, "I15", view_configuration(g->check, replica_of(g->check, 1), &c));
}

/* -- identity, fence, election ------------------------------------------------------------------------------- */

TEST(a_reaction_to_what_is_for_another_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv(g, 2, &(struct raft_message){.kind = RAFT_APPEND, .term = 1, .from = 1, .to = 9});
    BREAKS(g, "identity", hand_commit(g, 2, 2));
}

static struct hand *hand_fenced(struct arena *arena)
{
    struct hand *g = hand_led(arena);

    g->options.relaxed = g->fenced = true;
    check_stopped(g->check, 2, true);
    hand_start(g, 2, &(struct raft_start){.term = 1, .vote = 1, .last = {1, 1}});
    return g;
}

TEST(a_fenced_replica_that_votes_is_seen)
{
    struct hand *g = hand_fenced(arena);

    hand_campaign(g, 3, 2);
    hand_recv_vote(g, 2, 3, 2, (struct raft_bound){9, 9});
    BREAKS(g, "fence", hand_hard(g, 2, 2, 3));
}

TEST(a_fenced_replica_that_campaigns_is_seen)
{
    struct hand *g = hand_fenced(arena);

    hand_in(g, 2, RAFT_IN_TIME);
    BREAKS(g, "fence", hand_role(g, 2, RAFT_CANDIDATE, 2, 0));
}

TEST(a_fence_that_falls_too_early_is_seen)
{
    struct hand *g = hand_fenced(arena);
    struct raft_out out = {.kind = RAFT_OUT_UNFENCED};

    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    BREAKS(g, "fence", hand_out(g, 2, &out));
}

TEST(a_fence_falls_when_all_is_there_again)
{
    struct hand *g = hand_fenced(arena);
    struct raft_out out = {.kind = RAFT_OUT_UNFENCED};

    hand_copy(g, 2, 1, (struct raft_bound){2, 1}, 100);
    hand_durable(g, 2);
    hand_out(g, 2, &out);
    hand_free(g);
}

/* It has not helped to commit what is of a later term than its hard state knows. */
TEST(a_fence_may_fall_under_a_leader_that_is_deposed_already)
{
    struct hand *g = hand_led(arena);
    struct raft_out out = {.kind = RAFT_OUT_UNFENCED};
    struct raft_message m;

    hand_hard(g, 3, 1, 0);
    hand_copy(g, 3, 1, (struct raft_bound){1, 1}, 0);
    hand_copy(g, 3, 1, (struct raft_bound){2, 1}, 100);
    hand_durable(g, 3);
    check_stopped(g->check, 2, true);
    hand_in(g, 1, RAFT_IN_TIME);
    hand_role(g, 1, RAFT_FOLLOWER, 1, 0);
    hand_elect(g, 3, 1, 2);
    hand_copy(g, 1, 3, (struct raft_bound){3, 2}, 0);
    hand_durable(g, 1);
    m = hand_accepted(g, 1, 2, 3);
    m.to = 3;
    hand_sends(g, &m);
    hand_recv(g, 3, &m);
    hand_commit(g, 3, 3); /* without 2 */
    g->options.relaxed = g->fenced = true;
    hand_start(g, 2, &(struct raft_start){.term = 1, .vote = 1, .last = {2, 1}});
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_out(g, 2, &out);
    hand_free(g);
}

TEST(a_lone_replica_that_forgets_the_others_is_seen)
{
    struct hand *g = hand_new(arena);
    struct raft_configuration two = g->check->initial;

    g->initial = hand_voters(1, 1);
    check_free(g->check);
    g->check = check_new(&(struct check_options){
        .initial = &g->initial, .raft = &g->options, .failed = hand_failed, .context = g});
    hand_start(g, 1, &(struct raft_start){.term = 0});
    hand_campaign(g, 1, 1);
    hand_win(g, 1, 2, 1);
    hand_in(g, 1, RAFT_IN_TIME);
    hand_commit(g, 1, 1);
    two.count = 2;
    two.members[1].roles = RAFT_LEARNER;
    configure(g, 1, (struct raft_bound){2, 1}, &two);
    hand_durable(g, 1);
    hand_in(g, 1, RAFT_IN_TIME);
    hand_commit(g, 1, 2);
    g->options.relaxed = g->fenced = true;
    check_stopped(g->check, 1, true);
    BREAKS(g, "fence",
           hand_start(g, 1, &(struct raft_start){.term = 1, .vote = 1, .last = {1, 1}}));
}

TEST(an_unclean_start_without_a_fence_is_seen)
{
    struct hand *g = hand_led(arena);

    check_stopped(g->check, 2, true);
    BREAKS(g, "fence",
           hand_start(g, 2, &(struct raft_start){.term = 1, .vote = 1, .last = {1, 1}}));
}

static struct raft_message pre_vote(uint64_t from, uint64_t to)
{
    return (struct raft_message){
        .kind = RAFT_PRE_VOTE, .term = 2, .from = from, .to = to, .vote.last = {9, 9}};
}

TEST(a_pre_vote_that_changes_the_term_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = pre_vote(3, 2);

    hand_recv(g, 2, &m);
    BREAKS(g, "election", hand_hard(g, 2, 2, 0));
}

TEST(a_pre_vote_by_a_leader_that_lives_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = pre_vote(3, 1);

    hand_recv(g, 1, &m);
    BREAKS(g, "election",
           hand_sends(g, &(struct raft_message){.kind = RAFT_PRE_VOTE_REPLY,
                                                .term = 2,
                                                .from = 1,
                                                .to = 3,
                                                .vote_reply.granted = true}));
}

TEST(a_leader_that_hears_nobody_and_stays_is_seen)
{
    struct hand *g = hand_led(arena);
    struct replica *r = replica_of(g->check, 1);

    for (int i = 0; i < 16; i++) { /* 4 E: it heard of 2 at the beginning */
        g->now_ms += E_MS / 4;
        hand_in(g, 1, RAFT_IN_TIME);
        view_quorum(g->check, r);
    }
    g->now_ms += E_MS / 4;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "election", view_quorum(g->check, r));
}

/* -- barriers, answers ------------------------------------------------------------------------------------------ */

static void ask(struct hand *g, uint64_t id, uint64_t ticket)
{
    struct raft_in i = {.kind = RAFT_IN_BARRIER, .now_ms = g->now_ms, .barrier.ticket = ticket};

    check_before(g->check, id, &i);
}

static void answer(struct hand *g, uint64_t id, uint64_t ticket, uint64_t index)
{
    struct raft_out out = {.kind = RAFT_OUT_BARRIER, .barrier = {ticket, index, true}};

    hand_out(g, id, &out);
}

TEST(a_barrier_with_a_round_is_good)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = hand_accepted(g, 2, 1, 2);

    ask(g, 1, 1);
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_sends(g, &m);
    hand_recv(g, 1, &m);
    answer(g, 1, 1, 2);
    hand_free(g);
}

TEST(a_barrier_without_a_round_is_seen)
{
    struct hand *g = hand_led(arena);

    ask(g, 1, 1);
    BREAKS(g, "barrier", answer(g, 1, 1, 2));
}

TEST(a_barrier_at_an_old_commit_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = hand_accepted(g, 2, 1, 2);

    ask(g, 1, 1);
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_sends(g, &m);
    hand_recv(g, 1, &m);
    BREAKS(g, "barrier", answer(g, 1, 1, 1));
}

TEST(a_barrier_that_nobody_asked_for_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "barrier", answer(g, 1, 7, 2));
}

TEST(a_refusal_for_a_transfer_that_is_over_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_out over = {.kind = RAFT_OUT_TRANSFER, .transfer.reason = RAFT_NOT_CAUGHT_UP};
    struct raft_out refused = {.kind = RAFT_OUT_REFUSED, .refused.reason = RAFT_TRANSFERRING};
    struct raft_in propose = {.kind = RAFT_IN_PROPOSE, .now_ms = E_MS, .propose.last = 3};
    struct raft_in transfer = {.kind = RAFT_IN_TRANSFER, .transfer.to = 2};

    check_before(g->check, 1, &transfer);
    answer_settle(g->check, replica_of(g->check, 1));
    check_before(g->check, 1, &propose);
    hand_out(g, 1, &refused);
    g->now_ms = E_MS;
    hand_in(g, 1, RAFT_IN_TIME);
    hand_out(g, 1, &over);
    check_before(g->check, 1, &propose);
    BREAKS(g, "answer", hand_out(g, 1, &refused));
}

TEST(a_change_that_is_not_done_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_configuration target = hand_voters(1, 4);
    struct raft_in i = {.kind = RAFT_IN_CHANGE, .change.target = &target};
    struct raft_out out = {.kind = RAFT_OUT_CHANGE, .change.reason = RAFT_DONE};

    check_before(g->check, 1, &i);
    BREAKS(g, "answer", hand_out(g, 1, &out));
}

/* -- clients ------------------------------------------------------------------------------------------------- */

static const struct check_state nothing;

TEST(a_linearizable_history_is_good)
{
    struct hand *g = hand_led(arena);
    struct check_state one = {.count = 2, .value = 101};
    uint64_t w = check_invoke(g->check, 1, 101, 0), r = check_invoke(g->check, 2, 0, 0);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 1);
    replica_of(g->check, 2)->tip_durable = replica_of(g->check, 1)->tip;
    hand_in(g, 1, RAFT_IN_TIME);
    hand_commit(g, 1, 3);
    check_read_ok(g->check, r, 3, &one, 5);
    check_write_ok(g->check, w, 3, 6);
    r = check_invoke(g->check, 2, 0, 7);
    check_read_ok(g->check, r, 3, &one, 8);
    check_refused(g->check, check_invoke(g->check, 3, 102, 9), 9);
    check_end(g->check);
    hand_free(g);
}

TEST(an_acknowledged_write_that_is_not_committed_is_seen)
{
    struct hand *g = hand_led(arena);
    uint64_t w = check_invoke(g->check, 1, 101, 0);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    BREAKS(g, "history", check_write_ok(g->check, w, 3, 6));
}

TEST(a_value_that_is_committed_twice_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 100);
    hand_durable(g, 1);
    replica_of(g->check, 2)->tip_durable = replica_of(g->check, 1)->tip;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "history", hand_commit(g, 1, 3));
}

TEST(a_refused_write_that_is_committed_is_seen)
{
    struct hand *g = hand_led(arena);

    check_refused(g->check, check_invoke(g->check, 1, 101, 0), 0);
    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 1);
    replica_of(g->check, 2)->tip_durable = replica_of(g->check, 1)->tip;
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "history", hand_commit(g, 1, 3));
}

TEST(a_read_of_the_past_is_seen)
{
    struct hand *g = hand_led(arena);
    struct check_state one = {.count = 1, .value = 100};

    check_read_ok(g->check, check_invoke(g->check, 1, 0, 0), 2, &one, 1);
    uint64_t r = check_invoke(g->check, 2, 0, 2);
    BREAKS(g, "history", check_read_ok(g->check, r, 1, &nothing, 3));
}

TEST(a_read_of_what_never_was_is_seen)
{
    struct hand *g = hand_led(arena);
    struct check_state other = {.count = 1, .value = 101};

    BREAKS(g, "history", check_read_ok(g->check, check_invoke(g->check, 1, 0, 0), 2, &other, 1));
}

/* The second check does not know the log: here the log is made to agree with anything. */
static void saw(struct hand *g, uint64_t operation, uint64_t count, uint64_t value)
{
    struct operation *o = &((struct operation *)g->check->operations.at)[operation - 1];

    o->state = OPERATION_OK;
    o->ended = ++g->check->event;
    if (o->value == 0) {
        o->count = count;
        o->read_value = value;
    }
}

TEST(values_alone_show_a_lost_write)
{
    struct hand *g = hand_new(arena);
    uint64_t a = check_invoke(g->check, 1, 101, 0), b = check_invoke(g->check, 2, 102, 0);

    saw(g, a, 0, 0);
    saw(g, b, 0, 0);
    saw(g, check_invoke(g->check, 1, 0, 0), 1, 102);
    BREAKS(g, "history", check_end(g->check));
}

TEST(values_alone_show_a_read_that_goes_back)
{
    struct hand *g = hand_new(arena);

    (void)check_invoke(g->check, 1, 101, 0); /* never ends */
    saw(g, check_invoke(g->check, 2, 0, 0), 1, 101);
    saw(g, check_invoke(g->check, 2, 0, 0), 0, 0);
    BREAKS(g, "history", check_end(g->check));
}

TEST(values_alone_show_two_orders)
{
    struct hand *g = hand_new(arena);

    (void)check_invoke(g->check, 1, 101, 0);
    (void)check_invoke(g->check, 2, 102, 0);
    saw(g, check_invoke(g->check, 3, 0, 0), 1, 101);
    saw(g, check_invoke(g->check, 4, 0, 0), 1, 102);
    BREAKS(g, "history", check_end(g->check));
}

TEST(values_alone_show_a_read_before_the_write)
{
    struct hand *g = hand_new(arena);

    saw(g, check_invoke(g->check, 2, 0, 0), 1, 101);
    (void)check_invoke(g->check, 1, 101, 0);
    BREAKS(g, "history", check_end(g->check));
}

TEST(values_alone_show_one_write_too_many)
{
    struct hand *g = hand_new(arena);

    (void)check_invoke(g->check, 1, 101, 0);
    saw(g, check_invoke(g->check, 2, 0, 0), 2, 101);
    BREAKS(g, "history", check_end(g->check));
}
