/* protocol/compression_lz4.c: LZ4 frames by liblz4.
 *
 * FORMAT   LZ4 frame format 1.6. Written: version 1, independent blocks of 64 KiB, no checksums, no sizes:
 *          04 22 4d 18 60 40 82, { uint32 length, block }, 00 00 00 00; the top bit of a length says that the
 *          block is not compressed. Read: one frame; its blocks must be independent and it may have no
 *          dictionary, because Java's reader takes no others. Checksums and sizes are checked where they
 *          are. What follows the frame is passed over, as in Java.
 *          Level 9, the default, is the fast compressor and all others the thorough one, as in Java.
 * OWNER    struct compression keeps the reader's state, unless it was for blocks of more than 256 KiB.
 * FAILURE  ERR_MALFORMED, also for no bytes at all. After any error the reader's state is thrown away.
 */
#define LZ4F_STATIC_LINKING_ONLY /* for contexts with an allocator of ours */
#include "base/mem.h"
#include "protocol/compression_internal.h"

#include <lz4.h>
#include <lz4frame.h>
#include <lz4hc.h>

enum { BLOCK_BYTES = 64 << 10, LENGTH_BYTES = 4, LEVEL_FAST = 9 };
enum { FLAGS_AT = 4, BLOCK_SIZE_AT = 5, FLAG_INDEPENDENT = 0x20, FLAGS_REFUSED = 0x03 };
enum { BLOCK_SIZE_SHIFT = 4, BLOCK_SIZE_KEPT = 5 };
#define BLOCK_IS_PLAIN 0x80000000u

static const uint8_t frame_head[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};

static void *take_memory(void *opaque, size_t bytes)
{
    (void)opaque;
    return mem_alloc(MAX(bytes, (size_t)1));
}

static void give_memory(void *opaque, void *at)
{
    (void)opaque;
    mem_free(at);
}

static void store_le(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "store_le copies");

/* state: of the thorough compressor, NULL for the fast one. */
static enum err pack_block(void *state, int level, struct bytes in, struct buf *out)
{
    TRY(buf_reserve(out, LENGTH_BYTES + in.len));
    char *to = (char *)out->at + out->len + LENGTH_BYTES;
    const char *from = (const char *)in.at;
    int len = (int)in.len;
    /* Room for one byte less than comes in: what does not shrink is written as it is. */
    int got = state == NULL ? LZ4_compress_default(from, to, len, len - 1)
                            : LZ4_compress_HC_extStateHC(state, from, to, len, len - 1, level);
    if (got > 0) {
        store_le(out->at + out->len, (uint32_t)got);
        out->len += LENGTH_BYTES + (size_t)got;
        return OK;
    }
    store_le(out->at + out->len, (uint32_t)len | BLOCK_IS_PLAIN);
    memcpy(to, from, in.len);
    out->len += LENGTH_BYTES + in.len;
    return OK;
}

static enum err pack_blocks(void *state, int level, struct bytes in, struct buf *out)
{
    TRY(buf_add(out, (struct bytes){frame_head, sizeof(frame_head)}));
    for (size_t at = 0; at < in.len; at += BLOCK_BYTES) {
        TRY(pack_block(state, level, bytes_slice(in, at, BLOCK_BYTES), out));
    }
    return buf_add(out, (struct bytes){(const uint8_t[LENGTH_BYTES]){0}, LENGTH_BYTES});
}

static enum err lz4_pack(struct compression *c, int level, struct bytes in, struct buf *out)
{
    void *state = NULL;

    (void)c;
    if (level != LEVEL_FAST) {
        state = mem_alloc((size_t)LZ4_sizeofStateHC());
        if (state == NULL) {
            return fail(ERR_NOMEM, "no memory for lz4");
        }
    }
    enum err e = pack_blocks(state, level, in, out);
    mem_free(state);
    return e;
}

static void lz4_free(struct compression *c)
{
    (void)LZ4F_freeDecompressionContext(c->reader[CODEC_LZ4]);
    c->reader[CODEC_LZ4] = NULL;
}

static enum err lz4_read_start(struct compression *c)
{
    static const LZ4F_CustomMem memory = {.customAlloc = take_memory, .customFree = give_memory};
    const uint8_t *p = c->in.at;

    if (c->in.len < sizeof(frame_head) || memcmp(p, frame_head, FLAGS_AT) != 0) {
        return fail(ERR_MALFORMED, "not an lz4 frame");
    }
    if ((p[FLAGS_AT] & FLAG_INDEPENDENT) == 0 || (p[FLAGS_AT] & FLAGS_REFUSED) != 0) {
        return fail(ERR_MALFORMED, "an lz4 frame of blocks that need each other or a dictionary");
    }
    TRY(compression_window(c));
    if (c->large) {
        lz4_free(c);
    }
    c->large = p[BLOCK_SIZE_AT] >> BLOCK_SIZE_SHIFT > BLOCK_SIZE_KEPT;
    if (c->reader[CODEC_LZ4] != NULL) {
        LZ4F_resetDecompressionContext(c->reader[CODEC_LZ4]);
        return OK;
    }
    c->reader[CODEC_LZ4] = LZ4F_createDecompressionContext_advanced(memory, LZ4F_VERSION);
    return c->reader[CODEC_LZ4] == NULL ? fail(ERR_NOMEM, "no memory for lz4") : OK;
}

static enum err lz4_fail(struct compression *c, size_t code)
{
    bool nomem = LZ4F_isError(code) && LZ4F_getErrorCode(code) == LZ4F_ERROR_allocation_failed;

    lz4_free(c);
    c->ended = true;
    return nomem ? fail(ERR_NOMEM, "no memory for lz4")
                 : fail(ERR_MALFORMED, "not lz4, or cut off");
}

/* One step of the library: some input in, some output out, or the end of the frame. */
static enum err step(struct compression *c, size_t *got)
{
    size_t room = COMPRESSION_WINDOW_BYTES - *got, took = c->in.len;
    size_t hint =
        LZ4F_decompress(c->reader[CODEC_LZ4], c->window + *got, &room, c->in.at, &took, NULL);

    if (LZ4F_isError(hint) || (hint > 0 && room == 0 && took == 0)) {
        return lz4_fail(c, hint);
    }
    *got += room;
    c->in = bytes_slice(c->in, took, SIZE_MAX);
    c->ended = hint == 0;
    return OK;
}

static enum err lz4_read(struct compression *c, struct bytes *out)
{
    size_t got = 0;
    enum err e = OK;

    while (e == OK && !c->ended && got < COMPRESSION_WINDOW_BYTES) {
        e = step(c, &got); /* eats input, or fills the window, or ends */
    }
    *out = (struct bytes){c->window, got};
    return e;
}

const struct codec_calls codec_lz4 = {lz4_pack, lz4_read_start, lz4_read, lz4_free};
