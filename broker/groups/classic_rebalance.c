/* broker/groups/classic_rebalance.c: from one generation to the next: who is waited for, how long, and who is left.
 *
 * WHY      Members divide the partitions among themselves only while nobody comes or goes. So a generation is
 *          closed: whoever comes, goes or changes what it can do begins the next one, for which all join again.
 * FLOW     classic_rebalance -> PreparingRebalance: JoinGroup calls wait, heartbeats say "join again"
 *            -> all have joined, or the longest rebalance time-out of the members has passed
 *            -> CompletingRebalance: joins are answered, SyncGroup calls wait for the leader's division
 *            -> Stable (classic_sync.c)
 * INITIAL  The first members of an empty group come one by one: it waits until nobody has come for
 *          group.initial.rebalance.delay.ms, up to the rebalance time-out. (Kafka waits in whole multiples.)
 * LEFT OUT Dynamic members that did not join in time are removed. Static ones stay: they may come back until their
 *          session ends. If nobody joined, the wait begins again. A member that does not ask for its assignment
 *          for the rebalance time-out after the answers is removed, too, and the next generation begins.
 * SESSION  A member that waits in a call is alive; its session begins anew with the answer. Only a new member may
 *          run out of time in JoinGroup (CLASSIC_NEW_MEMBER_MS): its client may be gone, and tries again if not.
 */
#include "broker/groups/classic_internal.h"

enum { US_PER_MS = 1000 };

void classic_state_set(struct groups *g, struct classic_group *cg, enum classic_state state)
{
    cg->state = state;
    cg->state_since_ms = groups_wall_ms(g);
}

/* ---- calls that wait ---- */

void classic_join_refuse(struct groups *g, struct classic_member *m, enum kafka_error error,
                         struct bytes member_id)
{
    struct group_call *c = m->join;

    if (c == NULL) {
        return;
    }
    m->join = NULL;
    m->group->classic->joins--;
    struct join_group_response *out = c->out;
    out->error_code = error;
    out->protocol_name = BYTES_NULL;
    out->member_id = arena_copy(c->arena, member_id);
    group_call_end(g, m->group, c);
}

void classic_sync_refuse(struct groups *g, struct classic_member *m, enum kafka_error error)
{
    struct group_call *c = m->sync;

    if (c == NULL) {
        return;
    }
    m->sync = NULL;
    ((struct sync_group_response *)c->out)->error_code = error;
    group_call_end(g, m->group, c);
}

/* ---- who is missing ---- */

static bool all_joined(const struct classic_group *cg)
{
    return (size_t)cg->joins == cg->members.len && list_empty(&cg->pending);
}

/* The longest that a member wants to be waited for. */
static int64_t timeout_ms(const struct classic_group *cg)
{
    int32_t longest = 0;

    list_for_each (&cg->members, link) {
        const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, link);

        longest = MAX(longest, m->rebalance_timeout_ms);
    }
    return longest;
}

static void remove_missing(struct groups *g, struct classic_group *cg)
{
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        if (m->join == NULL && m->instance_id.at == NULL) {
            classic_member_remove(g, m);
        }
    }
}

/* The leader stays if it has joined; else the first that has. False: nobody has. */
static bool elect(struct classic_group *cg)
{
    if (cg->leader == NULL || cg->leader->join != NULL) {
        return cg->leader != NULL;
    }
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        if (m->join != NULL) {
            cg->leader = m;
            return true;
        }
    }
    return false;
}

/* ---- PreparingRebalance -> CompletingRebalance or Empty ---- */

static void complete(struct groups *g, struct group *group);

static void joins_due(struct groups *g, struct group_timer *t)
{
    complete(g, CONTAINER_OF(t, struct classic_group, timer)->group);
}

static void syncs_due(struct groups *g, struct group_timer *t)
{
    struct classic_group *cg = CONTAINER_OF(t, struct classic_group, timer);
    struct bytes first = BYTES_NULL;
    int32_t count = cg->syncs_missing;

    ASSERT(cg->state == CLASSIC_COMPLETING || cg->state == CLASSIC_STABLE);
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        if (m->sync_missing) {
            first = first.at == NULL ? arena_copy(&g->scratch, m->id) : first;
            classic_join_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID, BYTES(""));
            classic_sync_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID);
            classic_member_remove(g, m);
        }
    }
    if (count > 0) {
        classic_prepare(g, cg->group,
                        arena_format(&g->scratch,
                                     "%d members did not ask for their assignment, among them %.*s",
                                     count, BYTES_ARG(first)));
    }
}

/* Nobody is left: a generation without members. */
static void complete_empty(struct groups *g, struct group *group)
{
    struct classic_group *cg = group->classic;

    classic_protocol_choose(cg, NULL);
    classic_state_set(g, cg, CLASSIC_EMPTY);
    (void)classic_put(g, group, cg->reason, PAUSE_NONE); /* without members it is small */
}

static void complete(struct groups *g, struct group *group)
{
    struct classic_group *cg = group->classic;

    ASSERT(cg->state == CLASSIC_PREPARING);
    group_timer_stop(g, &cg->timer);
    remove_missing(g, cg);
    if (!elect(cg) && !list_empty(&cg->members)) {
        group_timer_start(g, &cg->timer, timeout_ms(cg), joins_due);
        return;
    }
    cg->generation = cg->generation == INT32_MAX ? 1 : cg->generation + 1;
    cg->initial = false;
    if (list_empty(&cg->members)) {
        complete_empty(g, group);
        return;
    }
    classic_protocol_choose(cg, classic_vote(cg));
    classic_state_set(g, cg, CLASSIC_COMPLETING);
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        m->is_new = false;
        if (!m->sync_missing) {
            m->sync_missing = true;
            cg->syncs_missing++;
        }
        if (m->join != NULL) {
            struct group_call *c = m->join;

            m->join = NULL;
            cg->joins--;
            classic_join_answer(g, m, c);
        }
        classic_session_start(g, m);
    }
    if (timeout_ms(cg) > 0) {
        group_timer_start(g, &cg->timer, timeout_ms(cg), syncs_due);
    } else { /* nobody is to be waited for; comes back here at most once, without members */
        syncs_due(g, &cg->timer);
    }
}

