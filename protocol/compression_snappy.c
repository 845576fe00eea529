/* protocol/compression_snappy.c: snappy by libsnappy's C interface, in two wrappings.
 *
 * FORMAT   Raw: one snappy block, as librdkafka and others write it. Framed, as Java's producer writes it
 *          and as we write: 82 "SNAPPY" 00, int32 version 1, int32 lowest compatible version 1, then
 *          { int32 length, snappy block } with blocks of 32 KiB of data; the sixteen bytes of the head
 *          may come again between blocks. All numbers big-endian, also where other writers erred.
 *          Which one it is, the first eight bytes say: they cannot begin a raw block of that length. The
 *          version numbers are not looked at, as in Java.
 *          Up to three bytes after the last block are passed over, as in Java.
 * OWNER    struct compression; one block, given back when it was large.
 * FAILURE  ERR_MALFORMED, also for no bytes at all.
 * LIMITS   A block's claimed length is believed only up to the caller's ceiling, and only up to
 *          EXPANSION_MAX times its bytes: a copy element of 3 bytes makes at most 64.
 */
#include "base/mem.h"
#include "protocol/compression_internal.h"
#include "protocol/wire.h"

#include <snappy-c.h>

enum { FRAME_HEAD_BYTES = 16, FRAME_MAGIC_BYTES = 8, FRAME_BLOCK_BYTES = 32 << 10 };
enum { LENGTH_BYTES = 4, EXPANSION_MAX = 22, EXPANSION_SLACK = 64 };

static const uint8_t frame_head[FRAME_HEAD_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                     0,    0,   0,   1,   0,   0,   0,   1};

static enum err pack_block(struct bytes in, struct buf *out)
{
    size_t room = snappy_max_compressed_length(in.len);

    TRY(buf_reserve(out, LENGTH_BYTES + room));
    char *to = (char *)out->at + out->len + LENGTH_BYTES;
    if (snappy_compress((const char *)in.at, in.len, to, &room) != SNAPPY_OK) {
        return fail(ERR_NOMEM, "no memory for snappy");
    }
    wire_store_u32(out->at + out->len, (uint32_t)room);
    out->len += LENGTH_BYTES + room;
    return OK;
}

static enum err snappy_pack(struct compression *c, int level, struct bytes in, struct buf *out)
{
    (void)c;
    (void)level;
    TRY(buf_add(out, (struct bytes){frame_head, sizeof(frame_head)}));
    for (size_t at = 0; at < in.len; at += FRAME_BLOCK_BYTES) {
        TRY(pack_block(bytes_slice(in, at, FRAME_BLOCK_BYTES), out));
    }
    return OK;
}

static void snappy_free(struct compression *c)
{
    mem_free(c->block);
    c->block = NULL;
    c->block_cap = 0;
}

static bool begins_with_head(struct bytes in)
{
    return in.len >= FRAME_HEAD_BYTES && memcmp(in.at, frame_head, FRAME_MAGIC_BYTES) == 0;
}

static void skip_head(struct compression *c)
{
    c->in = bytes_slice(c->in, FRAME_HEAD_BYTES, SIZE_MAX);
}

static enum err snappy_read_start(struct compression *c)
{
    if (c->block_cap > COMPRESSION_KEEP_BYTES) {
        snappy_free(c);
    }
    if (c->in.len == 0) {
        return fail(ERR_MALFORMED, "no snappy bytes");
    }
    c->framed = begins_with_head(c->in);
    if (c->framed) {
        skip_head(c);
    }
    return OK;
}

static enum err reserve_block(struct compression *c, size_t len)
{
    if (len <= c->block_cap) {
        return OK;
    }
    snappy_free(c);
    c->block = mem_alloc(len);
    if (c->block == NULL) {
        return fail(ERR_NOMEM, "no memory for a snappy block of %zu bytes", len);
    }
    c->block_cap = len;
    return OK;
}

static enum err unpack_block(struct compression *c, struct bytes block, struct bytes *out)
{
    const char *at = (const char *)block.at;
    size_t len;

    if (snappy_uncompressed_length(at, block.len, &len) != SNAPPY_OK ||
        len > block.len * EXPANSION_MAX + EXPANSION_SLACK) {
        return fail(ERR_MALFORMED, "not a snappy block");
    }
    if (len > c->left) {
        return fail(ERR_LIMIT, "a snappy block of %zu bytes is more than allowed", len);
    }
    TRY(reserve_block(c, MAX(len, (size_t)1)));
    if (snappy_uncompress(at, block.len, (char *)c->block, &len) != SNAPPY_OK) {
        return fail(ERR_MALFORMED, "not a snappy block");
    }
    *out = (struct bytes){c->block, len};
    return OK;
}

static enum err next_block(struct compression *c, struct bytes *out)
{
    if (begins_with_head(c->in)) {
        skip_head(c);
        return OK;
    }
    if (c->in.len < LENGTH_BYTES) {
        c->ended = true;
        return OK;
    }
    size_t len = wire_load_u32(c->in.at);
    struct bytes rest = bytes_slice(c->in, LENGTH_BYTES, SIZE_MAX);
    if (len > rest.len) {
        return fail(ERR_MALFORMED, "a snappy block is cut off");
    }
    c->in = bytes_slice(rest, len, SIZE_MAX);
    return unpack_block(c, bytes_slice(rest, 0, len), out);
}

static enum err snappy_read(struct compression *c, struct bytes *out)
{
    if (!c->framed) {
        c->ended = true;
        return unpack_block(c, c->in, out);
    }
    do { /* each turn takes at least four bytes of the input, or ends */
        TRY(next_block(c, out));
    } while (out->len == 0 && !c->ended);
    return OK;
}

const struct codec_calls codec_snappy = {snappy_pack, snappy_read_start, snappy_read, snappy_free};
