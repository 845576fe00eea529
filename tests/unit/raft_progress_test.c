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

TEST(a_window_of_bytes_closes)
{
    struct single *s = leader(arena, 3);

    single_propose(s, 1000);
    CHECK_EQ(single_count(s, RAFT_OUT_SEND),
             2 * s->options.window_bytes / s->options.append_bytes_max);
    CHECK_EQ(peer(s, 0).sent, 1 + s->options.window_bytes);
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
