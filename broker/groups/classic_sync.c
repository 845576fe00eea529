/* broker/groups/classic_sync.c: SyncGroup, Heartbeat, and commits of members: the life of a generation.
 *
 * SYNC     In CompletingRebalance calls wait for the leader's, which brings everybody's assignment. Then the
 *          generation is written, and with that the group is Stable: all who wait get their assignment, and who asks
 *          later gets what is stored. Members that the leader left out have an empty one.
 * TOO MUCH Assignments that make the record too large are refused: everybody is told, and joins again.
 * BEAT     A heartbeat only says that the member lives, and hears whether it has to join again. So does a commit.
 */
#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer.h"

enum { VERSION_PROTOCOL_NAMED = 5 };

/* ---- SyncGroup ---- */

static void sync_refuse(struct groups *g, struct group *group, struct group_call *c,
                        enum kafka_error error)
{
    ((struct sync_group_response *)c->out)->error_code = error;
    group_call_end(g, group, c);
}

static void sync_answer(struct groups *g, const struct classic_member *m, struct group_call *c)
{
    const struct classic_group *cg = m->group->classic;
    struct sync_group_response *out = c->out;

    out->error_code = KAFKA_NONE;
    out->protocol_type = arena_copy(c->arena, cg->protocol_type);
    out->protocol_name = arena_copy(c->arena, classic_protocol_name(cg));
    out->assignment = m->assignment.at == NULL ? BYTES("") : arena_copy(c->arena, m->assignment);
    group_call_end(g, m->group, c);
}

static void assign(struct groups *g, struct classic_member *m, struct bytes assignment)
{
    group_copy_free(m->assignment);
    m->assignment = assignment.len == 0 ? BYTES_NULL : group_copy(g, assignment);
}

/* What the leader says, and nothing for those it does not name. */
static void assign_all(struct groups *g, struct group *group,
                       const struct sync_group_request_assignments *said)
{
    list_for_each (&group->classic->members, link) {
        assign(g, CONTAINER_OF(link, struct classic_member, link), BYTES_NULL);
    }
    for (int32_t i = 0; i < said->len; i++) {
        struct classic_member *m = classic_find(g, group, said->at[i].member_id);

        if (m != NULL) {
            assign(g, m, said->at[i].assignment);
        }
    }
}

static int64_t pause_ms(const struct groups *g, const struct classic_group *cg)
{
    return (int64_t)((groups_now_us(g) - cg->pause_from_us) / 1000);
}

static void reason_forget(struct classic_group *cg)
{
    group_copy_free(cg->reason);
    cg->reason = BYTES_NULL;
}

static void give_up(struct groups *g, struct group *group)
{
    list_for_each (&group->classic->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        if (m->sync != NULL) {
            classic_sync_refuse(g, m, KAFKA_UNKNOWN_SERVER_ERROR);
            classic_session_start(g, m);
        }
    }
    classic_prepare(g, group, BYTES("the assignments were too large to keep"));
}

/* The leader has spoken. */
static void stable(struct groups *g, struct group *group,
                   const struct sync_group_request_assignments *said)
{
    struct classic_group *cg = group->classic;

    assign_all(g, group, said);
    if (!classic_put(g, group, cg->reason, pause_ms(g, cg))) {
        give_up(g, group);
        return;
    }
    classic_state_set(g, cg, CLASSIC_STABLE);
    reason_forget(cg);
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);
        struct group_call *c = m->sync;

        if (c != NULL) {
            m->sync = NULL;
            sync_answer(g, m, c);
            classic_session_start(g, m);
        }
    }
}

static void sync_seen(struct groups *g, struct classic_member *m)
{
    struct classic_group *cg = m->group->classic;

    classic_sync_seen(m);
    if (cg->syncs_missing == 0) {
        group_timer_stop(g, &cg->timer);
    }
}

static void sync_wait(struct groups *g, struct classic_member *m, struct group_call *c)
{
    const struct sync_group_request *in = c->in;

    classic_sync_refuse(g, m, KAFKA_REBALANCE_IN_PROGRESS); /* an earlier one */
    m->sync = c;
    sync_seen(g, m);
    if (m == m->group->classic->leader) {
        stable(g, m->group, &in->assignments);
    }
}

