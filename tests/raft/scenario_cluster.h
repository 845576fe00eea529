/* tests/raft/scenario_cluster.h: replicas with logs, disks and clocks, and the network between them. Nothing happens by
 * itself: a ticket becomes durable, a message arrives, time passes when somebody says so.
 *
 * NETWORK  A message waits with its sender until its ticket is durable, then in the network until it is delivered or
 *          dropped; a crash of the sender loses the former only.
 * DISK     Writes are in order and reach the disk when their ticket is made durable. When relaxed (the options), that
 *          only tells the core; entries reach the disk when it is flushed, or with a later write that is not relaxed:
 *          hard state, a snapshot, a configuration.
 * CLOCKS   Each replica has its own.
 * CHECKED  after every step: one leader per term; what is committed never differs; nothing committed is cut off; the
 *          promises of raft.h that a host can see broken. The first breach is kept in scenario.breach.
 */
#pragma once

#include "base/arena.h"
#include "raft/raft.h"
#include "tests/raft/scenario_log.h"

enum {
    SCENARIO_REPLICA_MAX = 20,
    SCENARIO_FLIGHT_MAX = 4096,
    SCENARIO_WRITE_MAX = 512,
    SCENARIO_TERM_MAX = 4096, /* terms beyond are not checked for two leaders */
    SCENARIO_ANSWER_MAX = 20, /* kinds of actions */
};

struct scenario_write {
    uint64_t ticket;
    enum raft_out_kind kind; /* HARD_STATE, APPEND, INSTALL */
    uint32_t term;
    uint64_t vote;
    uint64_t from; /* what follows it is replaced */
    struct scenario_entries entries;
    const struct raft_snapshot *snapshot;
};

struct scenario_disk {
    uint32_t term;
    uint64_t vote;
    bool fenced, damaged;
    struct scenario_log log;
};

struct scenario;

struct scenario_replica {
    struct scenario *scenario;
    uint64_t id;
    bool started;      /* at least once */
    struct raft *raft; /* NULL: down */
    void *memory;      /* what it lies in; outlives a crash */
    uint64_t now_ms;
    uint32_t boot;
    uint64_t start_commit; /* given at the next start */
    struct scenario_log log;
    struct scenario_disk disk;
    struct scenario_write writes[SCENARIO_WRITE_MAX];
    uint32_t write_count;
    uint64_t ticket, durable;    /* last given; last reported */
    uint64_t log_ticket;         /* of the newest append */
    bool relaxed_due;            /* an append got a ticket that is durable: to be reported again */
    uint64_t committed, applied; /* as said to the host */
    bool committed_new;          /* something to be applied */
    uint64_t proposals;
    struct bytes answers[SCENARIO_ANSWER_MAX]; /* the newest action of each kind, as printed */
    /* what the core waits for, by replica id: bit sets */
    uint32_t snapshot_wanted;
    struct raft_out fetches[SCENARIO_REPLICA_MAX]; /* kind FETCH: asked for */
    /* of the step under way */
    struct scenario_entries payload;
};

struct scenario_flight {
    struct raft_message message;
    struct scenario_entries entries;
    uint64_t after_ticket; /* of the sender; 0: it is in the network */
    bool kept;             /* put aside until it is released */
};

/* A committed entry, wherever it was committed. */
struct scenario_committed {
    struct raft_bound bound;
    uint64_t content;
};

struct scenario {
    struct arena arena; /* all payloads, until the end */
    struct buf printed;
    struct buf wrong;
    char breach[256]; /* "": none */
    struct raft_options options;
    bool apply_by_hand, disk_at_once, relaxed_at_once;
    struct scenario_replica *replicas[SCENARIO_REPLICA_MAX]; /* by id - 1 */
    struct scenario_flight flights[SCENARIO_FLIGHT_MAX];
    uint32_t flight_count;
    bool blocked[SCENARIO_REPLICA_MAX][SCENARIO_REPLICA_MAX]; /* from, to */
    uint64_t leaders[SCENARIO_TERM_MAX];
    struct scenario_committed committed[SCENARIO_ENTRY_MAX];
    uint32_t committed_count;
};

/* Keeps the first thing that must never happen. */
void scenario_breach(struct scenario *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* NULL: there is none of that id. */
struct scenario_replica *replica_find(struct scenario *s, uint64_t id);
/* A replica that is down, with an empty disk. */
struct scenario_replica *replica_add(struct scenario *s, uint64_t id);
/* From what is on its disk. `boot` 0: one more than last time. */
void replica_start(struct scenario_replica *r, uint32_t boot);
/* What is not on the disk is lost, and what has not been sent. */
void replica_crash(struct scenario_replica *r);
/* One event, all its actions, and the application of what they commit. The time is the replica's own. */
void replica_step(struct scenario_replica *r, struct raft_in *in);
/* Is there a ticket that the core does not know to be durable? */
bool replica_unreported(const struct scenario_replica *r);
/* Tickets up to this one are durable. */
void replica_durable(struct scenario_replica *r, uint64_t ticket);
/* Relaxed: everything reported reaches the disk. */
void replica_flush(struct scenario_replica *r);
/* Answers a wish of the core: what is asked for, or `result` when that is not READY. */
void replica_fetched(struct scenario_replica *r, uint64_t to, enum raft_read result);
/* At the bound `index`; UINT64_MAX: not now. */
void replica_snapshot(struct scenario_replica *r, uint64_t to, uint64_t index);

/* -- scenario_network.c -------------------------------------------------------------------------------- */

/* Takes a message of a replica, or a hand-made one (after_ticket 0). */
void network_add(struct scenario *s, const struct scenario_flight *flight);
/* The tickets of its sender are durable now: is it in the network? */
bool network_ready(struct scenario *s, const struct scenario_flight *flight);
/* Takes it out of the network and gives it to its receiver, if that is there and not cut off. */
void network_deliver(struct scenario *s, uint32_t at, bool busy);
void network_remove(struct scenario *s, uint32_t at);
/* Forgets what a crashed replica has not sent. */
void network_forget_unsent(struct scenario *s, uint64_t from);
/* Everything becomes durable, answered and delivered until nothing moves: among the replicas of the set (bit id - 1).
 * False: it does not come to rest. */
bool network_stabilize(struct scenario *s, uint32_t among);
/* All clocks of running replicas by so much, each deadline in its turn; after each, the network comes to rest when
 * `living`. */
bool network_pass_time(struct scenario *s, uint64_t ms, bool living);
