/* broker/groups/offsets.c: the store: what a record of OffsetCommit changes, and how it is found.
 *
 * WHY      There may be millions of committed offsets, each rewritten every few seconds. So an offset is one small
 *          object that a commit changes in place; memory is taken only for the first commit of a partition and for
 *          metadata that has outgrown its place.
 * SIZE     About 100 bytes for an offset with its place in the map; a topic of a group about 120 more.
 * ORDER    The maps know none. Answers are sorted, because people read them.
 * REPLAY   offsets_apply() is all that changes the store, so a restart brings back exactly what is here.
 */
#include "broker/groups/offsets.h"

#include "base/mem.h"
#include "broker/groups/offsets_internal.h"

#include <stdlib.h>

/* Metadata in so many bytes stays where it is, however short the next one is. */
enum { METADATA_KEPT_BYTES = 64, METADATA_SHRINK = 4, VALUE_VERSION = 0 };

/* ---- finding ---- */

static bool has_name(const struct map_link *link, const void *name)
{
    const struct offsets_topic *t = CONTAINER_OF(link, const struct offsets_topic, link);

    return bytes_equal(t->name, *(const struct bytes *)name);
}

static bool has_number(const struct map_link *link, const void *partition)
{
    const struct committed_offset *o = CONTAINER_OF(link, const struct committed_offset, link);

    return o->partition == *(const int32_t *)partition;
}

static uint64_t hash_of(const struct groups *g, int32_t partition)
{
    return map_hash_u64((uint64_t)partition, g->seed);
}

static struct offsets_topic *topic_find(const struct groups *g, const struct group *group,
                                        struct bytes name)
{
    struct map_link *link =
        map_find(&group->offsets.topics, bytes_hash(name, g->seed), has_name, &name);

    return link == NULL ? NULL : CONTAINER_OF(link, struct offsets_topic, link);
}

static struct committed_offset *partition_find(const struct groups *g,
                                               const struct offsets_topic *t, int32_t partition)
{
    struct map_link *link = map_find(&t->partitions, hash_of(g, partition), has_number, &partition);

    return link == NULL ? NULL : CONTAINER_OF(link, struct committed_offset, link);
}

const struct offsets_topic *offsets_topic_find(const struct groups *g, const struct group *group,
                                               struct bytes name)
{
    return topic_find(g, group, name);
}

const struct committed_offset *offsets_find(const struct groups *g, const struct group *group,
                                            struct bytes topic, int32_t partition)
{
    const struct offsets_topic *t = topic_find(g, group, topic);

    return t == NULL ? NULL : partition_find(g, t, partition);
}

/* ---- in order ---- */

static int by_name(const void *a, const void *b)
{
    const struct offsets_topic *const *x = a, *const *y = b;

    return bytes_compare((*x)->name, (*y)->name);
}

static int by_number(const void *a, const void *b)
{
    const struct committed_offset *const *x = a, *const *y = b;

    return ((*x)->partition > (*y)->partition) - ((*x)->partition < (*y)->partition);
}

const struct offsets_topic **offsets_topics_sorted(struct arena *a, const struct group *group)
{
    const struct map *topics = &group->offsets.topics;
    const struct offsets_topic **out = ARENA_ARRAY(a, const struct offsets_topic *, topics->len);
    size_t count = 0;

    if (out == NULL || topics->len == 0) {
        return NULL;
    }
    map_for_each(topics, link)
    {
        out[count++] = CONTAINER_OF(link, struct offsets_topic, link);
    }
    qsort(out, count, sizeof(out[0]), by_name);
    return out;
}

const struct committed_offset **offsets_sorted(struct arena *a, const struct offsets_topic *t)
{
    const struct committed_offset **out =
        ARENA_ARRAY(a, const struct committed_offset *, t->partitions.len);
    size_t count = 0;

    if (out == NULL) {
        return NULL;
    }
    map_for_each(&t->partitions, link)
    {
        out[count++] = CONTAINER_OF(link, struct committed_offset, link);
    }
    qsort(out, count, sizeof(out[0]), by_number);
    return out;
}

/* ---- changing ---- */

static struct offsets_topic *topic_get(struct groups *g, struct group *group, struct bytes name)
{
    struct offsets_topic *t = topic_find(g, group, name);

