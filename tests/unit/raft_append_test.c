/* tests/unit/raft_append_test.c: appends that cannot be, come twice, or come to who is fenced. */
#include "raft/raft.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

static struct single *started(struct arena *arena)
{
    static const struct raft_bound runs[] = {{3, 1}, {5, 2}};
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);

    single_init(s, &(struct raft_start){.configuration = &c, .term = 3}, runs, COUNT_OF(runs));
    return s;
}

static struct raft_message append_of(struct raft_bound prev, struct raft_bound last)
{
    return (struct raft_message){.kind = RAFT_APPEND,
                                 .term = 3,
                                 .from = 2,
                                 .to = 1,
                                 .append = {.prev = prev,
                                            .sequence = 1,
                                            .span = {.run_count = 1, .bytes = 1, .runs = {last}}}};
}

static void receive(struct single *s, const struct raft_message *m,
                    const struct raft_configuration_entry *entries, uint32_t count)
{
    struct raft_in in = {.kind = RAFT_IN_RECV};

    in.recv.message = m;
    in.recv.configurations = entries;
    in.recv.configuration_count = count;
    single_step(s, &in);
}

TEST(an_append_that_cannot_be_is_dropped)
{
    static const struct raft_bound no_term = {5, 0}, no_index = {0, 2}, last = {5, 2};
    struct raft_message wrong[] = {
        append_of(no_term, (struct raft_bound){6, 3}),
        append_of(no_index, (struct raft_bound){6, 3}),
        append_of(last, (struct raft_bound){5, 3}),
        append_of(last, (struct raft_bound){6, 1}),
        append_of(last, (struct raft_bound){6, 4}),
        append_of((struct raft_bound){0, 0}, (struct raft_bound){6, 0}),
        append_of((struct raft_bound){5, 4}, (struct raft_bound){6, 4}),
        append_of(last, (struct raft_bound){RAFT_INDEX_MAX + 1, 3}),
        append_of(last, (struct raft_bound){6, 3}),
        append_of(last, (struct raft_bound){6, 3}),
    };
    struct raft_message right = append_of(last, (struct raft_bound){RAFT_INDEX_MAX, 3});
    struct single *s = started(arena);

    wrong[8].append.span.run_count = RAFT_RUN_MAX + 1;
    wrong[9].append.span.run_count = 2;
    wrong[9].append.span.runs[1] = (struct raft_bound){7, 3}; /* two runs of one term */
    for (uint32_t i = 0; i < COUNT_OF(wrong); i++) {
        single_receive(s, &wrong[i]);
        CHECK_EQ(s->out_count, 0);
        CHECK_EQ(s->view.leader, 0);
    }
    single_receive(s, &right);
    CHECK(single_find(s, RAFT_OUT_APPEND) != NULL);
}

TEST(an_append_with_configurations_that_cannot_be_there_is_dropped)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){9, 3});
    struct raft_configuration_entry entries[] = {{5, single_voters(3)}, {9, single_voters(3)}};

    receive(s, &m, entries, 2); /* at prev */
    CHECK_EQ(s->out_count, 0);
    entries[0].index = 10; /* after the end */
    receive(s, &m, entries, 1);
    CHECK_EQ(s->out_count, 0);
    entries[0].index = 9; /* two in one entry */
    receive(s, &m, entries, 2);
    CHECK_EQ(s->out_count, 0);
    entries[0].index = 7;
    entries[0].configuration.members[0].roles = RAFT_VOTER | RAFT_LEARNER;
    receive(s, &m, entries, 2);
    CHECK_EQ(s->out_count, 0);
    entries[0].configuration = single_voters(3);
    receive(s, &m, entries, 2);
    CHECK_EQ(s->view.configuration_index, 9);
    m.append.span.run_count = 0; /* a beat has none */
    m.append.prev = (struct raft_bound){9, 3};
    entries[0].index = 10;
    receive(s, &m, entries, 1);
    CHECK_EQ(s->out_count, 0);
}

