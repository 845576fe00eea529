/* storage/plog.h: one partition's log on disk: segments of v2 record batches exactly as the wire carries
 * them, with offsets, indexes and producer state.
 *
 * WHERE    <data>/topics/<topic name>/<topic id>-<partition>/<base offset, 20 digits>.log
 *          Nothing is created before the first append is flushed: an idle partition costs no file. The
 *          topic id in the path makes a re-created topic another directory, so deletion never races.
 * WRITING  plog_append() copies the batches into the tail chunk, stamps offset and leader epoch, and puts
 *          them into the core's journal (storage/journal.h). The ticket it returns completes when the
 *          journal group is synced; then plog_durable_end() passes the batch and config.on_durable is
 *          called. Segment files are filled lazily from the chunks, only with what is durable already,
 *          and synced before the journal file that covers them is recycled.
 * READING  Up to any bound the caller gives (it must not pass what it may serve). Recent bytes come from
 *          chunks in memory, older ones from the files by a helper job, checked by CRC before they are
 *          handed out (P4).
 * OWNER    The core of the partition: every function is for that core only, except the three marked B,
 *          which block and belong to start-up and helper jobs.
 * FAILURE  A failed journal write or sync, or a failed segment write: the log refuses appends (ERR_IO,
 *          or ERR_NOSPACE until there is space again) and goes on reading. A bad CRC below the durable
 *          floor: ERR_CORRUPT for that range, kept and reported; above it a torn tail, cut at open.
 */
#pragma once

#include "base/list.h"
#include "base/uuid.h"
#include "protocol/record_batch.h"
#include "storage/chunk.h"
#include "storage/producers.h"

struct plog;
struct store;

struct plog_key {
    struct uuid topic_id; /* the zero uuid: logs of the node itself (metadata) */
    int32_t partition;
};

/* What may change while the log is open. */
struct plog_settings {
    int64_t segment_bytes;        /* roll before a segment would pass it */
    int64_t segment_ms;           /* roll when the segment's first append is older than this */
    int32_t index_interval_bytes; /* one offset and time sample per so many bytes */
    bool relaxed; /* opt-in: a ticket completes at append, the sync follows in the background */
};

struct plog_config {
    struct plog_key key;
    struct bytes topic; /* for the path and messages; copied */
    struct plog_settings settings;
    /* plog_durable_end() moved (or, with err, the appends past it failed and were taken back:
     * plog_end() is plog_durable_end() again). Called from store_jobs_done(), never inside an append. */
    void (*on_durable)(void *context, struct plog *l, enum err e);
    void *context;
};

struct plog_appended {
    int64_t base_offset, last_offset;
    uint64_t ticket;
};

/* A log that never had data on this node: no I/O at all. ERR_NOMEM. */
enum err plog_new(struct store *s, const struct plog_config *config, struct plog **out);

/* B. Opens what is on disk, or a new log: redoes the journal's entries that the segment files lack,
 * finds the end, rebuilds indexes and producers from the last checkpoint on. Start-up only. */
enum err plog_open(struct store *s, const struct plog_config *config, struct plog **out);

/* Forgets the log; it must have no read in flight. Nothing is flushed. */
void plog_free(struct plog *l);

/* Its files are unlinked in the background; journal entries of a key that is not opened any more are
 * ignored by recovery. Frees the log. */
void plog_delete(struct plog *l);

void plog_settings_set(struct plog *l, const struct plog_settings *settings);

/* Appends whole, valid batches (client batches or internal ones) in one journal entry. Offsets are
 * stamped here: the first batch gets plog_end(), and so on. `append_time_ms` is the broker's clock, for
 * segment age. ERR_USAGE: an epoch below plog_epoch(). ERR_IO, ERR_NOSPACE (refusing), ERR_LIMIT (dirty memory is full: try after the next
 * durable event), ERR_NOMEM. On error nothing happened. */
enum err plog_append(struct plog *l, struct bytes batches, int32_t leader_epoch,
                     int64_t append_time_ms, struct plog_appended *out);

