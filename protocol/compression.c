/* protocol/compression.c: the door to the codecs.
 *
 * WHY      Callers know a number from the batch header and bytes; which library reads them, in which
 *          dialect, and how to stop it in time, is told once, here and in compression_<codec>.c.
 * FORMAT   compression_gzip.c, _snappy.c, _lz4.c and _zstd.c say what they write and read.
 * OWNER    See the header: one core or job. Library state is made by mem_alloc(), so that it can be made
 *          to fail, kept between uses while it is small, and thrown away after any error.
 * FAILURE  ERR_MALFORMED for bytes that are not what the codec says, ERR_LIMIT for more bytes than the
 *          caller wants to see, ERR_NOMEM. Output is taken back to where it was.
 * LIMITS   One call takes at most 2 GiB - 1 in. Out: the caller's ceiling, counted piece by piece.
 */
#include "protocol/compression.h"

#include "base/mem.h"
#include "protocol/compression_internal.h"

static const struct codec_calls *const calls[CODEC_COUNT] = {
    [CODEC_GZIP] = &codec_gzip,
    [CODEC_SNAPPY] = &codec_snappy,
    [CODEC_LZ4] = &codec_lz4,
    [CODEC_ZSTD] = &codec_zstd,
};

static const struct {
    const char *name;
    int level_min, level_max, level_default;
} codecs[CODEC_COUNT] = {
    [CODEC_NONE] = {"none", 0, 0, 0},        [CODEC_GZIP] = {"gzip", 1, 9, -1},
    [CODEC_SNAPPY] = {"snappy", 0, 0, 0},    [CODEC_LZ4] = {"lz4", 1, 17, 9},
    [CODEC_ZSTD] = {"zstd", -131072, 22, 3},
};

bool codec_known(int codec)
{
    return codec >= 0 && codec < CODEC_COUNT;
}

const char *codec_name(enum codec codec)
{
    ASSERT(codec_known((int)codec));
    return codecs[codec].name;
}

enum err codec_of_name(struct bytes name, enum codec *out)
{
    for (int i = 0; i < CODEC_COUNT; i++) {
        if (bytes_equal(name, bytes_of(codecs[i].name))) {
            *out = (enum codec)i;
            return OK;
        }
    }
    return fail(ERR_NOT_FOUND, "there is no codec '%.*s'", BYTES_ARG(name));
}

int codec_level_default(enum codec codec)
{
    ASSERT(codec_known((int)codec));
    return codecs[codec].level_default;
}

bool codec_level_valid(enum codec codec, int level)
{
    ASSERT(codec_known((int)codec));
    return level == codecs[codec].level_default ||
           (level >= codecs[codec].level_min && level <= codecs[codec].level_max);
}

enum err compression_new(struct compression **out)
{
    struct compression *c = mem_zalloc(1, sizeof(*c));

    if (c == NULL) {
        return fail(ERR_NOMEM, "no memory for a compression context");
    }
    c->ended = true;
    *out = c;
    return OK;
}

void compression_free(struct compression *c)
{
    if (c == NULL) {
        return;
    }
    for (int i = 0; i < CODEC_COUNT; i++) {
        if (calls[i] != NULL) {
            calls[i]->free(c);
        }
    }
    mem_free(c->window);
    mem_free(c);
}

enum err compression_window(struct compression *c)
{
    if (c->window == NULL) {
        c->window = mem_alloc(COMPRESSION_WINDOW_BYTES);
    }
    return c->window == NULL ? fail(ERR_NOMEM, "no memory for a window") : OK;
}

enum err compression_pack(struct compression *c, enum codec codec, int level, struct bytes in,
                          struct buf *out)
{
    size_t len = out->len;

    ASSERT(codec_level_valid(codec, level));
    if (in.len > INT32_MAX) {
        return fail(ERR_LIMIT, "%zu bytes are too many for one batch", in.len);
    }
    if (codec == CODEC_NONE) {
        return buf_add(out, in);
    }
    enum err e = calls[codec]->pack(c, level, in, out);
    if (e != OK) {
        out->len = len;
    }
    return e;
}

enum err compression_read_start(struct compression *c, enum codec codec, struct bytes in,
                                size_t bytes_max)
{
    ASSERT(codec_known((int)codec));
    if (in.len > INT32_MAX) {
        return fail(ERR_LIMIT, "%zu bytes are too many for one batch", in.len);
    }
    c->codec = codec;
    c->in = in;
    c->left = bytes_max;
    c->ended = false;
    c->next = OK;
    return codec == CODEC_NONE ? OK : calls[codec]->read_start(c);
}

static enum err read_plain(struct compression *c, struct bytes *out)
{
    *out = c->in;
    c->ended = true;
    return OK;
}

/* The next piece, or what went wrong once all good bytes before it were given out. */
static enum err read_piece(struct compression *c, struct bytes *out)
{
    enum err e = c->next;

    if (e == OK && !c->ended) {
        e = c->codec == CODEC_NONE ? read_plain(c, out) : calls[c->codec]->read(c, out);
    }
    if (e != OK) {
        c->ended = true;
        c->next = e;
    }
    return out->len > 0 ? OK : e;
}

enum err compression_read(struct compression *c, struct bytes *out)
{
    struct bytes piece = {.at = (const uint8_t *)""};

    TRY(read_piece(c, &piece));
    if (piece.len > c->left) {
        c->ended = true;
        c->next = fail(ERR_LIMIT, "more comes out of a compressed batch than is allowed");
        return c->next;
    }
    c->left -= piece.len;
    *out = piece;
    return OK;
}

static enum err read_all(struct compression *c, struct buf *out)
{
    struct bytes piece;

    do { /* every turn adds to `out` or ends, and `out` has a ceiling */
        TRY(compression_read(c, &piece));
        TRY(buf_add(out, piece));
    } while (piece.len > 0);
    return OK;
}

enum err compression_unpack(struct compression *c, enum codec codec, struct bytes in,
                            struct buf *out)
{
    size_t len = out->len;

    TRY(compression_read_start(c, codec, in, out->max - out->len));
    enum err e = read_all(c, out);
    if (e != OK) {
        out->len = len;
    }
    return e;
}