TEST(a_configuration_that_comes_twice_is_adopted_once)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){8, 3});
    struct raft_configuration_entry entries[] = {{7, single_voters(4)}, {9, single_voters(5)}};

    receive(s, &m, entries, 1);
    CHECK_EQ(single_find(s, RAFT_OUT_CONFIGURATION)->configuration.index, 7);
    receive(s, &m, entries, 1); /* nothing new */
    CHECK(!single_find(s, RAFT_OUT_CONFIGURATION) && !single_find(s, RAFT_OUT_APPEND));
    m.append.commit = 7;
    m.append.span.runs[0].index = 10; /* half of it is new */
    receive(s, &m, entries, 2);
    CHECK_EQ(single_find(s, RAFT_OUT_APPEND)->append.from, 8);
    CHECK_EQ(single_find(s, RAFT_OUT_CONFIGURATION)->configuration.index, 9);
    CHECK_EQ(single_find(s, RAFT_OUT_CONFIGURATION)->configuration.configuration->count, 5);
}

/* Also when there is no other to tell it from: after a roll back, and after a start. */
TEST(a_host_is_told_when_the_configuration_in_force_is_committed)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){7, 3});
    struct raft_configuration_entry entries[] = {{7, single_voters(4)}, {8, single_voters(5)}};
    const struct raft_out *told;

    receive(s, &m, entries, 1);
    m = append_of((struct raft_bound){7, 3}, (struct raft_bound){8, 3});
    receive(s, &m, entries + 1, 1); /* 7 is committed, but nobody has said so */
    m = append_of((struct raft_bound){7, 3}, (struct raft_bound){9, 4});
    m.term = 4;
    receive(s, &m, NULL, 0);
    told = single_find(s, RAFT_OUT_CONFIGURATION);
    CHECK(told->configuration.index == 7 && !told->configuration.committed);
    m = append_of((struct raft_bound){9, 4}, (struct raft_bound){10, 4});
    m.term = 4;
    m.append.commit = 9;
    receive(s, &m, NULL, 0);
    told = single_find(s, RAFT_OUT_CONFIGURATION);
    CHECK(told != NULL && told->configuration.index == 7 && told->configuration.committed);
    m.append.commit = 10;
    receive(s, &m, NULL, 0); /* once */
    CHECK(!single_find(s, RAFT_OUT_CONFIGURATION) && single_find(s, RAFT_OUT_COMMIT));
}

/* Of two configurations the first must be committed (I15); a leader that wants both gone is not one. */
TEST(two_configurations_are_never_cut_off)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){9, 3});
    struct raft_configuration_entry entries[] = {{7, single_voters(4)}, {8, single_voters(5)}};

    receive(s, &m, entries, 2);
    CHECK_EQ(s->view.configuration_index, 8);
    m = append_of((struct raft_bound){5, 2}, (struct raft_bound){6, 4});
    m.term = 4;
    receive(s, &m, NULL, 0);
    CHECK(single_find(s, RAFT_OUT_FATAL) != NULL);
    CHECK_EQ(s->view.role, RAFT_HALTED);
}

