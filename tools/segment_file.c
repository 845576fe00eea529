/* tools/segment_file.c: walking a file of batches, also past what is broken.
 *
 * WHY      A dump and a check must show what is on disk, not what a broker would make of it, and go on behind
 *          damage to tell how much is left.
 * FORMAT   Batches one after the other (protocol/record_batch.h); zeros at the end are room not yet written.
 * OWNER    One thread; the window is the only memory.
 * LIMITS   A window of WINDOW_BYTES, larger for a larger batch. After damage a batch is believed only if its
 *          checksum fits and its offset lies within RESYNC_OFFSETS_MAX of what was expected, which also keeps the
 *          search from checking long runs of nonsense.
 */
#include "tools/segment_file.h"

enum {
    WINDOW_BYTES = 1 << 20,
    MAGIC_AT = 16,
    NAME_DIGITS = 20,
    RESYNC_OFFSETS_MAX = 1 << 30,
};

enum err segment_file_open(struct env *env, const char *path, struct segment_file *out)
{
    *out = (struct segment_file){.env = env, .file = -1};
    buf_init(&out->window, (size_t)INT32_MAX + WINDOW_BYTES);
    TRY(env_open(env, path, ENV_OPEN_READ, &out->file));
    enum err e = env_size(env, out->file, &out->size);
    if (e != OK) {
        segment_file_close(out);
    }
    return e;
}

void segment_file_close(struct segment_file *f)
{
    if (f->file >= 0) {
        (void)env_close(f->env, f->file);
        f->file = -1;
    }
    buf_deinit(&f->window);
}

/* At least `least` bytes from `position` on, more if they are at hand; fewer only at the end of the file. */
static enum err view(struct segment_file *f, uint64_t position, size_t least, struct bytes *out)
{
    uint64_t left = f->size - MIN(position, f->size);
    size_t want = (size_t)MIN((uint64_t)least, left);

    if (position < f->window_at || position + want > f->window_at + f->window.len) {
        size_t got = 0, len = (size_t)MIN((uint64_t)MAX(least, (size_t)WINDOW_BYTES), left);
        buf_reset(&f->window);
        TRY(buf_reserve(&f->window, len));
        TRY(env_read(f->env, f->file, f->window.at, len, position, &got));
        f->window.len = got;
        f->window_at = position;
    }
    *out = bytes_slice(buf_view(&f->window), (size_t)(position - f->window_at), f->window.len);
    return OK;
}

enum err segment_file_batch(struct segment_file *f, uint64_t position, struct batch *out)
{
    struct bytes at;

    if (position >= f->size) {
        return ERR_NOT_FOUND;
    }
    TRY(view(f, position, BATCH_HEADER_BYTES, &at));
    if (batch_header_read(at, &out->header) != OK) {
        return f->size - position < BATCH_HEADER_BYTES ? ERR_AGAIN : ERR_MALFORMED;
    }
    size_t size = batch_size(&out->header);
    if (size > f->size - position) {
        return ERR_AGAIN;
    }
    TRY(view(f, position, size, &at));
    if (at.len < size) {
        return ERR_AGAIN; /* the file shrank */
    }
    out->bytes = bytes_slice(at, 0, size);
    return batch_crc_ok(out->bytes) ? OK : ERR_CORRUPT;
}

enum err segment_file_is_zero(struct segment_file *f, uint64_t position, bool *out)
{
    struct bytes at;

    for (*out = true; position < f->size && *out; position += at.len) {
        TRY(view(f, position, 1, &at));
        for (size_t i = 0; i < at.len && *out; i++) {
            *out = at.at[i] == 0;
        }
        if (at.len == 0) {
            break;
        }
    }
    return OK;
}

static bool may_follow(const struct batch_header *h, int64_t expected)
{
    return h->base_offset >= expected && h->base_offset - expected < RESYNC_OFFSETS_MAX;
}

enum err segment_file_resync(struct segment_file *f, uint64_t from, int64_t expected, uint64_t *out)
{
    struct batch batch;
    struct bytes at;

    for (uint64_t p = from; p + BATCH_HEADER_BYTES <= f->size; p++) {
        TRY(view(f, p, BATCH_HEADER_BYTES, &at));
        if (at.len < BATCH_HEADER_BYTES) {
            break;
        }
        if (at.at[MAGIC_AT] != BATCH_MAGIC || batch_header_read(at, &batch.header) != OK ||
            !may_follow(&batch.header, MAX(expected, 0))) {
            continue;
        }
        if (segment_file_batch(f, p, &batch) == OK) {
            *out = p;
            return OK;
        }
    }
    *out = f->size;
    return OK;
}

int64_t segment_file_name_offset(struct bytes path)
{
    size_t begin = path.len;
    int64_t offset;

    while (begin > 0 && path.at[begin - 1] != '/') {
        begin--;
    }
    struct bytes name = bytes_slice(path, begin, path.len);
    bool fits = name.len >= NAME_DIGITS && (name.len == NAME_DIGITS || name.at[NAME_DIGITS] == '.');
    return fits && name.at[0] != '-' &&
                   bytes_to_i64(bytes_slice(name, 0, NAME_DIGITS), &offset) == OK
               ? offset
               : -1;
}

const char *segment_file_fault(enum err e)
{
    return e == ERR_CORRUPT     ? "bad checksum"
           : e == ERR_AGAIN     ? "batch goes on past the end"
           : e == ERR_MALFORMED ? "not a batch"
                                : err_text(e);
}
