/* protocol/compression.h: the four codecs of record batches behind one door; zlib, snappy, lz4 and zstd are
 * known to compression.c and its neighbours compression_*.c only.
 *
 * WRITING  gzip; snappy in the Java framing (32 KiB blocks); lz4 frames of independent 64 KiB blocks without
 *          content checksum; zstd with the content size. Every Kafka client reads these.
 * READING  Also raw snappy, lz4 frames with block and content checksums and sizes, several gzip members
 *          and zstd frames one after the other. Bytes after an lz4 frame are ignored, as Kafka does.
 * BOUNDS   Reading always has a ceiling on what comes out, and goes on piece by piece, so that a bomb
 *          costs no more memory or time than the ceiling allows.
 * OWNER    A struct compression holds library state and one window; it belongs to one core or one job and
 *          does one thing at a time. Nothing is allocated before a codec is used, and what is large is
 *          given back after use.
 */
#pragma once

#include "base/bytes.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };
enum { CODEC_COUNT = CODEC_ZSTD + 1 };

/* Numbers as the batch attributes have them: 5 to 7 mean nothing. */
bool codec_known(int codec);
/* "none", "gzip", "snappy", "lz4", "zstd", as in compression.type. */
const char *codec_name(enum codec codec);
/* ERR_NOT_FOUND. */
enum err codec_of_name(struct bytes name, enum codec *out);
/* Ranges and defaults of compression.*.level; codecs without levels have 0 only. */
int codec_level_default(enum codec codec);
bool codec_level_valid(enum codec codec, int level);

struct compression;

/* ERR_NOMEM. */
enum err compression_new(struct compression **out);
void compression_free(struct compression *c);

/* Appends the compressed form of `in`. CODEC_NONE copies. `level` must be valid. ERR_LIMIT: it might
 * pass the ceiling of `out` (some codecs ask for the room of the worst case). ERR_NOMEM. After an error `out` has its old length. */
enum err compression_pack(struct compression *c, enum codec codec, int level, struct bytes in,
                          struct buf *out);

/* Appends what `in` holds. ERR_LIMIT: more than out's ceiling allows. ERR_MALFORMED, ERR_NOMEM. After an
 * error `out` has its old length. */
enum err compression_unpack(struct compression *c, enum codec codec, struct bytes in,
                            struct buf *out);

/* The same piece by piece: start, then read until an empty piece says the end. `in` must stay until then.
 * At most bytes_max bytes come out altogether; the read that would pass it answers ERR_LIMIT. A piece is
 * valid until the next call. No end call is needed. */
enum err compression_read_start(struct compression *c, enum codec codec, struct bytes in,
                                size_t bytes_max);
enum err compression_read(struct compression *c, struct bytes *out);
