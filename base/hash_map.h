/* base/hash_map.h: one intrusive hash table for everyone: topics by name, partitions by key, producers by id.
 *
 * The link lives in the object; the map owns nothing but its array of buckets. It never looks at keys:
 * the caller gives a well-mixed hash (bytes_hash, map_hash_u64) and says what equals. Where a client
 * chooses the keys, hash with a random seed. Adding cannot fail: when there is no memory for a larger
 * array the chains get longer instead. A zeroed struct map is an empty map. One owner at a time.
 *
 *     static bool is_topic(const struct map_link *link, const void *name)
 *     {
 *         const struct topic *t = CONTAINER_OF(link, const struct topic, link);
 *         return bytes_equal(t->name, *(const struct bytes *)name);
 *     }
 *     link = map_find(&topics, bytes_hash(name, seed), is_topic, &name);
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

struct map_link {
    struct map_link *next;
    uint64_t hash;
};

struct map {
    struct map_link **buckets; /* a power of two of chains; NULL: the one chain below */
    size_t bucket_count;
    struct map_link *
        *old; /* while growing: the former chains, those from `moved` on still in use */
    size_t old_count, moved;
    struct map_link *only; /* the chain before the first array */
    size_t len;
};

/* Frees the arrays. What is still linked stays its owner's, and must not be removed any more. */
void map_deinit(struct map *m);
/* The element with this hash that matches, NULL when there is none. */
struct map_link *map_find(const struct map *m, uint64_t hash,
                          bool (*match)(const struct map_link *link, const void *key),
                          const void *key);
/* The caller has made sure that no equal element is in it. Not within map_for_each. */
void map_add(struct map *m, uint64_t hash, struct map_link *link);
/* It must be in the map. */
void map_remove(struct map *m, struct map_link *link);
/* All elements, in no particular order; NULL after the last. */
struct map_link *map_first(const struct map *m);
struct map_link *map_next(const struct map *m, const struct map_link *link);

/* A well-mixed hash of a number. */
static inline uint64_t map_hash_u64(uint64_t key, uint64_t seed)
{
    return bytes_hash((struct bytes){(const uint8_t *)&key, sizeof(key)}, seed);
}

/* The element may be removed inside the loop; nothing may be added. */
#define map_for_each(map_, link_)                                                \
    for (struct map_link *link_ = map_first(map_),                               \
                         *link_##_next = link_ ? map_next((map_), link_) : NULL; \
         link_ != NULL;                                                          \
         link_ = link_##_next, link_##_next = link_ ? map_next((map_), link_) : NULL)
