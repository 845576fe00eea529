/* storage/sync.c: when journal files may be used again, and the background work that frees things.
 *
 * WHY      A journal file is free when everything it covers stands in synced segment files. So now and then,
 *          when half of the journal is used, the logs with the oldest entries are flushed, the segments
 *          written since the last time are synced, and what lies behind is recycled.
 * ROUND    1 want a flush of every log with an unflushed entry in a file to be freed; wait until none is left.
 *          2 one sync job: each segment for itself, or everything at once when they are many. 3 the oldest
 *          entry of any log that is still not synced says which files are free.
 * ORDER    Flush jobs and sync jobs share one lane of width 1, so a sync covers every flush job submitted before
 *          it, and events come back in that order.
 * FAILURE  A failed sync is never repeated: the store refuses appends until the next start, which redoes from
 *          the journal what may be missing.
 */
#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { NAMES_BYTES_MAX = 64 << 20 };

struct sync_job {
    struct store_job job;
    struct segment **segments;
    int *files;
    uint32_t count;
    bool all;
    struct buf dirs; /* paths to sync, each with a NUL */
};

/* -- a sync round -- */

static enum err sync_each(struct env *env, const struct sync_job *y)
{
    for (uint32_t i = 0; i < y->count; i++) {
        TRY(env_sync(env, y->files[i]));
    }
    for (size_t at = 0; at < y->dirs.len; at += strlen((const char *)y->dirs.at + at) + 1) {
        TRY(env_sync_dir(env, (const char *)y->dirs.at + at));
    }
    return OK;
}

static void sync_work(struct store_job *j)
{
    const struct sync_job *y = CONTAINER_OF(j, struct sync_job, job);

    j->err = y->all ? env_sync_all(j->env, y->files[0]) : sync_each(j->env, y);
}

static void sync_release(struct sync_job *y)
{
    for (uint32_t i = 0; i < y->count; i++) {
        segment_unuse(y->segments[i], y->job.store);
    }
    mem_free(y->segments);
    mem_free(y->files);
    buf_deinit(&y->dirs);
    mem_free(y);
}

static void sync_drop(struct store_job *j)
{
    sync_release(CONTAINER_OF(j, struct sync_job, job));
}

static void segments_synced(struct store *s, const struct sync_job *y)
{
    for (uint32_t i = 0; i < y->count; i++) {
        struct segment *g = y->segments[i];

        g->names_unsynced = false;
        if (list_linked(&g->unsynced_link)) {
            list_remove(&s->unsynced_segments, &g->unsynced_link);
        }
    }
}

static void logs_synced(struct store *s)
{
    list_for_each (&s->unsynced_logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, unsynced_link);

        l->unsynced_from = l->after_sync;
        if (l->unsynced_from == 0) {
            list_remove(&s->unsynced_logs, link);
        }
    }
}

static void sync_done(struct store *s, struct store_job *j)
{
    struct sync_job *y = CONTAINER_OF(j, struct sync_job, job);

    s->sync_busy = false;
    s->stats.syncs++;
    if (j->err == OK) {
        segments_synced(s, y);
        logs_synced(s);
    } else {
        store_flush_failed(s, ERR_IO); /* whatever it was, it is not tried again */
    }
    sync_release(y);
}

static enum err dirs_add(struct sync_job *y, const struct segment *g)
{
    char dir[ENV_PATH_BYTES];

    plog_dir(g->log, dir);
    for (int up = 0; up < 3; up++) { /* the log's, the topic's, that of all topics */
        TRY(buf_add(&y->dirs, (struct bytes){(const uint8_t *)dir, strlen(dir) + 1}));
        char *slash = strrchr(dir, '/');
        ASSERT(slash != NULL);
        *slash = '\0';
    }
    return OK;
}

