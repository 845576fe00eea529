/* broker/groups/assignor.c: the assignors there are, and what they have in common.
 *
 * WHY      Structs of members with names and lists are for whoever calls. Work is done on numbers in flat arrays:
 *          a thousand members and ten thousand partitions then are some hundred kilobytes, walked from front to
 *          back.
 * ORDER    Static members come first, by instance id: they come back under it, while the others get new ids for
 *          whatever reason.
 */
#include "broker/groups/assignor_internal.h"

#include <stdlib.h>

static const struct assignor *const all[] = {&assignor_uniform, &assignor_range};

const struct assignor *assignor_at(int32_t index)
{
    return index >= 0 && index < (int32_t)COUNT_OF(all) ? all[index] : NULL;
}

const struct assignor *assignor_find(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (bytes_equal(bytes_of(all[i]->name), name)) {
            return all[i];
        }
    }
    return NULL;
}

static int by_order(const void *left, const void *right)
{
    const struct assignor_member *a = *(struct assignor_member *const *)left;
    const struct assignor_member *b = *(struct assignor_member *const *)right;

    if (!a->instance_id.at != !b->instance_id.at) {
        return a->instance_id.at ? -1 : 1;
    }
    int order = a->instance_id.at ? bytes_compare(a->instance_id, b->instance_id) : 0;
    return order != 0 ? order : bytes_compare(a->member_id, b->member_id);
}

static enum err number_slots(struct assignor_work *w)
{
    const struct assignor_group *g = w->group;
    int64_t slots = 0;

    for (int32_t t = 0; t < g->topic_count; t++) {
        w->first_slot[t] = (int32_t)slots;
        slots += w->subscribers[t] > 0 ? g->topics[t].partition_count : 0;
        if (slots > INT32_MAX) {
            return fail(ERR_NOMEM, "a group of more partitions than can be counted");
        }
    }
    w->first_slot[g->topic_count] = (int32_t)slots;
    w->slot_count = (int32_t)slots;
    w->owner = ARENA_ARRAY(w->arena, int32_t, slots);
    if (!w->owner) {
        return fail(ERR_NOMEM, "an assignment of %" PRId64 " partitions", slots);
    }
    memset(w->owner, 0xff, (size_t)slots * sizeof(*w->owner));
    return OK;
}

enum err assignor_work_init(struct assignor_work *w, struct assignor_group *g, struct arena *a)
{
    *w = (struct assignor_work){
        .arena = a,
        .group = g,
        .members = ARENA_ARRAY(a, struct assignor_member *, g->member_count),
        .member_count = g->member_count,
        .topic_count = g->topic_count,
        .subscribers = ARENA_ARRAY(a, int32_t, g->topic_count),
        .first_slot = ARENA_ARRAY(a, int32_t, g->topic_count + 1),
        .count = ARENA_ARRAY(a, int32_t, g->member_count),
    };
    if (a->exhausted) {
        return fail(ERR_NOMEM, "an assignment for %d members", g->member_count);
    }
    for (int32_t m = 0; m < g->member_count; m++) {
        w->members[m] = &g->members[m];
        for (int32_t i = 0; i < g->members[m].topic_count; i++) {
            int32_t topic = g->members[m].topics[i];
            ASSERT(topic >= 0 && topic < g->topic_count);
            w->subscribers[topic]++;
        }
    }
    qsort(w->members, (size_t)g->member_count, sizeof(struct assignor_member *), by_order);
    return number_slots(w);
}

static void keep_part(struct assignor_work *w, int32_t place, struct assignor_part part)
{
    if (part.partition >= 0 && part.partition < w->group->topics[part.topic].partition_count) {
        int32_t slot = w->first_slot[part.topic] + part.partition;
        if (w->owner[slot] == SLOT_FREE) {
            assignor_give(w, slot, place);
        }
    }
}

void assignor_keep(struct assignor_work *w)
{
    for (int32_t place = 0; place < w->member_count; place++) {
        const struct assignor_member *m = w->members[place];
        int32_t at = 0; /* in m->topics: both lists ascend */
        for (int32_t i = 0; i < m->owned_count; i++) {
            while (at < m->topic_count && m->topics[at] < m->owned[i].topic) {
                at++;
            }
            if (at < m->topic_count && m->topics[at] == m->owned[i].topic) {
                keep_part(w, place, m->owned[i]);
            }
        }
    }
}

static bool is_unchanged(const struct assignor_member *m, const struct assignor_part *now,
                         int32_t count)
{
    if (count != m->owned_count) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        if (now[i].topic != m->owned[i].topic || now[i].partition != m->owned[i].partition) {
            return false;
        }
    }
    return true;
}

enum err assignor_finish(struct assignor_work *w)
{
    struct assignor_part *parts = ARENA_ARRAY(w->arena, struct assignor_part, w->slot_count);
    struct assignor_part **end = ARENA_ARRAY(w->arena, struct assignor_part *, w->member_count);

    if (!parts || !end) {
        return fail(ERR_NOMEM, "an assignment of %d partitions", w->slot_count);
    }
    for (int32_t place = 0; place < w->member_count; place++) {
        w->members[place]->assigned = end[place] = parts;
        w->members[place]->assigned_count = w->count[place];
        parts += w->count[place];
    }
    for (int32_t t = 0; t < w->topic_count; t++) {
        for (int32_t slot = w->first_slot[t]; slot < w->first_slot[t + 1]; slot++) {
            ASSERT(w->owner[slot] != SLOT_FREE);
            *end[w->owner[slot]]++ = (struct assignor_part){t, slot - w->first_slot[t]};
        }
    }
    for (int32_t place = 0; place < w->member_count; place++) {
        struct assignor_member *m = w->members[place];
        ASSERT(end[place] - m->assigned == m->assigned_count);
        if (is_unchanged(m, m->assigned, m->assigned_count)) {
            m->assigned = m->owned;
        }
    }
    return OK;
}
