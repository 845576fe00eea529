/* tests/raft/world_end.c: after the trouble everything is healed, and the group must come to rest.
 *
 * WHY      A group that never does anything is never wrong. When machines, network and disks are well again there
 *          has to be a leader within 5 election time-outs, clients have to be served, and all members of the configuration
 *          have to be equal, durable and done with changes soon after.
 * STAGES   LEADER: exactly one claims to lead. SERVE: it serves, when it could send what a majority lacked. CLIENTS: one
 *          write and one read since the heal. REST: clients are quiet; nothing differs any more; the logs are compared whole. STEADY: nobody disturbs a leader whom nothing
 *          is wrong with.
 * OWNER    The world.
 * FAILURE  The law `liveness`.
 */
#include "tests/raft/world_internal.h"

enum {
    LEADER_ELECTIONS = 5,
    REST_ELECTIONS = 20,
    CANCEL_ELECTIONS = 10,
    STEADY_ELECTIONS = 4,
    TRANSFER_ELECTIONS =
        2,            /* those asked for before the heal have ended, and their messages have come */
    ENTRY_US = 20000, /* time that an entry behind may take: round trips with small windows */
    CALM_DELAY_US = 500,
    CALM_SYNC_US = 500,
};

static uint64_t elections_us(const struct world *w, uint32_t count)
{
    return (uint64_t)w->profile.raft.election_ms * 1000 * count;
}

static void calm_profile(struct world_profile *p)
{
    p->delay_us = p->jitter_us = CALM_DELAY_US;
    p->spike_ppm = p->stale_ppm = p->loss_ppm = p->repeat_ppm = p->busy_ppm = 0;
    p->sync_us = p->sync_jitter_us = CALM_SYNC_US;
    p->sync_spike_ppm = p->fetch_fail_ppm = 0;
    p->flush_ms = 1;
    p->apply_us = 0;
    p->fetch_us = CALM_DELAY_US;
    p->compact_ms = 0;
    p->trouble_ms = 0;
    p->think_ms = MIN(p->think_ms, p->raft.election_ms / 4);
    p->patience_ms = p->raft.election_ms;
    p->read_ppm = SIM_PPM / 2;
}

/* What is on its way comes soon: stale messages of yesterday do arrive, but not for ever. */
static void hurry(struct world *w)
{
    uint64_t soon_us = elections_us(w, 1) / 4;

    for (uint32_t i = 0; i < w->heap.count; i++) {
        struct world_event *e = &w->heap.at[i];

        if ((e->kind == EVENT_MESSAGE || (e->kind >= EVENT_SYNC && e->kind <= EVENT_SNAPSHOT)) &&
            e->at_us > w->now_us + soon_us) {
            e->at_us = w->now_us + sim_random_below(&w->network, soon_us + 1);
        }
    }
    world_heap_reorder(&w->heap);
}

static void heal_node(struct world *w, struct world_node *n)
{
    n->paused_until_us = n->slow_until_us = 0;
    memset(n->last_arrival_us, 0, sizeof(n->last_arrival_us));
    if (n->host == NULL) {
        return;
    }
    node_clock_set(w, n, 0, 0);
    if (!node_up(n) && !n->dead) {
        node_start(w, n);
    } else {
        node_settle(w, n);
    }
}

static void plan_poll(struct world *w)
{
    struct world_event e = {.kind = EVENT_POLL};

    e.at_us = w->now_us + elections_us(w, 1) / 50;
    world_plan(w, &e);
}

void end_begin(struct world *w)
{
    world_note(w, "all is healed (%" PRIu64 " %" PRIu64 ")", 0, 0);
    w->stage = STAGE_LEADER;
    w->heal_us = w->now_us;
    w->writes_before = w->totals.writes_ok;
    w->reads_before = w->totals.reads_ok;
    calm_profile(&w->profile);
    network_heal(w);
    hurry(w);
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        heal_node(w, &w->nodes[i]);
    }
    for (uint32_t i = 0; i < w->profile.clients; i++) {
        struct world_event e = {.kind = EVENT_CLIENT, .at_us = w->now_us, .a = i};

        e.b = w->clients[i].generation;
        world_plan(w, &e);
    }
    plan_poll(w);
}

