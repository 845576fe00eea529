/* base/pool.h: objects of one size with a life of their own: connections, operations, batches under way.
 *
 * Counted, with a ceiling fixed when it is made: a full pool is an ordinary answer (NULL), which the
 * caller turns into ERR_LIMIT. Memory comes in slabs when first needed and stays until pool_deinit(). One
 * owner (a core).
 */
#pragma once

#include "base/base.h"

struct pool_slab;
struct pool_free;

struct pool {
    size_t object_bytes;     /* rounded up to 16 */
    size_t count, count_max; /* taken; ceiling */
    size_t slab_bytes_sum;   /* memory held */
    struct pool_slab *slabs;
    struct pool_free *free;
};

void pool_init(struct pool *p, size_t object_bytes, size_t count_max);
/* All objects have been given back. */
void pool_deinit(struct pool *p);
/* A cleared object, aligned to 16; NULL at the ceiling or out of memory. */
void *pool_take(struct pool *p);
/* NULL is allowed. */
void pool_give(struct pool *p, void *object);

#define POOL_INIT(pool, type, count_max) pool_init((pool), sizeof(type), (count_max))
