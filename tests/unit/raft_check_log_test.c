/* tests/unit/raft_check_log_test.c: the checkers of votes, logs and commits can fail (I1 to I6).
 *
 * Each test makes a good history and then does one thing that breaks one law, and sees that this law is named.
 */
#include "tests/raft/check_hand.h"

TEST(a_good_history_breaks_no_law)
{
    struct hand *g = hand_led(arena);
    struct raft_out serve = {.kind = RAFT_OUT_SERVE, .serve.term = 1};

    hand_in(g, 1, RAFT_IN_APPLIED);
    hand_out(g, 1, &serve);
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_commit(g, 2, 2);
    check_stopped(g->check, 1, false);
    hand_elect(g, 2, 3, 2);
    hand_start(g, 1, &(struct raft_start){.term = 1, .vote = 1, .last = {2, 1}, .commit = 2});
    CHECK_EQ(check_committed(g->check).index, 2);
    check_end(g->check);
    hand_free(g);
}

/* -- I1 -------------------------------------------------------------------------------------------------- */

TEST(two_leaders_of_one_term_are_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 1, 1);
    hand_campaign(g, 3, 1);
    hand_vote_for(g, 2, 1, 1);
    hand_win(g, 1, 2, 1);
    BREAKS(g, "I1", hand_role(g, 3, RAFT_LEADER, 1, 3));
}

TEST(a_leader_without_a_majority_is_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 1, 1);
    BREAKS(g, "I1", hand_role(g, 1, RAFT_LEADER, 1, 1));
}

TEST(two_votes_in_one_term_are_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 1, 1);
    hand_campaign(g, 3, 1);
    hand_vote_for(g, 2, 1, 1);
    hand_recv_vote(g, 2, 3, 1, (struct raft_bound){0, 0});
    BREAKS(g, "I1", hand_hard(g, 2, 1, 3));
}

TEST(a_vote_that_is_forgotten_by_a_restart_is_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 1, 1);
    hand_vote_for(g, 2, 1, 1);
    check_stopped(g->check, 2, false);
    BREAKS(g, "I6", hand_start(g, 2, &(struct raft_start){.term = 1, .vote = 0}));
}

TEST(a_wrong_leader_in_a_follower_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv_plain(g, 3, 2, RAFT_APPEND, 1);
    BREAKS(g, "I1", hand_role(g, 3, RAFT_FOLLOWER, 1, 2));
}

/* -- I2 -------------------------------------------------------------------------------------------------- */

TEST(two_contents_of_one_entry_are_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv_plain(g, 3, 1, RAFT_APPEND, 1);
    hand_hard(g, 3, 1, 0);
    hand_copy(g, 3, 1, (struct raft_bound){1, 1}, 0);
    BREAKS(g, "I2", hand_copy(g, 3, 1, (struct raft_bound){2, 1}, 101));
}

TEST(an_entry_behind_another_one_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv_plain(g, 3, 1, RAFT_APPEND, 1);
    hand_hard(g, 3, 1, 0);
    BREAKS(g, "I2",
           hand_append(g, 3,
                       &(struct hand_append){.from = 0,
                                             .source = RAFT_ENTRY_MESSAGE,
                                             .entry = {.bound = {2, 1}, .value = 100}}));
}

TEST(an_entry_that_nobody_wrote_is_seen)
{
    struct hand *g = hand_led(arena);

    BREAKS(g, "I2", hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 200));
}

TEST(an_own_entry_of_a_follower_is_seen)
{
    struct hand *g = hand_led(arena);

    BREAKS(g, "I2", hand_write(g, 2, (struct raft_bound){3, 1}, 200));
}

/* -- I3, I4, I5 -------------------------------------------------------------------------------------------- */

TEST(a_commit_that_is_not_durable_on_a_majority_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 1);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101); /* written, not synced */
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

TEST(a_commit_that_counts_a_leader_before_its_disk_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101); /* not synced on 1 */
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 2);
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

/* Paper, figure 8. */
TEST(a_commit_of_an_older_term_by_counting_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 1);
    check_stopped(g->check, 1, false);
    hand_start(g, 1, &(struct raft_start){.term = 1, .vote = 1, .last = {3, 1}, .commit = 2});
    hand_elect(g, 1, 2, 2);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 2);
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

TEST(a_commit_of_a_follower_before_any_leader_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    BREAKS(g, "I3", hand_commit(g, 2, 3));
}

TEST(a_vote_for_a_log_that_is_behind_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_campaign(g, 3, 2);
    BREAKS(g, "I3", hand_vote_for(g, 2, 3, 2));
}

TEST(a_leader_without_a_committed_entry_is_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 3,
                  2); /* 2 votes for 3 before it hears of term 1: so 1 must not commit with it */
    hand_elect(g, 1, 2, 1);
    hand_copy(g, 2, 1, (struct raft_bound){1, 1}, 0);
    hand_durable(g, 2);
    hand_recv_plain(g, 1, 2, RAFT_APPEND_REPLY, 1);
    hand_commit(g, 1, 1);
    hand_recv_vote(g, 2, 3, 2, (struct raft_bound){9, 9}); /* a lie */
    hand_hard(g, 2, 2, 3);
    hand_durable(g, 2);
    hand_grant(g, 2, 3, 2);
    hand_recv_plain(g, 3, 2, RAFT_VOTE_REPLY, 2);
    BREAKS(g, "I3", hand_role(g, 3, RAFT_LEADER, 2, 3));
}

TEST(a_leader_elected_late_need_not_have_what_later_ones_committed)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 3, 1);
    hand_vote_for(g, 2, 3, 1); /* its answer takes long */
    hand_elect(g, 1, 2, 2);
    hand_copy(g, 2, 1, (struct raft_bound){1, 2}, 0);
    hand_durable(g, 2);
    hand_in(g, 1, RAFT_IN_TIME);
    hand_commit(g, 1, 1);
    hand_win(g, 3, 2, 1);
    hand_free(g);
}

