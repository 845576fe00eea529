/* tests/raft/world_network.c: messages between machines: late, lost, twice, out of order, or stale.
 *
 * WHY      The core is promised nothing of the network (H3), so it gets nothing: even a message for a replica whose
 *          machine has a new identity now is delivered there.
 * HOW      Each message draws its own delay; an ordered link never lets one overtake another, stale ones apart.
 * OWNER    The world.
 * FAILURE  None.
 */
#include "tests/raft/world_internal.h"

static uint64_t draw_delay(struct world *w, bool *out_stale)
{
    const struct world_profile *p = &w->profile;
    uint64_t us = p->delay_us + sim_random_below(&w->network, p->jitter_us + 1u);

    *out_stale = false;
    if (sim_random_chance(&w->network, p->spike_ppm)) {
        us += sim_random_below(&w->network, p->spike_ms * 1000ull + 1);
    }
    if (sim_random_chance(&w->network, p->stale_ppm)) {
        us += sim_random_below(&w->network, p->stale_ms * 1000ull + 1);
        *out_stale = true;
    }
    return us;
}

static void plan_arrival(struct world *w, struct world_node *from, uint16_t to,
                         struct host_message *m)
{
    bool stale;
    struct world_event e = {.kind = EVENT_MESSAGE, .node = to, .message = m};

    e.at_us = w->now_us + draw_delay(w, &stale);
    if (w->profile.ordered && !stale) {
        e.at_us = MAX(e.at_us, from->last_arrival_us[to] + 1);
        from->last_arrival_us[to] = e.at_us;
    }
    world_plan(w, &e);
}

void network_send(struct world *w, struct world_node *from, struct host_message *m)
{
    uint64_t id = m->message.to;

    w->totals.messages++;
    ASSERT(id != 0 && id <= w->id_last);
    uint16_t to = w->node_of_id[id];

    if (from->blocked[to] || sim_random_chance(&w->network, w->profile.loss_ppm)) {
        w->totals.lost++;
        host_message_free(&w->store, m);
        return;
    }
    if (sim_random_chance(&w->network, w->profile.repeat_ppm)) {
        plan_arrival(w, from, to, host_message_copy(&w->store, m));
    }
    plan_arrival(w, from, to, m);
}

void network_arrive(struct world *w, const struct world_event *e)
{
    struct world_node *n = &w->nodes[e->node];
    struct host_message *m = e->message;

    if (node_up(n)) { /* a halted one, too: it must stay silent */
        bool busy = m->entry_count > 0 && sim_random_chance(&w->network, w->profile.busy_ppm);

        w->totals.busy += busy ? 1 : 0;
        if (m->message.kind == RAFT_SNAPSHOT) {
            m->message.install.snapshot = &m->snapshot->raft;
        }
        host_receive(n->host, m, busy, node_now_ms(w, n));
        node_settle(w, n);
    }
    host_message_free(&w->store, m);
}

/* Cuts both ways or one. */
static void cut(struct world *w, uint16_t a, uint16_t b, bool one_way)
{
    if (a != b) {
        w->nodes[a].blocked[b] = true;
        w->nodes[b].blocked[a] = w->nodes[b].blocked[a] || !one_way;
    }
}

static void isolate(struct world *w, const struct world_node *n, bool one_way)
{
    bool outwards = sim_random_below(&w->random, 2) == 0;

    for (uint16_t i = 0; i < NODE_MAX; i++) {
        if (outwards) {
            cut(w, node_number(w, n), i, one_way);
        } else {
            cut(w, i, node_number(w, n), one_way);
        }
    }
}

void network_cut_off(struct world *w, const struct world_node *n, uint16_t but_for)
{
    w->totals.partitions++;
    world_note(w, "%" PRIu64 " is cut off from all but %" PRIu64, n->id, w->nodes[but_for].id);
    for (uint16_t i = 0; i < NODE_MAX; i++) {
        if (i != but_for) {
            cut(w, node_number(w, n), i, false);
        }
    }
}

static void split(struct world *w, bool one_way)
{
    uint64_t sides = sim_random_next(&w->random);

    for (uint16_t a = 0; a < NODE_MAX; a++) {
        for (uint16_t b = 0; b < NODE_MAX; b++) {
            if ((sides >> a & 1) != 0 && (sides >> b & 1) == 0) {
                cut(w, a, b, one_way);
            }
        }
    }
}

static void cut_links(struct world *w, bool one_way)
{
    uint32_t ppm = (uint32_t)sim_random_range(&w->random, 50000, 600000);

    for (uint16_t a = 0; a < NODE_MAX; a++) {
        for (uint16_t b = 0; b < NODE_MAX; b++) {
            if (sim_random_chance(&w->random, ppm)) {
                cut(w, a, b, one_way);
            }
        }
    }
}

void network_partition(struct world *w)
{
    bool one_way = sim_random_below(&w->random, 3) == 0;
    uint64_t how = sim_random_below(&w->random, 8);
    struct world_node *n = how <= 2 ? node_leader(w) : node_any(w);

    w->totals.partitions++;
    world_note(w, "partition %" PRIu64 ", one way %" PRIu64, how, one_way);
    if (how <= 3 && n != NULL) {
        isolate(w, n, one_way);
    } else if (how <= 5) {
        split(w, one_way);
    } else {
        cut_links(w, one_way);
    }
}

void network_heal(struct world *w)
{
    world_note(w, "the network heals (%" PRIu64 " %" PRIu64 ")", 0, 0);
    for (uint16_t a = 0; a < NODE_MAX; a++) {
        memset(w->nodes[a].blocked, 0, sizeof(w->nodes[a].blocked));
    }
}
