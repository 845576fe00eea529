/* storage/flush.c: from memory to segment files, and what is written beside them.
 *
 * WHY      The journal has made the bytes durable; here they go, in large pieces and without hurry, to where
 *          readers and restarts look for them.
 * JOB      One at a time per log, in the core's flush lane (one after the other): finish cuts that are durable
 *          in the journal, write bytes up to the stable mark into one segment, write that segment's index when
 *          it is complete, write a checkpoint whose position is reached. Nothing but the checkpoint is synced.
 * WHEN     A log has FLUSH_BYTES_MIN waiting; too much memory is dirty; a journal file is to be recycled;
 *          the store is closed.
 * COUNTS   unflushed_from is the oldest journal generation with an entry that files do not show yet. A job
 *          notes in after_flush what it will be if the job succeeds: zero, or the generation of what came or
 *          was not stable while it ran.
 * FAILURE  ENOSPC: the same bytes are written again later, which is no retried sync. Anything else: the store
 *          refuses appends; memory and journal still hold the bytes.
 */
#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { FLUSH_SLICES = 64, DIRS = 3 };

struct flush_job {
    struct store_job job;
    struct plog *log;
    struct segment *segment; /* NULL: no bytes */
    char dir[ENV_PATH_BYTES];
    bool make_dirs, create;
    int file;
    int64_t base;
    uint64_t position, upto; /* in the segment; in the log */
    struct env_slice slices[FLUSH_SLICES];
    struct chunk *chunks[FLUSH_SLICES];
    int count;
    struct file_cut cut;
    struct buf index, checkpoint;
    uint64_t checkpoint_at;
    bool covers_control; /* the checkpoint is younger than the cuts in the journal */
    bool covers_all;     /* when it succeeds, files show all that was stable */
};

/* -- on a helper -- */

enum err log_dirs_make(struct env *env, const char *dir)
{
    char path[ENV_PATH_BYTES];
    const char *slash = strrchr(dir, '/');

    ASSERT(slash != NULL);
    (void)snprintf(path, sizeof(path), "%.*s", (int)(slash - dir), dir);
    TRY(env_mkdir(env, path));
    return env_mkdir(env, dir);
}

static enum err unlink_segment(struct env *env, const char *dir, int64_t base)
{
    char path[ENV_PATH_BYTES];

    segment_path(dir, base, ".idx", path);
    enum err e = env_unlink(env, path);
    if (e == OK || e == ERR_NOT_FOUND) {
        segment_path(dir, base, ".log", path);
        e = env_unlink(env, path);
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

/* Shorter than it is, never longer; synced, because the journal entry goes when the checkpoint is written. */
enum err segment_file_cut(struct env *env, const char *path, uint64_t bytes)
{
    uint64_t size;
    int file;

    enum err e = env_open(env, path, ENV_OPEN_WRITE, &file);
    if (e != OK) {
        return e == ERR_NOT_FOUND ? OK : e;
    }
    e = env_size(env, file, &size);
    if (e == OK && size > bytes) {
        e = env_truncate(env, file, bytes);
        if (e == OK) {
            e = env_sync(env, file);
        }
    }
    enum err closed = env_close(env, file);
    return e != OK ? e : closed;
}

static enum err cut_files(struct env *env, const struct flush_job *f)
{
    char path[ENV_PATH_BYTES];

    for (size_t i = 0; i < f->cut.removed.len; i += sizeof(int64_t)) {
        int64_t base;

        memcpy(&base, f->cut.removed.at + i, sizeof(base));
        TRY(unlink_segment(env, f->dir, base));
    }
    if (!f->cut.shorten) {
        return OK;
    }
    segment_path(f->dir, f->cut.base, ".log", path);
    return segment_file_cut(env, path, f->cut.position);
}

static enum err write_bytes(struct env *env, struct flush_job *f)
{
    char path[ENV_PATH_BYTES];

    if (f->file < 0) {
        segment_path(f->dir, f->base, ".log", path);
        TRY(env_open(env, path, ENV_OPEN_WRITE | (f->create ? ENV_OPEN_CREATE : 0U), &f->file));
    }
    return env_write(env, f->file, f->slices, f->count, f->position);
}

enum err file_write_whole(struct env *env, const char *path, struct bytes content, bool sync)
{
    int file;

    TRY(env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file));
    enum err e = env_truncate(env, file, content.len);
    if (e == OK) {
        e = env_write(env, file, &(struct env_slice){(uint8_t *)(uintptr_t)content.at, content.len},
                      1, 0);
    }
    if (e == OK && sync) {
        e = env_sync(env, file);
    }
    enum err closed = env_close(env, file);
    return e != OK ? e : closed;
}

enum err file_read_whole(struct env *env, const char *path, struct buf *out)
{
    uint64_t size;
    size_t got = 0;
    int file;

