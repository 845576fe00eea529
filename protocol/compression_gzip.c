/* protocol/compression_gzip.c: gzip by zlib.
 *
 * FORMAT   RFC 1952. Written: one member, no name, no time, operating system "unknown" (as Java does).
 *          Read: one or more members. What follows the last one and is no member, or is too short for
 *          one (18 bytes), is passed over, because Java's reader does so, too.
 * OWNER    struct compression. The reader's state (about 40 KiB) is kept; the writer's (256 KiB) is not.
 * FAILURE  A wrong checksum, length or code, or an early end: ERR_MALFORMED.
 */
#include "base/mem.h"
#include "protocol/compression_internal.h"

#define ZLIB_CONST /* input pointers are const */
#include <zlib.h>

enum { WINDOW_BITS_GZIP = 15 + 16, MEMORY_LEVEL = 8, OS_UNKNOWN = 255 };
enum { MEMBER_BYTES_MIN = 18, OUT_STEP_BYTES = 16 << 10 };

static void *take_memory(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return items == 0 || size == 0 ? NULL : mem_zalloc(items, size);
}

static void give_memory(void *opaque, void *at)
{
    (void)opaque;
    mem_free(at);
}

static void set_input(z_stream *z, struct bytes in)
{
    z->next_in = in.at;
    z->avail_in = (uInt)in.len;
}

static enum err deflate_all(z_stream *z, struct buf *out)
{
    int status = Z_OK;

    while (status == Z_OK) {
        size_t room = MIN((size_t)OUT_STEP_BYTES, out->max - out->len);
        TRY(buf_reserve(out, MAX(room, (size_t)1)));
        z->next_out = out->at + out->len;
        z->avail_out = (uInt)room;
        status = deflate(z, Z_FINISH);
        out->len += room - z->avail_out;
    }
    ASSERT(status == Z_STREAM_END);
    return OK;
}

static enum err gzip_pack(struct compression *c, int level, struct bytes in, struct buf *out)
{
    z_stream z = {.zalloc = take_memory, .zfree = give_memory};
    gz_header header = {.os = OS_UNKNOWN};

    (void)c;
    if (deflateInit2(&z, level, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return fail(ERR_NOMEM, "no memory for gzip");
    }
    (void)deflateSetHeader(&z, &header);
    set_input(&z, in);
    enum err e = deflate_all(&z, out);
    (void)deflateEnd(&z);
    return e;
}

static void gzip_free(struct compression *c)
{
    z_stream *z = c->reader[CODEC_GZIP];

    if (z != NULL) {
        (void)inflateEnd(z);
        mem_free(z);
        c->reader[CODEC_GZIP] = NULL;
    }
}

static enum err gzip_read_start(struct compression *c)
{
    z_stream *z = c->reader[CODEC_GZIP];

    TRY(compression_window(c));
    if (z != NULL) {
        (void)inflateReset(z);
        return OK;
    }
    z = mem_zalloc(1, sizeof(*z));
    if (z == NULL) {
        return fail(ERR_NOMEM, "no memory for gzip");
    }
    z->zalloc = take_memory;
    z->zfree = give_memory;
    if (inflateInit2(z, WINDOW_BITS_GZIP) != Z_OK) {
        mem_free(z);
        return fail(ERR_NOMEM, "no memory for gzip");
    }
    c->reader[CODEC_GZIP] = z;
    return OK;
}

static bool another_member(const struct compression *c)
{
    const uint8_t *p = c->in.at;

    return c->in.len > MEMBER_BYTES_MIN && p[0] == 0x1f && p[1] == 0x8b && p[2] == Z_DEFLATED;
}

/* The data was well, but checksum or length behind it are not. */
static bool wrong_trailer(const z_stream *z)
{
    return bytes_starts_with(bytes_of(z->msg), BYTES("incorrect "));
}

/* One step of the library: to the window's end, the member's end, or the input's end. */
static enum err step(struct compression *c, z_stream *z, size_t *got)
{
    set_input(z, c->in);
    z->next_out = c->window + *got;
    z->avail_out = (uInt)(COMPRESSION_WINDOW_BYTES - *got);
    int status = inflate(z, Z_NO_FLUSH);
    *got = COMPRESSION_WINDOW_BYTES - z->avail_out;
    c->in = bytes_slice(c->in, c->in.len - z->avail_in, SIZE_MAX);
    if (status == Z_STREAM_END) {
        c->ended = !another_member(c);
        (void)inflateReset(z);
        return OK;
    }
    if (status == Z_MEM_ERROR) {
        return fail(ERR_NOMEM, "no memory for gzip");
    }
    if (status == Z_DATA_ERROR && !wrong_trailer(z)) {
        *got =
            0; /* Java's reader loses what the failing step had made; so records are not looked at */
    }
    if (status != Z_OK || (c->in.len == 0 && z->avail_out > 0)) {
        return fail(ERR_MALFORMED, "not gzip, or cut off");
    }
    return OK;
}

static enum err gzip_read(struct compression *c, struct bytes *out)
{
    size_t got = 0;
    enum err e = OK;

    while (e == OK && !c->ended && got < COMPRESSION_WINDOW_BYTES) {
        e = step(c, c->reader[CODEC_GZIP], &got); /* eats input, or fills the window, or ends */
    }
    *out = (struct bytes){c->window, got};
    return e;
}

const struct codec_calls codec_gzip = {gzip_pack, gzip_read_start, gzip_read, gzip_free};
