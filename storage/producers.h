/* storage/producers.h: what a partition remembers of idempotent producers (KIP-98, KIP-360): for each
 * producer id its epoch and its last five batches, so that a retry is answered with the old offset and a
 * gap or an old epoch is refused. Kept by the log, rebuilt from the log.
 *
 * USE      producers_check() before an append says what to do; producers_add() after it (also for batches
 *          met while a log is opened); producers_truncate() when the log's end is cut.
 * LIFE     An idle producer is forgotten after the expiry time (producer.id.expiration.ms); past the
 *          ceiling the one idle longest goes first. Forgetting is always safe: an unknown producer may
 *          begin with any sequence (KIP-360).
 * OWNER    The log, hence its core. No I/O here: the snapshot is bytes that the log stores in its
 *          checkpoint (format: table in the .c file).
 */
#pragma once

#include "base/bytes.h"
#include "protocol/record_batch.h"

struct producers;

enum { PRODUCER_BATCHES_KEPT = 5 };

enum producer_verdict {
    PRODUCER_APPEND,       /* in sequence, or no producer id, or unknown producer */
    PRODUCER_DUPLICATE,    /* one of the last five: answer with its offset and timestamp */
    PRODUCER_OUT_OF_ORDER, /* OUT_OF_ORDER_SEQUENCE_NUMBER (45) */
    PRODUCER_FENCED,       /* INVALID_PRODUCER_EPOCH (47) */
};

struct producer_duplicate {
    int64_t base_offset, last_offset, timestamp;
};

/* count_max: producers kept, at least 1. seed: a random number, for clients choose the ids. ERR_NOMEM. */
enum err producers_new(size_t count_max, uint64_t seed, struct producers **out);
void producers_free(struct producers *p);

/* `header` is the batch as the client sent it. A duplicate may still be on its way to the disk: answer it
 * only when its last offset is below the high watermark, as the first one. */
enum producer_verdict producers_check(const struct producers *p, const struct batch_header *header,
                                      struct producer_duplicate *duplicate);
/* `header` as it stands in the log (base offset stamped). append_time_ms: for expiry. Skipped: control
 * batches, batches without producer, and what is known already (a log read from before its snapshot).
 * ERR_NOMEM: the producer is not remembered (say so; a retry of the batch would be a duplicate); only
 * possible when it was not known before. */
enum err producers_add(struct producers *p, const struct batch_header *header,
                       int64_t append_time_ms);
/* Forgets everything that came from offset `end` on, a batch boundary. False: some producer lost all the
 * batches kept of it but had older ones, so its state before `end` is not known any more: it is forgotten;
 * rebuild from a snapshot and the log. */
bool producers_truncate(struct producers *p, int64_t end);
/* Forgets producers idle since before `before_ms`; at most `max` per call. */
void producers_expire(struct producers *p, int64_t before_ms, int max);
void producers_clear(struct producers *p);
size_t producers_count(const struct producers *p);

/* The whole state as bytes (version, CRC), appended to `out`. ERR_NOMEM, ERR_LIMIT: `out` is as before. */
enum err producers_snapshot(const struct producers *p, struct buf *out);
/* Back; what was known before is forgotten. Of more producers than the ceiling the newest are kept.
 * ERR_CORRUPT, ERR_UNSUPPORTED (a version from the future), ERR_NOMEM: nothing is known then. */
enum err producers_restore(struct producers *p, struct bytes snapshot);
