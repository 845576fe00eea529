/* broker/groups/assignor_uniform.c: as many partitions to each as to every other, moving few.
 *
 * WHY      If all subscribe alike, the answer is known beforehand: everybody gets the mean, rounded down, and the
 *          remainder goes as single ones to members that hold more than the mean already, since from these it
 *          would have to be taken otherwise. What is above a member's share is taken away, what is free is given
 *          in order to those below: no partition moves that need not. Subscriptions that differ are levelled
 *          (assignor_level.c).
 */
#include "broker/groups/assignor_internal.h"

static bool all_subscribe_alike(const struct assignor_work *w)
{
    for (int32_t place = 1; place < w->member_count; place++) {
        const struct assignor_member *a = w->members[0], *b = w->members[place];
        if (a->topic_count != b->topic_count ||
            (a->topic_count > 0 &&
             memcmp(a->topics, b->topics, (size_t)a->topic_count * sizeof(*a->topics)) != 0)) {
            return false;
        }
    }
    return true;
}

/* How many each may have at most: first those that have more get the extra ones, then whoever comes. */
static void share_out(const struct assignor_work *w, int32_t *share)
{
    int32_t mean = w->slot_count / w->member_count, extra = w->slot_count % w->member_count;

    for (int32_t place = 0; place < w->member_count; place++) {
        bool more = w->count[place] > mean && extra > 0;
        share[place] = mean + more;
        extra -= more;
    }
    for (int32_t place = 0; place < w->member_count && extra > 0; place++) {
        bool more = share[place] == mean;
        share[place] += more;
        extra -= more;
    }
}

static enum err assign_evenly(struct assignor_work *w)
{
    int32_t *share = ARENA_ARRAY(w->arena, int32_t, w->member_count);

    if (!share) {
        return fail(ERR_NOMEM, "shares of %d members", w->member_count);
    }
    share_out(w, share);
    for (int32_t slot = w->slot_count - 1; slot >= 0; slot--) { /* the last ones go */
        int32_t place = w->owner[slot];
        if (place != SLOT_FREE && w->count[place] > share[place]) {
            w->owner[slot] = SLOT_FREE;
            w->count[place]--;
        }
    }
    int32_t place = 0;
    for (int32_t slot = 0; slot < w->slot_count; slot++) {
        if (w->owner[slot] != SLOT_FREE) {
            continue;
        }
        while (w->count[place] >= share[place]) {
            place++; /* ends: the shares make up all slots */
        }
        assignor_give(w, slot, place);
    }
    return OK;
}

static enum err assign_uniform(struct assignor_group *g, struct arena *a)
{
    struct assignor_work w;

    TRY(assignor_work_init(&w, g, a));
    assignor_keep(&w);
    if (w.slot_count > 0) {
        TRY(all_subscribe_alike(&w) ? assign_evenly(&w) : assignor_level(&w));
    }
    return assignor_finish(&w);
}

const struct assignor assignor_uniform = {"uniform", assign_uniform};
