/* tests/raft/check.h: what must never happen, watched from outside.
 *
 * The checker is told every event of a simulated group and keeps its own model of each replica: hard state, log, what
 * of both is durable, role, commit, configuration. It never believes the core: raft_view() is compared with the model,
 * not copied into it. The first event that breaks an invariant ends the world by options.failed().
 *
 *     c = check_new(&options);
 *     check_started(c, &start);                 after raft_init()
 *     check_before(c, id, &in);                 before raft_step()
 *     while (raft_next(r, &out)) {
 *         execute it; for HARD_STATE, APPEND, INSTALL: raft_ticket()
 *         check_out(c, id, &out, &done);        after it was executed, before the next raft_next()
 *     }
 *     check_after(c, id, r);                    after raft_next() has said false
 *     check_durable(c, id, ticket);             what a loss of power keeps from here on: before RAFT_IN_DURABLE
 *     check_leaves(c, id, &message, after);     when a message goes to the network, not when it is queued
 *     check_applied(c, id, index, &state);      when the state machine has applied up to there
 *     check_stopped(c, id, lossy);              the process is gone; what is on the disk comes with check_started()
 *
 * An event costs a few hash look-ups, however long the logs are. check_log() is the full scan of one replica: for
 * intervals and the end.
 *
 * LAWS     by the names that failed() gets:
 *   I1   one leader per term; one vote per replica and term; a leader has the votes of each voter set
 *   I2   equal (index, term) means equal entries and equal logs before them
 *   I3   what is announced as committed is durable on a majority of each voter set in force at the leader, is of the
 *        leader's own term or before such an entry, never changes, and is in every later leader's log
 *   I4   commit and log start never go back, term neither
 *   I5   nothing committed is cut off
 *   I6   nothing leaves before what it speaks of is durable; a leader's own vote is; what an append or its reply says
 *        of logs is true
 *   I8   index - offset is the number of internal entries before it
 *   I11  SERVE once per term, on the leader, when an entry of its term is committed and applied
 *   I15  at most one configuration is uncommitted; each follows legally from the one before; the one in force is the
 *        newest in the log
 *   I16  a snapshot is committed history, whole
 *   state      all replicas apply the same; role, view and model agree
 *   identity   what is for another replica changes nothing
 *   fence      a fenced replica neither votes nor campaigns, until it has caught up
 *   election   live leaders are not disturbed, a leader without followers goes
 *   barrier    an answer is not older than the question, by a leader that was confirmed in between
 *   answer     REFUSED, CHANGE, TRANSFER say what is so, and nobody who has asked is forgotten
 *   window     no more goes to who does not answer
 *   history    clients saw a linearizable register
 */
#pragma once

#include "raft/raft.h"

struct check;

/* The state machine of the tests: a register that knows how often it was written. Zeroed before the first entry. */
struct check_state {
    uint64_t count; /* of values written */
    uint64_t value; /* the newest */
    uint64_t hash;  /* of all entries so far, internal ones too */
};

/* An entry as the host's log has it. */
struct check_entry {
    struct raft_bound bound;
    uint64_t value; /* what it writes: unique, never 0; 0: an internal entry */
    const struct raft_configuration *configuration; /* of a RAFT_ENTRY_CONFIGURATION; NULL */
};

/* State machines of hosts apply entries with this. */
void check_state_apply(struct check_state *state, const struct check_entry *entry);

struct check_options {
    /* Members at index 0: every log without a configuration has this one. */
    const struct raft_configuration *initial;
    const struct raft_options *raft;
    /* Gets the name of the law, and the report: what, when, the last events. Must not return. */
    void (*failed)(void *context, const char *law, const char *report);
    void *context;
};

/* Copies *options, but not what `raft` points to. Out of memory asserts, here and later. */
struct check *check_new(const struct check_options *options);
void check_free(struct check *c);

/* Breaks the world by the host's or the world's own word: stuck, no leader, an operation without an answer. */
COLD _Noreturn void check_fail(struct check *c, const char *law, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* A line of the world among the last events: a partition, a crash. `format` must live for ever and take two uint64_t
 * (PRIu64); it is used only when somebody fails. */
void check_note(struct check *c, uint64_t now_ms, const char *format, uint64_t a, uint64_t b);

/* -- one replica ----------------------------------------------------------------------------------------- */

/* A replica has started, with what its disk had: start->term, vote, start, last, commit, configuration, fenced. All
 * entries of its log have been seen before (by check_out) somewhere; a new replica has an empty one. */
void check_started(struct check *c, const struct raft_start *start);

/* `lossy`: what was durable by ticket may be gone, in the log, never in the hard state: relaxed, a loss of power; or
 * damage, of which the checker may be told once more when the replica is down already. */
void check_stopped(struct check *c, uint64_t replica_id, bool lossy);

/* All up to the ticket survives a loss of power. */
void check_durable(struct check *c, uint64_t replica_id, uint64_t ticket);

void check_before(struct check *c, uint64_t replica_id, const struct raft_in *in);

/* What executing an action has brought about. */
struct check_done {
    uint64_t ticket;                   /* HARD_STATE, APPEND, INSTALL */
    const struct check_entry *entries; /* APPEND: those written, in order */
    uint32_t entry_count;
    struct check_state state; /* INSTALL: of the state machine afterwards */
};

/* `done` may be NULL for actions without a ticket. */
void check_out(struct check *c, uint64_t replica_id, const struct raft_out *out,
               const struct check_done *done);
void check_after(struct check *c, uint64_t replica_id, const struct raft *r);

/* `after_ticket` as RAFT_OUT_SEND gave it. */
void check_leaves(struct check *c, uint64_t replica_id, const struct raft_message *message,
                  uint64_t after_ticket);

void check_applied(struct check *c, uint64_t replica_id, uint64_t index,
                   const struct check_state *state);

/* The whole log of a running replica, as the host has it: entry number `at`, from the first after the log start;
 * false: there is none. `delta`: the host's own count of internal entries up to its last entry. */
void check_log(struct check *c, uint64_t replica_id,
               bool (*entry)(const void *context, uint64_t at, struct check_entry *out),
               const void *context, uint64_t delta);

/* -- clients --------------------------------------------------------------------------------------------- */

/* A client begins to write `value` (0: to read). Gives the number of the operation. Retries of a write whose end is
 * unknown are operations of their own, with values of their own. */
uint64_t check_invoke(struct check *c, uint64_t client, uint64_t value, uint64_t now_ms);

/* How it ended; at most one of these. An operation without an end may have taken place or not. */
void check_write_ok(struct check *c, uint64_t operation, uint64_t index, uint64_t now_ms);
/* What the register held after `index`: its count and value. */
void check_read_ok(struct check *c, uint64_t operation, uint64_t index,
                   const struct check_state *state, uint64_t now_ms);
/* It was refused before anything was appended: it has not taken place and never will. */
void check_refused(struct check *c, uint64_t operation, uint64_t now_ms);

/* -- the world as a whole -------------------------------------------------------------------------------- */

/* The last entry known to be committed. */
struct raft_bound check_committed(const struct check *c);

struct check_totals {
    uint64_t events, entries, committed, terms, leaders, operations, acknowledged;
};
void check_totals(const struct check *c, struct check_totals *out);

/* At the end of a world: the history of clients as a whole, by values alone. */
void check_end(struct check *c);
