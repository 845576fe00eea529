/* broker/groups/classic_join.c: JoinGroup: who may come in, and what it sets off.
 *
 * WHO      id ""              a new member. From version 4 on it is given an id and sent to come again with it, so
 *                             that a client that dies on the way leaves no member behind; it is "pending" until then
 *          "", instance id    a static member: new, or the next process of one that is there: it gets a new member
 *                             id, the old one is fenced, and nobody else need notice (STATIC)
 *          id                 a member that joins again, or a pending one that comes with its id
 * WAITS    A call that sets off, or meets, PreparingRebalance waits in its member for classic_rebalance.c. A second
 *          one of the same member takes its place, and the first is told REBALANCE_IN_PROGRESS.
 * AT ONCE  A follower of a Stable group, and anybody in CompletingRebalance, that offers what it offered before has
 *          missed an answer: it is told the generation that is. A leader that joins again wants a rebalance.
 * STATIC   In Stable, when the choice of the protocol stays, the new process takes over generation and assignment.
 *          From version 9 on it may lead, and is told to skip the division; before, it is told that the old member
 *          id leads, which makes a follower of it.
 * FULL     group.max.size bounds members; while a rebalance is prepared, those that have joined: the last to come
 *          back are out.
 */
#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer.h"

enum {
    VERSION_REBALANCE_TIMEOUT = 1,
    VERSION_ID_REQUIRED = 4,
    VERSION_SKIP_ASSIGNMENT = 9,
};

/* ---- answers ---- */

static void refuse(struct groups *g, struct group *group, struct group_call *c,
                   enum kafka_error error, struct bytes member_id)
{
    struct join_group_response *out = c->out;

    out->error_code = error;
    out->protocol_name = BYTES_NULL;
    out->member_id = arena_copy(c->arena, member_id);
    group_call_end(g, group, c);
}

static struct join_group_response_members all_members(const struct classic_group *cg,
                                                      struct arena *a)
{
    struct join_group_response_members list =
        join_group_response_members_new(a, (int32_t)cg->members.len);
    int32_t at = 0;

    list_for_each (&cg->members, link) {
        const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, link);

        if (at < list.len) { /* else the arena is exhausted */
            list.at[at].member_id = arena_copy(a, m->id);
            list.at[at].group_instance_id = arena_copy(a, m->instance_id);
            list.at[at].metadata = arena_copy(a, classic_metadata(m));
            at++;
        }
    }
    return list;
}

static void answer_fill(struct classic_member *m, struct group_call *c)
{
    const struct classic_group *cg = m->group->classic;
    struct join_group_response *out = c->out;

    out->error_code = KAFKA_NONE;
    out->generation_id = cg->generation;
    out->protocol_type = arena_copy(c->arena, cg->protocol_type);
    out->protocol_name = arena_copy(c->arena, classic_protocol_name(cg));
    out->leader = arena_copy(c->arena, cg->leader->id);
    out->member_id = arena_copy(c->arena, m->id);
    if (m == cg->leader) {
        out->members = all_members(cg, c->arena);
    }
}

void classic_join_answer(struct groups *g, struct classic_member *m, struct group_call *c)
{
    answer_fill(m, c);
    group_call_end(g, m->group, c);
}

/* ---- members come in ---- */

/* "<who> <what>", and the client's own words. */
static struct bytes reason_of(struct groups *g, const struct join_group_request *in,
                              struct bytes who, const char *what)
{
    return in->reason.len == 0
               ? arena_format(&g->scratch, "%.*s %s", BYTES_ARG(who), what)
               : arena_format(&g->scratch, "%.*s %s: %.*s", BYTES_ARG(who), what,
                              BYTES_ARG(bytes_slice(in->reason, 0, CLASSIC_REASON_BYTES_MAX)));
}

/* What a member says of itself with each JoinGroup. */
static void member_set(struct groups *g, struct classic_member *m, const struct group_call *c)
{
    const struct join_group_request *in = c->in;

    m->session_timeout_ms = in->session_timeout_ms;
    m->rebalance_timeout_ms =
        c->version < VERSION_REBALANCE_TIMEOUT ? in->session_timeout_ms : in->rebalance_timeout_ms;
    classic_offers_set(g, m, &in->protocols);
}

static void park(struct groups *g, struct classic_member *m, struct group_call *c)
{
    classic_join_refuse(g, m, KAFKA_REBALANCE_IN_PROGRESS, m->id);
    m->join = c;
    m->group->classic->joins++;
}

