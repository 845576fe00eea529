/* broker/groups/offsets_internal.h: the store of committed offsets, as the files offsets_*.c see it.
 *
 *     group.offsets.topics -> offsets_topic (by name) -> partitions -> committed_offset (by partition)
 *
 * Nothing here outlives the next record: who shows it in an answer copies it into the call's arena.
 */
#pragma once

#include "broker/groups/offsets.h"

struct offsets_topic {
    struct map_link link;  /* group_offsets.topics */
    struct map partitions; /* struct committed_offset; never empty */
    struct bytes name;     /* behind the struct */
};

struct committed_offset {
    struct map_link link; /* offsets_topic.partitions */
    struct uuid topic_id; /* zero: not known */
    int64_t offset;
    int64_t commit_ms;
    int64_t expire_ms; /* of commits of old versions; OFFSET_NO_EXPIRY */
    int32_t partition;
    int32_t leader_epoch; /* of the last record read; -1: not known */
    uint32_t metadata_len, metadata_max;
    uint8_t metadata[];
};

enum { OFFSET_NONE = -1, OFFSET_NO_EXPIRY = -1, OFFSET_NO_EPOCH = -1 };

/* Tombstones of one operation: more wait for the next one. */
enum { TOMBSTONES_BYTES_MAX = 4 << 20 };

/* NULL when there is none. */
const struct offsets_topic *offsets_topic_find(const struct groups *g, const struct group *group,
                                               struct bytes name);
const struct committed_offset *offsets_find(const struct groups *g, const struct group *group,
                                            struct bytes topic, int32_t partition);
static inline struct bytes offsets_metadata(const struct committed_offset *o)
{
    return (struct bytes){o->metadata, o->metadata_len};
}
/* Was it committed for another topic of that name? */
static inline bool offsets_of_other_topic(const struct committed_offset *o, struct uuid topic_id)
{
    return !uuid_is_zero(o->topic_id) && !uuid_is_zero(topic_id) &&
           !uuid_equal(o->topic_id, topic_id);
}

/* All topics in order of name, all partitions in order of number; in `a`. NULL: exhausted, or there are none. */
const struct offsets_topic **offsets_topics_sorted(struct arena *a, const struct group *group);
const struct committed_offset **offsets_sorted(struct arena *a, const struct offsets_topic *t);

/* Writes the record that deletes it; it is gone when this returns, and its topic if it was the last one. */
void offsets_put_tombstone(struct groups *g, struct group *group, struct bytes topic,
                           int32_t partition);
/* Did this operation write as many tombstones as one should? */
bool offsets_is_batch_full(const struct groups *g, size_t bytes_max);
