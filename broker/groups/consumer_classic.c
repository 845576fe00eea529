/* broker/groups/consumer_classic.c: members of the classic protocol in a consumer group.
 *
 * WHY      While a group is moved from one protocol to the other, old and new members share it. The coordinator
 *          divides for all; an old member just gets its part in the old words: JoinGroup says which epoch it is in
 *          (as generation, and without any leader), SyncGroup gives the assignment, Heartbeat tells when to join
 *          again. The partitions it says it owns in JoinGroup are what a heartbeat of the new protocol reports.
 * WAITING  Nothing waits: all are answered at once. A member told to join again, or that has joined and not asked
 *          for its assignment, has its rebalance timeout for it.
 */
#include "broker/groups/consumer_internal.h"

#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer_protocol.h"

enum { VERSION_ID_REQUIRED = 4, LEAVE_BATCH_FROM = 3 };

/* ---- JoinGroup ---- */

static void join_refuse(struct groups *g, struct group *group, struct group_call *c,
                        enum kafka_error error, struct bytes member_id)
{
    struct join_group_response *out = c->out;

    out->error_code = error;
    out->protocol_name = BYTES_NULL;
    out->member_id = arena_copy(c->arena, member_id);
    group_call_end(g, group, c);
}

static bool member_offers(const struct consumer_member *m, struct bytes name)
{
    for (int32_t i = 0; i < m->offer_count; i++) {
        if (bytes_equal(m->offers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Is there one that all members of the classic protocol have, too? */
static bool accepts(const struct group *group, const struct join_group_request *in)
{
    if (!bytes_equal(in->protocol_type, BYTES("consumer"))) {
        return false;
    }
    for (int32_t i = 0; i < in->protocols.len; i++) {
        bool all = true;

        list_for_each (&group->consumer->members, link) {
            const struct consumer_member *m =
                CONTAINER_OF(link, const struct consumer_member, link);
            all = all &&
                  (!consumer_member_is_classic(m) || member_offers(m, in->protocols.at[i].name));
        }
        if (all) {
            return true;
        }
    }
    return false;
}

static struct consumer_owned owned_of(struct groups *g,
                                      const struct consumer_protocol_subscription *s)
{
    struct consumer_owned owned = {.given = true};
    int32_t room = 0;

    for (int32_t i = 0; i < s->owned_partitions.len; i++) {
        room += MAX(s->owned_partitions.at[i].partitions.len, 0);
    }
    owned.parts = consumer_parts_new(&g->scratch, room);
    owned.parts.len = 0;
    for (int32_t i = 0; owned.parts.at != NULL && i < s->owned_partitions.len; i++) {
        const struct int32_array *numbers = &s->owned_partitions.at[i].partitions;
        const struct image_topic *t =
            image_topic_by_name(groups_image(g), s->owned_partitions.at[i].topic);

        for (int32_t k = 0; t != NULL && k < numbers->len; k++) {
            owned.parts.at[owned.parts.len++] =
                (struct consumer_part){.topic_id = t->id, .partition = numbers->at[k]};
        }
    }
    consumer_parts_sort(owned.parts);
    return owned;
}

static struct consumer_profile profile_of(struct groups *g, const struct group_call *c,
                                          const struct consumer_member *m,
                                          const struct consumer_protocol_subscription *s)
{
    const struct join_group_request *in = c->in;
    struct consumer_profile p = consumer_profile_of(m);
    struct consumer_offer *offers =
        ARENA_ARRAY(&g->scratch, struct consumer_offer, in->protocols.len);

    for (int32_t i = 0; offers != NULL && i < in->protocols.len; i++) {
        offers[i] = (struct consumer_offer){in->protocols.at[i].name, in->protocols.at[i].metadata};
    }
    p.instance_id = in->group_instance_id.at == NULL ? p.instance_id : in->group_instance_id;
    p.rack_id = s->rack_id.at == NULL ? p.rack_id : s->rack_id;
    p.client_id = c->client_id;
    p.client_host = c->client_host;
    p.names = s->topics.at;
    p.name_count = MAX(s->topics.len, 0);
    p.rebalance_timeout_ms =
        in->rebalance_timeout_ms == -1 ? in->session_timeout_ms : in->rebalance_timeout_ms;
    p.offers = offers;
    p.offer_count = in->protocols.len;
    p.session_timeout_ms = in->session_timeout_ms;
    return p;
}

static void join_answer(struct groups *g, struct group *group, struct group_call *c,
                        const struct consumer_member *m)
{
    const struct join_group_request *in = c->in;
    struct join_group_response *out = c->out;

    (void)g;
    (void)group;
    out->generation_id = m->epoch;
    out->protocol_type = BYTES("consumer");
    out->protocol_name = in->protocols.at[0].name;
    out->member_id = arena_copy(c->arena, m->id);
}

/* `replaces`: it has taken the place of a static member of the consumer protocol, perhaps of the last one. */
static void join_serve(struct groups *g, struct group_call *c, struct consumer_member *m,
                       const struct consumer_protocol_subscription *s, bool replaces)
{
    struct group *group = m->group;
    struct consumer_profile p = profile_of(g, c, m, s);
    bool is_new = !m->named;
    bool changed = consumer_profile_set(g, m, &p);

    if (g->broken) {
        return;
    }
    consumer_bump_if_changed(g, group, changed,
                             arena_format(&g->scratch, "%.*s %s", BYTES_ARG(m->id),
                                          is_new ? "joined" : "subscribes anew"));
    consumer_target_update(g, group);
    consumer_reconcile(g, m, owned_of(g, s), changed);
    if (g->broken) {
        return;
    }
    consumer_session_start(g, m);
    group_timer_stop(g, &m->rebalance);
    consumer_rebalance_start(g, m); /* until it asks for its assignment */
    join_answer(g, group, c, m);
    if (replaces && consumer_may_downgrade(g, group, NULL, 0)) {
        consumer_downgrade(g, group, &(struct consumer_downgrade){.stable = true});
    }
    group_call_end(g, group, c);
}

/* Full for others than those in it; a static member that returns takes the place it had. */
static bool is_full(const struct groups *g, const struct group *group,
                    const struct join_group_request *in)
{
    int64_t max =
        MIN(groups_config(g, CONFIG_GROUP_CONSUMER_MAX_SIZE), (int64_t)CONSUMER_MEMBERS_MAX);
    bool known = in->group_instance_id.at == NULL
                     ? consumer_find(g, group, in->member_id) != NULL
                     : consumer_find_instance(g, group, in->group_instance_id) != NULL;

    return (int64_t)group->consumer->members.len >= max && !known;
}

void consumer_classic_join(struct groups *g, struct group *group, struct group_call *c)
{
    const struct join_group_request *in = c->in;
    struct consumer_protocol_subscription subscription;
    struct consumer_refusal why;
    bool unknown = in->member_id.len == 0;

    if (consumer_is_empty(group) && !unknown) {
        join_refuse(g, group, c, KAFKA_UNKNOWN_MEMBER_ID, in->member_id);
        return;
    }
    if (consumer_is_empty(group)) {
        if (consumer_to_empty_classic(g, group)) {
            group_join(g, c); /* as to any classic group */
        }
        return;
    }
    if (is_full(g, group, in)) {
        join_refuse(g, group, c, KAFKA_GROUP_MAX_SIZE_REACHED, BYTES(""));
        return;
    }
    if (!accepts(group, in)) {
        join_refuse(g, group, c, KAFKA_INCONSISTENT_GROUP_PROTOCOL, BYTES(""));
        return;
    }
    struct bytes id = unknown ? consumer_new_id(g, c->arena) : in->member_id;
    if (unknown && in->group_instance_id.at == NULL && c->version >= VERSION_ID_REQUIRED) {
        join_refuse(g, group, c, KAFKA_MEMBER_ID_REQUIRED, id);
        return;
    }
    if (consumer_protocol_take_subscription(&g->scratch, in->protocols.at[0].metadata,
                                            &subscription) != OK) {
        join_refuse(g, group, c, KAFKA_INCONSISTENT_GROUP_PROTOCOL, BYTES(""));
        return;
    }
    struct consumer_arrival a = {.member_id = id,
                                 .instance_id = in->group_instance_id,
                                 .join = unknown || in->group_instance_id.at == NULL,
                                 .classic = true};
    const struct consumer_member *old =
        in->group_instance_id.at == NULL ? NULL
                                         : consumer_find_instance(g, group, in->group_instance_id);
    bool replaces = old != NULL && !consumer_member_is_classic(old);
    struct consumer_member *m = consumer_arrive(g, group, &a, c->arena, &why);
    if (m != NULL) {
        join_serve(g, c, m, &subscription, replaces);
    } else if (!g->broken) {
        join_refuse(g, group, c, why.error, BYTES(""));
    }
}

/* ---- SyncGroup, Heartbeat ---- */

/* The member of the classic protocol that a request is from, in this generation; else *error. */
static struct consumer_member *find_classic(struct groups *g, struct group *group,
                                            const struct group_committer *by,
                                            enum kafka_error *error)
{
    struct consumer_member *m = by->instance_id.at == NULL
                                    ? consumer_find(g, group, by->member_id)
                                    : consumer_find_instance(g, group, by->instance_id);

    *error = KAFKA_NONE;
    if (m == NULL) {
        *error = KAFKA_UNKNOWN_MEMBER_ID;
    } else if (!bytes_equal(m->id, by->member_id)) {
        *error = KAFKA_FENCED_INSTANCE_ID;
    } else if (!consumer_member_is_classic(m)) {
        *error = KAFKA_UNKNOWN_MEMBER_ID;
    } else if (by->generation != m->epoch) {
        *error = KAFKA_ILLEGAL_GENERATION;
    }
    return *error == KAFKA_NONE ? m : NULL;
}

/* Is there something for it to join again for? A new epoch without a target waits for the heartbeat that computes it,
 * if one can come. */
static bool is_behind(const struct consumer_member *m)
{
    const struct consumer_group *cg = m->group->consumer;

    return m->epoch < cg->target_epoch ||
           (m->epoch < cg->epoch && cg->classic_count == (int32_t)cg->members.len);
}

static enum kafka_error check_sync(struct groups *g, const struct sync_group_request *in,
                                   struct consumer_member *m)
{
    bool type_differs =
        in->protocol_type.at != NULL && !bytes_equal(in->protocol_type, BYTES("consumer"));
    bool name_differs =
        in->protocol_name.at != NULL && !bytes_equal(in->protocol_name, m->offers[0].name);

    if (type_differs || name_differs) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (is_behind(m) && m->state != MEMBER_UNREVOKED) {
        consumer_rebalance_start(g, m);
        return KAFKA_REBALANCE_IN_PROGRESS;
    }
    return KAFKA_NONE;
}

void consumer_classic_sync(struct groups *g, struct group *group, struct group_call *c)
{
    const struct sync_group_request *in = c->in;
    struct sync_group_response *out = c->out;
    enum kafka_error error;
    struct consumer_member *m = find_classic(
        g, group,
        &(struct group_committer){in->member_id, in->group_instance_id, in->generation_id, 0},
        &error);

    error = m == NULL ? error : check_sync(g, in, m);
    if (error != KAFKA_NONE) {
        out->error_code = error;
        group_call_end(g, group, c);
        return;
    }
    consumer_session_start(g, m);
    group_timer_stop(g, &m->rebalance);
    consumer_rebalance_watch(g, m);
    out->protocol_type = in->protocol_type;
    out->protocol_name = in->protocol_name;
    out->assignment = consumer_assignment_bytes(g, c->arena, m->assigned, m->offers[0].metadata);
    group_call_end(g, group, c);
}

/* Is something of the target still held by somebody else? */
static bool waits_for_others(const struct groups *g, const struct consumer_member *m)
{
    for (int32_t i = 0; i < m->target.len; i++) {
        const struct consumer_part *p = &m->target.at[i];
        const struct consumer_member *owner =
            consumer_owner_of(g, m->group, p->topic_id, p->partition);

        if (owner != NULL && owner != m) {
            return true;
        }
    }
    return false;
}

void consumer_classic_heartbeat(struct groups *g, struct group *group, struct group_call *c)
{
    const struct heartbeat_request *in = c->in;
    struct heartbeat_response *out = c->out;
    enum kafka_error error;
    struct consumer_member *m = find_classic(
        g, group,
        &(struct group_committer){in->member_id, in->group_instance_id, in->generation_id, 0},
        &error);

    if (m != NULL) {
        consumer_session_start(g, m);
        if (is_behind(m) || m->state == MEMBER_UNREVOKED ||
            (m->state == MEMBER_UNRELEASED && !waits_for_others(g, m))) {
            error = KAFKA_REBALANCE_IN_PROGRESS;
            consumer_rebalance_start(g, m);
        }
    }
    out->error_code = error;
    group_call_end(g, group, c);
}

/* ---- LeaveGroup ---- */

static struct consumer_member *find_leaver(const struct groups *g, const struct group *group,
                                           struct bytes id, struct bytes instance_id,
                                           enum kafka_error *error)
{
    struct consumer_member *m = instance_id.at == NULL
                                    ? consumer_find(g, group, id)
                                    : consumer_find_instance(g, group, instance_id);

    *error = KAFKA_NONE;
    if (m == NULL) {
        *error = KAFKA_UNKNOWN_MEMBER_ID;
    } else if (instance_id.at != NULL && id.len > 0 && !bytes_equal(m->id, id)) {
        *error = KAFKA_FENCED_INSTANCE_ID;
    }
    return *error == KAFKA_NONE ? m : NULL;
}

static void leave_all(struct groups *g, struct group *group, struct consumer_member **leavers,
                      int32_t count)
{
    if (count > 0) {
        consumer_remove_all(g, group, leavers, count,
                            arena_format(&g->scratch, "%.*s%s left", BYTES_ARG(leavers[0]->id),
                                         count > 1 ? " and others" : ""));
    }
}

static bool is_among(struct consumer_member *const *list, int32_t count,
                     const struct consumer_member *m)
{
    for (int32_t i = 0; i < count; i++) {
        if (list[i] == m) {
            return true;
        }
    }
    return false;
}

void consumer_classic_leave(struct groups *g, struct group *group, struct group_call *c)
{
    const struct leave_group_request *in = c->in;
    struct leave_group_response *out = c->out;
    int32_t count = c->version < LEAVE_BATCH_FROM ? 1 : in->members.len, leaving = 0;
    struct consumer_member **leavers = ARENA_ARRAY(&g->scratch, struct consumer_member *, count);

    if (leavers == NULL) {
        groups_break(g);
        return;
    }
    if (c->version < LEAVE_BATCH_FROM) {
        leavers[0] = find_leaver(g, group, in->member_id, BYTES_NULL, &out->error_code);
        leave_all(g, group, leavers, leavers[0] != NULL ? 1 : 0);
        group_call_end(g, group, c);
        return;
    }
    out->members = leave_group_response_members_new(c->arena, count);
    for (int32_t i = 0; i < out->members.len; i++) {
        const struct leave_group_request_member *from = &in->members.at[i];
        struct consumer_member *m = find_leaver(g, group, from->member_id, from->group_instance_id,
                                                &out->members.at[i].error_code);

        out->members.at[i].member_id = from->member_id;
        out->members.at[i].group_instance_id = from->group_instance_id;
        if (m != NULL && !is_among(leavers, leaving, m)) { /* who is named twice leaves once */
            leavers[leaving++] = m;
        }
    }
    leave_all(g, group, leavers, leaving);
    group_call_end(g, group, c);
}