    if (t != NULL) {
        return t;
    }
    t = mem_alloc(sizeof(*t) + name.len);
    if (t == NULL) {
        return NULL;
    }
    *t = (struct offsets_topic){.name = {(const uint8_t *)(t + 1), name.len}};
    if (name.len > 0) {
        memcpy(t + 1, name.at, name.len);
    }
    map_add(&group->offsets.topics, bytes_hash(name, g->seed), &t->link);
    return t;
}

static void topic_drop_if_empty(struct group *group, struct offsets_topic *t)
{
    if (t->partitions.len == 0) {
        map_remove(&group->offsets.topics, &t->link);
        map_deinit(&t->partitions);
        mem_free(t);
    }
}

static bool metadata_fits(const struct committed_offset *o, size_t len)
{
    return len <= o->metadata_max &&
           (o->metadata_max <= METADATA_KEPT_BYTES || len * METADATA_SHRINK >= o->metadata_max);
}

/* The object of that partition, with room for the metadata; NULL: no memory. */
static struct committed_offset *partition_get(struct groups *g, struct group *group,
                                              struct offsets_topic *t, int32_t partition,
                                              size_t metadata_len)
{
    struct committed_offset *old = partition_find(g, t, partition);

    if (old != NULL && metadata_fits(old, metadata_len)) {
        return old;
    }
    struct committed_offset *o = mem_alloc(sizeof(*o) + metadata_len);
    if (o == NULL) {
        return NULL;
    }
    if (old == NULL) {
        group->offsets.count++;
    } else {
        map_remove(&t->partitions, &old->link);
        mem_free(old);
    }
    *o = (struct committed_offset){.partition = partition, .metadata_max = (uint32_t)metadata_len};
    map_add(&t->partitions, hash_of(g, partition), &o->link);
    return o;
}

static void forget(struct groups *g, const struct offset_commit_key *key)
{
    struct group *group = group_find(g, key->group);
    struct offsets_topic *t = group == NULL ? NULL : topic_find(g, group, key->topic);
    struct committed_offset *o = t == NULL ? NULL : partition_find(g, t, key->partition);

    if (o != NULL) {
        map_remove(&t->partitions, &o->link);
        mem_free(o);
        group->offsets.count--;
        topic_drop_if_empty(group, t);
    }
}

enum err offsets_apply(struct groups *g, const struct offset_commit_key *key,
                       const struct offset_commit_value *value)
{
    if (value == NULL) {
        forget(g, key);
        return OK;
    }
    struct group *group = group_find_or_classic(g, key->group);
    struct offsets_topic *t = group == NULL ? NULL : topic_get(g, group, key->topic);
    if (t == NULL) {
        return ERR_NOMEM;
    }
    struct committed_offset *o = partition_get(g, group, t, key->partition, value->metadata.len);
    if (o == NULL) {
        topic_drop_if_empty(group, t);
        return ERR_NOMEM;
    }
    o->topic_id = value->topic_id;
    o->offset = value->offset;
    o->leader_epoch = value->leader_epoch;
    o->commit_ms = value->commit_timestamp;
    o->expire_ms = value->expire_timestamp;
    o->metadata_len = (uint32_t)value->metadata.len;
    if (value->metadata.len > 0) {
        memcpy(o->metadata, value->metadata.at, value->metadata.len);
    }
    return OK;
}

void offsets_deinit(struct group *group)
{
    map_for_each(&group->offsets.topics, topic_link)
    {
        struct offsets_topic *t = CONTAINER_OF(topic_link, struct offsets_topic, link);

        map_for_each(&t->partitions, link)
        {
            mem_free(CONTAINER_OF(link, struct committed_offset, link));
        }
        map_deinit(&t->partitions);
        mem_free(t);
    }
    map_deinit(&group->offsets.topics);
    group->offsets.count = 0;
}

/* ---- tombstones ---- */

void offsets_put_tombstone(struct groups *g, struct group *group, struct bytes topic,
                           int32_t partition)
{
    const struct offset_commit_key key = {
        .group = group->id, .topic = topic, .partition = partition};

    groups_put(g, group, &GROUP_RECORD(offset_commit, VALUE_VERSION, &key, NULL));
}

bool offsets_is_batch_full(const struct groups *g, size_t bytes_max)
{
    return g->broken || batch_builder_size(&g->batch) >= bytes_max;
}
