/* storage/store.h: what one core keeps on disk: its logs, its journal, its memory for log bytes.
 *
 * START    1. store_recover() (B) reads every journal of the data directory, whichever core wrote it.
 *          2. store_new() per core, then plog_open() (B) for each log that the metadata knows (the
 *             metadata log first). Entries of keys nobody opens are dropped.
 *          3. store_recover_end() (B): the redone segments are synced (that may go on in the background),
 *             old journals go, directories of unknown topics are removed.
 *          The number of cores may differ at each start; ownership is nowhere on disk.
 * RUN      Appends collect in the open journal group; store_commit(), once per turn of the core's loop,
 *          hands the group to the journal's helper if it is free. Finished jobs come back as events;
 *          the loop gives each to store_job_done() first.
 * STOP     store_close() (B): flush, sync, checkpoint, so that the next start scans nothing.
 * TICKETS  One monotone stream per store; they complete as prefixes and are never reused (I13).
 */
#pragma once

#include "base/env.h"
#include "storage/plog.h"

struct store_recovery;

enum { STORE_FILES_DEFAULT = 512 };

struct store_config {
    struct env *env;
    struct env_poller *home; /* where finished jobs arrive */
    const char *data_dir;
    int core;
    size_t memory_bytes_max;     /* chunks, dirty and clean */
    uint64_t journal_bytes_max;  /* bounds what a restart replays; 0: 8 files */
    uint64_t journal_file_bytes; /* 0: 8 MiB; multiples of 4096 */
    int files_max; /* descriptors of segments this core keeps open; 0: STORE_FILES_DEFAULT */
    struct store_recovery *recovery; /* of this start; needed */
    struct env_lane *read_lane;      /* shared by all cores: cold reads */
    struct env_lane *slow_lane;      /* shared: unlink, rename */
    /* Something of the disk changed for the worse or the better; for the log line and metrics. */
    void (*on_state)(void *context, enum err e);
    void *context;
};

/* B. Makes the directories of a fresh node; takes the lock file (ERR_EXISTS: another process runs on
 * this directory); reads the journals. Damage below the durable floor is remembered, not repaired. */
enum err store_recover(struct env *env, const char *data_dir, struct store_recovery **out);
/* B. Frees it in any case. Directories of unknown logs are removed only when a log of the node itself was
 * opened and held something: without metadata nothing is known to be unknown. */
enum err store_recover_end(struct store_recovery *r);
/* A start that failed: nothing on disk changes. NULL is allowed. After the stores are freed. */
void store_recover_free(struct store_recovery *r);

/* config->recovery is needed. ERR_NOMEM, ERR_IO (no thread). */
enum err store_new(const struct store_config *config, struct store **out);
/* B. Frees the store in any case, also when something could not be written (then the journals stay, and the
 * next start replays them). Appends still pending complete here. Its logs become shells: nothing but
 * plog_free() may be called with them; chunks that readers hold stay valid. No core runs, no read is in
 * flight. */
enum err store_close(struct store *s);
/* Without writing anything, as after a crash (tests, failed start). Logs become shells. The read lane and
 * the slow lane have no job of it (any more). */
void store_free(struct store *s);

/* Once per turn: begins the group commit of what was appended since, starts flushes that are due,
 * and tries to leave the refusing state. `now_us` as env_now_us(). */
void store_commit(struct store *s, uint64_t now_us);
/* When store_commit() wants to be called although nothing happens; UINT64_MAX for never. */
uint64_t store_deadline_us(const struct store *s);

/* True when the job was the store's (and is dealt with: durable events, reads done). */
bool store_job_done(struct store *s, struct env_job *job);

uint64_t store_durable_ticket(const struct store *s);

struct store_stats {
    uint64_t groups, group_bytes, appends, append_bytes, syncs, cold_reads, chunk_bytes,
        dirty_bytes;
    uint64_t journal_files, corrupt_ranges;
};
void store_stats(const struct store *s, struct store_stats *out);
