/* base/hash_map.c: chains of links, in an array that doubles.
 *
 * WHY      Chains, not open addressing: an element is linked where it lies, so neither growing nor removing
 *          moves it, and removing leaves no tombstones. Each link carries its whole hash, so growing
 *          touches no key and most wrong elements of a chain are passed without a call of match().
 * FORMAT   bucket = hash modulo bucket_count. Before the first array everything is in the chain `only`.
 * FAILURE  No memory for a larger array: the map goes on with what it has, and the next addition that
 *          finds it too full tries again.
 * LIMITS   At most MAP_LOAD elements for each bucket, while there is memory. The array never shrinks: what
 *          was needed once is needed again.
 */
#include "base/hash_map.h"

#include "base/mem.h"

enum { MAP_BUCKETS_FIRST = 16, MAP_LOAD = 1 };

static size_t bucket_of(const struct map *m, uint64_t hash)
{
    return m->buckets == NULL ? 0 : (size_t)hash & (m->bucket_count - 1);
}

static struct map_link **chain_of(struct map *m, uint64_t hash)
{
    return m->buckets == NULL ? &m->only : &m->buckets[bucket_of(m, hash)];
}

void map_deinit(struct map *m)
{
    mem_free(m->buckets);
    *m = (struct map){0};
}

struct map_link *map_find(const struct map *m, uint64_t hash,
                          bool (*match)(const struct map_link *link, const void *key),
                          const void *key)
{
    struct map_link *link = m->buckets == NULL ? m->only : m->buckets[bucket_of(m, hash)];

    while (link != NULL && (link->hash != hash || !match(link, key))) {
        link = link->next;
    }
    return link;
}

static void move_chain(struct map *to, struct map_link *link)
{
    while (link != NULL) {
        struct map_link *next = link->next;
        struct map_link **chain = chain_of(to, link->hash);
        link->next = *chain;
        *chain = link;
        link = next;
    }
}

static void grow(struct map *m)
{
    size_t count = m->bucket_count == 0 ? (size_t)MAP_BUCKETS_FIRST : m->bucket_count * 2;
    struct map larger = {.buckets = mem_zalloc(count, sizeof(struct map_link *)),
                         .bucket_count = count,
                         .len = m->len};

    if (larger.buckets == NULL) {
        return;
    }
    move_chain(&larger, m->only);
    for (size_t i = 0; i < m->bucket_count; i++) {
        move_chain(&larger, m->buckets[i]);
    }
    mem_free(m->buckets);
    *m = larger;
}

void map_add(struct map *m, uint64_t hash, struct map_link *link)
{
    if (m->len >= MAX(m->bucket_count * MAP_LOAD, 1)) {
        grow(m);
    }
    struct map_link **chain = chain_of(m, hash);
    link->hash = hash;
    link->next = *chain;
    *chain = link;
    m->len++;
}

void map_remove(struct map *m, struct map_link *link)
{
    struct map_link **at = chain_of(m, link->hash);

    while (*at != link) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = link->next;
    link->next = NULL;
    m->len--;
}

static struct map_link *first_from(const struct map *m, size_t bucket)
{
    while (bucket < m->bucket_count && m->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < m->bucket_count ? m->buckets[bucket] : NULL;
}

struct map_link *map_first(const struct map *m)
{
    return m->buckets == NULL ? m->only : m->len == 0 ? NULL : first_from(m, 0);
}

struct map_link *map_next(const struct map *m, const struct map_link *link)
{
    return link->next != NULL ? link->next : first_from(m, bucket_of(m, link->hash) + 1);
}
