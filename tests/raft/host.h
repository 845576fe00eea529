/* tests/raft/host.h: a host in memory: one replica, its log, its disk and its state machine; and the law of raft.h
 * asserted where a host can (H1..H8).
 *
 *     host_start(h, now)                 from what the disk holds
 *     host_step(h, &in)                  one event: before, raft_step, every action executed, after
 *     host_synced(h, mark, now)          the disk has all writes up to a mark: gates open, RAFT_IN_DURABLE
 *     host_crash(h, whole, part)         a loss of power: so many unsynced writes survive, and a part of the next
 *     host_stop(h, now)                  a clean end: everything is synced
 *
 * DISK     Writes are numbered and go to the disk image in order. `synced` is the number up to which they survive for
 *          sure. An unsynced write survives a crash only if all before it do; of an append, entries up to a bound may.
 *          An INSTALL is whole or not there (H8).
 * TICKETS  One stream per host that never goes back, not even by a restart. Some hosts give each write its own, some share
 *          the stream with others (there are gaps, and DURABLE may name a ticket of somebody else), some give one to all
 *          writes of a sync. Relaxed: an append gets the newest ticket that is durable already, and the RAFT_IN_DURABLE
 *          that follows is host_relaxed().
 * OUTBOX   A message with a gate waits until its ticket is durable; hooks.leaves() gets it then. A crash and a
 *          failed disk empty the outbox (H5).
 * TIME     All now_ms are the replica's own clock.
 * OWNER    One thread. The host knows no network and no time: the world calls it.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "tests/raft/host_log.h"

/* A message with what the core does not see. Owned by whoever holds it; back to the store with host_message_free. */
struct host_message {
    struct raft_message message;
    /* RAFT_SNAPSHOT: message.install.snapshot points into it. */
    const struct host_snapshot *snapshot;
    uint64_t after_ticket;      /* gate as the core gave it; 0: none */
    struct host_entry *entries; /* of the span, each with its prev */
    uint32_t entry_count, entry_capacity;
    struct host_message *next; /* in the outbox or the free list */
};

/* What the hosts of a world share: memory that lives as long as the world. */
struct host_store {
    struct arena arena; /* snapshots and configurations */
    struct host_message *free;
};

void host_store_init(struct host_store *s);
void host_store_deinit(struct host_store *s);
struct host_message *host_message_new(struct host_store *s);
struct host_message *host_message_copy(struct host_store *s, const struct host_message *m);
void host_message_free(struct host_store *s, struct host_message *m);

struct host;

/* The world listens; check.h names most of them. All are set. */
struct host_hooks {
    /* State machine: check_state_apply(). */
    void (*apply)(struct check_state *state, const struct check_entry *entry);
    void (*started)(void *context, struct host *h, const struct raft_start *start);
    void (*stopped)(void *context, struct host *h, bool lossy);
    void (*before)(void *context, struct host *h, const struct raft_in *in);
    /* After the action was executed. */
    void (*out)(void *context, struct host *h, const struct raft_out *out,
                const struct check_done *done);
    void (*after)(void *context, struct host *h);
    /* Before RAFT_IN_DURABLE. */
    void (*durable)(void *context, struct host *h, uint64_t ticket);
    /* The message goes to the network now; it is the world's. */
    void (*leaves)(void *context, struct host *h, struct host_message *m);
    /* One entry was applied: the state afterwards is h->state. */
    void (*applied)(void *context, struct host *h, const struct host_entry *entry);
};

enum host_write_kind {
    HOST_WRITE_HARD_STATE,
    HOST_WRITE_APPEND,
    HOST_WRITE_INSTALL,
    HOST_WRITE_LOG_START, /* the prefix up to a snapshot is deleted */
    HOST_WRITE_COMMIT,    /* a lower bound of the commit index, written now and then */
};

/* A write on its way to the disk. */
struct host_write {
    enum host_write_kind kind;
    uint32_t entry_count; /* APPEND: the next ones of host.writing */
    uint64_t ticket;      /* 0: none */
    union {
        struct {
            uint32_t term;
            uint64_t vote;
        } hard_state;
        uint64_t from; /* APPEND: cut to it, then append */
        uint64_t commit;
        const struct host_snapshot *snapshot;
    };
};

/* What survives a loss of power for sure. */
struct host_disk {
    uint32_t term;
    uint64_t vote;
    uint64_t commit;
    uint32_t boot; /* of the last start */
    bool fenced;   /* the mark of relaxed mode */
    bool damaged;  /* something that was durable cannot be read */
    bool clean;    /* the last end was a host_stop() */
    struct host_log log;
};

enum host_tickets { HOST_TICKET_OWN, HOST_TICKET_GAPS, HOST_TICKET_SHARED, HOST_TICKETS_COUNT };

enum { HOST_TICKET_GAP = 3 };

enum host_end {
    HOST_DOWN, /* not started, or stopped */
    HOST_UP,
    HOST_FAILED, /* its disk has failed: halted, and will not start again */
};

struct host_options {
    const struct raft_options *raft;
    const struct host_hooks *hooks;
    void *context; /* of the hooks */
    struct host_store *store;
    uint64_t replica_id;
    /* What a fresh disk holds: bound 0, with or without configuration. */
    const struct host_snapshot *base;
    uint64_t seed;
    uint32_t hot_count; /* newest entries that are in memory; more must be fetched */
    FILE *trace;        /* or NULL */
};