TEST(a_fenced_replica_has_to_have_all_that_is_committed)
{
    static const struct raft_options options = {.election_ms = 1000,
                                                .beat_ms = 100,
                                                .append_bytes_max = 100,
                                                .window_bytes = 100,
                                                .window_messages = 4,
                                                .relaxed = true};
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_message m = append_of((struct raft_bound){0, 0}, (struct raft_bound){4, 3});

    single_init(s,
                &(struct raft_start){
                    .options = &options, .configuration = &c, .term = 3, .boot = 7, .fenced = true},
                NULL, 0);
    m.append.commit = 4;
    single_receive(s, &m); /* of a leader that does not know of this start */
    CHECK(s->view.fenced);
    m = append_of((struct raft_bound){4, 3}, (struct raft_bound){6, 3});
    m.append.boot = 7;
    m.append.commit = 8;
    single_receive(s, &m);
    CHECK(s->view.fenced);
    m = append_of((struct raft_bound){6, 3}, (struct raft_bound){8, 3});
    m.append.boot = 7;
    m.append.commit = 8;
    single_receive(s, &m);
    m.append.prev = m.append.span.runs[0]; /* its log has it now, but not durably */
    m.append.span.run_count = 0;
    single_receive(s, &m);
    CHECK(s->view.fenced);
    single_durable(s, s->ticket);
    single_receive(s, &m);
    CHECK(!s->view.fenced && single_find(s, RAFT_OUT_UNFENCED) != NULL);
    single_do(s, RAFT_IN_UNFENCE); /* it is not */
    CHECK_EQ(s->out_count, 0);
}

TEST(a_damaged_replica_is_fenced_in_every_mode_and_alone)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(1);
    struct raft_bound run = {5, 2};

    single_init(s, &(struct raft_start){.configuration = &c, .term = 2, .damaged = true}, &run, 1);
    CHECK(s->view.fenced);
    single_do(s, RAFT_IN_CAMPAIGN);
    single_time(s, s->now_ms + 100 * (uint64_t)s->options.election_ms);
    CHECK(s->view.role == RAFT_FOLLOWER && s->view.term == 2);
    single_do(s, RAFT_IN_UNFENCE);
    CHECK(!s->view.fenced && single_find(s, RAFT_OUT_UNFENCED) != NULL);
    single_do(s, RAFT_IN_CAMPAIGN);
    CHECK_EQ(s->view.term, 3);
}

TEST(a_hint_of_the_host_about_who_is_not_the_leader_is_nothing)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){6, 3});
    struct raft_in in = {.kind = RAFT_IN_PEER};
    uint64_t due = raft_deadline(s->raft);

    single_step(s, &in); /* nobody is gone, and nobody leads */
    CHECK_EQ(raft_deadline(s->raft), due);
    single_receive(s, &m);
    due = raft_deadline(s->raft);
    in.peer.replica_id = 3;
    single_step(s, &in);
    in.peer.replica_id = 2;
    in.peer.alive = true;
    single_step(s, &in);
    CHECK_EQ(raft_deadline(s->raft), due);
    CHECK_EQ(s->view.leader, 2);
    in.peer.alive = false;
    single_time(s, s->options.election_ms - 1);
    single_step(s, &in);
    CHECK_EQ(s->view.leader, 0);
    CHECK(raft_deadline(s->raft) >= s->now_ms);
    CHECK(raft_deadline(s->raft) < s->now_ms + s->options.election_ms);
}

TEST(only_the_leader_can_tell_a_follower_to_campaign)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){6, 3});
    struct raft_message now = {.kind = RAFT_TIMEOUT_NOW, .term = 3, .from = 3};

    single_receive(s, &m);
    single_receive(s, &now);
    CHECK_EQ(s->out_count, 0);
    now.from = 2;
    single_receive(s, &now);
    CHECK_EQ(s->view.role, RAFT_CANDIDATE);
    CHECK_EQ(s->term, 4);
    now.from = 3; /* or who leads a term that it has not heard of */
    now.term = 6;
    single_receive(s, &now);
    CHECK_EQ(s->view.role, RAFT_CANDIDATE);
    CHECK_EQ(s->term, 7);
    CHECK(single_sent(s, RAFT_VOTE, 3)->vote.transfer);
}

TEST(who_leads_and_who_may_not_lead_does_not_campaign)
{
    struct single *s = started(arena);
    struct raft_message now = {.kind = RAFT_TIMEOUT_NOW, .from = 3};

    single_lead(s);
    single_receive(s, &now);
    CHECK_EQ(s->view.role, RAFT_LEADER);
    CHECK_EQ(s->out_count, 0);
    single_init(s, &(struct raft_start){.replica_id = 9, .term = 3}, NULL, 0); /* nobody's member */
    single_receive(s, &now);
    single_do(s, RAFT_IN_CAMPAIGN);
    CHECK_EQ(s->out_count, 0);
    CHECK_EQ(s->view.role, RAFT_FOLLOWER);
}

