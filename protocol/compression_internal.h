/* protocol/compression_internal.h: what compression.c asks of each codec's file. Nobody else includes it. */
#pragma once

#include "protocol/compression.h"

/* The largest piece of gzip, lz4 and zstd; snappy's pieces are its blocks. */
enum { COMPRESSION_WINDOW_BYTES = 64 << 10 };

/* Library state larger than this is given back after use. */
enum { COMPRESSION_KEEP_BYTES = 4 << 20 };

struct compression {
    /* The read under way. */
    enum codec codec;
    struct bytes in; /* not read yet */
    size_t left;     /* bytes that may still come out */
    bool ended;      /* the codec said so; or nothing was started */
    enum err next;   /* not OK: what all further reads answer */

    uint8_t *window; /* COMPRESSION_WINDOW_BYTES; NULL until first used */
    uint8_t *block;  /* of snappy */
    size_t block_cap;
    bool framed;               /* snappy: Java's framing */
    bool frame_ended;          /* zstd: between two frames */
    bool large;                /* lz4: the reader holds large blocks */
    void *reader[CODEC_COUNT]; /* library state, NULL until first used */
    void *writer[CODEC_COUNT];
};

/* Of one codec. `read` gives the next piece from c->in: empty and c->ended at the end; never more than
 * c->left + COMPRESSION_WINDOW_BYTES bytes. With an error it also gives what came before it. `pack` may leave part of its output in `out` on error. */
struct codec_calls {
    enum err (*pack)(struct compression *c, int level, struct bytes in, struct buf *out);
    enum err (*read_start)(struct compression *c);
    enum err (*read)(struct compression *c, struct bytes *out);
    void (*free)(struct compression *c);
};

extern const struct codec_calls codec_gzip, codec_snappy, codec_lz4, codec_zstd;

/* ERR_NOMEM. */
enum err compression_window(struct compression *c);
