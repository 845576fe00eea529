/* broker/groups/group_measure.c: the numbers of all groups, for metrics.
 *
 * WHY      Whoever watches a cluster asks for all groups at once and again and again: that must not cost a call per
 *          group. So the visitor sees the state as it is, in one pass, and copies what it wants.
 * READING  What is shown may be a moment ahead of the disk, unlike in answers to members, who rely on it.
 * OWNER    The coordinator's core. FAILURE None. LIMITS None here: the visitor stops taking.
 */
#include "broker/groups/groups.h"

#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer_internal.h"
#include "broker/groups/offsets_internal.h"

static void measure_topic(const struct offsets_topic *t, const struct groups_visitor *v)
{
    struct group_position p = {.topic = t->name, .of = t->partitions.len};

    map_for_each(&t->partitions, link)
    {
        const struct committed_offset *o = CONTAINER_OF(link, const struct committed_offset, link);

        p.topic_id = o->topic_id;
        p.partition = o->partition;
        p.offset = o->offset;
        v->position(v->context, &p);
        p.at++;
    }
}

void groups_measure(const struct groups *g, const struct groups_visitor *v)
{
    map_for_each(&g->by_id, link)
    {
        const struct group *group = CONTAINER_OF(link, const struct group, link);
        struct group_numbers n = {.id = group->id, .position_count = group->offsets.count};

        if (group->consumer != NULL) {
            n.member_count = consumer_member_count(group);
            n.generation = group->consumer->epoch;
        } else if (group->classic != NULL) {
            n.member_count = classic_member_count(group);
            n.generation = group->classic->generation;
        }
        v->group(v->context, &n);
        map_for_each(&group->offsets.topics, topic)
        {
            measure_topic(CONTAINER_OF(topic, const struct offsets_topic, link), v);
        }
    }
}
