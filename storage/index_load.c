/* storage/index_load.c: brings the samples of a sealed segment into memory when a reader needs them.
 *
 * WHY      Sealed segments are many and mostly not read; their indexes stay on disk. An index that is missing or
 *          does not verify is made again by walking the segment's headers, and written back: nothing depends
 *          on the file being there.
 * TRUST    Samples are hints. What is read with their help is checked by itself.
 */
#include "base/mem.h"
#include "protocol/record_batch.h"
#include "storage/storage_internal.h"

enum { PIECE_BYTES = 1 << 20, INDEX_FILE_BYTES_MAX = 1 << 20 };

struct index_job {
    struct store_job job;
    struct plog *log;
    struct segment *segment;
    char dir[ENV_PATH_BYTES];
    int64_t base;
    uint64_t bytes, interval_bytes;
    struct index index;
};

/* -- on a helper -- */

struct walk {
    struct env *env;
    int file;
    uint8_t *piece;
    uint64_t position;
    int64_t offset, max_timestamp;
};

/* One piece of the segment. False: its end, or bytes that make no sense. */
static bool walk_piece(struct index_job *x, struct walk *w)
{
    size_t want = (size_t)MIN(x->bytes - w->position, (uint64_t)PIECE_BYTES), got;
    struct batch_header h;

    if (want < BATCH_HEADER_BYTES ||
        env_read(w->env, w->file, w->piece, want, w->position, &got) != OK || got < want) {
        return false;
    }
    uint64_t end = w->position + got, begin = w->position;
    while (w->position + BATCH_HEADER_BYTES <= end) {
        if (batch_header_read(
                (struct bytes){w->piece + (w->position - begin), (size_t)(end - w->position)},
                &h) != OK ||
            h.base_offset != w->offset) {
            return false;
        }
        if (!batch_is_internal(&h)) {
            index_add(&x->index,
                      &(struct index_sample){h.base_offset, w->position, w->max_timestamp});
            w->max_timestamp = MAX(w->max_timestamp, h.max_timestamp);
        }
        w->offset = batch_next_offset(&h);
        w->position += batch_size(&h);
    }
    return w->position < x->bytes;
}

static enum err rebuild(struct env *env, struct index_job *x, const char *path)
{
    struct walk w = {.env = env, .offset = x->base, .max_timestamp = BATCH_NO_TIMESTAMP};

    w.piece = mem_alloc(PIECE_BYTES);
    if (w.piece == NULL) {
        return fail(ERR_NOMEM, "a piece of a segment");
    }
    enum err e = env_open(env, path, ENV_OPEN_READ, &w.file);
    if (e == OK) {
        x->index.interval_bytes = x->interval_bytes;
        while (walk_piece(x, &w)) {
        }
        e = env_close(env, w.file);
    }
    mem_free(w.piece);
    return e;
}

static void write_back(struct env *env, const struct index_job *x, const char *path)
{
    struct buf out;

    buf_init(&out, INDEX_FILE_BYTES_MAX);
    if (index_write(&x->index, x->base, x->bytes, &out) == OK) {
        (void)file_write_whole(env, path, buf_view(&out), false);
    }
    buf_deinit(&out);
}

static void index_work(struct store_job *j)
{
    struct index_job *x = CONTAINER_OF(j, struct index_job, job);
    char path[ENV_PATH_BYTES], log_path[ENV_PATH_BYTES];
    struct buf file;

    segment_path(x->dir, x->base, ".idx", path);
    buf_init(&file, INDEX_FILE_BYTES_MAX);
    j->err = file_read_whole(j->env, path, &file);
    if (j->err == OK) {
        j->err = index_read(buf_view(&file), x->base, x->bytes, &x->index);
    }
    buf_deinit(&file);
    if (j->err == OK || j->err == ERR_NOMEM) {
        return;
    }
    segment_path(x->dir, x->base, ".log", log_path);
    j->err = rebuild(j->env, x, log_path);
    if (j->err == OK) {
        write_back(j->env, x, path);
    }
}

/* -- on the core -- */

static void resume_all(struct segment *g, enum err e)
{
    for (size_t n = g->index_waiters.len; n > 0; n--) {
        struct read_wait *w = CONTAINER_OF(list_take(&g->index_waiters), struct read_wait, link);

        w->resume(w, e);
    }
}

static void index_release(struct index_job *x)
{
    index_deinit(&x->index);
    segment_unuse(x->segment, x->job.store);
    plog_unuse(x->log);
    mem_free(x);
}

static void index_drop(struct store_job *j)
{
    struct index_job *x = CONTAINER_OF(j, struct index_job, job);

    resume_all(x->segment, ERR_CLOSED);
    index_release(x);
}

static void index_done(struct store *s, struct store_job *j)
{
    struct index_job *x = CONTAINER_OF(j, struct index_job, job);
    struct segment *g = x->segment;

    if (j->err == OK && g->log != NULL && !g->index_loaded) {
        index_cut(&x->index, g->summary.bytes);
        segment_index_loaded(g, s, &x->index);
    }
    resume_all(g, j->err);
    index_release(x);
}

enum err segment_index_want(struct segment *g, struct store *s, struct read_wait *w)
{
    ASSERT(g->sealed && !g->index_loaded && g->log != NULL);
    if (!list_empty(&g->index_waiters)) { /* one is under way */
        list_add_last(&g->index_waiters, &w->link);
        return OK;
    }
    struct index_job *x = mem_zalloc(1, sizeof(*x));
    if (x == NULL) {
        return fail(ERR_NOMEM, "a job that loads an index");
    }
    x->job =
        (struct store_job){.work = index_work, .done = index_done, .drop = index_drop, .store = s};
    x->log = g->log;
    x->log->users++;
    x->segment = g;
    segment_use(g);
    plog_dir(g->log, x->dir);
    x->base = g->summary.base_offset;
    x->bytes = g->summary.bytes;
    x->interval_bytes = (uint64_t)MAX(g->log->settings.index_interval_bytes, 0);
    list_add_last(&g->index_waiters, &w->link);
    store_submit(s, s->config.read_lane, &x->job);
    return OK;
}
