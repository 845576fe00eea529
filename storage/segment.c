/* storage/segment.c: the files of a log, as objects: names, descriptors, loaded indexes.
 *
 * WHY      Ten thousand logs must not mean ten thousand descriptors: a file is opened by the job that needs it,
 *          its descriptor stays in a list of recently used ones and is closed when there are too many. One
 *          that was written and not synced yet stays open, because the kernel reports a lost write to the
 *          descriptors that are open then.
 * LIFE     segment_new -> in its log -> segment_drop (cut off, too old, log closed) -> freed with its last
 *          user, which closes the descriptor.
 * LIMITS   store.files_max, INDEXES_LOADED_MAX per core.
 */
#include "storage/segment.h"

#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { NAME_DIGITS = 20 };

enum err segment_new(struct plog *l, const struct segment_summary *summary, uint64_t at,
                     struct segment **out)
{
    struct segment *g = mem_zalloc(1, sizeof(*g));

    if (g == NULL) {
        return fail(ERR_NOMEM, "a segment's state");
    }
    g->log = l;
    g->summary = *summary;
    g->at = at;
    g->file = -1;
    list_init(&g->index_waiters);
    list_add_last(&l->segments, &g->link);
    *out = g;
    return OK;
}

static void index_forget(struct segment *g, struct store *s)
{
    if (list_linked(&g->index_lru)) {
        list_remove(&s->indexes, &g->index_lru);
    }
    index_deinit(&g->index);
    g->index_loaded = false;
}

static void destroy(struct segment *g, struct store *s)
{
    ASSERT(g->log == NULL && g->users == 0 && list_empty(&g->index_waiters));
    if (g->file >= 0) {
        list_remove(&s->files, &g->file_lru);
        store_close_file(s, g->file);
    }
    index_forget(g, s);
    mem_free(g);
}

void segment_drop(struct segment *g)
{
    struct store *s = g->log->store;

    list_remove(&g->log->segments, &g->link);
    if (list_linked(&g->unsynced_link)) {
        list_remove(&s->unsynced_segments, &g->unsynced_link);
    }
    g->log = NULL;
    if (g->users == 0) {
        destroy(g, s);
    }
}

void segment_unuse(struct segment *g, struct store *s)
{
    ASSERT(g->users > 0);
    if (--g->users == 0 && g->log == NULL) {
        destroy(g, s);
    }
}

void segment_path(const char *dir, int64_t base_offset, const char *suffix,
                  char out[ENV_PATH_BYTES])
{
    (void)snprintf(out, ENV_PATH_BYTES, "%s/%020" PRId64 "%s", dir, base_offset, suffix);
}

enum err segment_parse_name(const char *name, const char *suffix, int64_t *base_offset)
{
    struct bytes n = bytes_of(name);

    if (n.len != NAME_DIGITS + strlen(suffix) || strcmp(name + NAME_DIGITS, suffix) != 0) {
        return ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return ERR_NOT_FOUND;
        }
    }
    return bytes_to_i64(bytes_slice(n, 0, NAME_DIGITS), base_offset) == OK ? OK : ERR_NOT_FOUND;
}

/* The descriptor not used for longest that nobody needs. */
static void close_one(struct store *s)
{
    list_for_each (&s->files, link) {
        struct segment *g = CONTAINER_OF(link, struct segment, file_lru);

        if (g->users == 0 && !list_linked(&g->unsynced_link)) {
            list_remove(&s->files, link);
            store_close_file(s, g->file);
            g->file = -1;
            return;
        }
    }
}

void segment_opened(struct segment *g, struct store *s, int file)
{
    if (g->file >= 0) {
        if (file != g->file && file >= 0) {
            store_close_file(s, file); /* two jobs opened it at the same time */
        }
        return;
    }
    if (file < 0) {
        return;
    }
    g->file = file;
    list_add_last(&s->files, &g->file_lru);
    if (s->files.len > s->files_max) {
        close_one(s);
    }
}

void segment_file_touch(struct segment *g, struct store *s)
{
    if (g->file >= 0) {
        list_remove(&s->files, &g->file_lru);
        list_add_last(&s->files, &g->file_lru);
    }
}

void segment_index_loaded(struct segment *g, struct store *s, struct index *taken)
{
    if (taken != NULL) {
        ASSERT(!g->index_loaded);
        g->index = *taken;
        *taken = (struct index){0};
        g->index_loaded = true;
    }
    if (list_linked(&g->index_lru)) {
        list_remove(&s->indexes, &g->index_lru);
    }
    list_add_last(&s->indexes, &g->index_lru);
    if (s->indexes.len > INDEXES_LOADED_MAX) {
        struct segment *oldest = CONTAINER_OF(list_first(&s->indexes), struct segment, index_lru);

        if (oldest != g) {
            index_forget(oldest, s);
        }
    }
}

void segment_reopen(struct segment *g, struct store *s)
{
    if (g->sealed) {
        index_forget(g, s);
        g->sealed = false;
        g->index_loaded = true;
    }
}
