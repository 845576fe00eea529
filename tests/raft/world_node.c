/* tests/raft/world_node.c: a machine: its clock, its disk's time, its host's life, and what its host asks for.
 *
 * WHY      The host does at once what it is told; when it is told is decided here, by plans in the heap.
 * HOW      node_settle() runs after every event of a node and plans what is missing: the timer of the core's deadline, a
 *          sync of unsynced writes, applying what is committed.
 * LIFE     Every start and end begins another life; plans of an earlier one are void, as a process's are.
 * OWNER    The world.
 * FAILURE  What the core must never say ends the world.
 */
#include "tests/raft/world_internal.h"

enum { PPM = 1000000, RELAXED_US_MAX = 5000 };

/* -- clock ------------------------------------------------------------------------------------------------ */

uint64_t node_now_ms(const struct world *w, const struct world_node *n)
{
    uint64_t us = (w->now_us - n->clock_us) * (uint64_t)(PPM + n->clock_ppm) / PPM;

    return n->clock_ms + us / 1000;
}

void node_clock_set(struct world *w, struct world_node *n, int32_t ppm, uint64_t jump_ms)
{
    n->clock_ms = node_now_ms(w, n) + jump_ms;
    n->clock_us = w->now_us;
    n->clock_ppm = ppm;
    n->timer_at_us = UINT64_MAX; /* what is planned was planned with another clock */
}

/* When the node's clock will say at_ms; not before now. */
static uint64_t world_time_of(const struct world *w, const struct world_node *n, uint64_t at_ms)
{
    if (at_ms <= node_now_ms(w, n)) {
        return w->now_us;
    }
    uint64_t us = (at_ms - n->clock_ms) * 1000 * PPM / (uint64_t)(PPM + n->clock_ppm);

    return n->clock_us + us + 1;
}

/* -- who is who ------------------------------------------------------------------------------------------- */

uint16_t node_number(const struct world *w, const struct world_node *n)
{
    return (uint16_t)(n - w->nodes);
}

struct world_node *node_of(struct world *w, uint64_t replica_id)
{
    ASSERT(replica_id != 0 && replica_id <= w->id_last);
    struct world_node *n = &w->nodes[w->node_of_id[replica_id]];

    return n->host != NULL && n->id == replica_id ? n : NULL;
}

bool node_up(const struct world_node *n)
{
    return n->host != NULL && n->host->end != HOST_DOWN;
}

static struct world_node *pick(struct world *w, bool leader)
{
    struct world_node *found[NODE_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < NODE_MAX; i++) {
        struct world_node *n = &w->nodes[i];

        if (node_up(n) && n->host->end == HOST_UP && n->paused_until_us <= w->now_us &&
            (!leader || n->host->role == RAFT_LEADER)) {
            found[count++] = n;
        }
    }
    return count > 0 ? found[sim_random_below(&w->random, count)] : NULL;
}

struct world_node *node_leader(struct world *w)
{
    return pick(w, true);
}

struct world_node *node_any(struct world *w)
{
    return pick(w, false);
}

/* -- life ------------------------------------------------------------------------------------------------- */

/* An empty machine, or one whose replica is lost. */
static struct world_node *free_node(struct world *w)
{
    uint64_t from = sim_random_below(&w->random, NODE_MAX);
    bool reuse = sim_random_below(&w->random, 2) == 0;

    for (uint64_t i = 0; i < NODE_MAX; i++) {
        struct world_node *n = &w->nodes[(from + i) % NODE_MAX];

        if (n->host == NULL || (reuse && n->dead)) {
            return n;
        }
    }
    return NULL;
}

static void new_life(struct world_node *n)
{
    n->life++;
    n->timer_at_us = UINT64_MAX;
    n->sync_mark = n->sync_quick = 0;
    n->relaxed_planned = n->apply_planned = n->changing = false;
    n->paused_until_us = 0;
}

struct world_node *node_new(struct world *w, const struct host_snapshot *base)
{
    struct world_node *n = w->id_last + 1 < REPLICA_MAX ? free_node(w) : NULL;
    int32_t ppm_max = (int32_t)w->profile.clock_ppm_max;
    struct host_options options = {
        .raft = &w->profile.raft, .hooks = &world_hooks, .context = w, .store = &w->store};

