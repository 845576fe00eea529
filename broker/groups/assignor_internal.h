/* broker/groups/assignor_internal.h: what the assignors share.
 *
 * Members are worked on by `place`: their position in the order of assignor.h. Partitions are worked on by `slot`:
 * the subscribed topics' partitions, counted through.
 */
#pragma once

#include "broker/groups/assignor.h"

enum { SLOT_FREE = -1 };

/* A group, numbered for work. */
struct assignor_work {
    struct arena *arena;
    struct assignor_group *group;
    struct assignor_member **members; /* by place */
    int32_t member_count, topic_count;
    int32_t *subscribers; /* per topic: how many */
    int32_t *
        first_slot; /* per topic, and one more: where its slots begin. Without subscribers: it has none */
    int32_t slot_count;
    int32_t *owner; /* per slot: a place, or SLOT_FREE */
    int32_t *count; /* per place: slots it has */
};

/* Everybody in order, every slot free. ERR_NOMEM. */
enum err assignor_work_init(struct assignor_work *w, struct assignor_group *g, struct arena *a);
/* Makes everybody keep what it owns, as far as it exists, is subscribed to and has no owner yet. */
void assignor_keep(struct assignor_work *w);
/* Turns owners into `assigned`. ERR_NOMEM. */
enum err assignor_finish(struct assignor_work *w);

static inline void assignor_give(struct assignor_work *w, int32_t slot, int32_t place)
{
    w->owner[slot] = place;
    w->count[place]++;
}

/* assignor_level.c: gives away the free slots of a group whose members subscribe to different topics, then levels
 * the counts. ERR_NOMEM. */
enum err assignor_level(struct assignor_work *w);

extern const struct assignor assignor_uniform, assignor_range;
