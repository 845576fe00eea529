/* tests/raft/world_clients.c: clients that write unique values and read the register.
 *
 * WHY      What counts in the end is what clients saw. They believe whoever claims to lead, give up after a while and
 *          never know then what became of a write.
 * HOW      A client has one thing under way: a proposal of some values, each an operation of its own, or a read: barrier,
 *          index, wait until that is applied, look. A value names client and place, so that the state machine's entry
 *          finds its operation: value = number * 256 + client * 4 + place.
 * OWNER    The world.
 * FAILURE  None.
 */
#include "tests/raft/world_internal.h"

enum { PLACE_COUNT = 4, ANYBODY_PPM = 50000 };

static_assert((int)CLIENT_MAX * (int)PLACE_COUNT <= 256, "a value has a byte for them");
static_assert((int)CLIENT_WRITE_MAX <= (int)PLACE_COUNT, "each value of a proposal has its place");

static void plan(struct world *w, struct world_client *c, uint64_t after_ms)
{
    struct world_event e = {.kind = EVENT_CLIENT};

    e.a = (uint64_t)(c - w->clients);
    e.b = ++c->generation;
    e.at_us = w->now_us + after_ms * 1000;
    world_plan(w, &e);
}

static void think(struct world *w, struct world_client *c)
{
    c->state = CLIENT_IDLE;
    c->open = 0;
    plan(w, c, 1 + world_around(&w->random, w->profile.think_ms));
}

void clients_start(struct world *w)
{
    for (uint32_t i = 0; i < w->profile.clients; i++) {
        think(w, &w->clients[i]);
    }
}

static uint64_t checker_name(const struct world *w, const struct world_client *c, uint32_t place)
{
    return (uint64_t)(c - w->clients) * PLACE_COUNT + place;
}

static void write_values(struct world *w, struct world_client *c, struct world_node *n)
{
    struct host_entry entries[CLIENT_WRITE_MAX] = {0};
    uint32_t count = (uint32_t)sim_random_range(&w->random, 1, w->profile.entries_max);
    uint64_t index = host_log_last(&n->host->log).index;
    uint32_t term = sim_random_below(&w->random, 4) == 0 ? n->host->term : 0;

    c->state = CLIENT_WRITING;
    c->open = count;
    for (uint32_t i = 0; i < count; i++) {
        index += sim_random_range(&w->random, 1, w->profile.batch_max);
        c->values[i] = ++w->value_last << 8 | checker_name(w, c, i);
        c->operations[i] = check_invoke(w->check, checker_name(w, c, i), c->values[i], world_ms(w));
        entries[i].bound.index = index;
        entries[i].value = c->values[i];
        entries[i].bytes = (uint32_t)sim_random_range(&w->random, 1, w->profile.bytes_max);
    }
    plan(w, c, w->profile.patience_ms);
    n->refused = false;
    (void)host_propose(n->host, entries, count, term, node_now_ms(w, n));
    if (n->refused) {
        for (uint32_t i = 0; i < count; i++) {
            check_refused(w->check, c->operations[i], world_ms(w));
        }
        w->totals.refused++;
        think(w, c);
    }
    node_settle(w, n);
}

static void read_value(struct world *w, struct world_client *c, struct world_node *n)
{
    struct raft_in in = {.kind = RAFT_IN_BARRIER, .now_ms = node_now_ms(w, n)};

    c->state = CLIENT_ASKING;
    c->ticket = in.barrier.ticket = ++n->barrier_ticket;
    c->operations[0] = check_invoke(w->check, checker_name(w, c, 0), 0, world_ms(w));
    plan(w, c, w->profile.patience_ms);
    host_step(n->host, &in);
    node_settle(w, n);
}

void clients_event(struct world *w, const struct world_event *e)
{
    struct world_client *c = &w->clients[e->a];
    bool anybody = sim_random_chance(&w->random, ANYBODY_PPM);

    if (e->b != c->generation || w->stage >= STAGE_REST) {
        return;
    }
    w->totals.unknown += c->state != CLIENT_IDLE ? 1 : 0;
    struct world_node *n = anybody ? node_any(w) : node_leader(w);

    if (n == NULL) {
        think(w, c);
        return;
    }
    c->node = node_number(w, n);
    c->life = n->life;
    if (sim_random_chance(&w->random, w->profile.read_ppm)) {
        read_value(w, c, n);
    } else {
        write_values(w, c, n);
    }
}

void clients_applied(struct world *w, struct world_node *n, const struct host_entry *e)
{
    uint32_t name = (uint32_t)(e->value & 0xff), place = name % PLACE_COUNT;
    struct world_client *c = &w->clients[name / PLACE_COUNT % CLIENT_MAX];

    if (e->value == 0 || c->state != CLIENT_WRITING || place >= CLIENT_WRITE_MAX ||
        c->values[place] != e->value || c->node != node_number(w, n) || c->life != n->life) {
        return;
    }
    check_write_ok(w->check, c->operations[place], e->bound.index, world_ms(w));
    w->totals.writes_ok++;
    c->values[place] = 0;
    if (--c->open == 0) {
        think(w, c);
    }
}

void clients_barrier(struct world *w, struct world_node *n, const struct raft_out *out)
{
    for (uint32_t i = 0; i < w->profile.clients; i++) {
        struct world_client *c = &w->clients[i];

        if (c->state != CLIENT_ASKING || c->node != node_number(w, n) || c->life != n->life ||
            c->ticket > out->barrier.ticket) {
            continue;
        }
        if (out->barrier.ok) {
            c->state = CLIENT_READING;
            c->index = out->barrier.index;
        } else {
            think(w, c);
        }
    }
}

void clients_read(struct world *w, struct world_node *n)
{
    for (uint32_t i = 0; i < w->profile.clients; i++) {
        struct world_client *c = &w->clients[i];

        if (c->state == CLIENT_READING && c->node == node_number(w, n) && c->life == n->life &&
            c->index <= n->host->applied) {
            check_read_ok(w->check, c->operations[0], n->host->applied, &n->host->state,
                          world_ms(w));
            w->totals.reads_ok++;
            think(w, c);
        }
    }
}