    if (n == NULL) {
        return NULL;
    }
    if (n->host != NULL) {
        node_retire(w, n);
    }
    n->id = ++w->id_last;
    w->node_of_id[n->id] = node_number(w, n);
    options.replica_id = n->id;
    options.base = base;
    options.seed = sim_random_next(&w->random);
    options.hot_count = w->profile.hot_count;
    options.trace = w->options->trace;
    n->host = host_new(&options);
    n->dead = false;
    n->slow_until_us = 0;
    n->useless_since_us = UINT64_MAX;
    n->clock_us = w->now_us;
    n->clock_ms = sim_random_below(&w->clock, PPM);
    n->clock_ppm = (int32_t)sim_random_below(&w->clock, (uint64_t)ppm_max * 2 + 1) - ppm_max;
    new_life(n);
    w->totals.replicas++;
    world_note(w, "replica %" PRIu64 " on machine %" PRIu64, n->id, node_number(w, n));
    return n;
}

void node_start(struct world *w, struct world_node *n)
{
    ASSERT(!n->dead && !node_up(n));
    new_life(n);
    host_start(n->host, node_now_ms(w, n));
    w->totals.fenced_starts += n->host->disk.fenced || n->host->disk.damaged ? 1 : 0;
    node_settle(w, n);
}

void node_crash(struct world *w, struct world_node *n, bool keep)
{
    struct host *h = n->host;
    uint32_t whole = h->write_count, part = 0;

    if (!keep && sim_random_below(&w->clock, 2) == 0) {
        whole = (uint32_t)sim_random_below(&w->clock, whole + 1u);
    } else if (!keep) {
        whole = 0;
    }
    if (whole < h->write_count && sim_random_chance(&w->clock, w->profile.torn_ppm)) {
        part = (uint32_t)sim_random_below(&w->clock,
                                          h->writes[h->write_first + whole].entry_count + 1u);
    }
    w->totals.crashes++;
    world_note(w, "crash of %" PRIu64 ", keeps %" PRIu64 " writes", n->id, whole);
    host_crash(h, whole, part);
    new_life(n);
}

void node_stop(struct world *w, struct world_node *n)
{
    w->totals.stops++;
    world_note(w, "stop of %" PRIu64 " (%" PRIu64 ")", n->id, 0);
    host_stop(n->host);
    new_life(n);
}

void node_lose(struct world *w, struct world_node *n)
{
    w->totals.disks_lost++;
    world_note(w, "disk of %" PRIu64 " is lost (%" PRIu64 ")", n->id, 0);
    if (node_up(n)) {
        node_crash(w, n, false);
    }
    n->dead = true;
}

void node_damage(struct world *w, struct world_node *n)
{
    const struct host_log *l = &n->host->disk.log;

    node_crash(w, n, false);
    uint32_t left = (uint32_t)sim_random_below(&w->random, l->count + 1u);

    w->totals.damages++;
    world_note(w, "disk of %" PRIu64 " is damaged, %" PRIu64 " entries are left", n->id, left);
    host_damage(n->host,
                left > 0 ? host_log_at(l, left - 1)->bound.index : l->base->raft.bound.index);
}

void node_fail_disk(struct world *w, struct world_node *n)
{
    w->totals.disks_lost++;
    world_note(w, "disk of %" PRIu64 " fails (%" PRIu64 ")", n->id, 0);
    n->dead = true;
    host_fail_disk(n->host, node_now_ms(w, n));
}

void node_retire(struct world *w, struct world_node *n)
{
    world_note(w, "replica %" PRIu64 " is taken away (%" PRIu64 ")", n->id, 0);
    if (node_up(n)) {
        node_crash(w, n, true);
    }
    host_free(n->host);
    n->host = NULL;
    n->dead = false;
    new_life(n);
}

/* -- plans ------------------------------------------------------------------------------------------------- */

static uint64_t sync_delay(struct world *w, const struct world_node *n)
{
    const struct world_profile *p = &w->profile;
    uint64_t us = p->sync_us + sim_random_below(&w->clock, p->sync_jitter_us + 1u);

    if (sim_random_chance(&w->clock, p->sync_spike_ppm)) {
        us += sim_random_below(&w->clock, p->sync_spike_ms * 1000ull + 1);
    }
    if (n->slow_until_us > w->now_us) {
        us += sim_random_below(&w->clock, p->slow_sync_ms * 1000ull + 1);
    }
    return us;
}

