/* tests/unit/raft_progress_test.c: how fast a leader may send to one follower. */
#include "raft/raft_internal.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

enum { ROUNDS = 40 };

static struct single *leader(struct arena *arena, uint32_t voters)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(voters);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    return s;
}

static struct raft_peer_view peer(const struct single *s, uint32_t at)
{
    struct raft_peer_view p;

    CHECK(raft_peer_get(s->raft, at, &p));
    return p;
}

TEST(a_window_of_messages_closes_and_opens)
{
    struct single *s = leader(arena, 3);
    uint32_t max = s->options.window_messages, sent = 0;

    for (uint32_t i = 0; i < 2 * max; i++) {
        single_propose(s, 1);
        sent += single_sent(s, RAFT_APPEND, 2) != NULL;
    }
    CHECK_EQ(sent, max);
    CHECK_EQ(peer(s, 0).in_flight, max);
    single_acked(s, 2);
    const struct raft_message *m = single_sent(s, RAFT_APPEND, 2);
    CHECK(!m); /* it has said that it has all */
    CHECK_EQ(peer(s, 0).in_flight, 0);
    CHECK_EQ(peer(s, 1).in_flight, max);
}

TEST(a_leader_beats_when_it_is_time)
{
    struct single *s = leader(arena, 3);

    single_time(s, s->options.beat_ms - 1);
    CHECK_EQ(s->out_count, 0);
    single_time(s, s->options.beat_ms);
    CHECK_EQ(single_count(s, RAFT_OUT_SEND), 2);
    CHECK_EQ(raft_deadline(s->raft), 2 * s->options.beat_ms);
}

TEST(a_window_of_bytes_closes)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_options options = {.election_ms = 1000,
                                   .beat_ms = 100,
                                   .append_bytes_max = 64,
                                   .window_bytes = 256,
                                   .window_messages = 16};
    struct raft_configuration c = single_voters(3);

    single_init(s, &(struct raft_start){.options = &options, .configuration = &c}, NULL, 0);
    single_lead(s);
    single_propose(s, 1000);
    CHECK_EQ(single_count(s, RAFT_OUT_SEND), 2 * options.window_bytes / options.append_bytes_max);
    CHECK_EQ(peer(s, 0).sent, 1 + options.window_bytes);
    CHECK_EQ(s->newest[2].sent_bytes, options.window_bytes);
}

/* 32 bits are not enough for the messages of a long term: their numbers wrap around. */
TEST(a_term_has_any_number_of_messages)
{
    struct single *s = leader(arena, 3);
    struct raft_peer *p = raft_peer_find(s->raft, 2);

    p->sequence = p->answered = UINT32_MAX - ROUNDS / 2;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        single_propose(s, 1);
        CHECK(single_sent(s, RAFT_APPEND, 2) != NULL);
        single_acked(s, 2);
        CHECK_EQ(peer(s, 0).in_flight, 0);
        CHECK_EQ(peer(s, 0).match, s->view.last.index);
    }
    CHECK(p->sequence < ROUNDS);
}

TEST(a_busy_follower_gets_nothing_before_the_next_beat)
{
    struct single *s = leader(arena, 3);

    single_propose(s, 1);
    const struct raft_message_append *a = &s->newest[2];
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = 2,
                                             .reply = {.status = RAFT_BUSY,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .sent_bytes = a->sent_bytes}});
    CHECK(!single_sent(s, RAFT_APPEND, 2));
    single_propose(s, 1);
    CHECK(!single_sent(s, RAFT_APPEND, 2) && single_sent(s, RAFT_APPEND, 3));
    single_time(s, s->options.beat_ms);
    const struct raft_message *again = single_sent(s, RAFT_APPEND, 2);
    CHECK(again && again->append.prev.index == 1 && again->append.span.runs[0].index == 3);
}

static void refuse_all(struct single *s, uint64_t from)
{
    const struct raft_message_append *a = &s->newest[from];

    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = from,
                                             .reply = {.status = RAFT_REJECTED,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .sent_bytes = a->sent_bytes,
                                                       .prev = {s->view.last.index, s->term}}});
}

/* Its log was not empty in this term, whatever it says now: nothing is begun anew. */
TEST(a_member_that_has_entries_gets_no_snapshot_to_start_with)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);

    c.members[1].start_anew = true;
    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    single_lead(s);
    single_propose(s, 1);
    refuse_all(s, 2);
    CHECK(!single_find(s, RAFT_OUT_SNAPSHOT));
    CHECK_EQ(peer(s, 0).state, RAFT_REPLICATE);
    CHECK_EQ(single_sent(s, RAFT_APPEND, 2)->append.prev.index, 1);
}