static enum err sync_fill(struct store *s, struct sync_job *y)
{
    y->segments = mem_zalloc(s->unsynced_segments.len, sizeof(struct segment *));
    y->files = mem_zalloc(s->unsynced_segments.len, sizeof(*y->files));
    if (y->segments == NULL || y->files == NULL) {
        return fail(ERR_NOMEM, "a sync job");
    }
    y->all = s->unsynced_segments.len > SYNC_FILES_MAX;
    list_for_each (&s->unsynced_segments, link) {
        struct segment *g = CONTAINER_OF(link, struct segment, unsynced_link);

        ASSERT(g->file >= 0);
        if (g->names_unsynced && !y->all) {
            TRY(dirs_add(y, g));
        }
        segment_use(g);
        y->files[y->count] = g->file;
        y->segments[y->count++] = g;
    }
    return OK;
}

static void sync_start(struct store *s)
{
    struct sync_job *y = mem_zalloc(1, sizeof(*y));

    if (y == NULL) {
        return; /* with the next turn */
    }
    y->job =
        (struct store_job){.work = sync_work, .done = sync_done, .drop = sync_drop, .store = s};
    buf_init(&y->dirs, NAMES_BYTES_MAX);
    if (sync_fill(s, y) != OK) {
        sync_release(y);
        return;
    }
    list_for_each (&s->unsynced_logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, unsynced_link);

        l->after_sync = l->unflushed_from;
    }
    s->sync_busy = true;
    store_submit(s, s->flush_lane, &y->job);
}

/* -- recycling -- */

static uint64_t oldest_unsynced(const struct store *s)
{
    uint64_t oldest = UINT64_MAX;

    list_for_each (&s->unsynced_logs, link) {
        oldest = MIN(oldest, CONTAINER_OF(link, struct plog, unsynced_link)->unsynced_from);
    }
    return oldest;
}

static bool want_older(struct store *s, uint64_t below)
{
    bool any = false;

    list_for_each (&s->dirty_logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, dirty_link);

        if (l->unflushed_from < below) {
            flush_want(l);
            any = true;
        }
    }
    return any;
}

static bool pressed(const struct store *s)
{
    return s->journal.wanted || journal_used(&s->journal) > s->journal.bytes_max / 2 ||
           s->unsynced_segments.len > s->files_max / 2;
}

static void remove_gone(struct store *s);

/* Nothing but log starts and cuts, which stand in synced checkpoints. */
static void nothing_to_sync(struct store *s)
{
    list_for_each (&s->unsynced_logs, link) {
        struct plog *l = CONTAINER_OF(link, struct plog, unsynced_link);

        l->after_sync = l->unflushed_from;
    }
    logs_synced(s);
}

void sync_run(struct store *s)
{
    struct journal *j = &s->journal;

    if (s->sync_busy || !pressed(s) || s->flush_err == ERR_IO || s->journal_err == ERR_IO) {
        return;
    }
    /* An append that no file beside the current one can take needs that one as well. */
    bool all = j->used.len <= 1 && (j->wanted || journal_used(j) >= j->bytes_max);
    uint64_t below = all || j->current == NULL ? UINT64_MAX : j->current->generation;
    if (want_older(s, below)) {
        return;
    }
    uint64_t oldest = oldest_unsynced(s);
    if (oldest >= below) {
        journal_recycle(j, s->kept_from == 0 ? oldest : MIN(oldest, s->kept_from), all);
        remove_gone(s);
        if (s->unsynced_segments.len <= s->files_max / 2) {
            return;
        }
    }
    if (list_empty(&s->unsynced_segments)) {
        nothing_to_sync(s);
    } else {
        sync_start(s);
    }
}

/* -- small background work -- */

struct trash_job {
    struct store_job job;
    struct buf paths; /* to unlink, each with a NUL */
    struct buf files; /* descriptors to close */
    bool dir;         /* the path is a directory of files */
};

static void close_all(struct env *env, const struct buf *files)
{
    for (size_t at = 0; at < files->len; at += sizeof(int)) {
        int file;

        memcpy(&file, files->at + at, sizeof(file));
        (void)env_close(env, file);
    }
}

enum err remove_dir(struct env *env, const char *path)
{
    char file[ENV_PATH_BYTES];
    struct buf names;