/* The only one that claims to lead. */
static struct world_node *only_leader(struct world *w)
{
    struct world_node *leader = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < NODE_MAX; i++) {
        struct world_node *n = &w->nodes[i];

        if (node_up(n) && n->host->role == RAFT_LEADER) {
            leader = n;
            count++;
        }
    }
    return count == 1 ? leader : NULL;
}

static void describe(const struct world *w)
{
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        const struct world_node *n = &w->nodes[i];
        struct raft_view v;

        if (node_up(n)) {
            raft_view(n->host->raft, &v);
            check_note(w->check, world_ms(w), "replica %" PRIu64 " has role %" PRIu64, n->id,
                       (uint64_t)v.role);
            check_note(w->check, world_ms(w), "  its term is %" PRIu64 ", the leader %" PRIu64,
                       v.term, v.leader);
            check_note(w->check, world_ms(w), "  its log ends at %" PRIu64 "^%" PRIu64,
                       v.last.index, v.last.term);
            check_note(w->check, world_ms(w), "  its commit is %" PRIu64 ", durable is %" PRIu64,
                       v.commit, v.durable);
            check_note(w->check, world_ms(w),
                       "  its configuration is %" PRIu64
                       ", 1 changing + 2 joint + 4 fenced: %" PRIu64,
                       v.configuration_index,
                       (uint64_t)((v.changing ? 1 : 0) + (v.joint ? 2 : 0) + (v.fenced ? 4 : 0)));
        }
    }
}

static bool member_rests(struct world *w, uint64_t id, const struct raft_view *leader)
{
    struct world_node *n = node_of(w, id);
    struct raft_view v;

    if (n == NULL || n->dead) {
        return true;
    }
    raft_view(n->host->raft, &v);
    return v.term == leader->term && v.last.index == leader->last.index &&
           v.last.term == leader->last.term && v.durable == v.last.index &&
           v.commit == leader->commit && v.commit == v.last.index && !v.fenced &&
           n->host->applied == v.commit;
}

static bool rests(struct world *w, const struct world_node *n)
{
    struct raft_configuration c;
    struct raft_view v;

    raft_view(n->host->raft, &v);
    raft_configuration_get(n->host->raft, &c);
    if (v.changing || v.joint || v.transferring || !v.configuration_committed) {
        return false;
    }
    for (uint32_t i = 0; i < c.count; i++) {
        if (!member_rests(w, c.members[i].replica_id, &v)) {
            return false;
        }
    }
    return true;
}

static bool all_up(struct world *w, const struct raft_configuration *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const struct world_node *n = node_of(w, c->members[i].replica_id);

        if (n == NULL || n->dead || n->host->end != HOST_UP) {
            return false;
        }
    }
    return true;
}

/* A change waits for who never comes; when all it needs are there, it has to come to its end by itself. */
static void cancel(struct world *w, struct world_node *n, bool late)
{
    struct raft_in in = {.kind = RAFT_IN_CANCEL, .now_ms = node_now_ms(w, n)};
    struct raft_view v;

    raft_view(n->host->raft, &v);
    if (v.changing && n->changing && all_up(w, &n->target)) {
        if (late) {
            describe(w);
            check_fail(w->check, "liveness",
                       "the change at %" PRIu64 " does not end, and all its members are there",
                       n->id);
        }
        return;
    }
    if (v.changing) {
        w->cancelled = true;
        w->totals.cancels++;
        world_note(w, "the change at %" PRIu64 " is cancelled (%" PRIu64 ")", n->id, 0);
        host_step(n->host, &in);
        node_settle(w, n);
    }
}

