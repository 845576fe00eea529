/* broker/groups/assignor_range.c: of every topic a range to each subscriber.
 *
 * WHY      Consumers that join topics by key want the same partition numbers of each. Since a range follows from
 *          a member's place among the subscribers alone, topics of equal size with the same subscribers are cut
 *          alike. Keeping what a member had would spoil that after the first change, so nothing is kept.
 */
#include "broker/groups/assignor_internal.h"

static enum err assign_range(struct assignor_group *g, struct arena *a)
{
    struct assignor_work w;
    TRY(assignor_work_init(&w, g, a));
    int32_t *served =
        ARENA_ARRAY(a, int32_t, g->topic_count);             /* subscribers that have their range */
    int32_t *next = ARENA_ARRAY(a, int32_t, g->topic_count); /* partition behind the last range */

    if (!served || !next) {
        return fail(ERR_NOMEM, "ranges of %d topics", g->topic_count);
    }
    for (int32_t place = 0; place < w.member_count; place++) {
        const struct assignor_member *m = w.members[place];
        for (int32_t i = 0; i < m->topic_count; i++) {
            int32_t t = m->topics[i], partitions = g->topics[t].partition_count;
            int32_t longer = partitions % w.subscribers[t]; /* so many ranges have one more */
            int32_t length = partitions / w.subscribers[t] + (served[t]++ < longer ? 1 : 0);
            for (int32_t end = next[t] + length; next[t] < end; next[t]++) {
                assignor_give(&w, w.first_slot[t] + next[t], place);
            }
        }
    }
    return assignor_finish(&w);
}

const struct assignor assignor_range = {"range", assign_range};
