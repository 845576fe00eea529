/* storage/chunk.h: reference-counted memory that holds log bytes while they travel.
 *
 * A batch is copied once, from the request into its partition's tail chunk; from there on the same bytes
 * feed the journal, the segment file and the readers. Belongs to one core, which alone counts
 * references: another core that borrowed a chunk sends it home to be released (mailbox).
 * Dirty chunks (not yet in the segment file) are pinned; clean ones are a cache, oldest dropped first
 * when the core's budget is reached.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"

struct chunk_pool; /* a core's budget and cache; storage's own */

struct chunk {
    uint32_t references;
    uint32_t core;      /* index of the owner: where to release it */
    size_t bytes, used; /* room and content; content never changes once it was written */
    struct chunk_pool *pool;
    struct list_link lru;
    uint8_t *at;
};

void chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c);
