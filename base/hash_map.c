/* base/hash_map.c: chains of links, in an array that doubles.
 *
 * WHY      Chains, not open addressing: an element is linked where it lies, so neither growing nor removing
 *          moves it, and removing leaves no tombstones. Each link carries its whole hash, so growing
 *          touches no key and most wrong elements of a chain are passed without a call of match().
 * FORMAT   bucket = hash modulo bucket_count. Before the first array everything is in the chain `only`.
 *          Growing makes an array of twice the size; each addition then moves a few of the former chains
 *          into it, in order, so no single one stalls its core (moving a million elements at once took
 *          31 ms). A former chain below `moved` is empty and its elements are in the new array.
 * FAILURE  No memory for a larger array: the map goes on with what it has, and the next addition that
 *          finds it too full tries again.
 * LIMITS   At most MAP_LOAD elements for each bucket, while there is memory. The array never shrinks: what
 *          was needed once is needed again.
 */
#include "base/hash_map.h"

#include "base/mem.h"

enum { MAP_BUCKETS_FIRST = 16, MAP_LOAD = 1, MAP_MOVES = 4 };
static_assert(MAP_MOVES >= 2, "all is moved before the next growth");

/* Positions count the former chains first, then those of the array. */
static size_t position_of(const struct map *m, uint64_t hash)
{
    size_t before = m->old == NULL ? 0 : (size_t)hash & (m->old_count - 1);

    if (m->old != NULL && before >= m->moved) {
        return before;
    }
    return m->old_count + ((size_t)hash & (m->bucket_count - 1));
}

static struct map_link **chain_at(const struct map *m, size_t position)
{
    return position < m->old_count ? &m->old[position] : &m->buckets[position - m->old_count];
}

static struct map_link **chain_of(struct map *m, uint64_t hash)
{
    return m->buckets == NULL ? &m->only : chain_at(m, position_of(m, hash));
}

void map_deinit(struct map *m)
{
    mem_free(m->buckets);
    mem_free(m->old);
    *m = (struct map){0};
}

struct map_link *map_find(const struct map *m, uint64_t hash,
                          bool (*match)(const struct map_link *link, const void *key),
                          const void *key)
{
    struct map_link *link = m->buckets == NULL ? m->only : *chain_at(m, position_of(m, hash));

    while (link != NULL && (link->hash != hash || !match(link, key))) {
        link = link->next;
    }
    return link;
}

static void put(struct map *m, struct map_link *link)
{
    struct map_link **chain = chain_of(m, link->hash);

    link->next = *chain;
    *chain = link;
}

static void move_chain(struct map *m, struct map_link *link)
{
    while (link != NULL) {
        struct map_link *next = link->next;
        put(m, link);
        link = next;
    }
}

static void move_some(struct map *m)
{
    for (int i = 0; i < MAP_MOVES && m->moved < m->old_count; i++) {
        struct map_link *chain = m->old[m->moved];
        m->old[m->moved++] = NULL;
        move_chain(m, chain);
    }
    if (m->old != NULL && m->moved == m->old_count) {
        mem_free(m->old);
        m->old = NULL;
        m->old_count = m->moved = 0;
    }
}

static void grow(struct map *m)
{
    size_t count = m->bucket_count == 0 ? (size_t)MAP_BUCKETS_FIRST : m->bucket_count * 2;
    struct map_link **larger = mem_zalloc(count, sizeof(struct map_link *));

    ASSERT(m->old == NULL);
    if (larger == NULL) {
        return;
    }
    struct map_link *only = m->only;
    m->only = NULL;
    m->old = m->buckets;
    m->old_count = m->bucket_count;
    m->buckets = larger;
    m->bucket_count = count;
    move_chain(m, only);
}

void map_add(struct map *m, uint64_t hash, struct map_link *link)
{
    move_some(m);
    if (m->old == NULL && m->len >= MAX(m->bucket_count * MAP_LOAD, 1)) {
        grow(m);
    }
    link->hash = hash;
    put(m, link);
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

static struct map_link *first_from(const struct map *m, size_t position)
{
    size_t end = m->old_count + m->bucket_count;

    while (position < end && *chain_at(m, position) == NULL) {
        position++;
    }
    return position < end ? *chain_at(m, position) : NULL;
}

struct map_link *map_first(const struct map *m)
{
    if (m->len == 0) {
        return NULL;
    }
    return m->buckets == NULL ? m->only : first_from(m, m->moved);
}

struct map_link *map_next(const struct map *m, const struct map_link *link)
{
    if (link->next != NULL || m->buckets == NULL) {
        return link->next;
    }
    return first_from(m, position_of(m, link->hash) + 1);
}
