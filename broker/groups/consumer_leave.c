/* broker/groups/consumer_leave.c: sessions, and members that go.
 *
 * SESSION  From heartbeat to heartbeat (KIP-848 members: consumer.session.timeout.ms; those of the classic protocol:
 *          what they asked for). Who is silent for longer is out.
 * REVOKING A member that has to give something up has its own rebalance timeout for it, or it is out: others wait
 *          for those partitions.
 * OUT      Tombstones for the member, then a new group epoch; the next heartbeat of another one divides anew. What it
 *          held is free at once. If only members of the classic protocol are left, the group becomes a classic one.
 */
#include "broker/groups/consumer_internal.h"

#include "broker/config_view.h"

int64_t consumer_session_ms(const struct groups *g, const struct group *group)
{
    return group_config_i64(g->host.config, groups_image(g), group->id,
                            GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS);
}

int64_t consumer_heartbeat_ms(const struct groups *g, const struct group *group)
{
    return group_config_i64(g->host.config, groups_image(g), group->id,
                            GROUP_CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS);
}

static void session_over(struct groups *g, struct group_timer *t)
{
    struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, session);
    int64_t ms =
        consumer_member_is_classic(m) ? m->session_timeout_ms : consumer_session_ms(g, m->group);

    consumer_remove(
        g, m,
        arena_format(&g->scratch, "%.*s was silent for %" PRId64 " ms", BYTES_ARG(m->id), ms));
}

void consumer_session_start(struct groups *g, struct consumer_member *m)
{
    group_timer_start(g, &m->session,
                      consumer_member_is_classic(m) ? m->session_timeout_ms
                                                    : consumer_session_ms(g, m->group),
                      session_over);
}

static void rebalance_over(struct groups *g, struct group_timer *t)
{
    struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, rebalance);

    consumer_remove(g, m,
                    arena_format(&g->scratch, "%.*s did not rebalance within %" PRId32 " ms",
                                 BYTES_ARG(m->id), m->rebalance_timeout_ms));
}

void consumer_rebalance_start(struct groups *g, struct consumer_member *m)
{
    if (!group_timer_runs(&m->rebalance)) {
        group_timer_start(g, &m->rebalance, m->rebalance_timeout_ms, rebalance_over);
    }
}

void consumer_rebalance_watch(struct groups *g, struct consumer_member *m)
{
    if (m->state == MEMBER_UNREVOKED) {
        consumer_rebalance_start(g, m);
    } else if (!consumer_member_is_classic(m)) {
        group_timer_stop(g, &m->rebalance);
    }
}

void consumer_remove_all(struct groups *g, struct group *group, struct consumer_member **members,
                         int32_t count, struct bytes reason)
{
    struct consumer_group *cg = group->consumer;

    if (consumer_may_downgrade(g, group, members, count)) {
        consumer_downgrade(g, group,
                           &(struct consumer_downgrade){
                               .leaving = members, .leaving_count = count, .reason = reason});
        return;
    }
    for (int32_t i = 0; i < count && !g->broken; i++) {
        struct bytes regex = arena_copy(&g->scratch, members[i]->regex);

        consumer_put_member_tombstones(g, members[i]);
        consumer_put_regex_if_unused(g, group, regex);
    }
    if (g->broken) {
        return;
    }
    cg->topics_changed = false;
    consumer_put_epoch(g, group, cg->epoch + 1, consumer_hash(g, group), reason);
    if (list_empty(&cg->members)) {
        group_timer_stop(g, &cg->target_timer);
        consumer_put_target_epoch(g, group, cg->epoch, 0);
        cg->target_us = 0;
    }
}

void consumer_remove(struct groups *g, struct consumer_member *m, struct bytes reason)
{
    consumer_remove_all(g, m->group, &m, 1, reason);
}
