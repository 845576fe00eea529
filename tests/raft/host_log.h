/* tests/raft/host_log.h: one replica's log as memory knows it: entries between bounds, after a snapshot.
 *
 * An entry is a batch: it covers the indexes after the bound before it up to its own. An internal entry (term start,
 * configuration) covers one index and no offset, so offset = index - internal entries before it (I8: `delta`).
 *
 *   base            entries[first]    ...                      entries[first + count - 1]
 *   4^1 delta 1     (4, 9] term 1     (9, 10] term 2 internal  (10, 13] term 2
 *
 * The log holds pointers to configurations and snapshots: they belong to the store of the world (host.h), are never
 * changed and live as long as the world. The entries are the log's own. Out of memory asserts.
 */
#pragma once

#include "raft/raft.h"
#include "tests/raft/check.h"

/* The state machine and all that a log needs to go on after `raft.bound`. Immutable. */
struct host_snapshot {
    struct raft_snapshot raft; /* configuration.count 0: nobody has told yet (bound 0 alone) */
    struct check_state state;
};

struct host_entry {
    uint64_t prev; /* index of the bound before it */
    struct raft_bound bound;
    uint64_t value; /* what it writes, never 0; 0: an internal entry */
    uint64_t delta; /* internal entries up to and including this one; the log sets it */
    const struct raft_configuration *configuration; /* of a configuration entry */
    uint32_t bytes;
};

struct host_log {
    const struct host_snapshot *base;
    struct host_entry *entries; /* first .. first + count - 1 */
    uint32_t first, count, capacity;
    uint64_t cold; /* what follows a bound below this is not in memory: RAFT_READ_COLD */
};

/* Zeroed or given: the log owns nothing before the first append. */
void host_log_init(struct host_log *l, const struct host_snapshot *base);
void host_log_deinit(struct host_log *l);
/* Drops all entries; goes on after another base. */
void host_log_reset(struct host_log *l, const struct host_snapshot *base);

struct raft_bound host_log_last(const struct host_log *l);
uint64_t host_log_delta(const struct host_log *l); /* up to the last entry */
/* True when an entry ends there or the log starts there. */
bool host_log_is_bound(const struct host_log *l, uint64_t index);
/* Number (0 .. count) of the first entry whose bound is larger than `index`. */
uint32_t host_log_find(const struct host_log *l, uint64_t index);
/* Entry number `at`, counted from the log start. */
const struct host_entry *host_log_at(const struct host_log *l, uint32_t at);

/* Cuts off all entries after the bound `index`, which is >= the base. */
void host_log_cut(struct host_log *l, uint64_t index);
/* Copies entries that follow each other and the last one; sets their delta. */
void host_log_append(struct host_log *l, const struct host_entry *entries, uint32_t count);
/* Deletes all entries up to the bound of the new base, which is in the log. */
void host_log_start_at(struct host_log *l, const struct host_snapshot *base);

/* The newest configuration at or below `index`, and its index. count 0: not known. */
const struct raft_configuration *host_log_configuration(const struct host_log *l, uint64_t index,
                                                        uint64_t *out_index);

/* What follows `prev`, as struct raft_log.after, but `cold` when it may come from the disk. */
enum raft_read host_log_read(const struct host_log *l, uint64_t prev, uint32_t bytes_max, bool cold,
                             struct raft_span *out);

/* struct raft_log over a `struct host_log *` as context is made of these. */
uint32_t host_log_term_at(const struct host_log *l, uint64_t index);
struct raft_bound host_log_run_end(const struct host_log *l, uint32_t term_max);
