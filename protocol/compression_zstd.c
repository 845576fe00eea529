/* protocol/compression_zstd.c: zstd by libzstd.
 *
 * FORMAT   RFC 8878. Written: one frame with its content size, without checksum. Read: any number of frames
 *          one after the other, none included.
 * OWNER    struct compression keeps both contexts while they are not larger than COMPRESSION_KEEP_BYTES.
 * FAILURE  ERR_MALFORMED: not zstd, cut off, or a window of more than 2^WINDOW_LOG_MAX bytes (the limit of
 *          Java's reader). After any error the context is thrown away.
 * LIMITS   A frame's window is reserved by its head, but memory is touched only as data comes out.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for contexts with an allocator of ours */
#include "base/mem.h"
#include "protocol/compression_internal.h"

#include <zstd.h>
#include <zstd_errors.h>

enum { WINDOW_LOG_MAX = 27 };

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

static const ZSTD_customMem memory = {.customAlloc = take_memory, .customFree = give_memory};

static void free_writer(struct compression *c)
{
    (void)ZSTD_freeCCtx(c->writer[CODEC_ZSTD]);
    c->writer[CODEC_ZSTD] = NULL;
}

static void free_reader(struct compression *c)
{
    (void)ZSTD_freeDCtx(c->reader[CODEC_ZSTD]);
    c->reader[CODEC_ZSTD] = NULL;
}

static void zstd_free(struct compression *c)
{
    free_writer(c);
    free_reader(c);
}

static bool is_nomem(size_t code)
{
    return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation;
}

/* Compresses into what room there is. */
static enum err pack_into(ZSTD_CCtx *z, struct bytes in, struct buf *out)
{
    size_t room = MIN(ZSTD_compressBound(in.len), out->max - out->len);

    TRY(buf_reserve(out, room));
    size_t got = ZSTD_compress2(z, out->at + out->len, room, in.at, in.len);
    if (ZSTD_isError(got)) {
        return is_nomem(got) ? fail(ERR_NOMEM, "no memory for zstd")
                             : fail(ERR_LIMIT, "zstd needs more than %zu bytes", room);
    }
    out->len += got;
    return OK;
}

static enum err zstd_pack(struct compression *c, int level, struct bytes in, struct buf *out)
{
    ZSTD_CCtx *z = c->writer[CODEC_ZSTD];

    if (z == NULL) {
        z = ZSTD_createCCtx_advanced(memory);
        if (z == NULL) {
            return fail(ERR_NOMEM, "no memory for zstd");
        }
        c->writer[CODEC_ZSTD] = z;
    }
    size_t set = ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
    ASSERT(!ZSTD_isError(set));
    enum err e = pack_into(z, in, out);
    if (e != OK || ZSTD_sizeof_CCtx(z) > COMPRESSION_KEEP_BYTES) {
        free_writer(c);
    }
    return e;
}

static enum err zstd_read_start(struct compression *c)
{
    ZSTD_DCtx *z = c->reader[CODEC_ZSTD];

    TRY(compression_window(c));
    c->frame_ended = true; /* no frame at all is a good end */
    if (z != NULL && ZSTD_sizeof_DCtx(z) <= COMPRESSION_KEEP_BYTES) {
        (void)ZSTD_DCtx_reset(z, ZSTD_reset_session_only);
        return OK;
    }
    free_reader(c);
    z = ZSTD_createDCtx_advanced(memory);
    if (z == NULL) {
        return fail(ERR_NOMEM, "no memory for zstd");
    }
    c->reader[CODEC_ZSTD] = z;
    size_t set = ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ASSERT(!ZSTD_isError(set));
    return OK;
}

static enum err zstd_fail(struct compression *c, size_t code)
{
    bool nomem = ZSTD_isError(code) && is_nomem(code);

    free_reader(c);
    c->ended = true;
    return nomem ? fail(ERR_NOMEM, "no memory for zstd")
                 : fail(ERR_MALFORMED, "not zstd, or cut off");
}

/* One step of the library: some input in, some output out, or the end. */
static enum err step(struct compression *c, ZSTD_outBuffer *to)
{
    ZSTD_inBuffer from = {.src = c->in.at, .size = c->in.len};
    size_t before = to->pos;

    if (c->in.len == 0 && c->frame_ended) {
        c->ended = true;
        return OK;
    }
    size_t hint = ZSTD_decompressStream(c->reader[CODEC_ZSTD], to, &from);
    if (ZSTD_isError(hint) || (hint > 0 && from.pos == 0 && to->pos == before)) {
        return zstd_fail(c, hint);
    }
    c->in = bytes_slice(c->in, from.pos, SIZE_MAX);
    c->frame_ended = hint == 0;
    return OK;
}

static enum err zstd_read(struct compression *c, struct bytes *out)
{
    ZSTD_outBuffer to = {.dst = c->window, .size = COMPRESSION_WINDOW_BYTES};
    enum err e = OK;

    while (e == OK && !c->ended && to.pos < to.size) {
        e = step(c, &to); /* eats input, or fills the window, or ends */
    }
    *out = (struct bytes){c->window, to.pos};
    return e;
}

const struct codec_calls codec_zstd = {zstd_pack, zstd_read_start, zstd_read, zstd_free};
