/* storage/storage_internal.h: what the files of storage know of each other: jobs, the log and the store.
 *
 * POSITIONS  `at` counts the bytes of a log from its first segment on, over all segments, since it was opened;
 *            a position counts within a segment. A mark is a batch boundary in both countings.
 *            Always: flushed_at <= stable.at <= end.at, start <= stable.offset <= end.offset.
 */
#pragma once

#include "storage/checkpoint.h"
#include "storage/journal.h"
#include "storage/segment.h"
#include "storage/store.h"

#include "base/hash_map.h"

/* -- jobs -- */

struct store_job {
    struct env_job job; /* its run() is store_job_run() for all of them */
    struct store *store;
    struct env *env;
    struct list_link link;                              /* store.jobs, while in flight */
    void (*work)(struct store_job *j);                  /* on a helper; sets err */
    void (*done)(struct store *s, struct store_job *j); /* on the core; frees it */
    void (*drop)(struct store_job *j);                  /* frees it when the store goes first */
    enum err err;
    char why[160]; /* the helper's breadcrumb */
};

/* -- the log -- */

struct mark {
    int64_t offset;
    uint64_t at;
    int64_t delta; /* internal batches before it, segment headers not counted */
    int64_t max_timestamp, max_timestamp_offset; /* so far in the segment that ends there */
};

/* What must be done to files once the journal has it. */
struct file_cut {
    bool pending;
    bool shorten; /* cut the file `base` to `position` */
    int64_t base;
    uint64_t position;
    uint64_t ticket;    /* not before this one is durable */
    struct buf removed; /* int64_t bases of segments to unlink */
};

struct plog {
    struct store *store;
    struct list_link link; /* store.logs */
    struct plog_key key;
    char topic[256];
    struct plog_settings settings;
    void (*on_durable)(void *context, struct plog *l, enum err e);
    void *context;

    struct list segments; /* struct segment, by base offset */
    struct list chunks;   /* struct chunk, by position */
    struct mark end, flying,
        stable;          /* given out; in the group being written; in the journal for good */
    uint64_t flushed_at; /* below: in segment files */
    int64_t start;
    int64_t answered_end; /* relaxed: what was called durable at append */
    struct epoch_run *epochs;
    uint32_t epoch_count, epoch_cap;
    struct producers *producers;
    size_t chunk_bytes; /* of the next tail chunk */
    enum err damage;    /* ERR_CORRUPT: its tail was not what it must be; appends are refused */
    int64_t damage_end; /* offsets below may be asked for in vain: they are damaged, not missing */

    struct list_link open_link, flying_link; /* store.open_logs, .flying_logs: has entries there */
    struct list_link told_link;              /* store.told_logs: to hear of a failure */
    struct list_link failed_link;   /* store.failed_logs: its last entries may be on disk */
    struct list_link dirty_link;    /* store.dirty_logs: unflushed_from != 0 */
    struct list_link unsynced_link; /* store.unsynced_logs: unsynced_from != 0 */
    struct list_link flush_link;    /* store.flush_queue */
    uint64_t unflushed_from,
        unsynced_from; /* first journal generation whose entries files lack; 0: none */
    uint64_t after_flush, after_sync; /* what those become when the job in flight succeeds */
    bool flush_busy;
    uint64_t flush_limit;   /* cut below what the flush in flight writes */
    uint64_t checkpoint_at; /* of the last one written or taken */
    bool dir_made;          /* its directory exists */
    struct buf checkpoint;  /* taken, to be written when flushed_at passes checkpoint_taken_at */
    uint64_t checkpoint_taken_at;
    bool must_checkpoint; /* a cut or a log start in the journal waits for one */
    bool taken_covers;    /* the taken one is younger than those */
    struct file_cut cut;
    uint32_t cut_count; /* how often the end went back */
    uint32_t users;     /* jobs */
    bool gone;          /* plog_free() or plog_delete() was called; freed with its last user */
    bool delete_files;  /* plog_delete() */
};

/* -- the store -- */

