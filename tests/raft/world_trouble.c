/* tests/raft/world_trouble.c: what goes wrong, one after the other.
 *
 * WHY      Trouble is drawn by weights of the seed's profile. It is bounded: what it breaks for ever is what the group
 *          can spare (members_can_spare), all else ends by itself or at the heal.
 * OWNER    The world.
 * FAILURE  None.
 */
#include "tests/raft/world_internal.h"

enum { AMBUSH_MAX = 5 };

static uint64_t length_us(struct world *w)
{
    return world_around(&w->random, w->profile.trouble_length_ms) * 1000;
}

void trouble_plan(struct world *w)
{
    const struct world_profile *p = &w->profile;
    struct world_event e = {.kind = EVENT_TROUBLE};

    if (p->trouble_ms == 0) {
        return;
    }
    e.at_us = w->now_us + 1 + world_around(&w->random, p->trouble_ms) * 1000;
    if (!p->together) {
        e.at_us += p->trouble_length_ms * 3000ull; /* longer than any length */
    }
    world_plan(w, &e);
}

static bool running(const struct world_node *n)
{
    return node_up(n) && n->host->end == HOST_UP;
}

/* A loss of power; relaxed, a clean end where the group could not bear the loss of what was not synced. */
static void crash(struct world *w, struct world_node *n, uint64_t for_us)
{
    if (!running(n)) {
        return;
    }
    if (w->profile.raft.relaxed && !members_can_spare(w, n->id)) {
        node_stop(w, n);
    } else {
        node_crash(w, n, false);
    }
    world_plan_node(w, n, EVENT_RESTART, for_us);
}

/* The one with most unsynced writes: it has most to lose. */
static struct world_node *most_unsynced(struct world *w)
{
    struct world_node *most = node_any(w);

    for (uint32_t i = 0; i < NODE_MAX; i++) {
        struct world_node *n = &w->nodes[i];

        if (running(n) && (most == NULL || n->host->write_count > most->host->write_count)) {
            most = n;
        }
    }
    return most;
}

/* Half of them are back so soon that what they sent before is still on its way. */
static uint64_t away_us(struct world *w)
{
    uint64_t soon_us = w->profile.raft.election_ms * 100ull;

    return sim_random_below(&w->random, 2) == 0 ? sim_random_below(&w->random, soon_us)
                                                : length_us(w);
}

static void crash_some(struct world *w)
{
    uint64_t how = sim_random_below(&w->random, 8), for_us = away_us(w);
    struct world_node *one = how <= 1 ? node_leader(w) : how <= 3 ? most_unsynced(w) : node_any(w);

    if (how <= 5 && one != NULL) {
        crash(w, one, for_us);
        return;
    }
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        if (how == 7 || sim_random_below(&w->random, 2) == 0) {
            crash(w, &w->nodes[i], for_us + sim_random_below(&w->random, for_us / 8 + 1));
        }
    }
}

/* A leader that has just appended: its messages are somewhere on the way, and it loses power, or everybody but one. What
 * it has appended is then nowhere, or with few: the next leaders may have it or not (paper, figures 7 and 8). */
void trouble_ambush(struct world *w, struct world_node *n)
{
    struct world_event heal = {.kind = EVENT_HEAL, .at_us = w->now_us + length_us(w)};

    if (w->stage != STAGE_TROUBLE || !running(n)) {
        return;
    }
    if (sim_random_below(&w->random, 2) == 0) {
        crash(w, n, away_us(w));
        return;
    }
    network_cut_off(w, n, node_number(w, node_any(w)));
    heal.a = w->totals.partitions;
    world_plan(w, &heal);
}

static void stop_one(struct world *w, struct world_node *n)
{
    node_stop(w, n);
    world_plan_node(w, n, EVENT_RESTART, length_us(w));
}

static void clock_trouble(struct world *w, struct world_node *n)
{
    uint64_t max = w->profile.clock_ppm_max;
    int32_t ppm = (int32_t)sim_random_below(&w->random, max * 2 + 1) - (int32_t)max;
    uint64_t jump_ms = world_around(&w->random, w->profile.raft.election_ms * 2);

    world_note(w, "clock of %" PRIu64 " jumps by %" PRIu64 " ms", n->id, jump_ms);
    node_clock_set(w, n, ppm, jump_ms);
    node_settle(w, n);
}

/* A member of the configuration that is in force there, or any number; 0: it knows nobody. */
static uint64_t a_peer(struct world *w, const struct world_node *n)
{
    struct raft_configuration c;

    raft_configuration_get(n->host->raft, &c);
    if (sim_random_below(&w->random, 16) == 0) {
        return sim_random_range(&w->random, 1, w->id_last);
    }
    return c.count > 0 ? c.members[sim_random_below(&w->random, c.count)].replica_id : 0;
}