static bool entry_at(const void *context, uint64_t at, struct check_entry *out)
{
    const struct host_log *l = context;

    if (at >= l->count) {
        return false;
    }
    const struct host_entry *e = host_log_at(l, (uint32_t)at);

    *out = (struct check_entry){e->bound, e->value, e->configuration};
    return true;
}

static void compare_logs(struct world *w)
{
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        const struct world_node *n = &w->nodes[i];

        if (node_up(n) && n->host->end == HOST_UP) {
            check_log(w->check, n->id, entry_at, &n->host->log, host_log_delta(&n->host->log));
        }
    }
}

static uint64_t term_of(const struct world_node *n)
{
    struct raft_view v;

    raft_view(n->host->raft, &v);
    return v.term;
}

static void advance(struct world *w, struct world_node *leader)
{
    uint64_t since_us = w->now_us - w->heal_us;

    switch (w->stage) {
    case STAGE_LEADER:
        if (leader != NULL) {
            w->stage = STAGE_SERVE;
            w->leader_us = w->now_us;
        }
        break;
    case STAGE_SERVE:
        if (leader != NULL && leader->host->serving) {
            w->stage = STAGE_CLIENTS;
        }
        break;
    case STAGE_CLIENTS:
        if (w->totals.writes_ok > w->writes_before && w->totals.reads_ok > w->reads_before) {
            w->stage = STAGE_REST;
        }
        break;
    case STAGE_REST:
        if (leader != NULL && rests(w, leader) && since_us > elections_us(w, TRANSFER_ELECTIONS)) {
            w->stage = STAGE_STEADY;
            w->steady_us = w->now_us;
            w->steady_id = leader->id;
            w->steady_term = term_of(leader);
            compare_logs(w);
        }
        break;
    case STAGE_STEADY:
        if (leader == NULL || leader->id != w->steady_id || term_of(leader) != w->steady_term) {
            describe(w);
            check_fail(w->check, "liveness",
                       "%" PRIu64 " led term %" PRIu64 " and was deposed without a reason",
                       w->steady_id, w->steady_term);
        }
        if (w->now_us - w->steady_us > elections_us(w, STEADY_ELECTIONS)) {
            w->stage = STAGE_END;
        }
        break;
    case STAGE_TROUBLE:
    case STAGE_END:
    default:
        break;
    }
}

/* How long it may take to send what a member may lack: of the longest log since the heal, for logs get shorter while
 * this goes on. */
static uint64_t bytes_us(struct world *w)
{
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        const struct world_node *n = &w->nodes[i];

        w->longest = node_up(n) ? MAX(w->longest, n->host->log.count) : w->longest;
    }
    return (uint64_t)w->longest * ENTRY_US;
}

void end_poll(struct world *w)
{
    static const char *const waits[] = {"trouble",
                                        "one leader",
                                        "the leader to serve",
                                        "clients that are answered",
                                        "all members to be equal",
                                        "nothing to happen"};
    struct world_node *leader = only_leader(w);
    uint64_t since_us = w->now_us - w->heal_us, limit_us = elections_us(w, LEADER_ELECTIONS);
    uint64_t sending_us = bytes_us(w);

    limit_us += w->stage > STAGE_LEADER ? sending_us : 0;
    limit_us += w->stage > STAGE_SERVE ? elections_us(w, REST_ELECTIONS + STEADY_ELECTIONS) : 0;
    advance(w, leader);
    if (w->stage == STAGE_END) {
        return;
    }
    if (since_us > limit_us) {
        describe(w);
        check_fail(w->check, "liveness", "%" PRIu64 " ms after the heal still waiting for %s",
                   since_us / 1000, waits[w->stage]);
    }
    if (since_us > elections_us(w, CANCEL_ELECTIONS) && leader != NULL && !w->cancelled) {
        cancel(w, leader, since_us > elections_us(w, CANCEL_ELECTIONS) + sending_us);
    }
    plan_poll(w);
}