struct store {
    struct store_config config;
    struct env *env;
    char data_dir[ENV_PATH_BYTES], journal_dir[ENV_PATH_BYTES];
    struct journal journal;
    struct env_lane *journal_lane, *flush_lane;
    struct store_job journal_job; /* one group at a time */
    struct chunk_pool *chunks;
    struct list logs, jobs;
    struct list open_logs, flying_logs, failed_logs, told_logs;
    struct list dirty_logs, unsynced_logs, flush_queue;
    struct list unsynced_segments;
    struct list files, indexes; /* least recently used first */
    struct list read_queue;     /* struct read_wait that wait for a load to end */
    uint32_t loads, flushes;    /* in flight */
    uint64_t ticket_next, ticket_open, ticket_flying, ticket_durable;
    enum err journal_err, flush_err; /* why appends are refused */
    enum err state_told;
    uint64_t now_us, retry_us, idle_us;
    uint64_t kept_from; /* journal generation of logs closed before they were flushed; 0: none */
    bool sync_busy, trying, inline_jobs;
    bool group_ended, gathering; /* since the last commit; the open group waits for the next one */
    bool memory_wanted;          /* an append was turned away because too much is dirty */
    struct store_recovery *recovery;
    size_t files_max; /* descriptors of segments */
    int lock;         /* of the data directory; -1: another store has it */
    struct store_stats stats;
};

enum {
    INDEXES_LOADED_MAX = 32, /* of sealed segments, per core */
    LOADS_MAX = 8,           /* cold reads in flight per core */
    FLUSHES_MAX = 8,
    SYNC_FILES_MAX = 16, /* more: everything at once */
    FLUSH_BYTES_MIN = 256 << 10,
    CHECKPOINT_BYTES_EVERY = 32 << 20,
    CHECKPOINT_BYTES_EVERY_MIN = 1 << 20,
    UNCHECKPOINTED_BYTES_MAX = 256 << 20, /* of all logs of a core: what a restart scans */
    RETRY_US = 1000000,
    PRODUCERS_PER_LOG_MAX = 10000,
};

/* store.c */
void store_submit(struct store *s, struct env_lane *lane, struct store_job *j);
enum err store_refusal(const struct store *s);
/* The journal or a file failed, or works again. */
void store_state_changed(struct store *s, const char *what);
void store_journal_failed(struct store *s, enum err e);
void store_flush_failed(struct store *s, enum err e);
uint64_t store_ticket(struct store *s);
size_t store_dirty_max(const struct store *s);
/* Closes descriptors in the background. */
void store_close_file(struct store *s, int file);

/* plog.c */
enum err plog_make(struct store *s, const struct plog_config *config, struct plog **out);
void plog_dir(const struct plog *l, char out[ENV_PATH_BYTES]);
/* Out of every list of the store, without its memory. */
void plog_detach(struct plog *l);
void plog_unuse(struct plog *l);
struct segment *plog_last_segment(const struct plog *l);
struct segment *plog_segment_of(const struct plog *l, int64_t offset);
struct segment *plog_segment_at(const struct plog *l, uint64_t at);
/* Takes one batch into the derived state: samples, epochs, timestamps, producers. ERR_NOMEM. */
enum err plog_note_batch(struct plog *l, struct segment *g, const struct batch_header *h,
                         int64_t append_time_ms);
enum err plog_epoch_add(struct plog *l, int32_t epoch, int64_t offset);
/* The end goes back to `to`, in memory only. */
void plog_take_back(struct plog *l, const struct mark *to);
/* Puts an entry of the log into the open group. */
enum err plog_journal(struct plog *l, const struct journal_entry *entry);
/* Removes the segments that lie wholly below the start. */
void plog_drop_old(struct plog *l);
/* A TRUNCATE to its end and a LOGSTART, after a failure. */
enum err plog_journal_state(struct plog *l);
bool plog_key_equal(const struct plog_key *a, const struct plog_key *b);
uint64_t plog_key_hash(const struct plog_key *k);