/* Syncs follow one another; of relaxed appends alone they may wait for long. */
static void plan_sync(struct world *w, struct world_node *n)
{
    struct host *h = n->host;
    bool lazy = w->profile.raft.relaxed && h->ticket <= h->durable;
    struct world_event e = {.kind = EVENT_SYNC, .node = node_number(w, n), .life = n->life};

    if (h->written == h->synced || (lazy && n->sync_mark > h->synced) ||
        (!lazy && n->sync_quick > h->synced)) {
        return;
    }
    e.a = n->sync_mark = host_sync_begins(h);
    e.at_us = w->now_us + sync_delay(w, n);
    if (lazy) {
        e.at_us += sim_random_below(&w->clock, w->profile.flush_ms * 1000ull + 1);
    } else {
        n->sync_quick = h->written;
    }
    world_plan(w, &e);
}

static void plan_timer(struct world *w, struct world_node *n)
{
    uint64_t deadline_ms = host_deadline(n->host);
    struct world_event e = {.kind = EVENT_TIMER, .node = node_number(w, n), .life = n->life};

    if (deadline_ms == UINT64_MAX) {
        return;
    }
    e.at_us = world_time_of(w, n, deadline_ms);
    if (e.at_us < n->timer_at_us) {
        n->timer_at_us = e.at_us;
        world_plan(w, &e);
    }
}

static void plan_apply(struct world *w, struct world_node *n)
{
    struct host *h = n->host;

    if (h->commit > h->applied && w->profile.apply_us == 0) {
        host_apply(h, h->commit, node_now_ms(w, n));
    } else if (h->commit > h->applied && !n->apply_planned) {
        n->apply_planned = true;
        world_plan_node(w, n, EVENT_APPLY, sim_random_below(&w->clock, w->profile.apply_us + 1u));
    }
}

void node_settle(struct world *w, struct world_node *n)
{
    struct host *h = n->host;

    if (!node_up(n) || h->end != HOST_UP) {
        return;
    }
    plan_apply(w, n);
    clients_read(w, n);
    if (h->log.count > w->profile.keep_max && h->applied > h->log.base->raft.bound.index) {
        bool all = h->log.count / 2 > w->profile.keep_max;

        w->totals.compactions += host_compact(h, all, node_now_ms(w, n)) ? 1 : 0;
    }
    if (h->relaxed_due && !n->relaxed_planned) {
        n->relaxed_planned = true;
        world_plan_node(w, n, EVENT_RELAXED, sim_random_below(&w->clock, RELAXED_US_MAX));
    }
    plan_sync(w, n);
    plan_timer(w, n);
}

static void timer(struct world *w, struct world_node *n, const struct world_event *e)
{
    struct raft_in in = {.kind = RAFT_IN_TIME, .now_ms = node_now_ms(w, n)};

    if (e->at_us != n->timer_at_us) {
        return; /* another one is due earlier, or was */
    }
    n->timer_at_us = UINT64_MAX;
    if (host_deadline(n->host) > in.now_ms) {
        return; /* meanwhile it is due later; settling plans that */
    }
    host_step(n->host, &in);
    ASSERT(host_deadline(n->host) > in.now_ms); /* or it would be due for ever */
}

static void answer_snapshot(struct world *w, struct world_node *n, uint64_t to)
{
    const struct host *h = n->host;
    bool base = sim_random_below(&w->clock, 2) == 0 && h->log.base->raft.bound.index > 0;

    w->totals.snapshots++;
    host_snapshot(n->host, to, base ? h->log.base->raft.bound.index : h->applied,
                  node_now_ms(w, n));
}

static void answer_fetch(struct world *w, struct world_node *n, const struct world_event *e)
{
    struct host_fetch f = {.to = e->a, .after = e->b, .bytes_max = (uint32_t)e->c};

    w->totals.cold_reads++;
    host_fetched(n->host, &f, sim_random_chance(&w->clock, w->profile.fetch_fail_ppm),
                 node_now_ms(w, n));
}

void node_event(struct world *w, struct world_node *n, const struct world_event *e)
{
    uint64_t now_ms = node_now_ms(w, n);

    switch ((int)e->kind) {
    case EVENT_TIMER:
        timer(w, n, e);
        break;
    case EVENT_SYNC:
        host_synced(n->host, e->a, now_ms);
        break;
    case EVENT_RELAXED:
        n->relaxed_planned = false;
        host_relaxed(n->host, now_ms);
        break;
    case EVENT_APPLY:
        n->apply_planned = false;
        host_apply(n->host, n->host->commit, now_ms);
        break;
    case EVENT_FETCH:
        answer_fetch(w, n, e);
        break;
    case EVENT_SNAPSHOT:
        answer_snapshot(w, n, e->a);
        break;
    default:
        UNREACHABLE();
    }
    node_settle(w, n);
}