TEST(a_member_that_starts_anew_gets_a_snapshot_of_a_log_that_is_whole)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_bound runs[] = {{5, 1}};

    c.members[1].start_anew = true;
    single_init(s, &(struct raft_start){.configuration = &c}, runs, COUNT_OF(runs));
    single_elect(s);
    refuse_all(s, 3);
    CHECK(!single_find(s, RAFT_OUT_SNAPSHOT));
    const struct raft_message_append *a = &s->newest[2];
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = 2,
                                             .reply = {.status = RAFT_REJECTED,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .prev = a->prev}});
    CHECK(single_find(s, RAFT_OUT_SNAPSHOT));
    CHECK_EQ(peer(s, 0).state, RAFT_SNAPSHOTTING);
    single_time(s, s->options.beat_ms);
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY, /* to the beat */
                                             .from = 2,
                                             .reply = {.boot = 1, .sequence = a->sequence}});
    CHECK_EQ(peer(s, 0).state, RAFT_SNAPSHOTTING);
}

static enum raft_read gone(const void *context, uint64_t prev, uint32_t bytes_max,
                           struct raft_span *out)
{
    (void)context;
    (void)prev;
    (void)bytes_max;
    (void)out;
    return RAFT_READ_GONE;
}

/* The host's log may start later before RAFT_IN_LOG_START says so. */
TEST(a_follower_of_what_is_gone_gets_a_snapshot)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_log log = *single_log_functions();

    log.after = gone;
    single_init(s, &(struct raft_start){.configuration = &c, .log = &log}, NULL, 0);
    single_lead(s);
    single_propose(s, 1);
    CHECK_EQ(single_count(s, RAFT_OUT_SNAPSHOT), 2);
    CHECK_EQ(peer(s, 0).state, RAFT_SNAPSHOTTING);
}

static void reply_as(struct single *s, struct raft_message_append_reply reply)
{
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY, .from = 2, .reply = reply});
}

/* A log from 5^3 on, in term 4, with the start of the term at 6; replica 2 is probed after 5. */
static struct single *probing(struct arena *arena)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);

    single_init(s, &(struct raft_start){.configuration = &c, .start = {5, 3}, .term = 3}, NULL, 0);
    single_elect(s);
    CHECK_EQ(s->newest[2].prev.index, 5);
    return s;
}

TEST(a_member_that_starts_anew_with_a_log_goes_on_with_it)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_bound runs[] = {{5, 1}};

    c.members[1].start_anew = true;
    single_init(s, &(struct raft_start){.configuration = &c}, runs, COUNT_OF(runs));
    single_elect(s);
    reply_as(s, (struct raft_message_append_reply){.status = RAFT_REJECTED,
                                                   .boot = 1,
                                                   .sequence = s->newest[2].sequence,
                                                   .prev = s->newest[2].prev,
                                                   .last = 3,
                                                   .hint = {3, 1}});
    CHECK(!single_find(s, RAFT_OUT_SNAPSHOT));
    CHECK_EQ(single_sent(s, RAFT_APPEND, 2)->append.prev.index, 3);
}

/* Its entries of term 2 reach beyond what our log has of older terms: nothing. */
TEST(a_follower_whose_terms_ended_before_our_log_starts_gets_a_snapshot)
{
    struct single *s = probing(arena);

    reply_as(s, (struct raft_message_append_reply){.status = RAFT_REJECTED,
                                                   .boot = 1,
                                                   .sequence = s->newest[2].sequence,
                                                   .prev = {6, 4},
                                                   .hint = {7, 2}});
    CHECK_EQ(s->out_count, 0); /* that was not the question */
    reply_as(s, (struct raft_message_append_reply){.status = RAFT_REJECTED,
                                                   .boot = 1,
                                                   .sequence = s->newest[2].sequence,
                                                   .prev = {5, 3},
                                                   .hint = {7, 2}});
    CHECK(single_find(s, RAFT_OUT_SNAPSHOT) != NULL);
}

