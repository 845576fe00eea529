/* storage/chunk.h: reference-counted memory that holds log bytes while they travel.
 *
 * A batch is copied once, from the request into its partition's tail chunk; from there on the same bytes
 * feed the journal, the segment file and the readers. Belongs to one core, which alone counts
 * references: another core that borrowed a chunk sends it home to be released (mailbox).
 * Dirty chunks (not yet in the segment file) are pinned; clean ones are a cache, oldest dropped first
 * when the core's budget is reached.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"

/* A core's budget and cache; storage's own. */
struct chunk_pool {
    uint32_t core;
    size_t bytes_max;          /* what caching may grow to; dirty and borrowed chunks may pass it */
    size_t bytes, dirty_bytes; /* memory of all chunks, of the dirty ones */
    struct list clean;         /* least recently used first */
    bool closed;               /* goes with its last chunk */
};

struct chunk {
    uint32_t references;
    uint32_t core;      /* index of the owner: where to release it */
    size_t bytes, used; /* room and content; content never changes once it was written */
    struct chunk_pool *pool;
    struct list_link lru; /* linked while it is clean and cached */
    uint8_t *at;

    /* Of the log that caches it; storage's own. */
    struct list *log;        /* chunks of one log in order of position; NULL: no longer cached */
    struct list_link in_log; /* holds one reference */
    uint64_t log_at;         /* position of its first byte in the log */
    int64_t base_offset;     /* of its first batch */
    int64_t next_offset;     /* after its last one */
    bool dirty;              /* holds bytes that are not in the segment file */
    bool closed;             /* nothing is appended any more */
};

void chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c);

/* -- storage's own -- */

enum { CHUNK_BYTES_MIN = 4 << 10, CHUNK_BYTES_MAX = 1 << 20 };

/* ERR_NOMEM. */
enum err chunk_pool_new(uint32_t core, size_t bytes_max, struct chunk_pool **out);
/* Every log has let go of its chunks. What readers still hold keeps the pool alive. */
void chunk_pool_free(struct chunk_pool *p);

/* One reference, for the caller. Clean chunks are dropped to stay within the budget. NULL: no memory. */
struct chunk *chunk_new(struct chunk_pool *p, size_t bytes);
/* Enters a chunk into a log's list at its place; the list takes the caller's reference. */
void chunk_cache(struct chunk *c, struct list *log);
/* Takes it out again and drops that reference. */
void chunk_uncache(struct chunk *c);
void chunk_set_dirty(struct chunk *c);
/* Clean from now on, hence may be dropped at any chunk_new(). */
void chunk_set_clean(struct chunk *c);
/* Most recently used. */
void chunk_touch(struct chunk *c);
