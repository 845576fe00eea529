/* storage/chunk.c: memory for log bytes, counted and bounded per core.
 *
 * WHY      Copies are what a broker pays for. One copy out of the request buffer frees that buffer at once and
 *          gives journal, segment writer and readers the same stable bytes.
 * STATES   dirty: pinned, in its log's list. clean: in its log's list and in the pool's, may go. uncached:
 *          only readers hold it; it dies with the last of them.
 * LIMITS   The pool drops clean chunks until a new one fits. It never refuses: what may be dirty is judged by
 *          plog_has_room(), what may be read at once by the number of loads in flight.
 */
#include "storage/chunk.h"

#include "base/mem.h"

enum err chunk_pool_new(uint32_t core, size_t bytes_max, struct chunk_pool **out)
{
    struct chunk_pool *p = mem_zalloc(1, sizeof(*p));

    if (p == NULL) {
        return fail(ERR_NOMEM, "a pool of chunks");
    }
    p->core = core;
    p->bytes_max = bytes_max;
    list_init(&p->clean);
    *out = p;
    return OK;
}

static void drop_oldest(struct chunk_pool *p)
{
    chunk_uncache(CONTAINER_OF(list_first(&p->clean), struct chunk, lru));
}

void chunk_pool_free(struct chunk_pool *p)
{
    if (p == NULL) {
        return;
    }
    while (!list_empty(&p->clean)) {
        drop_oldest(p);
    }
    ASSERT(p->dirty_bytes == 0);
    p->closed = true;
    if (p->bytes == 0) {
        mem_free(p);
    }
}

/* The memory of the oldest clean chunk, if it has this size and nobody reads it: allocator and page tables are
 * left alone. */
static struct chunk *reuse_oldest(struct chunk_pool *p, size_t bytes)
{
    struct chunk *c = CONTAINER_OF(list_first(&p->clean), struct chunk, lru);

    if (c->bytes != bytes || c->references > 1) {
        return NULL;
    }
    chunk_ref(c);
    chunk_uncache(c);
    p->bytes -= bytes;
    return c;
}

struct chunk *chunk_new(struct chunk_pool *p, size_t bytes)
{
    struct chunk *c = NULL;

    ASSERT(bytes > 0);
    while (c == NULL && p->bytes + bytes > p->bytes_max && !list_empty(&p->clean)) {
        c = reuse_oldest(p, bytes);
        if (c == NULL) {
            drop_oldest(p);
        }
    }
    if (c == NULL && bytes <= SIZE_MAX - sizeof(*c)) {
        c = mem_alloc(sizeof(*c) + bytes);
    }
    if (c == NULL) {
        return NULL;
    }
    *c = (struct chunk){
        .references = 1, .core = p->core, .bytes = bytes, .pool = p, .at = (uint8_t *)(c + 1)};
    p->bytes += bytes;
    return c;
}

void chunk_ref(struct chunk *c)
{
    ASSERT(c->references > 0 && c->references < UINT32_MAX);
    c->references++;
}

void chunk_unref(struct chunk *c)
{
    ASSERT(c->references > 0);
    if (--c->references > 0) {
        return;
    }
    struct chunk_pool *p = c->pool;
    ASSERT(c->log == NULL && !c->dirty && p->bytes >= c->bytes);
    p->bytes -= c->bytes;
    mem_free(c);
    if (p->closed && p->bytes == 0) {
        mem_free(p);
    }
}

void chunk_cache(struct chunk *c, struct list *log)
{
    struct list_link *before = list_last(log);

    ASSERT(c->log == NULL);
    while (before != NULL && CONTAINER_OF(before, struct chunk, in_log)->log_at >= c->log_at) {
        before = before->prev == &log->head ? NULL : before->prev;
    }
    if (before == NULL) {
        list_add_first(log, &c->in_log);
    } else {
        list_insert_before_(log, before->next, &c->in_log);
    }
    c->log = log;
    list_add_last(&c->pool->clean, &c->lru);
}

void chunk_uncache(struct chunk *c)
{
    ASSERT(c->log != NULL);
    chunk_set_clean(c);
    list_remove(&c->pool->clean, &c->lru);
    list_remove(c->log, &c->in_log);
    c->log = NULL;
    chunk_unref(c);
}

void chunk_set_dirty(struct chunk *c)
{
    ASSERT(c->log != NULL);
    if (c->dirty) {
        return;
    }
    list_remove(&c->pool->clean, &c->lru);
    c->dirty = true;
    c->pool->dirty_bytes += c->bytes;
}

void chunk_set_clean(struct chunk *c)
{
    ASSERT(c->log != NULL);
    if (!c->dirty) {
        return;
    }
    c->dirty = false;
    c->pool->dirty_bytes -= c->bytes;
    list_add_last(&c->pool->clean, &c->lru);
}

void chunk_touch(struct chunk *c)
{
    if (list_linked(&c->lru)) {
        list_remove(&c->pool->clean, &c->lru);
        list_add_last(&c->pool->clean, &c->lru);
    }
}
