/* tests/raft/world_play.c: the loop: the next event, and the node it is for.
 *
 * WHY      One thread, one heap, a stream of random numbers per concern: a seed is a history, and can be told again.
 * HOW      Events of a machine that stands still wait until it goes on; those of an earlier life are void.
 * OWNER    Whoever calls world_run().
 * FAILURE  options.failed() ends the process, or at least the world.
 */
#include "tests/raft/world_internal.h"

#include "base/mem.h"

enum { STREAM_RANDOM = 2, STREAM_NETWORK, STREAM_CLOCK };

void world_plan(struct world *w, const struct world_event *e)
{
    world_heap_push(&w->heap, e);
}

void world_plan_node(struct world *w, const struct world_node *n, enum world_event_kind kind,
                     uint64_t after_us)
{
    struct world_event e = {.kind = (uint8_t)kind, .node = node_number(w, n), .life = n->life};

    e.at_us = w->now_us + after_us;
    world_plan(w, &e);
}

uint64_t world_around(struct sim_random *r, uint64_t mean)
{
    if (mean == 0) {
        return 0;
    }
    uint64_t even = sim_random_below(r, mean * 2 + 1), skew = sim_random_below(r, 1001);

    return even * skew * 3 / 2000;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wformat-nonliteral" /* formats of the callers; check_note() keeps them */
void world_note(struct world *w, const char *format, uint64_t a, uint64_t b)
{
    check_note(w->check, world_ms(w), format, a, b);
    if (w->options->trace != NULL) {
        (void)fprintf(w->options->trace, "%8" PRIu64 "  --  ", world_ms(w));
        (void)fprintf(w->options->trace, format, a, b);
        (void)fputc('\n', w->options->trace);
    }
}
#pragma GCC diagnostic pop

/* -- beginning --------------------------------------------------------------------------------------------- */

static void make_bases(struct world *w)
{
    struct host_snapshot s = {0};
    struct host_snapshot *initial = ARENA_NEW(&w->store.arena, struct host_snapshot);
    struct host_snapshot *empty = ARENA_NEW(&w->store.arena, struct host_snapshot);

    ASSERT(initial != NULL && empty != NULL);
    *empty = s;
    for (uint32_t i = 0; i < w->profile.voters; i++) {
        struct raft_member *m = &s.raft.configuration.members[s.raft.configuration.count++];

        m->replica_id = i + 1;
        m->roles = RAFT_VOTER;
        m->priority = (uint8_t)(sim_random_below(&w->random, 4) == 0 ? 1 : 0);
    }
    *initial = s;
    w->initial = initial;
    w->empty = empty;
    w->committed = s.raft.configuration;
}

static void start_all(struct world *w)
{
    struct raft_in in = {.kind = RAFT_IN_CAMPAIGN};

    for (uint32_t i = 0; i < w->profile.voters; i++) {
        struct world_node *n = node_new(w, w->initial);

        ASSERT(n != NULL);
        node_start(w, n);
    }
    if (sim_random_below(&w->random, 2) == 0) {
        struct world_node *n = node_of(w, 1);

        in.now_ms = node_now_ms(w, n);
        host_step(n->host, &in);
        node_settle(w, n);
    }
}

static void begin(struct world *w)
{
    struct check_options options = {
        .raft = &w->profile.raft, .failed = w->options->failed, .context = w->options->context};
    struct world_event sweep = {.kind = EVENT_SWEEP}, compact = {.kind = EVENT_COMPACT};

    host_store_init(&w->store);
    w->random = sim_random_of(w->options->seed, STREAM_RANDOM);
    w->network = sim_random_of(w->options->seed, STREAM_NETWORK);
    w->clock = sim_random_of(w->options->seed, STREAM_CLOCK);
    make_bases(w);
    options.initial = &w->initial->raft.configuration;
    w->check = check_new(&options);
    start_all(w);
    clients_start(w);
    trouble_plan(w);
    world_plan(w, &sweep);
    world_plan(w, &compact);
}

/* -- the loop ------------------------------------------------------------------------------------------------ */

/* The plan of a paused machine moves to the end of the pause. */
static void postpone(struct world *w, struct world_node *n, const struct world_event *e)
{
    struct world_event later = *e;

    later.at_us = n->paused_until_us;
    if (e->kind == EVENT_TIMER && e->at_us == n->timer_at_us) {
        n->timer_at_us = later.at_us;
    }
    world_plan(w, &later);
}

static void for_node(struct world *w, const struct world_event *e)
{
    struct world_node *n = &w->nodes[e->node];

    if (e->kind != EVENT_MESSAGE && (n->host == NULL || e->life != n->life)) {
        return;
    }
    if (n->paused_until_us > w->now_us) {
        postpone(w, n, e);
    } else if (e->kind == EVENT_MESSAGE) {
        network_arrive(w, e);
    } else if (e->kind == EVENT_RESTART) {
        if (!n->dead && !node_up(n)) {
            node_start(w, n);
        }
    } else if (e->kind == EVENT_AMBUSH) {
        trouble_ambush(w, n);
    } else if (node_up(n) && n->host->end == HOST_UP) {
        node_event(w, n, e);
    }
}

static void compact_some(struct world *w)
{
    struct world_node *n = node_any(w);
    struct world_event e = {.kind = EVENT_COMPACT};

    if (w->profile.compact_ms == 0 || w->stage != STAGE_TROUBLE) {
        return;
    }
    if (n != NULL && sim_random_below(&w->random, 2) == 0) {
        host_note_commit(n->host);
    } else if (n != NULL) {
        bool all = sim_random_below(&w->random, 4) == 0;

        w->totals.compactions += host_compact(n->host, all, node_now_ms(w, n)) ? 1 : 0;
    }
    if (n != NULL) {
        node_settle(w, n);
    }
    e.at_us = w->now_us + 1000 + world_around(&w->random, w->profile.compact_ms * 250ull);
    world_plan(w, &e);
}

static void sweep(struct world *w)
{
    struct world_event e = {.kind = EVENT_SWEEP};

    members_sweep(w);
    e.at_us = w->now_us + w->profile.raft.election_ms * 1000ull;
    world_plan(w, &e);
}

static void dispatch(struct world *w, const struct world_event *e)
{
    switch ((enum world_event_kind)e->kind) {
    case EVENT_MESSAGE:
    case EVENT_TIMER:
    case EVENT_SYNC:
    case EVENT_RELAXED:
    case EVENT_APPLY:
    case EVENT_FETCH:
    case EVENT_SNAPSHOT:
    case EVENT_RESTART:
    case EVENT_AMBUSH:
        for_node(w, e);
        break;
    case EVENT_HEAL:
        if (e->a == w->totals.partitions) { /* of the newest */
            network_heal(w);
        }
        break;
    case EVENT_TROUBLE:
        if (w->stage == STAGE_TROUBLE) {
            trouble_next(w);
        }
        break;
    case EVENT_COMPACT:
        compact_some(w);
        break;
    case EVENT_SWEEP:
        sweep(w);
        break;
    case EVENT_CLIENT:
        clients_event(w, e);
        break;
    case EVENT_POLL:
        end_poll(w);
        break;
    default:
        UNREACHABLE();
    }
}

static void play(struct world *w)
{
    uint32_t elections = w->options->elections > 0 ? w->options->elections : w->profile.elections;
    uint64_t until_us = (uint64_t)elections * w->profile.raft.election_ms * 1000;
    struct world_event e;

    while (w->stage != STAGE_END && world_heap_pop(&w->heap, &e)) {
        ASSERT(e.at_us >= w->now_us);
        if (w->stage == STAGE_TROUBLE && e.at_us >= until_us) {
            w->now_us = until_us;
            world_plan(w, &e); /* again: the heal comes first, and hurries it */
            end_begin(w);
            continue;
        }
        w->now_us = e.at_us;
        dispatch(w, &e);
    }
    check_end(w->check);
}

static void end(struct world *w)
{
    struct world_event e;

    while (world_heap_pop(&w->heap, &e)) {
        if (e.message != NULL) {
            host_message_free(&w->store, e.message);
        }
    }
    for (uint32_t i = 0; i < NODE_MAX; i++) {
        if (w->nodes[i].host != NULL) {
            host_free(w->nodes[i].host);
        }
    }
    check_free(w->check);
    world_heap_deinit(&w->heap);
    host_store_deinit(&w->store);
}

void world_run(const struct world_options *options, struct world_result *out)
{
    struct world *w = mem_zalloc(1, sizeof(*w));
    struct check_totals totals;

    ASSERT(w != NULL);
    w->options = options;
    world_profile_of(options->seed, &w->profile);
    begin(w);
    play(w);
    check_totals(w->check, &totals);
    w->totals.committed = totals.committed;
    out->hash = w->hash;
    out->simulated_ms = world_ms(w);
    out->election_ms = w->profile.raft.election_ms;
    out->leader_ms = (w->leader_us - w->heal_us) / 1000;
    out->rest_ms = (w->now_us - w->heal_us) / 1000;
    out->totals = w->totals;
    end(w);
    mem_free(w);
}

void world_describe(uint64_t seed, FILE *out)
{
    struct world_profile p;

    world_profile_of(seed, &p);
    world_profile_print(&p, out);
}
