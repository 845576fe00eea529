/* protocol/record_stream.h: walks the records of a compressed batch while they come out of the codec, in
 * bounded memory, and tells of each only what a broker must know.
 *
 *     record_stream_init(&s, compression, header.record_count);    after compression_read_start()
 *     while ((e = record_stream_next(&s, &facts)) == OK) ...
 *     if (e != ERR_NOT_FOUND) s.codec_err tells whose fault it was
 */
#pragma once

#include "protocol/compression.h"

struct record_facts {
    int64_t timestamp_delta;
    int32_t offset_delta;
    bool has_key;
    int32_t body_bytes; /* without the length in front */
};

struct record_stream {
    struct compression *compression;
    const uint8_t *from, *at, *end; /* the piece at hand */
    uint64_t before;                /* bytes of the pieces before it */
    int64_t body_bytes_max;
    int32_t left;       /* records still to come */
    enum err codec_err; /* not OK: decompression failed so; otherwise the records are malformed */
};

/* body_bytes_max: larger records are ERR_MALFORMED. */
void record_stream_init(struct record_stream *s, struct compression *c, int32_t count,
                        int64_t body_bytes_max);
/* ERR_NOT_FOUND after the last, when nothing follows. ERR_MALFORMED, or what compression_read() said. */
enum err record_stream_next(struct record_stream *s, struct record_facts *out);
