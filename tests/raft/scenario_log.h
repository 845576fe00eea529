/* tests/raft/scenario_log.h: a log of few entries, by value: once as memory knows it, once as the disk does.
 *
 * Entries are sparse: an entry is named by its bound. The log starts at a bound, with the configuration in force there.
 */
#pragma once

#include "base/bytes.h"
#include "raft/raft.h"

enum { SCENARIO_ENTRY_MAX = 256 };

struct scenario_entry {
    struct raft_bound bound;
    enum raft_entry_source source; /* never RAFT_ENTRY_MESSAGE */
    uint32_t bytes;
    uint64_t content;                        /* differs by proposal: who, when */
    struct raft_configuration configuration; /* of RAFT_ENTRY_CONFIGURATION */
};

/* A run of entries that belongs to an arena. */
struct scenario_entries {
    const struct scenario_entry *at;
    uint32_t count;
};

struct scenario_log {
    struct raft_bound start;
    uint64_t start_delta, start_configuration_index;
    struct raft_configuration start_configuration; /* count 0: not told yet */
    uint64_t cold; /* what follows a bound below this must be fetched */
    uint32_t count;
    struct scenario_entry entries[SCENARIO_ENTRY_MAX];
};

struct raft_bound log_last(const struct scenario_log *l);
/* True when an entry ends there, or the log starts there. */
bool log_is_bound(const struct scenario_log *l, uint64_t index);
void log_cut(struct scenario_log *l, uint64_t index);
void log_append(struct scenario_log *l, struct scenario_entries more);
/* Entries after `prev` up to `last`: a view, until the log changes. */
struct scenario_entries log_view(const struct scenario_log *l, uint64_t prev, uint64_t last);
/* Becomes a log that starts at the snapshot and holds nothing. */
void log_install(struct scenario_log *l, const struct raft_snapshot *s);
/* What the snapshot at this bound is; false when the log does not know it. */
bool log_snapshot(const struct scenario_log *l, uint64_t index, struct raft_snapshot *out);
/* Forgets what is up to the bound. */
void log_compact(struct scenario_log *l, uint64_t index);
/* The configuration that counts at the end, and the one before it. */
void log_configurations(const struct scenario_log *l, const struct raft_configuration *out[2],
                        uint64_t indexes[2]);

/* The queries of struct raft_log, over the memory image. */
uint32_t log_term_at(const struct scenario_log *l, uint64_t index);
struct raft_bound log_run_end(const struct scenario_log *l, uint32_t term_max);
uint64_t log_internal_index(const struct scenario_log *l);
/* `cold_too`: as one reads who waits for the disk. */
enum raft_read log_after(const struct scenario_log *l, uint64_t prev, uint32_t bytes_max,
                         bool cold_too, struct raft_span *out);

/* "[4^1] 5^1 8^2:1,2,3": the start (when it is not 0^0), entries, configurations. */
enum err log_of_text(struct bytes text, struct scenario_log *out);
/* One of these entries. */
enum err log_entry_of_text(struct bytes word, struct scenario_entry *out);
/* The same without configurations. */
void print_log(struct buf *out, const struct scenario_log *l);
