/* tests/raft/single.h: one replica alone with a test: inputs in, actions executed, written down and judged.
 *
 *     single_init(s, &start, runs, run_count);
 *     single_step(s, &in);                          what came out: s->outs, single_find(), single_count()
 *     single_durable(s, s->ticket);                 all that was written is durable
 *
 * Every action is judged by laws that need no other replica, whatever the inputs were:
 *   order     persisting first, then messages, then what the host applies and answers; one of each but messages
 *   disk      a term never goes back, a vote is given once; nothing committed is cut off; the log is what was said
 *   gates     a message leaves with a ticket that covers the hard state, and the entries it calls durable
 *   truth     appends name bounds of the own log; a reply's match, durable and hint are in it
 *   bounds    a window and a handful of messages per step and peer; after RAFT_IN_TIME the deadline is later than now
 * A law that does not hold asserts: the tests run in processes of their own.
 *
 * The memory of inputs is the caller's. `outs` may point into it; the configuration of an action is in its room.
 */
#pragma once

#include "tests/raft/single_log.h"

enum {
    SINGLE_OUT_MAX = 192,
    SINGLE_RUN_MAX = 512,
    SINGLE_WRITE_MAX = 512,
    SINGLE_WORDS = 512, /* memory of a replica */
};

struct single_write {
    uint64_t ticket, from; /* an append after `from`; UINT64_MAX: a hard state */
};

struct single {
    struct raft *raft;
    struct raft_options options;
    struct single_log log;
    bool restless; /* moves to other memory before each step */
    bool cramped;  /* makes no room for members */
    bool relaxed;  /* appends get a ticket that is durable already */

    uint64_t now_ms;
    uint64_t ticket, durable; /* newest given, newest reported */
    uint64_t log_ticket, hard_ticket;
    uint32_t term;
    uint64_t vote, commit;
    struct raft_view view; /* after the last step */

    struct single_write writes[SINGLE_WRITE_MAX]; /* not durable yet, oldest first */
    uint32_t write_count;
    struct raft_message_append newest[RAFT_MEMBER_MAX + 1]; /* sent, by replica */
    const struct raft_in *in;
    struct raft_out outs[SINGLE_OUT_MAX]; /* of the last step */
    uint32_t out_count;
    uint64_t hash; /* of all actions so far */

    struct raft_bound runs[SINGLE_RUN_MAX];
    uint64_t memory[2][SINGLE_WORDS];
};

/* Starts with this log (start->start, then the runs). What start leaves 0 or NULL is filled in: options, log, replica 1,
 * boot 1, member_max for the configurations, commit, last. `restless` and `relaxed` (by the options) are set, too. */
void single_init(struct single *s, const struct raft_start *start, const struct raft_bound *runs,
                 uint32_t run_count);

/* now_ms 0 means: as before. */
void single_step(struct single *s, const struct raft_in *in);

/* -- inputs in short ------------------------------------------------------------------------------------- */

void single_do(struct single *s, enum raft_in_kind kind); /* one without parameters */
void single_time(struct single *s, uint64_t now_ms);
/* message.to 0: this replica; message.term 0: its term. */
void single_receive(struct single *s, const struct raft_message *m);
void single_propose(struct single *s, uint32_t count);
void single_durable(struct single *s, uint64_t ticket);
/* A leader of its term when it says: everybody answers, the disk is quick. */
void single_elect(struct single *s);
/* Elected, confirmed, applied, serving; every peer is replicated to. */
void single_lead(struct single *s);
/* The peer has taken and synced all of the log, and answers the newest append. */
void single_acked(struct single *s, uint64_t from);

/* Replicas 1..count, voters. */
struct raft_configuration single_voters(uint32_t count);

/* -- what came out ----------------------------------------------------------------------------------------- */

const struct raft_out *single_find(const struct single *s, enum raft_out_kind kind); /* or NULL */
uint32_t single_count(const struct single *s, enum raft_out_kind kind);
/* The first message of that kind to that replica (0: to any), or NULL. */
const struct raft_message *single_sent(const struct single *s, enum raft_message_kind kind,
                                       uint64_t to);
