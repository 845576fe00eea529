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

/* Those of topics that the member subscribes to now: the target may be older than that. */
static struct consumer_parts still_read(struct groups *g, const struct consumer_member *m,
                                        struct consumer_parts parts)
{
    struct consumer_parts out = consumer_parts_new(&g->scratch, parts.len);
    bool reads = false;

    out.len = 0;
    for (int32_t i = 0; out.at != NULL && i < parts.len; i++) {
        if (i == 0 || !uuid_equal(parts.at[i].topic_id, parts.at[i - 1].topic_id)) {
            reads = consumer_reads(g, m, parts.at[i].topic_id);
        }
        if (reads) {
            out.at[out.len++] = parts.at[i];
        }
    }
    return out;
}

/* The next assignment, being made. */
struct step {
    struct consumer_parts target, kept, revoked, added, all;
    bool waits; /* for what others hold */
};

static void step_sets(struct groups *g, const struct consumer_member *m, struct step *s)
{
    struct arena *a = &g->scratch;
    int32_t target_epoch = m->group->consumer->target_epoch;

    s->target = still_read(g, m, m->target);
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

        if (consumer_parts_find(s->target, p->topic_id, p->partition) != NULL) {
            s->kept.at[s->kept.len++] = *p;
        } else {
            s->revoked.at[s->revoked.len++] = *p;
        }
    }
    for (int32_t i = 0; i < s->target.len; i++) {
        struct consumer_part p = s->target.at[i];

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

/* Not towards the target: only what it has stopped to read goes. */
static void shrink(struct groups *g, struct consumer_member *m, struct consumer_owned owned)
{
    struct consumer_current next = {
        .epoch = m->epoch, .previous_epoch = m->epoch, .state = m->state, .revoking = m->revoking};
    struct consumer_parts kept = still_read(g, m, m->assigned);
    int32_t gone = m->assigned.len - kept.len;
    struct consumer_parts revoking = consumer_parts_new(&g->scratch, m->revoking.len + gone);

    if (g->scratch.exhausted) {
        groups_break(g);
        return;
    }
    if (gone == 0) {
        return;
    }
    revoking.len = 0;
    for (int32_t i = 0; i < m->revoking.len; i++) {
        revoking.at[revoking.len++] = m->revoking.at[i];
    }
    for (int32_t i = 0; i < m->assigned.len; i++) {
        if (consumer_parts_find(kept, m->assigned.at[i].topic_id, m->assigned.at[i].partition) ==
            NULL) {
            revoking.at[revoking.len++] = m->assigned.at[i];
        }
    }
    consumer_parts_sort(revoking);
    next.assigned = kept;
    if (owns_any(owned, revoking)) {
        next.state = MEMBER_UNREVOKED;
        next.revoking = revoking;
    }
    consumer_put_current(g, m->group, m->id, &next);
    group_timer_stop(g, &m->rebalance);
}

void consumer_reconcile(struct groups *g, struct consumer_member *m, struct consumer_owned owned,
                        bool resubscribed)
{
    int32_t target_epoch = m->group->consumer->target_epoch;
    bool waits = false; /* no step towards the target now */

    if (g->broken || (m->state == MEMBER_STABLE && m->epoch == target_epoch && !resubscribed)) {
        return;
    }
    switch (m->state) {
    case MEMBER_STABLE:
        waits = m->epoch == target_epoch;
        break;
    case MEMBER_UNRELEASED:
        break;
    case MEMBER_UNREVOKED:
        waits = owns_any(owned, m->revoking);
        break;
    }
    if (!waits) {
        advance(g, m, owned);
    } else if (resubscribed) {
        shrink(g, m, owned);
    }
    if (!g->broken) {
        consumer_rebalance_watch(g, m);
    }
}