struct host {
    struct host_options options;
    struct raft *raft; /* NULL: down */
    enum host_end end;
    uint64_t now_ms;

    struct host_log log;
    struct check_state state; /* after the entry `applied` */
    uint64_t applied, commit;
    /* Of the newest host_compact(); NULL: of this life there is none. */
    const struct host_snapshot *made;
    enum raft_role role;
    uint32_t term;
    uint64_t leader;
    bool serving;

    struct host_disk disk;
    struct host_write *writes;  /* unsynced: write_first .. write_first + write_count - 1 */
    struct host_entry *writing; /* their entries: writing_first .. */
    uint32_t write_first, write_count, write_capacity;
    uint32_t writing_first, writing_count, writing_capacity;
    uint64_t written, synced; /* numbers of the newest write, of the newest synced */
    /* Newest given; of the newest append or install; newest durable. */
    uint64_t ticket, log_ticket, durable;
    enum host_tickets tickets;
    bool ticket_closed; /* shared: a sync has begun; what comes now is of the next one */
    bool relaxed_due;   /* an append got a ticket that is durable: host_relaxed() is owed */

    struct host_message *outbox, *outbox_last; /* gated, in order of sending */

    /* Of the step that is under way. */
    const struct host_message *received;
    const struct host_snapshot *given; /* answered to RAFT_OUT_SNAPSHOT */
    const struct host_entry *proposed;
    uint32_t proposed_count;
    struct raft_configuration_entry *configurations; /* scratch: of the message */
    uint32_t configuration_capacity;
    struct host_entry *appended; /* scratch: what an action writes, once for the log ... */
    struct check_entry *told;    /* ... and once for the hook */
    uint32_t appended_capacity;
};

/* A host with a fresh disk, down. Copies *options. */
struct host *host_new(const struct host_options *options);
/* In any state; tells nobody. */
void host_free(struct host *h);

/* Down to up. Applies nothing yet: commit and state are those of the disk's snapshot, the rest follows by COMMIT or
 * from `disk.commit`. */
void host_start(struct host *h, uint64_t now_ms);
/* Up to down: a clean end; all written is synced, the outbox leaves nothing. */
void host_stop(struct host *h);
/* Up or failed to down. The first `whole` (0 .. write_count) unsynced writes survive, and when the next is an append,
 * its first `part` entries, after its truncation. `lossy`: bytes that a ticket called durable are gone. */
void host_crash(struct host *h, uint32_t whole, uint32_t part);
/* Bit rot while it is down: what follows the bound `from`, at or above the disk's log start, cannot be read. */
void host_damage(struct host *h, uint64_t from);
/* The disk fails: RAFT_IN_HALT, nothing gated leaves, nothing is written any more. */
void host_fail_disk(struct host *h, uint64_t now_ms);

/* Any input without a payload. */
void host_step(struct host *h, struct raft_in *in);
/* RAFT_IN_RECV. `m` stays the caller's. */
void host_receive(struct host *h, const struct host_message *m, bool busy, uint64_t now_ms);
/* RAFT_IN_PROPOSE of `count` entries with bound.index, value and bytes set by the caller: growing, after the last.
 * The core sets the term; prev and term are filled in. False: refused. */
bool host_propose(struct host *h, struct host_entry *entries, uint32_t count,
                  uint32_t expected_term, uint64_t now_ms);

/* A sync begins, of all writes so far. Gives their number: the mark. */
uint64_t host_sync_begins(struct host *h);
/* The disk has all writes up to number `mark`. */
void host_synced(struct host *h, uint64_t mark, uint64_t now_ms);
/* Reports the ticket of relaxed appends once more, when one is owed. */
void host_relaxed(struct host *h, uint64_t now_ms);

/* Applies committed entries up to `index` at most, and RAFT_IN_APPLIED. */
void host_apply(struct host *h, uint64_t index, uint64_t now_ms);

/* The snapshot at a bound that is the base's or the applied index. NULL: none can be made there. */
const struct host_snapshot *host_snapshot_at(struct host *h, uint64_t index);
/* RAFT_IN_LOG_START: deletes all up to the applied index (`all`), or up to where that was the time before, so that a
 * tail stays for who is a little behind. False: nothing to delete. */
bool host_compact(struct host *h, bool all, uint64_t now_ms);
/* Writes the commit index down (H7: a start may know it). */
void host_note_commit(struct host *h);

/* What RAFT_OUT_FETCH asks for. */
struct host_fetch {
    uint64_t to, after;
    uint32_t bytes_max;
};

/* Answers it by reading the log, or with RAFT_READ_NONE when `fail`. */
void host_fetched(struct host *h, const struct host_fetch *f, bool fail, uint64_t now_ms);
/* Answers RAFT_OUT_SNAPSHOT with host_snapshot_at(index), NULL when that is none. */
void host_snapshot(struct host *h, uint64_t to, uint64_t index, uint64_t now_ms);

uint64_t host_deadline(const struct host *h); /* UINT64_MAX when down */

/* The newest two configurations of a log, as a start needs them; count 0: unknown. */
struct host_configurations {
    const struct raft_configuration *newest, *previous;
    uint64_t newest_index, previous_index;
};
void host_configurations(const struct host_log *l, struct host_configurations *out);

/* A line of the trace, with the time and the replica; nothing when there is no trace. */
void host_say(const struct host *h, const char *format, ...) PRINTF_LIKE(2, 3);