TEST(who_came_with_a_configuration_goes_with_it)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){5, 2}, (struct raft_bound){8, 3});
    struct raft_configuration_entry entry = {7, single_voters(5)};
    struct raft_peer_view p;

    entry.configuration.members[1].start_anew = true;
    receive(s, &m, &entry, 1);
    CHECK(raft_peer_get(s->raft, 3, &p));
    raft_configuration_get(s->raft, &entry.configuration);
    CHECK(entry.configuration.members[1].start_anew);
    m = append_of((struct raft_bound){5, 2}, (struct raft_bound){6, 4});
    m.term = 4;
    receive(s, &m, NULL, 0);
    CHECK_EQ(single_find(s, RAFT_OUT_CONFIGURATION)->configuration.index, 0);
    CHECK(raft_peer_get(s->raft, 1, &p) && !raft_peer_get(s->raft, 2, &p));
    raft_configuration_get(s->raft, &entry.configuration);
    CHECK(!entry.configuration.members[1].start_anew);
}

TEST(the_first_election_is_an_election_time_out_after_the_start)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);

    uint64_t longest = 0, shortest = UINT64_MAX;

    for (uint64_t seed = 0; seed < 100; seed++) {
        single_init(s, &(struct raft_start){.configuration = &c, .seed = seed, .now_ms = 777777},
                    NULL, 0);
        uint64_t after = raft_deadline(s->raft) - 777777;
        CHECK(after >= s->options.election_ms && after < 2 * s->options.election_ms);
        longest = MAX(longest, after);
        shortest = MIN(shortest, after);
    }
    CHECK(longest - shortest > s->options.election_ms * 9 / 10); /* all of the time is used */
}

TEST(a_leader_whose_log_differs_at_our_log_start_is_not_one)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_bound runs[] = {{9, 2}};
    struct raft_start start = {.configuration = &c, .start = {5, 2}, .term = 3};
    struct raft_message m = append_of((struct raft_bound){5, 1}, (struct raft_bound){10, 3});

    single_init(s, &start, runs, COUNT_OF(runs));
    single_receive(s, &m);
    CHECK(single_find(s, RAFT_OUT_FATAL) != NULL);
    single_init(s, &start, runs, COUNT_OF(runs));
    m.append.prev.term = 2;
    single_receive(s, &m);
    CHECK_EQ(s->view.last.index, 10);
}

TEST(a_vote_is_remembered_over_a_start)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_bound runs[] = {{9, 3}};
    struct raft_message m = {.kind = RAFT_VOTE, .term = 3, .vote.last = {9, 3}};

    single_init(s, &(struct raft_start){.configuration = &c, .term = 3, .vote = 2}, runs,
                COUNT_OF(runs));
    for (m.from = 3; m.from >= 2; m.from--) {
        single_receive(s, &m);
        CHECK_EQ(single_sent(s, RAFT_VOTE_REPLY, m.from)->vote_reply.granted, m.from == 2);
    }
}

/* A late append has what the log has, over several terms: nothing is cut off. */
TEST(runs_that_the_log_has_are_left_as_they_are)
{
    struct single *s = started(arena);
    struct raft_message m = append_of((struct raft_bound){2, 1}, (struct raft_bound){3, 1});

    m.append.span.run_count = 2;
    m.append.span.runs[1] = (struct raft_bound){4, 2};
    single_receive(s, &m);
    CHECK(!single_find(s, RAFT_OUT_APPEND));
    CHECK_EQ(single_sent(s, RAFT_APPEND_REPLY, 2)->reply.match, 4);
    CHECK_EQ(s->view.last.index, 5);
}
