/* broker/groups/consumer_join.c: whose request this is, and what a member says of itself.
 *
 * WHO      A dynamic member is its id. A static one is its instance id: while the member that has it is there, nobody
 *          else may join with it; once that has left for a while (epoch -2), whoever comes with the instance id
 *          takes its place, assignment and all, under a new member id.
 * EPOCH    0 joins, also one who is there already. Any other request must carry the member's epoch. The one before is let through if the member owns nothing but what
 *          it was given: then the answer that told it the new one was lost.
 */
#include "broker/groups/consumer_internal.h"

static struct consumer_refusal refusal(enum kafka_error error, struct bytes message)
{
    return (struct consumer_refusal){error, message};
}

struct bytes consumer_new_id(struct groups *g, struct arena *a)
{
    uint64_t random[2];
    char text[UUID_TEXT_BYTES + 1];

    g->host.random(g->host.context, random, sizeof(random));
    uuid_text(uuid_random(random[0], random[1]), text);
    return arena_copy(a, bytes_of(text));
}

/* ---- epochs ---- */

static bool owns_only_assigned(const struct consumer_owned *owned, const struct consumer_member *m)
{
    for (int32_t i = 0; i < owned->parts.len; i++) {
        if (consumer_parts_find(m->assigned, owned->parts.at[i].topic_id,
                                owned->parts.at[i].partition) == NULL) {
            return false;
        }
    }
    return owned->given;
}

static struct consumer_refusal check_epoch(const struct consumer_member *m,
                                           const struct consumer_arrival *a, struct arena *arena)
{
    const char *how = a->epoch > m->epoch ? "greater" : "smaller";

    if (a->classic || a->join || a->epoch == m->epoch ||
        (a->epoch < m->epoch && a->epoch == m->previous_epoch &&
         owns_only_assigned(&a->owned, m))) {
        return refusal(KAFKA_NONE, BYTES_NULL);
    }
    return refusal(KAFKA_FENCED_MEMBER_EPOCH,
                   arena_format(arena,
                                "The consumer group member has a %s member epoch (%" PRId32
                                ") than the one known by the group coordinator (%" PRId32
                                "). The member must abandon all its partitions and rejoin.",
                                how, a->epoch, m->epoch));
}

/* ---- arriving ---- */

static struct consumer_member *arrive_dynamic(struct groups *g, struct group *group,
                                              const struct consumer_arrival *a, struct arena *arena,
                                              struct consumer_refusal *why)
{
    struct consumer_member *m = consumer_find(g, group, a->member_id);

    if (m == NULL && !a->join) {
        *why = refusal(KAFKA_UNKNOWN_MEMBER_ID,
                       arena_format(arena, "Member %.*s is not a member of group %.*s.",
                                    BYTES_ARG(a->member_id), BYTES_ARG(group->id)));
        return NULL;
    }
    if (m == NULL) {
        return consumer_member_get(g, group, a->member_id);
    }
    *why = check_epoch(m, a, arena);
    return why->error == KAFKA_NONE ? m : NULL;
}

/* The one that comes back takes over from the one that left for a while. */
static struct consumer_member *take_over(struct groups *g, struct consumer_member *old,
                                         struct bytes member_id)
{
    struct group *group = old->group;
    struct consumer_profile profile = consumer_profile_of(old);
    struct consumer_current current = {.state = old->state};
    struct consumer_parts target = {0};

    /* The tombstones free what the old member has. */
    struct bytes id = arena_copy(&g->scratch, member_id);
    struct bytes *names = ARENA_ARRAY(&g->scratch, struct bytes, old->names.len);
    for (int32_t i = 0; names != NULL && i < old->names.len; i++) {
        names[i] = arena_copy(&g->scratch, old->names.at[i]);
    }
    profile.names = names;
    profile.instance_id = arena_copy(&g->scratch, profile.instance_id);
    profile.rack_id = arena_copy(&g->scratch, profile.rack_id);
    profile.client_id = arena_copy(&g->scratch, profile.client_id);
    profile.client_host = arena_copy(&g->scratch, profile.client_host);
    profile.regex = arena_copy(&g->scratch, profile.regex);
    profile.assignor = arena_copy(&g->scratch, profile.assignor);
    struct consumer_offer *offers =
        ARENA_ARRAY(&g->scratch, struct consumer_offer, old->offer_count);
    for (int32_t i = 0; offers != NULL && i < old->offer_count; i++) {
        offers[i] = (struct consumer_offer){arena_copy(&g->scratch, old->offers[i].name),
                                            arena_copy(&g->scratch, old->offers[i].metadata)};
    }
    profile.offers = old->offers == NULL ? NULL : offers;
    if (g->scratch.exhausted || !consumer_parts_copy(&target, old->target) ||
        !consumer_parts_copy(&current.assigned, old->assigned) ||
        !consumer_parts_copy(&current.revoking, old->revoking)) {
        consumer_parts_free(&target);
        consumer_parts_free(&current.assigned);
        groups_break(g);
        return NULL;
    }
    consumer_put_member_tombstones(g, old);
    consumer_put_member(g, group, id, &profile);
    consumer_put_target(g, group, id, target);
    consumer_put_current(g, group, id, &current);
    consumer_parts_free(&target);
    consumer_parts_free(&current.assigned);
    consumer_parts_free(&current.revoking);
    return g->broken ? NULL : consumer_find(g, group, id);
}