    TRY(env_open(env, path, ENV_OPEN_READ, &file));
    enum err e = env_size(env, file, &size);
    if (e == OK) {
        e = size > out->max ? fail(ERR_LIMIT, "%s is too large", path)
                            : buf_reserve(out, (size_t)size);
    }
    if (e == OK && size > 0) {
        e = env_read(env, file, out->at + out->len, (size_t)size, 0, &got);
    }
    enum err closed = env_close(env, file);
    out->len += e == OK ? got : 0;
    return e != OK ? e : closed;
}

static void checkpoint_paths(const char *dir, char path[ENV_PATH_BYTES],
                             char path_new[ENV_PATH_BYTES])
{
    (void)snprintf(path, ENV_PATH_BYTES, "%.1000s/checkpoint", dir);
    (void)snprintf(path_new, ENV_PATH_BYTES, "%.1000s/checkpoint.new", dir);
}

enum err checkpoint_replace(struct env *env, const char *dir, struct bytes content, bool sync)
{
    char path[ENV_PATH_BYTES], path_new[ENV_PATH_BYTES];

    checkpoint_paths(dir, path, path_new);
    TRY(file_write_whole(env, path_new, content, sync));
    TRY(env_rename(env, path_new, path));
    return sync ? env_sync_dir(env, dir) : OK;
}

static enum err flush_steps(struct env *env, struct flush_job *f)
{
    char path[ENV_PATH_BYTES];

    if (f->make_dirs) {
        TRY(log_dirs_make(env, f->dir));
    }
    TRY(cut_files(env, f));
    if (f->count > 0) {
        TRY(write_bytes(env, f));
    }
    if (f->index.len > 0) {
        segment_path(f->dir, f->base, ".idx", path);
        TRY(file_write_whole(env, path, buf_view(&f->index), false));
    }
    return f->checkpoint.len == 0 ? OK
                                  : checkpoint_replace(env, f->dir, buf_view(&f->checkpoint), true);
}

static void flush_work(struct store_job *j)
{
    j->err = flush_steps(j->env, CONTAINER_OF(j, struct flush_job, job));
}

/* -- on the core: checkpoints -- */

static uint64_t checkpoint_every(const struct store *s)
{
    uint64_t each = (uint64_t)UNCHECKPOINTED_BYTES_MAX / MAX(s->logs.len, (size_t)1);

    return MIN(MAX(each, (uint64_t)CHECKPOINT_BYTES_EVERY_MIN), (uint64_t)CHECKPOINT_BYTES_EVERY);
}

static enum err take(const struct plog *l, struct checkpoint *c, struct buf *producers)
{
    struct segment *last = plog_last_segment(l);
    uint32_t i = 0;

    TRY(producers_snapshot(l->producers, producers));
    c->segments = mem_zalloc(l->segments.len, sizeof(*c->segments));
    if (c->segments == NULL) {
        return fail(ERR_NOMEM, "a checkpoint's segments");
    }
    list_for_each (&l->segments, link) {
        c->segments[i++] = CONTAINER_OF(link, struct segment, link)->summary;
    }
    c->segment_count = i;
    c->start_offset = l->start;
    c->next_offset = l->end.offset;
    c->delta = l->end.delta;
    c->epochs = l->epochs;
    c->epoch_count = l->epoch_count;
    c->samples = last->index.at;
    c->sample_count = last->index_loaded ? last->index.count : 0;
    c->interval_bytes = last->index.interval_bytes;
    c->producers = buf_view(producers);
    return OK;
}

enum err checkpoint_take(struct plog *l)
{
    struct checkpoint c = {0};
    struct buf producers;