static struct classic_member *member_make(struct groups *g, struct group *group,
                                          const struct group_call *c, struct bytes id)
{
    const struct join_group_request *in = c->in;

    return classic_member_new(
        g, group,
        &(struct classic_identity){id, in->group_instance_id, c->client_id, c->client_host});
}

static void add(struct groups *g, struct group *group, struct group_call *c, struct bytes id)
{
    const struct join_group_request *in = c->in;
    struct classic_group *cg = group->classic;
    struct classic_member *m = member_make(g, group, c, id);

    if (m == NULL) {
        return;
    }
    classic_member_add(g, m, in->protocol_type);
    member_set(g, m, c);
    park(g, m, c);
    cg->added_us = groups_now_us(g);
    classic_session_start_new(g, m);
    classic_rebalance(
        g, group,
        reason_of(g, in, id,
                  in->group_instance_id.at == NULL ? "joined" : "joined as a static member"));
}

static void add_pending(struct groups *g, struct group *group, struct group_call *c,
                        struct bytes id)
{
    const struct join_group_request *in = c->in;
    struct classic_member *m;

    if (group->classic->pending.len >= CLASSIC_PENDING_MAX) {
        refuse(g, group, c, KAFKA_GROUP_MAX_SIZE_REACHED, BYTES(""));
        return;
    }
    m = member_make(g, group, c, id);
    if (m == NULL) {
        return;
    }
    m->session_timeout_ms = in->session_timeout_ms;
    classic_pending_add(g, m);
    classic_session_start(g, m);
    refuse(g, group, c, KAFKA_MEMBER_ID_REQUIRED, id);
}

static void update(struct groups *g, struct classic_member *m, struct group_call *c,
                   const char *what)
{
    member_set(g, m, c);
    park(g, m, c);
    classic_rebalance(g, m->group, reason_of(g, c->in, m->id, what));
}

/* ---- static members that come back ---- */

/* The generation stays as it is; only the member's id changes. */
static void take_over(struct groups *g, struct classic_member *m, struct group_call *c,
                      struct bytes leader)
{
    struct join_group_response *out = c->out;

    answer_fill(m, c);
    if (c->version >= VERSION_SKIP_ASSIGNMENT) {
        out->skip_assignment = m == m->group->classic->leader;
    } else {
        out->leader = leader;
        out->members = (struct join_group_response_members){0};
    }
    group_call_end(g, m->group, c);
}

static void come_back(struct groups *g, struct classic_member *old, struct group_call *c,
                      struct bytes id)
{
    const struct join_group_request *in = c->in;
    struct group *group = old->group;
    struct classic_group *cg = group->classic;
    struct bytes leader = arena_copy(c->arena, cg->leader->id);

    classic_join_refuse(g, old, KAFKA_FENCED_INSTANCE_ID, old->id);
    classic_sync_refuse(g, old, KAFKA_FENCED_INSTANCE_ID);
    struct classic_member *m = classic_member_replace(g, old, id);
    if (m == NULL) {
        return;
    }
    classic_session_start(g, m);
    member_set(g, m, c);
    struct bytes reason = reason_of(g, in, id, "took the place of a static member");
    if (cg->state == CLASSIC_STABLE && classic_vote(cg) == cg->protocol &&
        classic_put(g, group, reason, PAUSE_NONE)) {
        take_over(g, m, c, leader);
        return;
    }
    park(g, m, c);
    classic_rebalance(g, group, reason);
}

/* ---- the two kinds of JoinGroup ---- */

static void join_new(struct groups *g, struct group *group, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    bool is_static = in->group_instance_id.at != NULL;

    if (!classic_accepts(g, group, in->protocol_type, &in->protocols)) {
        refuse(g, group, c, KAFKA_INCONSISTENT_GROUP_PROTOCOL, BYTES(""));
        return;
    }
    struct bytes name = is_static ? in->group_instance_id : c->client_id;
    struct bytes id =
        group_new_member_id(g, c->arena, bytes_slice(name, 0, CLASSIC_ID_PREFIX_BYTES_MAX));
    if (id.at == NULL) { /* no memory for the answer */
        refuse(g, group, c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES(""));
        return;
    }
    struct classic_member *old =
        is_static ? classic_find_instance(g, group, in->group_instance_id) : NULL;
    if (old != NULL) {
        come_back(g, old, c, id);
    } else if (!is_static && c->version >= VERSION_ID_REQUIRED) {
        add_pending(g, group, c, id);
    } else {
        add(g, group, c, id);
    }
}