static bool differs(struct bytes said, struct bytes is)
{
    return said.at != NULL && is.at != NULL && !bytes_equal(said, is);
}

static enum kafka_error sync_check(const struct groups *g, const struct group *group,
                                   const struct sync_group_request *in)
{
    const struct classic_group *cg = group->classic;
    enum kafka_error error = classic_check_member(g, group, in->member_id, in->group_instance_id);

    if (error != KAFKA_NONE) {
        return error;
    }
    if (in->generation_id != cg->generation) {
        return KAFKA_ILLEGAL_GENERATION;
    }
    if (differs(in->protocol_type, cg->protocol_type) ||
        differs(in->protocol_name, classic_protocol_name(cg))) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    return cg->state == CLASSIC_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void group_sync(struct groups *g, struct group_call *c)
{
    const struct sync_group_request *in = c->in;
    struct group *group = group_find(g, in->group_id);

    if (c->version >= VERSION_PROTOCOL_NAMED &&
        (in->protocol_type.at == NULL || in->protocol_name.at == NULL)) {
        sync_refuse(g, NULL, c, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (!group_id_ok(in->group_id)) {
        sync_refuse(g, NULL, c, KAFKA_INVALID_GROUP_ID);
        return;
    }
    if (group != NULL && group->consumer != NULL) {
        consumer_classic_sync(g, group, c);
        return;
    }
    if (group == NULL || group->classic->state == CLASSIC_EMPTY) {
        sync_refuse(g, group, c, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    enum kafka_error error = sync_check(g, group, in);
    if (error != KAFKA_NONE) {
        sync_refuse(g, group, c, error);
        return;
    }
    struct classic_member *m = classic_find(g, group, in->member_id);
    if (group->classic->state == CLASSIC_COMPLETING) {
        sync_wait(g, m, c);
        return;
    }
    sync_seen(g, m);
    classic_session_start(g, m);
    sync_answer(g, m, c);
}

/* ---- Heartbeat ---- */

static enum kafka_error beat(struct groups *g, struct group *group,
                             const struct heartbeat_request *in)
{
    const struct classic_group *cg = group->classic;
    enum kafka_error error = classic_check_member(g, group, in->member_id, in->group_instance_id);

    if (error != KAFKA_NONE) {
        return error;
    }
    if (in->generation_id != cg->generation) {
        return KAFKA_ILLEGAL_GENERATION;
    }
    classic_session_start(g, classic_find(g, group, in->member_id));
    return cg->state == CLASSIC_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void group_heartbeat(struct groups *g, struct group_call *c)
{
    const struct heartbeat_request *in = c->in;
    struct heartbeat_response *out = c->out;
    struct group *group = group_find(g, in->group_id);

    if (group != NULL && group->consumer != NULL) {
        consumer_classic_heartbeat(g, group, c);
        return;
    }
    if (!group_id_ok(in->group_id)) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
    } else {
        out->error_code = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : beat(g, group, in);
    }
    group_call_end(g, group, c);
}

/* ---- OffsetCommit ---- */

static enum kafka_error commit_of_member(struct groups *g, struct group *group,
                                         const struct group_committer *by)
{
    const struct classic_group *cg = group->classic;
    enum kafka_error error = classic_check_member(g, group, by->member_id, by->instance_id);

    if (error != KAFKA_NONE) {
        return error;
    }
    if (by->generation != cg->generation) {
        return KAFKA_ILLEGAL_GENERATION;
    }
    if (cg->state == CLASSIC_COMPLETING) {
        return KAFKA_REBALANCE_IN_PROGRESS;
    }
    classic_session_start(g, classic_find(g, group, by->member_id));
    return KAFKA_NONE;
}

enum kafka_error classic_check_commit(struct groups *g, struct group *group,
                                      const struct group_committer *by)
{
    bool empty = group->classic->state == CLASSIC_EMPTY;

    if (by->generation < 0 && empty) {
        return KAFKA_NONE;
    }
    if (by->generation >= 0 || by->member_id.len > 0 || by->instance_id.at != NULL) {
        return commit_of_member(g, group, by);
    }
    return KAFKA_UNKNOWN_MEMBER_ID; /* by hand, while there are members */
}