    buf_reset(&l->checkpoint);
    buf_init(&producers, CHECKPOINT_BYTES_MAX);
    enum err e = take(l, &c, &producers);
    if (e == OK) {
        e = checkpoint_write(&c, &l->checkpoint);
    }
    mem_free(c.segments);
    buf_deinit(&producers);
    if (e == OK) {
        l->checkpoint_taken_at = l->checkpoint_at = l->end.at;
        l->taken_covers = true;
    }
    return e;
}

static void checkpoint_if_due(struct plog *l)
{
    if (list_empty(&l->segments)) {
        l->must_checkpoint = false; /* no segment, nothing that could be claimed wrongly */
        return;
    }
    if ((l->must_checkpoint && !l->taken_covers) ||
        (l->checkpoint.len == 0 && l->end.at - l->checkpoint_at >= checkpoint_every(l->store))) {
        (void)checkpoint_take(l); /* tried again with the next flush */
    }
}

/* -- on the core: what a job carries -- */

/* The dirty chunks from flushed_at to f->upto. */
static void gather(const struct plog *l, struct flush_job *f)
{
    uint64_t at = l->flushed_at;
    struct list_link *link = list_last(&l->chunks);

    while (link != NULL && CONTAINER_OF(link, struct chunk, in_log)->log_at > at) {
        link = link->prev == &l->chunks.head ? NULL : link->prev;
    }
    for (; link != NULL && at < f->upto && f->count < FLUSH_SLICES;
         link = list_next(&l->chunks, link)) {
        struct chunk *c = CONTAINER_OF(link, struct chunk, in_log);

        if (!c->dirty || c->log_at + c->used <= at) {
            continue;
        }
        ASSERT(c->log_at <= at);
        size_t len = (size_t)(MIN(c->log_at + c->used, f->upto) - at);
        f->slices[f->count] = (struct env_slice){c->at + (at - c->log_at), len};
        f->chunks[f->count++] = c;
        chunk_ref(c);
        at += len;
    }
    ASSERT(at > l->flushed_at);
    f->upto = at;
}

static void carry_bytes(struct plog *l, struct flush_job *f)
{
    struct segment *g = plog_segment_at(l, l->flushed_at);

    f->upto = l->flushed_at;
    if (l->stable.at <= l->flushed_at) {
        return;
    }
    ASSERT(g != NULL);
    f->segment = g;
    segment_use(g);
    f->base = g->summary.base_offset;
    f->file = g->file;
    f->create = !g->created;
    f->position = l->flushed_at - g->at;
    f->upto = MIN(l->stable.at, segment_end(g));
    gather(l, f);
    if (g->sealed && g->index_loaded && f->upto == segment_end(g)) {
        /* Without it the samples are made again from the file. */
        (void)index_write(&g->index, g->summary.base_offset, g->summary.bytes, &f->index);
    }
}

static void carry_checkpoint(struct plog *l, struct flush_job *f)
{
    checkpoint_if_due(l);
    if (l->checkpoint.len > 0 && l->checkpoint_taken_at <= f->upto) {
        f->checkpoint = l->checkpoint;
        f->checkpoint_at = l->checkpoint_taken_at;
        f->covers_control = l->taken_covers;
        buf_init(&l->checkpoint, CHECKPOINT_BYTES_MAX);
    }
}

static void carry_cut(struct plog *l, struct flush_job *f)
{
    if (l->cut.pending) {
        f->cut = l->cut;
        l->cut = (struct file_cut){0};
        buf_init(&l->cut.removed, CHECKPOINT_BYTES_MAX);
    }
}

static void release(struct flush_job *f)
{
    struct store *s = f->job.store;

    for (int i = 0; i < f->count; i++) {
        chunk_unref(f->chunks[i]);
    }
    if (f->segment != NULL) {
        segment_unuse(f->segment, s);
    }
    buf_deinit(&f->index);
    buf_deinit(&f->checkpoint);
    buf_deinit(&f->cut.removed);
    plog_unuse(f->log);
    mem_free(f);
}

static void flush_drop(struct store_job *j)
{
    release(CONTAINER_OF(j, struct flush_job, job));
}

/* -- on the core: the end of a job -- */

static void undo(struct plog *l, struct flush_job *f)
{
    if (f->checkpoint.len > 0 && l->checkpoint.len == 0) {
        l->taken_covers = false;
        l->checkpoint_at = 0; /* due again */
    }
    if (!f->cut.pending) {
        return;
    }
    if (!l->cut.pending) {
        buf_deinit(&l->cut.removed);
        l->cut = f->cut;
        f->cut.removed = (struct buf){0};
        return;
    }
    /* A younger cut waits as well: it goes at least as far back where both shorten. */
    (void)buf_add(&l->cut.removed, buf_view(&f->cut.removed));
    if (f->cut.shorten && !l->cut.shorten) {
        l->cut.shorten = true;
        l->cut.base = f->cut.base;
        l->cut.position = f->cut.position;
    }
}

static void written(struct plog *l, struct flush_job *f)
{
    struct store *s = l->store;
    struct segment *g = f->segment;

    l->flushed_at = MIN(f->upto, l->flush_limit);
    for (int i = 0; i < f->count; i++) {
        struct chunk *c = f->chunks[i];

        if (c->log == &l->chunks && c->log_at + c->used <= l->flushed_at) {
            chunk_set_clean(c);
        }
    }
    if (g == NULL || g->log == NULL) {
        return;
    }
    g->names_unsynced = g->names_unsynced || f->create;
    g->created = true;
    if (!list_linked(&g->unsynced_link)) {
        list_add_last(&s->unsynced_segments, &g->unsynced_link);
    }
    if (f->index.len > 0 && g->index_loaded && !list_linked(&g->index_lru)) {
        segment_index_loaded(g, s, NULL);
    }
}

static void leave_dirty(struct plog *l, uint64_t from)
{
    l->unflushed_from = from;
    if (from == 0 && list_linked(&l->dirty_link)) {
        list_remove(&l->store->dirty_logs, &l->dirty_link);
    }
}

static void succeeded(struct plog *l, struct flush_job *f)
{
    struct store *s = l->store;

    l->dir_made = true;
    written(l, f);
    if (f->checkpoint.len > 0 && f->covers_control && l->taken_covers) {
        l->must_checkpoint = false;
    }
    if (f->covers_all) {
        leave_dirty(l, l->after_flush);
    }
    plog_drop_old(l);
    if (s->flush_err == ERR_NOSPACE) {
        s->flush_err = OK;
        store_state_changed(s, "segment file");
    }
    flush_durable(l);
}

static void flush_done(struct store *s, struct store_job *j)
{
    struct flush_job *f = CONTAINER_OF(j, struct flush_job, job);
    struct plog *l = f->log;

    s->flushes--;
    l->flush_busy = false;
    if (f->segment != NULL) {
        segment_opened(f->segment, s, f->file);
    }
    if (l->gone) {
        release(f);
        return;
    }
    if (j->err == OK) {
        succeeded(l, f);
    } else {
        undo(l, f);
        store_flush_failed(s, j->err);
        flush_want(l);
    }
    release(f);
}

/* -- on the core: when -- */

void flush_note_entry(struct plog *l)
{
    struct store *s = l->store;
    uint64_t generation = journal_generation(&s->journal);

    if (l->unflushed_from == 0) {
        l->unflushed_from = generation;
        list_add_last(&s->dirty_logs, &l->dirty_link);
    }
    if (l->unsynced_from == 0) {
        l->unsynced_from = generation;
        list_add_last(&s->unsynced_logs, &l->unsynced_link);
    }
    if (l->flush_busy && l->after_flush == 0) {
        l->after_flush = generation;
    }
    if (s->sync_busy && l->after_sync == 0) {
        l->after_sync = generation;
    }
}

void flush_want(struct plog *l)
{
    if (!list_linked(&l->flush_link) && !l->gone) {
        list_add_last(&l->store->flush_queue, &l->flush_link);
    }
}

void flush_durable(struct plog *l)
{
    bool cut = l->cut.pending && l->cut.ticket <= l->store->ticket_durable;

    if (l->stable.at - l->flushed_at >= FLUSH_BYTES_MIN || cut ||
        (l->checkpoint.len > 0 && l->checkpoint_taken_at <= l->stable.at)) {
        flush_want(l);
    }
}

void flush_cut(struct plog *l, uint64_t at)
{
    l->flush_limit = MIN(l->flush_limit, at);
    l->flushed_at = MIN(l->flushed_at, at);
    if (l->checkpoint_taken_at > at) {
        buf_reset(&l->checkpoint);
        l->taken_covers = false;
    }
    l->checkpoint_at = MIN(l->checkpoint_at, at);
}

static void start(struct plog *l)
{
    struct store *s = l->store;

    if (l->flush_busy || (l->cut.pending && l->cut.ticket > s->ticket_durable)) {
        return; /* wanted again when that is over */
    }
    struct flush_job *f = mem_zalloc(1, sizeof(*f));
    if (f == NULL) {
        flush_want(l);
        return;
    }
    f->job =
        (struct store_job){.work = flush_work, .done = flush_done, .drop = flush_drop, .store = s};
    f->log = l;
    f->file = -1;
    buf_init(&f->index, CHECKPOINT_BYTES_MAX);
    l->users++;
    carry_bytes(l, f);
    carry_checkpoint(l, f);
    carry_cut(l, f);
    f->make_dirs = !l->dir_made;
    f->covers_all = f->upto == l->stable.at &&
                    (!l->must_checkpoint || (f->checkpoint.len > 0 && f->covers_control));
    bool pending = list_linked(&l->open_link) || list_linked(&l->flying_link);
    l->after_flush = pending ? journal_generation(&s->journal) : 0;
    if (f->count == 0 && f->checkpoint.len == 0 && !f->cut.pending) {
        if (f->covers_all) {
            leave_dirty(l, l->after_flush);
        }
        release(f);
        return;
    }
    plog_dir(l, f->dir);
    l->flush_busy = true;
    l->flush_limit = UINT64_MAX;
    s->flushes++;
    store_submit(s, s->flush_lane, &f->job);
}

static void want_all_dirty(struct store *s)
{
    list_for_each (&s->dirty_logs, link) {
        flush_want(CONTAINER_OF(link, struct plog, dirty_link));
    }
}

void flush_run(struct store *s)
{
    if (s->flush_err != OK && (s->flush_err != ERR_NOSPACE || s->now_us < s->retry_us)) {
        return;
    }
    if (s->flush_err != OK) {
        s->retry_us = s->now_us + RETRY_US;
    }
    if (list_empty(&s->flush_queue) && s->flushes == 0 &&
        (s->memory_wanted || s->chunks->dirty_bytes > store_dirty_max(s) / 2)) {
        s->memory_wanted = false;
        want_all_dirty(s);
    }
    for (size_t n = s->flush_queue.len; n > 0 && s->flushes < FLUSHES_MAX; n--) {
        struct list_link *link = list_take_first(&s->flush_queue);

        if (link == NULL) {
            break;
        }
        start(CONTAINER_OF(link, struct plog, flush_link));
    }
}

/* -- at the end -- */

static enum err flush_log_now(struct plog *l)
{
    struct store *s = l->store;
    uint64_t before;
    bool cut;