TEST(a_commit_that_a_later_leader_lacks_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 1);
    hand_elect(g, 2, 3, 2); /* without 3^1 */
    replica_of(g->check, 3)->tip_durable = tree_find(g->check, (struct raft_bound){3, 1});
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I3", hand_commit(g, 1, 3));
}

TEST(a_commit_that_goes_back_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I4", hand_commit(g, 1, 1));
}

TEST(a_term_that_goes_back_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_elect(g, 2, 3, 5);
    hand_in(g, 2, RAFT_IN_TIME);
    BREAKS(g, "I4", hand_hard(g, 2, 4, 0));
}

TEST(a_log_start_that_goes_back_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_in i = {.kind = RAFT_IN_LOG_START, .log_start.start = {2, 1}};

    check_before(g->check, 1, &i);
    i.log_start.start = (struct raft_bound){1, 1};
    BREAKS(g, "I4", check_before(g->check, 1, &i));
}

TEST(a_cut_below_the_commit_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    hand_commit(g, 2, 2);
    BREAKS(g, "I5",
           hand_append(g, 2,
                       &(struct hand_append){.from = 1,
                                             .truncate = true,
                                             .source = RAFT_ENTRY_MESSAGE,
                                             .entry = {.bound = {2, 1}, .value = 100}}));
}

TEST(a_cut_of_what_the_leader_has_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    hand_write(g, 1, (struct raft_bound){4, 1}, 102);
    hand_copy(g, 2, 1, (struct raft_bound){4, 1}, 102);
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 1);
    BREAKS(g, "I5",
           hand_append(g, 2,
                       &(struct hand_append){.from = 2,
                                             .truncate = true,
                                             .source = RAFT_ENTRY_MESSAGE,
                                             .entry = {.bound = {3, 1}, .value = 101}}));
}

/* -- I6 -------------------------------------------------------------------------------------------------- */

TEST(a_vote_that_leaves_before_it_is_durable_is_seen)
{
    struct hand *g = hand_new(arena);

    hand_campaign(g, 1, 1);
    hand_recv_vote(g, 2, 1, 1, (struct raft_bound){0, 0});
    hand_hard(g, 2, 1, 1);
    BREAKS(g, "I6", hand_grant(g, 2, 1, 1));
}

TEST(a_message_that_leaves_before_its_ticket_is_seen)
{
    struct hand *g = hand_new(arena);
    struct raft_message m = {.kind = RAFT_VOTE_REPLY, .term = 1, .from = 2, .to = 1};

    hand_campaign(g, 1, 1);
    hand_recv_vote(g, 2, 1, 1, (struct raft_bound){0, 0});
    hand_hard(g, 2, 1, 1);
    m.vote_reply.granted = true;
    hand_send(g, &m, g->tickets[2]);
    BREAKS(g, "I6", check_leaves(g->check, 2, &m, g->tickets[2]));
}

TEST(an_answer_that_takes_what_is_dirty_for_durable_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    struct raft_message m = hand_accepted(g, 2, 1, 3);
    BREAKS(g, "I6", hand_sends(g, &m));
}

TEST(an_answer_about_a_log_that_is_not_the_leaders_is_seen)
{
    struct hand *g = hand_led(arena);

    hand_write(g, 1, (struct raft_bound){3, 1}, 101);
    hand_copy(g, 2, 1, (struct raft_bound){3, 1}, 101);
    hand_durable(g, 2);
    hand_elect(g, 1, 3, 2);
    hand_recv_plain(g, 2, 1, RAFT_APPEND, 2);
    hand_hard(g, 2, 2, 0);
    hand_durable(g, 2);
    struct raft_message m = hand_accepted(g, 2, 2, 4);
    BREAKS(g, "I6", hand_sends(g, &m));
}

TEST(a_leader_before_its_own_vote_is_durable_is_seen)
{
    struct hand *g = hand_new(arena);

    hand_in(g, 1, RAFT_IN_CAMPAIGN);
    hand_role(g, 1, RAFT_CANDIDATE, 1, 0);
    hand_hard(g, 1, 1, 1);
    hand_vote_for(g, 2, 1, 1);
    hand_recv_plain(g, 1, 2, RAFT_VOTE_REPLY, 1);
    BREAKS(g, "I6", hand_role(g, 1, RAFT_LEADER, 1, 1));
}

TEST(an_append_of_what_the_leader_does_not_have_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = {.kind = RAFT_APPEND, .term = 1, .from = 1, .to = 2};

    m.append.prev = (struct raft_bound){3, 1};
    hand_in(g, 1, RAFT_IN_TIME);
    BREAKS(g, "I6", hand_sends(g, &m));
}

TEST(a_hint_that_is_not_the_end_of_its_run_is_seen)
{
    struct hand *g = hand_led(arena);
    struct raft_message m = {.kind = RAFT_APPEND, .term = 1, .from = 1, .to = 3};

    m.append.prev = (struct raft_bound){2, 1};
    hand_recv(g, 3, &m);
    hand_hard(g, 3, 1, 0);
    hand_durable(g, 3);
    m = hand_accepted(g, 3, 1, 0);
    m.reply.status = RAFT_REJECTED;
    m.reply.hint = (struct raft_bound){1, 1};
    BREAKS(g, "I6", hand_sends(g, &m));
}

TEST(a_log_that_was_durable_and_is_gone_is_seen)
{
    struct hand *g = hand_led(arena);

    check_stopped(g->check, 2, false);
    BREAKS(g, "host", hand_start(g, 2, &(struct raft_start){.term = 1, .vote = 1, .last = {1, 1}}));
}