static void say(struct world *w, struct world_node *n, enum raft_in_kind kind)
{
    struct raft_in in = {.kind = kind, .now_ms = node_now_ms(w, n)};
    uint64_t peer = a_peer(w, n);

    if (kind == RAFT_IN_PEER && peer != 0) {
        in.peer.replica_id = peer;
        in.peer.alive = sim_random_below(&w->random, 2) == 0;
    } else if (kind == RAFT_IN_TRANSFER && peer != 0) {
        in.transfer.to = peer;
        w->totals.transfers_asked++;
    } else if (kind == RAFT_IN_PEER || kind == RAFT_IN_TRANSFER) {
        return;
    } else if (kind == RAFT_IN_CANCEL) {
        w->totals.cancels++;
    }
    host_step(n->host, &in);
    node_settle(w, n);
}

static void disk_trouble(struct world *w, struct world_node *n, enum world_trouble t)
{
    if (!members_can_spare(w, n->id)) {
        return;
    }
    if (t == TROUBLE_FAIL_DISK) {
        node_fail_disk(w, n);
    } else if (t == TROUBLE_LOSE_DISK) {
        node_lose(w, n);
    } else {
        node_damage(w, n);
        world_plan_node(w, n, EVENT_RESTART, away_us(w));
    }
}

static void on_node(struct world *w, enum world_trouble t, struct world_node *n)
{
    switch ((int)t) {
    case TROUBLE_STOP:
        stop_one(w, n);
        break;
    case TROUBLE_PAUSE:
        w->totals.pauses++;
        n->paused_until_us = w->now_us + length_us(w);
        world_note(w, "%" PRIu64 " stands still for %" PRIu64 " us", n->id,
                   n->paused_until_us - w->now_us);
        break;
    case TROUBLE_SLOW_DISK:
        n->slow_until_us = w->now_us + length_us(w) * 2;
        world_note(w, "disk of %" PRIu64 " is slow for %" PRIu64 " us", n->id,
                   n->slow_until_us - w->now_us);
        break;
    case TROUBLE_FAIL_DISK:
    case TROUBLE_LOSE_DISK:
    case TROUBLE_DAMAGE:
        disk_trouble(w, n, t);
        break;
    case TROUBLE_CLOCK:
        clock_trouble(w, n);
        break;
    case TROUBLE_PEER:
        say(w, n, sim_random_below(&w->random, 4) == 0 ? RAFT_IN_TIME : RAFT_IN_PEER);
        break;
    case TROUBLE_TRANSFER:
        say(w, n, RAFT_IN_TRANSFER);
        break;
    case TROUBLE_CAMPAIGN:
        say(w, n, RAFT_IN_CAMPAIGN);
        break;
    case TROUBLE_CANCEL:
        say(w, n, RAFT_IN_CANCEL);
        break;
    case TROUBLE_COLD:
        n->host->log.cold = host_log_last(&n->host->log).index;
        break;
    default:
        UNREACHABLE();
    }
}

static void make(struct world *w, enum world_trouble t)
{
    bool leader =
        t == TROUBLE_TRANSFER || t == TROUBLE_CANCEL || sim_random_below(&w->random, 4) == 0;
    struct world_node *n;

    if (t == TROUBLE_PARTITION) {
        struct world_event e = {.kind = EVENT_HEAL, .at_us = w->now_us + length_us(w)};

        network_partition(w);
        e.a = w->totals.partitions;
        world_plan(w, &e);
    } else if (t == TROUBLE_CRASH) {
        crash_some(w);
    } else if (t == TROUBLE_AMBUSH) {
        w->ambushes = 1 + (uint32_t)sim_random_below(&w->random, AMBUSH_MAX);
    } else if (t == TROUBLE_CHANGE) {
        members_change(w);
    } else if ((n = leader ? node_leader(w) : node_any(w)) != NULL) {
        on_node(w, t, n);
    }
}

void trouble_next(struct world *w)
{
    uint32_t total = 0, t = 0;

    for (uint32_t i = 0; i < TROUBLE_COUNT; i++) {
        total += w->profile.weights[i];
    }
    if (total == 0) {
        return;
    }
    uint64_t at = sim_random_below(&w->random, total);

    while (at >= w->profile.weights[t]) {
        at -= w->profile.weights[t++];
    }
    make(w, (enum world_trouble)t);
    trouble_plan(w);
}