    buf_init(&names, NAMES_BYTES_MAX);
    enum err e = env_list(env, path, &names);
    for (size_t at = 0; e == OK && at < names.len; at += strlen((const char *)names.at + at) + 1) {
        (void)snprintf(file, sizeof(file), "%.700s/%.300s", path, (const char *)names.at + at);
        e = env_unlink(env, file);
    }
    buf_deinit(&names);
    if (e == OK) {
        e = env_rmdir(env, path);
    }
    if (e == OK) {
        char *slash = strrchr(memcpy(file, path, strlen(path) + 1), '/');
        if (slash != NULL) {
            *slash = '\0';
            (void)env_rmdir(env, file); /* that of the topic, when it was its last log */
        }
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

/* What cannot be removed is found again at the next start. */
static void trash_work(struct store_job *j)
{
    const struct trash_job *t = CONTAINER_OF(j, struct trash_job, job);

    close_all(j->env, &t->files);
    for (size_t at = 0; at < t->paths.len; at += strlen((const char *)t->paths.at + at) + 1) {
        const char *path = (const char *)t->paths.at + at;

        (void)(t->dir ? remove_dir(j->env, path) : env_unlink(j->env, path));
    }
}

static void trash_drop(struct store_job *j)
{
    struct trash_job *t = CONTAINER_OF(j, struct trash_job, job);

    buf_deinit(&t->paths);
    buf_deinit(&t->files);
    mem_free(t);
}

static void trash_done(struct store *s, struct store_job *j)
{
    (void)s;
    trash_drop(j);
}

static struct trash_job *trash_new(struct store *s)
{
    struct trash_job *t = mem_zalloc(1, sizeof(*t));

    if (t != NULL) {
        t->job = (struct store_job){
            .work = trash_work, .done = trash_done, .drop = trash_drop, .store = s};
        buf_init(&t->paths, NAMES_BYTES_MAX);
        buf_init(&t->files, NAMES_BYTES_MAX);
    }
    return t;
}

static enum err trash_file(struct trash_job *t, int file)
{
    return buf_add(&t->files, (struct bytes){(const uint8_t *)&file, sizeof(file)});
}

static enum err trash_path(struct trash_job *t, const char *path)
{
    return buf_add(&t->paths, (struct bytes){(const uint8_t *)path, strlen(path) + 1});
}

void store_close_file(struct store *s, int file)
{
    struct trash_job *t = s->flush_lane == NULL ? NULL : trash_new(s);

    if (t == NULL || trash_file(t, file) != OK) {
        if (t != NULL) {
            trash_drop(&t->job);
        }
        (void)env_close(s->env, file); /* rather a short wait than a lost descriptor */
        return;
    }
    store_submit(s, s->flush_lane, &t->job);
}

static void remove_gone(struct store *s)
{
    char path[ENV_PATH_BYTES];
    struct trash_job *t = list_empty(&s->journal.gone) ? NULL : trash_new(s);

    if (t == NULL) {
        return;
    }
    for (size_t n = s->journal.gone.len; n > 0; n--) {
        struct journal_file *f =
            CONTAINER_OF(list_take(&s->journal.gone), struct journal_file, link);

        journal_path(&s->journal, f->number, path);
        enum err e = f->file < 0 ? OK : trash_file(t, f->file);
        f->file = e == OK ? -1 : f->file;
        if (e != OK || trash_path(t, path) != OK) {
            list_add_last(&s->journal.gone, &f->link); /* with the next round */
            break;
        }
        mem_free(f);
    }
    store_submit(s, s->flush_lane, &t->job);
}

void sync_delete_files(const struct plog *l)
{
    char dir[ENV_PATH_BYTES];
    struct store *s = l->store;
    struct trash_job *t = l->dir_made && s->flush_lane != NULL ? trash_new(s) : NULL;

    if (t == NULL) {
        return;
    }
    plog_dir(l, dir);
    t->dir = true;
    if (trash_path(t, dir) != OK) {
        trash_drop(&t->job);
        return;
    }
    store_submit(s, s->config.slow_lane != NULL ? s->config.slow_lane : s->flush_lane, &t->job);
}
