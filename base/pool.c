/* base/pool.c: slabs cut into equal objects.
 *
 * WHY      What outlives a request cannot lie in its arena, and what a client can ask for again and again must
 *          have a ceiling. A pool gives both, without a search and without fragmentation.
 * FORMAT   A slab is a header and as many objects as fit in POOL_SLAB_BYTES (at least one). Free objects
 *          are a stack linked through their first word: the one last used is the one still cached.
 * FAILURE  NULL. Under AddressSanitizer a free object is poisoned past that word, so a late use or a
 *          second give is caught.
 * LIMITS   count_max objects.
 */
#include "base/pool.h"

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOL_POISON 1
#endif

#ifdef POOL_POISON
#include <sanitizer/asan_interface.h>
#endif

enum { POOL_SLAB_BYTES = 16 << 10, POOL_ALIGN = 16 };

struct pool_slab {
    struct pool_slab *next;
    _Alignas(POOL_ALIGN) uint8_t objects[];
};

struct pool_free {
    struct pool_free *next;
};

static void poison(const struct pool *p, struct pool_free *f)
{
#ifdef POOL_POISON
    ASSERT(__asan_address_is_poisoned(f + 1) == 0); /* else it is free already */
    __asan_poison_memory_region(f + 1, p->object_bytes - sizeof(*f));
#else
    (void)p;
    (void)f;
#endif
}

static void unpoison(void *at, size_t bytes)
{
#ifdef POOL_POISON
    __asan_unpoison_memory_region(at, bytes);
#else
    (void)at;
    (void)bytes;
#endif
}

static size_t objects_per_slab(const struct pool *p)
{
    return MAX((POOL_SLAB_BYTES - sizeof(struct pool_slab)) / p->object_bytes, (size_t)1);
}

void pool_init(struct pool *p, size_t object_bytes, size_t count_max)
{
    ASSERT(object_bytes > 0 && object_bytes < SIZE_MAX / 4);
    *p = (struct pool){.object_bytes = (object_bytes + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1),
                       .count_max = count_max};
}

void pool_deinit(struct pool *p)
{
    ASSERT(p->count == 0);
    while (p->slabs != NULL) {
        struct pool_slab *slab = p->slabs;
        p->slabs = slab->next;
        unpoison(slab->objects, objects_per_slab(p) * p->object_bytes);
        mem_free(slab);
    }
    *p = (struct pool){0};
}

static bool grow(struct pool *p)
{
    size_t n = objects_per_slab(p);
    size_t bytes = sizeof(struct pool_slab) + n * p->object_bytes;
    struct pool_slab *slab = mem_alloc(bytes);

    if (slab == NULL) {
        return false;
    }
    slab->next = p->slabs;
    p->slabs = slab;
    p->slab_bytes_sum += bytes;
    for (size_t i = n; i > 0; i--) {
        struct pool_free *f =
            (struct pool_free *)(void *)(slab->objects + (i - 1) * p->object_bytes);
        f->next = p->free;
        p->free = f;
        poison(p, f);
    }
    return true;
}

void *pool_take(struct pool *p)
{
    if (p->count == p->count_max || (p->free == NULL && !grow(p))) {
        return NULL;
    }
    struct pool_free *f = p->free;
    p->free = f->next;
    p->count++;
    unpoison(f, p->object_bytes);
    return memset(f, 0, p->object_bytes);
}

void pool_give(struct pool *p, void *object)
{
    struct pool_free *f = object;

    if (f == NULL) {
        return;
    }
    ASSERT(p->count > 0);
    poison(p, f);
    f->next = p->free;
    p->free = f;
    p->count--;
}
