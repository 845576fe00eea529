/* protocol/record.h: the records inside a batch, uncompressed. Views only: nothing is copied or allocated.
 *
 *     record_reader_init(&r, batch_records(bytes), header.record_count);
 *     while ((e = record_next(&r, &record)) == OK) ...
 *     if (e != ERR_NOT_FOUND) malformed
 *
 * Any thread.
 */
#pragma once

#include "base/bytes.h"

struct record_header {
    struct bytes key;   /* UTF-8, never null */
    struct bytes value; /* may be null */
};

struct record {
    int8_t attributes; /* none are in use */
    int64_t timestamp_delta;
    int32_t offset_delta;
    struct bytes key, value; /* may be null */
    int32_t header_count;
    struct bytes headers; /* as encoded; read with record_header_next() */
    int32_t body_bytes;   /* without the length in front; a writer does not look at it */
};

struct record_reader {
    const uint8_t *at, *end;
    int32_t left; /* records still to come */
};

/* `count` is the batch's record count; a negative one makes the first record_next() fail. */
void record_reader_init(struct record_reader *r, struct bytes records, int32_t count);
/* ERR_NOT_FOUND after the last, when all bytes are used up. ERR_MALFORMED: a length, varint or count
 * that does not fit, or bytes left over; `out` is then undefined (a copy per record would cost as much as
 * reading it). */
enum err record_next(struct record_reader *r, struct record *out);

/* Takes the first header off `rest` (a copy of record.headers). False when none is left; the bytes were
 * checked by record_next(). */
bool record_header_next(struct bytes *rest, struct record_header *out);

/* Bytes of the record with its length in front. */
size_t record_size(const struct record *r);
/* Appends it, `headers` verbatim. ERR_LIMIT, ERR_NOMEM. */
enum err record_write(struct buf *out, const struct record *r);
/* Appends headers in encoded form: what record.headers wants. */
enum err record_headers_write(struct buf *out, const struct record_header *headers, int32_t count);