void classic_complete_if_joined(struct groups *g, struct group *group)
{
    struct classic_group *cg = group->classic;

    if (cg->state == CLASSIC_PREPARING && !cg->initial && all_joined(cg)) {
        complete(g, group);
    }
}

/* ---- any -> PreparingRebalance ---- */

static uint64_t initial_delay_us(const struct groups *g)
{
    return (uint64_t)MAX(groups_config(g, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS), 0) * US_PER_MS;
}

static void initial_due(struct groups *g, struct group_timer *t)
{
    struct classic_group *cg = CONTAINER_OF(t, struct classic_group, timer);
    uint64_t delay_us = initial_delay_us(g);
    uint64_t end_us =
        MIN(cg->added_us + delay_us,
            cg->initial_from_us + MAX(delay_us, (uint64_t)timeout_ms(cg) * US_PER_MS));
    uint64_t now_us = groups_now_us(g);

    if (now_us >= end_us) {
        complete(g, cg->group);
        return;
    }
    group_timer_start(g, &cg->timer, (int64_t)((end_us - now_us + US_PER_MS - 1) / US_PER_MS),
                      initial_due);
}

static void initial_begin(struct groups *g, struct classic_group *cg)
{
    cg->initial = true;
    cg->initial_from_us = cg->added_us = groups_now_us(g);
    group_timer_start(g, &cg->timer, (int64_t)(initial_delay_us(g) / US_PER_MS), initial_due);
}

/* Members that wait for this generation's assignment will not get it. */
static void syncs_cancel(struct groups *g, struct classic_group *cg)
{
    list_for_each (&cg->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        if (cg->state == CLASSIC_COMPLETING) {
            group_copy_free(m->assignment);
            m->assignment = BYTES_NULL;
        }
        if (m->sync != NULL) {
            classic_sync_refuse(g, m, KAFKA_REBALANCE_IN_PROGRESS);
            classic_session_start(g, m);
        }
        m->sync_missing = false;
    }
    cg->syncs_missing = 0;
}

static void reason_keep(struct groups *g, struct classic_group *cg, struct bytes reason)
{
    struct bytes cut = bytes_slice(reason, 0, CLASSIC_REASON_BYTES_MAX);

    while (cut.len < reason.len && cut.len > 0 && (reason.at[cut.len] & 0xc0) == 0x80) {
        cut.len--; /* not within a character */
    }
    group_copy_free(cg->reason);
    cg->reason = group_copy(g, cut);
}

void classic_prepare(struct groups *g, struct group *group, struct bytes reason)
{
    struct classic_group *cg = group->classic;

    ASSERT(cg->state != CLASSIC_PREPARING);
    if (cg->state != CLASSIC_COMPLETING) {
        cg->pause_from_us = groups_now_us(g); /* else the members have not worked since */
    }
    reason_keep(g, cg, reason);
    syncs_cancel(g, cg);
    group_timer_stop(g, &cg->timer);
    bool was_empty = cg->state == CLASSIC_EMPTY;
    classic_state_set(g, cg, CLASSIC_PREPARING);
    g->host.stats->group_rebalances++;
    if (was_empty) {
        initial_begin(g, cg);
    } else if (all_joined(cg)) {
        complete(g, group);
    } else {
        group_timer_start(g, &cg->timer, timeout_ms(cg), joins_due);
    }
}

void classic_rebalance(struct groups *g, struct group *group, struct bytes reason)
{
    if (group->classic->state == CLASSIC_PREPARING) {
        classic_complete_if_joined(g, group);
    } else {
        classic_prepare(g, group, reason);
    }
}

/* ---- sessions ---- */

void classic_member_gone(struct groups *g, struct classic_member *m, struct bytes reason)
{
    struct group *group = m->group;
    struct classic_group *cg = group->classic;
    bool was_pending = m->pending;

    classic_join_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID, BYTES(""));
    classic_sync_refuse(g, m, KAFKA_UNKNOWN_MEMBER_ID);
    classic_member_remove(g, m);
    if (cg->state == CLASSIC_PREPARING) {
        if (all_joined(cg)) {
            complete(g, group);
        }
    } else if (!was_pending && cg->state != CLASSIC_EMPTY) {
        classic_prepare(g, group, reason);
    }
}

static void session_due(struct groups *g, struct group_timer *t)
{
    struct classic_member *m = CONTAINER_OF(t, struct classic_member, session);

    if (!m->is_new && (m->join != NULL || m->sync != NULL)) {
        return; /* alive: it waits for us */
    }
    classic_member_gone(
        g, m,
        m->is_new ? arena_format(&g->scratch, "%.*s joined and did not come back", BYTES_ARG(m->id))
                  : arena_format(&g->scratch, "%.*s did not heartbeat for %" PRId32 " ms",
                                 BYTES_ARG(m->id), m->session_timeout_ms));
}

void classic_session_start(struct groups *g, struct classic_member *m)
{
    group_timer_start(g, &m->session, m->session_timeout_ms, session_due);
}

void classic_session_start_new(struct groups *g, struct classic_member *m)
{
    m->is_new = true;
    group_timer_start(g, &m->session, CLASSIC_NEW_MEMBER_MS, session_due);
}
