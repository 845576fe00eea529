/* broker/groups/group_admin.c: groups as an operator sees them: listed, described, deleted.
 *
 * WHY      Each type of group describes itself (classic.h, consumer.h); here is who is asked, and what is said of a
 *          group that is not there or of the other type. Clients ask ConsumerGroupDescribe first and turn to
 *          DescribeGroups when they are told GROUP_ID_NOT_FOUND.
 * DEAD     Up to version 5, DescribeGroups has no error for a group that is not there: its state is "Dead".
 * DELETING Only a group without members: its offsets and the group itself get tombstones. A group with more offsets
 *          than fit a batch takes several tries; COORDINATOR_LOAD_IN_PROGRESS makes the client repeat it.
 */
#include "broker/groups/group_admin.h"

#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/offsets.h"
#include "schema/delete_groups.h"

enum { NOT_FOUND_FROM = 6 };

/* READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS: everybody may do everything. */
enum { AUTHORIZED_ALL = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

bool group_is_empty(const struct group *group)
{
    return group->consumer != NULL ? consumer_is_empty(group) : classic_is_empty(group);
}

void group_put_tombstones(struct groups *g, struct group *group)
{
    if (group->consumer != NULL) {
        consumer_put_tombstones(g, group);
    } else {
        classic_put_tombstone(g, group);
    }
}

static struct bytes why_not(struct arena *a, struct bytes id, const char *what)
{
    return arena_format(a, "Group %.*s %s.", BYTES_ARG(id), what);
}

/* ---- DescribeGroups ---- */

void group_describe(struct groups *g, struct group_call *c)
{
    const struct describe_groups_request *in = c->in;
    struct describe_groups_response *out = c->out;
    struct describe_groups_response_group *answer = &out->groups.at[c->at];
    struct group *group = group_find(g, in->groups.at[c->at]);
    bool found = group != NULL && group->consumer == NULL;

    if (found) {
        classic_describe(group, c->arena, answer);
    } else {
        answer->group_state = BYTES("Dead");
    }
    answer->group_id = in->groups.at[c->at];
    if (!found && c->version >= NOT_FOUND_FROM) {
        answer->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        answer->error_message = why_not(c->arena, answer->group_id,
                                        group == NULL ? "not found" : "is not a classic group");
    }
    if (in->include_authorized_operations && answer->error_code == KAFKA_NONE) {
        answer->authorized_operations = AUTHORIZED_ALL;
    }
    group_call_end(g, group, c);
}

/* ---- ConsumerGroupDescribe ---- */

static void refuse_describe(struct group_call *c, const struct group *group,
                            struct consumer_group_describe_response_group *out)
{
    if (!group_id_ok(out->group_id)) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        return;
    }
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message =
        why_not(c->arena, out->group_id, group == NULL ? "not found" : "is not a consumer group");
}

void group_consumer_describe(struct groups *g, struct group_call *c)
{
    const struct consumer_group_describe_request *in = c->in;
    struct consumer_group_describe_response *out = c->out;
    struct consumer_group_describe_response_group *answer = &out->groups.at[c->at];
    struct group *group = group_find(g, in->group_ids.at[c->at]);

    if (group != NULL && group->consumer != NULL) {
        consumer_describe(g, group, c->arena, answer);
        answer->group_id = in->group_ids.at[c->at];
        if (in->include_authorized_operations) {
            answer->authorized_operations = AUTHORIZED_ALL;
        }
    } else {
        answer->group_id = in->group_ids.at[c->at];
        refuse_describe(c, group, answer);
    }
    group_call_end(g, group, c);
}

/* ---- DeleteGroups ---- */

void group_delete(struct groups *g, struct group_call *c)
{
    const struct delete_groups_request *in = c->in;
    struct delete_groups_response *out = c->out;
    struct delete_groups_response_result *answer = &out->results.at[c->at];
    struct group *group = group_find(g, in->groups_names.at[c->at]);

    answer->group_id = in->groups_names.at[c->at];
    if (group == NULL || !group_is_empty(group)) {
        answer->error_code = group == NULL ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_NON_EMPTY_GROUP;
        group_call_end(g, group, c);
        return;
    }
    offsets_put_tombstones(g, group);
    if (group->offsets.count > 0) {
        answer->error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        group_call_end(g, group, c);
        return;
    }
    group_put_tombstones(g, group);
    group_remove(g, group);
    group_call_end(g, NULL, c);
}

/* ---- ListGroups ---- */

void groups_list(const struct groups *g, void (*fn)(void *context, const struct group_listing *l),
                 void *context)
{
    map_for_each(&g->by_id, link)
    {
        const struct group *group = CONTAINER_OF(link, const struct group, link);
        struct group_listing l = {.id = group->id};

        if (group->consumer != NULL) {
            consumer_list(group, &l);
        } else if (group->classic != NULL) {
            classic_list(group, &l);
        }
        fn(context, &l);
    }
}
