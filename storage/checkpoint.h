/* storage/checkpoint.h: the bytes of a log's checkpoint: all that a scan of its segments up to one position
 * would find. Storage's own; no I/O.
 */
#pragma once

#include "base/bytes.h"
#include "storage/index.h"

/* What is known of one segment without reading it. */
struct segment_summary {
    int64_t base_offset;
    uint64_t bytes;
    int64_t max_timestamp;         /* -1: none */
    int64_t max_timestamp_offset;  /* base offset of the batch that has it */
    int64_t created_ms, append_ms; /* broker's clock at the first and the last append */
};

/* Batches of `epoch` begin at `offset`. */
struct epoch_run {
    int32_t epoch;
    int64_t offset;
};

struct checkpoint {
    int64_t start_offset, next_offset;
    int64_t delta; /* internal batches of the log's user before next_offset */
    /* Oldest first; the last one ends, for this checkpoint, at its `bytes`: there a scan goes on. */
    struct segment_summary *segments;
    uint32_t segment_count;
    struct epoch_run *epochs;
    uint32_t epoch_count;
    struct index_sample *samples; /* of the last segment */
    uint32_t sample_count;
    uint64_t interval_bytes;
    struct bytes producers; /* producers_snapshot() at next_offset */
};

enum { CHECKPOINT_BYTES_MAX = 64 << 20 };

/* Appends it to `out`. ERR_LIMIT, ERR_NOMEM. */
enum err checkpoint_write(const struct checkpoint *c, struct buf *out);
/* Arrays are allocated, `producers` is a view into `file`. ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOMEM. */
enum err checkpoint_read(struct bytes file, struct checkpoint *out);
void checkpoint_deinit(struct checkpoint *c);
