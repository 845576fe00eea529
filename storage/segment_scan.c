/* storage/segment_scan.c: a segment file read from front to back, batch by batch, each with its checksum.
 *
 * WHY      Start-up (what does the log hold past its checkpoint?) and state machines that replay a log read the same
 *          way: pieces of PIECE_BYTES, larger only for a batch that is larger.
 * FAILURE  Does not judge: it says that no good batch stands at a position. Whether that is a torn tail or
 *          damage is decided by who knows the durable floor.
 */
#include "base/mem.h"
#include "storage/storage_internal.h"

enum { PIECE_BYTES = 1 << 20 };

enum err segment_scan_open(struct segment_scan *c, struct env *env, const char *path,
                           uint64_t position)
{
    *c = (struct segment_scan){.env = env, .file = -1, .position = position};
    TRY(env_open(env, path, ENV_OPEN_READ, &c->file));
    enum err e = env_size(env, c->file, &c->size);
    if (e != OK) {
        segment_scan_close(c);
    }
    return e;
}

void segment_scan_close(struct segment_scan *c)
{
    if (c->file >= 0) {
        (void)env_close(c->env, c->file);
    }
    mem_free(c->piece);
    *c = (struct segment_scan){.file = -1};
}

void segment_scan_seek(struct segment_scan *c, uint64_t position)
{
    c->position = position;
    c->have = c->at = 0;
}

/* The piece begins at c->position and holds `want` bytes, if the file does. */
static enum err refill(struct segment_scan *c, size_t want)
{
    size_t got;

    want = (size_t)MIN(MAX((uint64_t)want, MIN((uint64_t)PIECE_BYTES, c->size - c->position)),
                       c->size - c->position);
    if (want > c->piece_bytes) {
        mem_free(c->piece);
        c->piece_bytes = 0;
        c->piece = mem_alloc(want);
        if (c->piece == NULL) {
            return fail(ERR_NOMEM, "%zu bytes of a segment", want);
        }
        c->piece_bytes = want;
    }
    TRY(env_read(c->env, c->file, c->piece, want, c->position, &got));
    c->have = got;
    c->at = 0;
    return OK;
}

enum err segment_scan_next(struct segment_scan *c, struct batch *out)
{
    if (c->position >= c->size) {
        return c->position == c->size ? ERR_NOT_FOUND : ERR_CORRUPT;
    }
    for (int tries = 0; tries < 3;
         tries++) { /* what is left; a fresh piece; one as large as the batch */
        struct bytes rest = {c->piece + c->at, c->have - c->at};
        struct batch_header h;
        enum err e = c->have > c->at ? batch_next(&rest, out) : ERR_AGAIN;

        if (e == OK) {
            if (!batch_crc_ok(out->bytes)) {
                return fail(ERR_CORRUPT, "a checksum at position %" PRIu64, c->position);
            }
            c->at += out->bytes.len;
            c->position += out->bytes.len;
            return OK;
        }
        if (e != ERR_AGAIN) {
            break;
        }
        size_t want = rest.len >= BATCH_HEADER_BYTES && batch_header_read(rest, &h) == OK
                          ? batch_size(&h)
                          : BATCH_HEADER_BYTES;
        if (want > c->size - c->position) {
            break;
        }
        TRY(refill(c, want));
    }
    return fail(ERR_CORRUPT, "no batch at position %" PRIu64, c->position);
}
