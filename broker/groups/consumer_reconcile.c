/* broker/groups/consumer_reconcile.c: a member on its way from what it has to what it is to have.
 *
 *     STABLE       has what the target of its epoch says
 *     UNREVOKED    must give up partitions; stays in its epoch until it says that it no longer owns them
 *     UNRELEASED   is to get partitions that somebody else has not given up yet
 *
 * WHY      The rule that keeps a partition from having two owners stands here alone: a partition is added only when
 *          consumer_owner_of() says that nobody holds it, and it is held until the holder has said that it let go,
 *          or has left.
 * STEPS    One a heartbeat. What is to be revoked is taken out of the assignment (the member sees that in the
 *          answer) and kept aside; when the member no longer reports it, the member moves on to the target's epoch.
 */
#include "broker/groups/consumer_internal.h"

/* Does the member still own one of these? If it does not say, it does. */
static bool owns_any(struct consumer_owned owned, struct consumer_parts parts)
{
    for (int32_t i = 0; i < owned.parts.len; i++) {
        const struct consumer_part *p = &owned.parts.at[i];

        if (consumer_parts_find(parts, p->topic_id, p->partition) != NULL) {
            return true;
        }
    }
    return !owned.given;
}

/* The next assignment, being made. */
struct step {
    struct consumer_parts kept, revoked, added, all;
    bool waits; /* for what others hold */
};

static void step_sets(struct groups *g, const struct consumer_member *m, struct step *s)
{
    struct arena *a = &g->scratch;
    int32_t target_epoch = m->group->consumer->target_epoch;

    s->kept = consumer_parts_new(a, m->assigned.len);
    s->revoked = consumer_parts_new(a, m->assigned.len);
    s->added = consumer_parts_new(a, m->target.len);
    if (a->exhausted) {
        *s = (struct step){0};
        return;
    }
    s->kept.len = s->revoked.len = s->added.len = 0;
    for (int32_t i = 0; i < m->assigned.len; i++) {
        const struct consumer_part *p = &m->assigned.at[i];

        if (consumer_parts_find(m->target, p->topic_id, p->partition) != NULL) {
            s->kept.at[s->kept.len++] = *p;
        } else {
            s->revoked.at[s->revoked.len++] = *p;
        }
    }
    for (int32_t i = 0; i < m->target.len; i++) {
        struct consumer_part p = m->target.at[i];

        if (consumer_parts_find(s->kept, p.topic_id, p.partition) != NULL) {
            continue;
        }
        const struct consumer_member *owner =
            consumer_owner_of(g, m->group, p.topic_id, p.partition);
        if (owner == NULL ||
            owner == m) { /* itself: it has just given it up, or is getting it back */
            p.epoch = target_epoch;
            s->added.at[s->added.len++] = p;
        } else {
            s->waits = true;
        }
    }
}

static void step_join(struct groups *g, struct step *s)
{
    s->all = consumer_parts_new(&g->scratch, s->kept.len + s->added.len);
    if (s->all.len == 0) {
        return;
    }
    memcpy(s->all.at, s->kept.at, (size_t)s->kept.len * sizeof(s->all.at[0]));
    if (s->added.len > 0) {
        memcpy(s->all.at + s->kept.len, s->added.at, (size_t)s->added.len * sizeof(s->all.at[0]));
    }
    consumer_parts_sort(s->all);
}

/* Towards the target. */
static void advance(struct groups *g, struct consumer_member *m, struct consumer_owned owned)
{
    struct consumer_current next = {.previous_epoch = m->epoch, .state = MEMBER_STABLE};
    struct step s = {0};

    step_sets(g, m, &s);
    if (s.revoked.len > 0 && owns_any(owned, s.revoked)) {
        next.state = MEMBER_UNREVOKED;
        next.epoch = m->epoch;
        next.assigned = s.kept;
        next.revoking = s.revoked;
    } else {
        step_join(g, &s);
        next.state = s.waits ? MEMBER_UNRELEASED : MEMBER_STABLE;
        next.epoch = m->group->consumer->target_epoch;
        next.assigned = s.all;
    }
    if (g->scratch.exhausted) {
        groups_break(g);
        return;
    }
    if (next.epoch == m->epoch && next.previous_epoch == m->previous_epoch &&
        next.state == m->state && consumer_parts_equal(next.assigned, m->assigned) &&
        consumer_parts_equal(next.revoking, m->revoking)) {
        return;
    }
    consumer_put_current(g, m->group, m->id, &next);
    /* Every step that asks for partitions gives the member its whole time for it. */
    if (next.state == MEMBER_UNREVOKED) {
        group_timer_stop(g, &m->rebalance);
    }
}

void consumer_reconcile(struct groups *g, struct consumer_member *m, struct consumer_owned owned)
{
    int32_t target_epoch = m->group->consumer->target_epoch;

    if (g->broken || (m->state == MEMBER_STABLE && m->epoch == target_epoch)) {
        return;
    }
    switch (m->state) {
    case MEMBER_STABLE:
    case MEMBER_UNRELEASED:
        advance(g, m, owned);
        break;
    case MEMBER_UNREVOKED:
        if (!owns_any(owned, m->revoking)) {
            advance(g, m, owned);
        }
        break;
    }
    if (!g->broken) {
        consumer_rebalance_watch(g, m);
    }
}