TEST(a_hint_that_says_nothing_changes_nothing)
{
    struct single *s = probing(arena);

    for (uint32_t term = 3; term < 10; term += 6) {
        reply_as(s, (struct raft_message_append_reply){.status = RAFT_REJECTED,
                                                       .boot = 1,
                                                       .sequence = s->newest[2].sequence,
                                                       .prev = {5, 3},
                                                       .hint = {7, term}});
        CHECK_EQ(s->out_count, 0);
    }
    CHECK_EQ(peer(s, 0).state, RAFT_PROBE);
    CHECK_EQ(peer(s, 0).sent, 5);
}

TEST(answers_of_an_earlier_boot_or_of_none_are_dropped)
{
    struct single *s = probing(arena);
    struct raft_message_append_reply reply = {.boot = 3,
                                              .sequence = s->newest[2].sequence,
                                              .prev = {5, 3},
                                              .match = 5,
                                              .durable = 5,
                                              .last = 5};

    reply.boot = 0;
    reply_as(s, reply);
    CHECK_EQ(peer(s, 0).match, 0);
    reply.boot = 3;
    reply_as(s, reply);
    CHECK_EQ(peer(s, 0).match, 5);
    reply.match = reply.durable = reply.last = 6;
    for (reply.boot = 0; reply.boot < 3; reply.boot++) {
        reply_as(s, reply);
        CHECK_EQ(peer(s, 0).match, 5);
    }
    reply_as(s, reply);
    CHECK_EQ(peer(s, 0).match, 6);
}

TEST(a_busy_follower_is_probed_with_the_next_beat)
{
    struct single *s = probing(arena);

    reply_as(s, (struct raft_message_append_reply){
                    .status = RAFT_BUSY, .boot = 1, .sequence = s->newest[2].sequence});
    CHECK_EQ(s->out_count, 0);
    single_time(s, s->options.beat_ms);
    CHECK_EQ(single_sent(s, RAFT_APPEND, 2)->append.span.run_count, 0);
}

static void fetched(struct single *s, uint64_t to, uint64_t after)
{
    struct raft_in in = {.kind = RAFT_IN_FETCHED, .fetched = {.to = to, .after = after}};

    in.fetched.result =
        single_log_read(&s->log, after, s->options.append_bytes_max, &in.fetched.span);
    single_step(s, &in);
}

TEST(what_was_read_for_nobody_is_not_sent)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);
    struct raft_bound runs[] = {{5, 1}};

    single_init(s, &(struct raft_start){.configuration = &c}, runs, COUNT_OF(runs));
    fetched(s, 2, 0); /* not the leader */
    CHECK_EQ(s->out_count, 0);
    single_elect(s);
    fetched(s, 2, 0); /* probed, not replicated to */
    CHECK(!single_find(s, RAFT_OUT_SEND));
    single_durable(s, s->ticket);
    single_acked(s, 2);
    fetched(s, 2, 0); /* nothing was asked for */
    CHECK(!single_sent(s, RAFT_APPEND, 2));
    fetched(s, 9, 0);
    CHECK(!single_find(s, RAFT_OUT_SEND));
    single_propose(s, 300);
    uint64_t sent = peer(s, 0).sent; /* a window, and the rest is not in memory */
    CHECK_EQ(sent, 6 + s->options.window_bytes);
    s->log.cold = s->view.last.index;
    reply_as(s, (struct raft_message_append_reply){.boot = 1,
                                                   .sequence = s->newest[2].sequence,
                                                   .sent_bytes = s->newest[2].sent_bytes,
                                                   .match = sent,
                                                   .durable = sent,
                                                   .last = sent});
    CHECK_EQ(single_find(s, RAFT_OUT_FETCH)->fetch.after, sent);
    fetched(s, 2, 5); /* another place */
    CHECK(!single_sent(s, RAFT_APPEND, 2));
    CHECK_EQ(single_find(s, RAFT_OUT_FETCH)->fetch.after, sent); /* is asked for again */
    struct raft_in old = {.kind = RAFT_IN_FETCHED, .fetched = {.to = 2, .after = sent}};
    old.fetched.result = RAFT_READ_READY;
    old.fetched.span.run_count = 1;
    old.fetched.span.runs[0] = (struct raft_bound){s->view.last.index, s->view.term - 1};
    single_step(s, &old); /* what stood there when an earlier term's leader asked */
    CHECK(!single_sent(s, RAFT_APPEND, 2));
    CHECK_EQ(single_find(s, RAFT_OUT_FETCH)->fetch.after, sent);
    fetched(s, 2, sent);
    CHECK_EQ(single_sent(s, RAFT_APPEND, 2)->append.span.runs[0].index, s->view.last.index);
}