/* May plog_append() of so many bytes fail for lack of room in memory right now? Then wait. */
bool plog_has_room(const struct plog *l, size_t bytes);

int64_t plog_start(const struct plog *l);       /* log start offset */
int64_t plog_end(const struct plog *l);         /* next offset to be given */
int64_t plog_durable_end(const struct plog *l); /* all below is on disk (relaxed: is appended) */
int32_t plog_epoch(const struct plog *l);       /* leader epoch of the last batch, -1 when none */
uint64_t plog_bytes(const struct plog *l);      /* of all segments */
int64_t plog_max_timestamp(const struct plog *l);
enum err
plog_state(const struct plog *l); /* OK, ERR_IO, ERR_NOSPACE: why it refuses; ERR_CORRUPT */
struct producers *plog_producers(struct plog *l);

/* The largest epoch <= `epoch` that has batches and its end offset; false when there is none
 * (KIP-101, KIP-320). In memory. */
bool plog_epoch_end(const struct plog *l, int32_t epoch, int32_t *found_epoch, int64_t *end_offset);

/* Moves the log start forward (durable with its ticket); whole segments below it are removed. */
enum err plog_start_set(struct plog *l, int64_t offset, uint64_t *ticket);

/* Cuts the end back to `offset`, a batch boundary not below what is committed. Producers all of whose kept
 * batches were cut off are forgotten (KIP-360). ERR_AGAIN: what is to be cut off is not all in memory; read it
 * from `offset` to the end and call again. ERR_USAGE: no boundary. */
enum err plog_truncate(struct plog *l, int64_t offset, uint64_t *ticket);

/* B. Start-up only, before the core runs: calls fn for every batch from `offset` on (internal ones left
 * out), read from the files and checked; stops at the first error of fn. For logs that are a state
 * machine's input (metadata). ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err plog_scan(struct plog *l, int64_t offset,
                   enum err (*fn)(void *context, struct bytes batch), void *context);

/* A run of whole batches in memory; valid until plog_read_release(). */
struct plog_range {
    struct bytes at;
    struct chunk *hold;
};

enum { PLOG_READ_RANGES = 16 };

/* One read. The caller fills the upper part and keeps the struct alive until it is released. */
struct plog_read {
    struct plog *log;
    int64_t offset;     /* the batch that holds it comes first, whole (KIP-74, mid-batch offsets) */
    int64_t offset_end; /* only batches wholly below it */
    size_t bytes_max;   /* stop before passing it ... */
    bool first_whole;   /* ... but give the first batch even so */
    void (*done)(struct plog_read *r); /* later, on this core, when plog_read_start() said false */
    void *context;

    enum err
        err; /* OK, ERR_CORRUPT, ERR_IO, ERR_NOT_FOUND (offset outside start..end), ERR_LIMIT */
    struct plog_range ranges[PLOG_READ_RANGES];
    int range_count;
    size_t bytes;                /* sum of the ranges; internal batches are left out */
    int64_t next_offset;         /* after the last batch returned */
    struct plog_read_work *work; /* storage's own */
};

/* True: finished now. False: done() will be called. Either way plog_read_release() afterwards. */
bool plog_read_start(struct plog_read *r);
void plog_read_release(struct plog_read *r);

enum plog_find_kind {
    PLOG_FIND_TIME,         /* first record with timestamp >= target */
    PLOG_FIND_MAX_TIMESTAMP /* the record with the largest timestamp (ListOffsets -3) */
};

struct plog_find {
    struct plog *log;
    enum plog_find_kind kind;
    int64_t timestamp_ms; /* target */
    int64_t offset_end;   /* look only below it */
    void (*done)(struct plog_find *f);
    void *context;

    enum err err; /* ERR_NOT_FOUND: no such record */
    int64_t offset, timestamp;
    int32_t leader_epoch;
    struct plog_find_work *work;
};

/* True: finished now. False: done() will be called. */
bool plog_find_start(struct plog_find *f);