    do {
        before = l->flushed_at;
        cut = l->cut.pending;
        start(l);
        TRY(store_refusal(s));
    } while (l->flushed_at > before || (cut && !l->cut.pending));
    return l->stable.at == l->flushed_at ? OK : ERR_NOMEM;
}

static bool wants_checkpoint(const struct plog *l)
{
    return l->damage == OK && !list_empty(&l->segments) &&
           (l->must_checkpoint || l->end.at != l->checkpoint_at || l->checkpoint.len > 0);
}

/* Without a sync of its own: one for all follows. */
static enum err checkpoint_now(struct plog *l)
{
    char dir[ENV_PATH_BYTES], path[ENV_PATH_BYTES], path_new[ENV_PATH_BYTES];

    TRY(checkpoint_take(l));
    plog_dir(l, dir);
    checkpoint_paths(dir, path, path_new);
    return file_write_whole(l->store->env, path_new, buf_view(&l->checkpoint), false);
}

static enum err rename_now(const struct plog *l)
{
    char dir[ENV_PATH_BYTES], path[ENV_PATH_BYTES], path_new[ENV_PATH_BYTES];

    plog_dir(l, dir);
    checkpoint_paths(dir, path, path_new);
    return env_rename(l->store->env, path_new, path);
}

static enum err sync_everything(struct store *s)
{
    char path[ENV_PATH_BYTES];
    int file;

    (void)snprintf(path, sizeof(path), "%.1000s/lock", s->data_dir);
    TRY(env_open(s->env, path, ENV_OPEN_READ, &file));
    enum err e = env_sync_all(s->env, file);
    enum err closed = env_close(s->env, file);
    return e != OK ? e : closed;
}

enum err flush_all_now(struct store *s)
{
    bool any = !list_empty(&s->unsynced_logs) || !list_empty(&s->unsynced_segments);

    ASSERT(s->inline_jobs);
    list_for_each (&s->logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, link);

        TRY(flush_log_now(l));
        if (wants_checkpoint(l)) {
            TRY(checkpoint_now(l));
            any = true;
        } else {
            buf_reset(&l->checkpoint);
        }
    }
    if (!any) {
        return OK;
    }
    TRY(sync_everything(s));
    list_for_each (&s->logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, link);

        if (l->checkpoint.len > 0) {
            TRY(rename_now(l));
        }
    }
    return sync_everything(s);
}
