/* tests/raft/check_hand.h: replicas played by hand, to see that the checkers can fail.
 *
 *     struct hand *g = hand_led(arena);          replica 1 leads; 1^1 and 2^1 are committed
 *     hand_in(g, 1, RAFT_IN_TIME);
 *     BREAKS(g, "I4", hand_commit(g, 1, 1));    the call breaks the law I4; it ends the test
 *
 * No core is behind it: every function tells the checker one event as if it had happened. Replicas are 1, 2, 3; the
 * tickets of each count up; entries are one index long, values are 100 and more.
 */
#pragma once

#include <setjmp.h>

#include "tests/harness/test.h"
#include "tests/raft/check_internal.h"

enum { REPLICA_COUNT = 3, E_MS = 100, ROOM = 10 };

struct hand {
    struct check *check;
    struct raft_configuration initial;
    struct raft_options options;
    uint64_t tickets[ROOM], now_ms;
    uint32_t boots[ROOM];
    bool fenced;
    bool breaks;     /* a law is about to be broken */
    const char *law; /* that one */
    jmp_buf broken;
};

/* `call` breaks the law. Only in a test's own function: a jump back must not leave it. */
#define BREAKS(g_, law_, call_)                     \
    do {                                            \
        if (setjmp((g_)->broken) == 0) {            \
            (g_)->breaks = true;                    \
            call_;                                  \
            CHECK_SAYS(false, "nothing is broken"); \
        }                                           \
        CHECK_STR_EQ((g_)->law, (law_));            \
        hand_free(g_);                              \
        return;                                     \
    } while (0)

struct hand_append {
    uint64_t from;
    struct check_entry entry;
    enum raft_entry_source source;
    bool truncate;
};

/* Jumps back into BREAKS(). */
void hand_failed(void *context, const char *law, const char *report);
struct raft_configuration hand_voters(uint64_t first, uint64_t count);
void hand_start(struct hand *g, uint64_t id, const struct raft_start *disk);
struct hand *hand_new(struct arena *arena);
void hand_free(struct hand *g);
void hand_in(struct hand *g, uint64_t id, enum raft_in_kind kind);
void hand_recv(struct hand *g, uint64_t id, const struct raft_message *m);
void hand_recv_plain(struct hand *g, uint64_t id, uint64_t from, enum raft_message_kind kind,
                     uint32_t term);
void hand_recv_vote(struct hand *g, uint64_t id, uint64_t from, uint32_t term,
                    struct raft_bound last);
void hand_role(struct hand *g, uint64_t id, enum raft_role r, uint32_t term, uint64_t leader);
void hand_hard(struct hand *g, uint64_t id, uint32_t term, uint64_t vote);
void hand_durable(struct hand *g, uint64_t id);
void hand_send(struct hand *g, const struct raft_message *m, uint64_t after);
void hand_sends(struct hand *g, const struct raft_message *m);
void hand_grant(struct hand *g, uint64_t id, uint64_t to, uint32_t term);
struct raft_message hand_accepted(const struct hand *g, uint64_t id, uint32_t term, uint64_t match);
void hand_append(struct hand *g, uint64_t id, const struct hand_append *p);
void hand_write(struct hand *g, uint64_t leader, struct raft_bound bound, uint64_t value);
void hand_copy(struct hand *g, uint64_t id, uint64_t leader, struct raft_bound bound,
               uint64_t value);
void hand_commit(struct hand *g, uint64_t id, uint64_t index);
void hand_applied(struct hand *g, uint64_t id, uint64_t index);
void hand_out(struct hand *g, uint64_t id, const struct raft_out *out);
void hand_campaign(struct hand *g, uint64_t id, uint32_t term);
void hand_vote_for(struct hand *g, uint64_t id, uint64_t candidate, uint32_t term);
void hand_win(struct hand *g, uint64_t id, uint64_t voter, uint32_t term);
void hand_elect(struct hand *g, uint64_t id, uint64_t voter, uint32_t term);
struct hand *hand_led(struct arena *arena);