/* It joins again: in its state, is there something new? */
static void join_again(struct groups *g, struct classic_member *m, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    const struct classic_group *cg = m->group->classic;
    bool same = classic_offers_equal(m, &in->protocols);

    if (cg->state == CLASSIC_PREPARING) {
        update(g, m, c, "joined again");
    } else if (cg->state == CLASSIC_STABLE && m == cg->leader) {
        update(g, m, c, "leads and joined again");
    } else if (!same) {
        update(g, m, c, "joined again with other metadata");
    } else {
        classic_session_start(g, m);
        classic_join_answer(g, m, c);
    }
}

static void join_known(struct groups *g, struct group *group, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    struct classic_member *pending = classic_find_pending(g, group, in->member_id);

    if (!classic_accepts(g, group, in->protocol_type, &in->protocols)) {
        refuse(g, group, c, KAFKA_INCONSISTENT_GROUP_PROTOCOL, in->member_id);
        return;
    }
    if (pending != NULL && in->group_instance_id.at != NULL) {
        refuse(g, group, c, KAFKA_UNKNOWN_SERVER_ERROR, in->member_id); /* as Kafka says it */
        return;
    }
    if (pending != NULL) {
        classic_member_remove(g, pending);
        add(g, group, c, in->member_id);
        return;
    }
    enum kafka_error error = classic_check_member(g, group, in->member_id, in->group_instance_id);
    if (error != KAFKA_NONE) {
        refuse(g, group, c, error, in->member_id);
        return;
    }
    join_again(g, classic_find(g, group, in->member_id), c);
}

static bool has_place(const struct groups *g, const struct group *group, struct bytes id)
{
    const struct classic_group *cg = group->classic;
    const struct classic_member *m = classic_find(g, group, id);
    size_t max = (size_t)MIN(groups_config(g, CONFIG_GROUP_MAX_SIZE), (int64_t)CLASSIC_MEMBERS_MAX);

    switch (cg->state) {
    case CLASSIC_EMPTY:
        return true;
    case CLASSIC_PREPARING:
        return (m != NULL && m->join != NULL) || (size_t)cg->joins < max;
    case CLASSIC_COMPLETING:
    case CLASSIC_STABLE:
        return m != NULL || cg->members.len < max;
    }
    UNREACHABLE();
}

/* Who does not find a place is not in the group any more. */
static void turn_away(struct groups *g, struct group *group, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    struct classic_member *m = classic_find(g, group, in->member_id);

    m = m == NULL ? classic_find_pending(g, group, in->member_id) : m;
    if (m != NULL) {
        classic_member_remove(g, m);
    }
    refuse(g, group, c, KAFKA_GROUP_MAX_SIZE_REACHED, BYTES(""));
    classic_complete_if_joined(g, group);
}

/* ---- the entry ---- */

/* The group that the call is for; NULL: the call has ended, or there is no memory. */
static struct group *group_for(struct groups *g, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    struct group *group = group_find(g, in->group_id);

    if (group != NULL) {
        return group;
    }
    if (in->member_id.len > 0) {
        refuse(g, NULL, c, KAFKA_UNKNOWN_MEMBER_ID, in->member_id);
        return NULL;
    }
    group = group_find_or_classic(g, in->group_id);
    if (group != NULL) {
        (void)classic_put(g, group, BYTES_NULL, PAUSE_NONE); /* without members it is small */
    }
    return group;
}

void group_join(struct groups *g, struct group_call *c)
{
    const struct join_group_request *in = c->in;

    if (!group_id_ok(in->group_id)) {
        refuse(g, NULL, c, KAFKA_INVALID_GROUP_ID, in->member_id);
        return;
    }
    if (in->session_timeout_ms < groups_config(g, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS) ||
        in->session_timeout_ms > groups_config(g, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS)) {
        refuse(g, NULL, c, KAFKA_INVALID_SESSION_TIMEOUT, in->member_id);
        return;
    }
    struct group *group = group_for(g, c);
    if (group == NULL) {
        return;
    }
    if (group->consumer != NULL) {
        consumer_classic_join(g, group, c);
    } else if (!has_place(g, group, in->member_id)) {
        turn_away(g, group, c);
    } else if (in->member_id.len == 0) {
        join_new(g, group, c);
    } else {
        join_known(g, group, c);
    }
}