static struct consumer_refusal check_instance(const struct consumer_member *m,
                                              const struct consumer_arrival *a, struct arena *arena)
{
    bool same = bytes_equal(m->id, a->member_id);
    /* JoinGroup replaces whoever has the instance id; so may who changes over from it. */
    bool free = a->classic || consumer_member_is_classic(m) || m->epoch == EPOCH_LEAVE_STATIC;

    if (a->join && !free) {
        return refusal(
            KAFKA_UNRELEASED_INSTANCE_ID,
            arena_format(arena,
                         "Static member %.*s with instance id %.*s cannot join the group because "
                         "the instance id is owned by %.*s member.",
                         BYTES_ARG(a->member_id), BYTES_ARG(a->instance_id), BYTES_ARG(m->id)));
    }
    if (!a->join && !same) {
        return refusal(KAFKA_FENCED_INSTANCE_ID,
                       arena_format(arena,
                                    "Static member %.*s with instance id %.*s was fenced by "
                                    "member %.*s.",
                                    BYTES_ARG(a->member_id), BYTES_ARG(a->instance_id),
                                    BYTES_ARG(m->id)));
    }
    return refusal(KAFKA_NONE, BYTES_NULL);
}

static struct consumer_member *arrive_static(struct groups *g, struct group *group,
                                             const struct consumer_arrival *a, struct arena *arena,
                                             struct consumer_refusal *why)
{
    struct consumer_member *m = consumer_find_instance(g, group, a->instance_id);

    if (m == NULL && !a->join) {
        *why = refusal(KAFKA_UNKNOWN_MEMBER_ID, arena_format(arena, "Instance id %.*s is unknown.",
                                                             BYTES_ARG(a->instance_id)));
        return NULL;
    }
    if (m == NULL) {
        return consumer_member_get(g, group, a->member_id);
    }
    /* A member of the classic protocol changes over by just coming. */
    bool changes_over = a->join && a->classic != consumer_member_is_classic(m);
    *why = check_instance(m, a, arena);
    if (why->error != KAFKA_NONE) {
        return NULL;
    }
    if (a->join && (m->epoch == EPOCH_LEAVE_STATIC || !bytes_equal(m->id, a->member_id))) {
        return take_over(g, m, a->member_id);
    }
    *why = changes_over ? refusal(KAFKA_NONE, BYTES_NULL) : check_epoch(m, a, arena);
    return why->error == KAFKA_NONE ? m : NULL;
}

struct consumer_member *consumer_arrive(struct groups *g, struct group *group,
                                        const struct consumer_arrival *a, struct arena *arena,
                                        struct consumer_refusal *why)
{
    *why = refusal(KAFKA_NONE, BYTES_NULL);
    return a->instance_id.at == NULL ? arrive_dynamic(g, group, a, arena, why)
                                     : arrive_static(g, group, a, arena, why);
}

/* ---- what it says of itself ---- */

static bool names_differ(struct groups *g, const struct consumer_member *m,
                         const struct consumer_profile *p)
{
    if (p->names == m->names.at) {
        return false;
    }
    struct consumer_names now = consumer_names_unique(&g->scratch, p->names, p->name_count);
    for (int32_t i = 0; i < now.len && now.len == m->names.len; i++) {
        if (!bytes_equal(now.at[i], m->names.at[i])) {
            return true;
        }
    }
    return now.len != m->names.len;
}

static bool text_differs(struct bytes a, struct bytes b)
{
    return (a.at == NULL) != (b.at == NULL) || !bytes_equal(a, b);
}

static bool offers_differ(const struct consumer_member *m, const struct consumer_profile *p)
{
    if ((p->offers == NULL) != (m->offers == NULL) || p->offer_count != m->offer_count) {
        return true;
    }
    for (int32_t i = 0; i < p->offer_count; i++) {
        if (!bytes_equal(p->offers[i].name, m->offers[i].name) ||
            !bytes_equal(p->offers[i].metadata, m->offers[i].metadata)) {
            return true;
        }
    }
    return p->offers != NULL && p->session_timeout_ms != m->session_timeout_ms;
}

bool consumer_profile_set(struct groups *g, struct consumer_member *m,
                          const struct consumer_profile *p)
{
    bool topics = names_differ(g, m, p);
    bool regex = m->regex.len != p->regex.len || !bytes_equal(m->regex, p->regex);
    /* To none, or to one whose topics are known; another one changes things when it is resolved. */
    bool known = p->regex.len == 0 || consumer_regex_is_resolved(m->group, p->regex);
    bool assignor = m->named && text_differs(m->assignor, p->assignor);
    const struct assignor *before = assignor ? consumer_assignor(g, m->group) : NULL;
    struct bytes old_regex = regex ? arena_copy(&g->scratch, m->regex) : BYTES_NULL;

    if (!m->named || topics || regex || assignor || text_differs(m->rack_id, p->rack_id) ||
        text_differs(m->instance_id, p->instance_id) || text_differs(m->client_id, p->client_id) ||
        text_differs(m->client_host, p->client_host) ||
        m->rebalance_timeout_ms != p->rebalance_timeout_ms || offers_differ(m, p)) {
        consumer_put_member(g, m->group, m->id, p);
        consumer_put_regex_if_unused(g, m->group, old_regex);
    }
    if (g->broken) {
        return false;
    }
    return topics || (regex && known) || (assignor && consumer_assignor(g, m->group) != before);
}
