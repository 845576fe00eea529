/* broker/groups/classic_leave.c: LeaveGroup: members that say goodbye, and static ones that are sent away.
 *
 * WHO      A member leaves by its id; a static one may be removed by its instance id alone, which is how somebody
 *          who administers the group does it. Up to version 2 a request is for one member, whose error is the answer's.
 * THEN     All of a request leave before the group looks at who is left: one rebalance for all of them.
 */
#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer.h"

enum { VERSION_BATCH = 3 };

/* A member that leaves, whichever the version of the request. */
struct leaver {
    struct bytes id, instance_id, reason;
};

/* ---- out of the group ---- */

static enum kafka_error leave(struct groups *g, struct group *group, const struct leaver *who)
{
    struct classic_member *m;

    if (who->id.len == 0) {
        m = who->instance_id.at == NULL ? NULL : classic_find_instance(g, group, who->instance_id);
        if (m == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
    } else {
        m = classic_find_pending(g, group, who->id);
        enum kafka_error error =
            m != NULL ? KAFKA_NONE : classic_check_member(g, group, who->id, who->instance_id);
        if (error != KAFKA_NONE) {
            return error;
        }
        m = m != NULL ? m : classic_find(g, group, who->id);
    }
    classic_join_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID, BYTES(""));
    classic_sync_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    classic_member_remove(g, m);
    return KAFKA_NONE;
}

/* The first of those that left speaks for all. */
static struct bytes reason_of(struct groups *g, const struct leaver *first, int32_t count)
{
    struct bytes name = first->id.len == 0 ? first->instance_id : first->id;
    struct bytes words = bytes_slice(first->reason, 0, CLASSIC_REASON_BYTES_MAX);
    struct bytes out = count == 1 ? arena_format(&g->scratch, "%.*s left", BYTES_ARG(name))
                                  : arena_format(&g->scratch, "%.*s and %" PRId32 " more left",
                                                 BYTES_ARG(name), count - 1);

    return words.len == 0
               ? out
               : arena_format(&g->scratch, "%.*s: %.*s", BYTES_ARG(out), BYTES_ARG(words));
}

static void go_on(struct groups *g, struct group *group, const struct leaver *first, int32_t count)
{
    if (count > 0 && group->classic->state != CLASSIC_EMPTY) {
        classic_rebalance(g, group, reason_of(g, first, count));
    }
}

/* ---- the two forms of the request ---- */

static void leave_one(struct groups *g, struct group *group, struct group_call *c)
{
    const struct leave_group_request *in = c->in;
    const struct leaver who = {.id = in->member_id};
    enum kafka_error error = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : leave(g, group, &who);

    ((struct leave_group_response *)c->out)->error_code = error;
    if (group != NULL) {
        go_on(g, group, &who, error == KAFKA_NONE ? 1 : 0);
    }
}

static void leave_all(struct groups *g, struct group *group, struct group_call *c)
{
    const struct leave_group_request *in = c->in;
    struct leave_group_response *out = c->out;
    struct leaver first = {0};
    int32_t count = 0;

    out->members = leave_group_response_members_new(c->arena, in->members.len);
    for (int32_t i = 0; i < out->members.len; i++) {
        const struct leave_group_request_member *m = &in->members.at[i];
        const struct leaver who = {m->member_id, m->group_instance_id, m->reason};
        struct leave_group_response_member *o = &out->members.at[i];

        o->member_id = m->member_id;
        o->group_instance_id = m->group_instance_id;
        o->error_code = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : leave(g, group, &who);
        if (o->error_code == KAFKA_NONE) {
            first = count++ == 0 ? who : first;
        }
    }
    if (group != NULL) {
        go_on(g, group, &first, count);
    }
}

void group_leave(struct groups *g, struct group_call *c)
{
    const struct leave_group_request *in = c->in;
    struct group *group = group_find(g, in->group_id);

    if (!group_id_ok(in->group_id)) {
        ((struct leave_group_response *)c->out)->error_code = KAFKA_INVALID_GROUP_ID;
    } else if (group != NULL && group->consumer != NULL) {
        consumer_classic_leave(g, group, c);
        return;
    } else if (c->version < VERSION_BATCH) {
        leave_one(g, group, c);
    } else {
        leave_all(g, group, c);
    }
    group_call_end(g, group, c);
}