/* flush.c */
void flush_want(struct plog *l);
void flush_note_entry(struct plog *l); /* something of it went into the journal */
void flush_run(struct store *s);       /* starts what is due */
void flush_durable(struct plog *l);    /* its stable mark moved */
void flush_cut(struct plog *l, uint64_t at);
/* The state at the end as bytes, to be written once all of it is flushed. ERR_LIMIT, ERR_NOMEM. */
enum err checkpoint_take(struct plog *l);
/* B. A whole small file, from its beginning. */
enum err file_write_whole(struct env *env, const char *path, struct bytes content, bool sync);
/* B. Replaces the log's checkpoint, durably; without sync only where there was none and a later sync of all comes. */
enum err checkpoint_replace(struct env *env, const char *dir, struct bytes content, bool sync);
/* B. ERR_NOT_FOUND, ERR_LIMIT. */
enum err file_read_whole(struct env *env, const char *path, struct buf *out);
enum err log_dirs_make(struct env *env, const char *dir);
enum err segment_file_cut(struct env *env, const char *path, uint64_t bytes);
/* Everything written, synced and checkpointed, here and now. */
enum err flush_all_now(struct store *s);

/* sync.c */
void sync_run(struct store *s); /* recycling of journal files */
/* B. A directory with its files; no directory below it. */
void sync_delete_files(const struct plog *l);
enum err remove_dir(struct env *env, const char *path);

/* plog_read.c */
struct read_wait {
    struct list_link link;
    /* e: OK, go on. ERR_CLOSED: the store goes; free yourself, call nobody. */
    void (*resume)(struct read_wait *w, enum err e);
};
void read_resume_queue(struct store *s);
void read_drop_queue(struct store *s);

/* index_load.c: loads the index of a sealed segment; w->resume() is called later. ERR_NOMEM. */
enum err segment_index_want(struct segment *g, struct store *s, struct read_wait *w);

/* recovery.c */
struct recovered_entry {
    enum journal_kind kind;
    uint32_t file; /* number in recovery.files */
    uint32_t len;
    uint64_t at; /* of the payload in that file */
    int64_t segment_base, offset;
    uint64_t position;
};

struct recovered_log {
    struct map_link link;
    struct plog_key key;
    struct recovered_entry *entries;
    size_t count, cap;
    bool opened;
};

enum { RECOVERY_STORES_MAX = 64 };

struct recovered_file {
    char name[96];
    uint64_t incarnation, generation, live_from, salt, first_sequence, durable_before,
        last_sequence;
    uint32_t core;
    bool damaged;
};

struct store_recovery {
    struct env *env;
    char data_dir[ENV_PATH_BYTES], journal_dir[ENV_PATH_BYTES];
    uint64_t incarnation; /* of this start */
    int lock;
    struct recovered_file *files; /* in the order of their entries */
    uint32_t file_count, file_cap;
    struct map logs;  /* struct recovered_log of every key in the journals */
    struct map known; /* the same struct for every log that was opened */
    struct store *stores[RECOVERY_STORES_MAX];
    int store_count;
    int open_file; /* of files[open_index], for payloads; -1: none */
    uint32_t open_index;
    uint32_t damaged_count; /* journal files */
    bool metadata_seen;     /* a log of the node itself was opened and was not empty */
};

/* A store takes part in a start; the first one is given the lock and the background work. */
enum err recovery_join(struct store_recovery *r, struct store *s);
void recovery_leave(struct store_recovery *r, struct store *s);
/* NULL: no journal mentions it. */
struct recovered_log *recovery_log(const struct store_recovery *r, const struct plog_key *key);
/* ERR_NOMEM. The directory of this key is not a stray one. */
enum err recovery_known(struct store_recovery *r, const struct plog_key *key);
/* B. Appends an entry's payload. */
enum err recovery_payload(struct store_recovery *r, const struct recovered_entry *entry,
                          struct buf *out);

/* segment_scan.c: B. The batches of a segment file one after the other. */
struct segment_scan {
    struct env *env;
    int file;                /* -1: closed */
    uint64_t position, size; /* of the next batch; of the file */
    uint8_t *piece;
    size_t piece_bytes, have, at; /* room, content, what was given out of it */
};
enum err segment_scan_open(struct segment_scan *c, struct env *env, const char *path,
                           uint64_t position);
/* A view valid until the next call. ERR_NOT_FOUND: exactly the end. ERR_CORRUPT: no good batch at c->position;
 * ERR_IO, ERR_NOMEM. */
enum err segment_scan_next(struct segment_scan *c, struct batch *out);
/* Goes on elsewhere. */
void segment_scan_seek(struct segment_scan *c, uint64_t position);
void segment_scan_close(struct segment_scan *c);
