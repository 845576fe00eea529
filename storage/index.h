/* storage/index.h: where in a segment to begin looking for an offset or a time.
 *
 * Samples of batches, one per interval of bytes; never more than INDEX_SAMPLES_MAX: when they are full every
 * second one goes and the interval doubles. A missing sample only makes a search longer, so adding never
 * fails. A zeroed struct index is empty. Storage's own.
 */
#pragma once

#include "base/bytes.h"

enum { INDEX_SAMPLES_MAX = 4096, INDEX_INTERVAL_BYTES_MIN = 4096 };

struct index_sample {
    int64_t offset;               /* base offset of the batch */
    uint64_t position;            /* where it begins */
    int64_t max_timestamp_before; /* largest of all batches before it in the segment; -1: none */
};

struct index {
    struct index_sample *at;
    uint32_t count, cap;
    uint64_t interval_bytes; /* 0: INDEX_INTERVAL_BYTES_MIN */
};

void index_deinit(struct index *x);
/* In order of position. */
void index_add(struct index *x, const struct index_sample *sample);
/* The same however close it is: what lies before cannot be read through. */
void index_add_always(struct index *x, const struct index_sample *sample);
/* As it was read: no thinning. ERR_NOMEM. */
enum err index_copy(struct index *x, const struct index_sample *at, uint32_t count);
/* The last sample not past `offset`; NULL: begin at the segment's first byte. */
const struct index_sample *index_find_offset(const struct index *x, int64_t offset);
/* The last sample before which all timestamps are below `timestamp`; NULL: begin at the first byte. */
const struct index_sample *index_find_time(const struct index *x, int64_t timestamp);
/* Forgets samples of batches at or past `position`. */
void index_cut(struct index *x, uint64_t position);

/* The file <base>.idx. ERR_LIMIT, ERR_NOMEM. */
enum err index_write(const struct index *x, int64_t segment_base, uint64_t segment_bytes,
                     struct buf *out);
/* Samples at or past `segment_bytes` are left out. ERR_CORRUPT: does not verify or is of another or a shorter
 * segment; ERR_NOMEM. */
enum err index_read(struct bytes file, int64_t segment_base, uint64_t segment_bytes,
                    struct index *out);
