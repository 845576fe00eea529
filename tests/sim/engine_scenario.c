/* tests/sim/engine_scenario.c: clients of all tempers on a network that fails: whoever gets answers gets those to
 * its own requests, in order; and when all have gone, nothing of them is left.
 */
#include "tests/sim/engine.h"
#include "tests/sim/scenario.h"

enum {
    CLIENTS = 6,
    ROUNDS = 150,
    BURST_MAX = 20,
    RECORDS_BYTES_MAX = 200 << 10,
    EXPECTED_MAX = ROUNDS * BURST_MAX,
    ROUND_US_MAX = 30 * 1000,
    AFTERWARDS_US = 60 * 1000 * 1000,
};

struct guest {
    struct client client;
    bool here;
    struct buf unsent;
    int32_t next_id;
    int32_t expected[EXPECTED_MAX]; /* ids of requests that have an answer, in order */
    int asked, answered;
};

struct party {
    struct scenario_run *run;
    struct engine engine;
    struct sim_random *random;
    struct guest guests[CLIENTS];
};

static size_t below(struct party *p, uint64_t n)
{
    return (size_t)sim_random_below(p->random, n);
}

static void arrive(struct party *p, struct guest *g)
{
    buf_init(&g->unsent, CLIENT_BYTES_MAX);
    g->client = client_connect(&p->engine);
    g->here = true;
    g->asked = g->answered = 0;
}

static void leave(struct guest *g)
{
    client_close(&g->client);
    buf_deinit(&g->unsent);
    g->here = false;
}

/* A handful of requests of all kinds; acks=0 has no answer. */
static void ask(struct party *p, struct guest *g)
{
    for (size_t left = 1 + below(p, BURST_MAX); left > 0 && g->asked < EXPECTED_MAX; left--) {
        int32_t id = g->next_id++;
        bool silent = false;
        struct bytes frame;
        switch (below(p, 4)) {
        case 0:
            frame = engine_later(&p->engine, id);
            break;
        case 1:
            silent = below(p, 2) == 0;
            frame =
                engine_produce_frame(&p->engine, id, silent ? 0 : -1, below(p, RECORDS_BYTES_MAX));
            break;
        default:
            frame = engine_now(&p->engine, id);
            break;
        }
        engine_ok(buf_add(&g->unsent, frame));
        if (!silent) {
            g->expected[g->asked++] = id;
        }
    }
}

static void send_some(struct guest *g)
{
    struct buf *b = &g->unsent;
    size_t sent = client_send_some(&g->client, buf_view(b));

    if (sent > 0) {
        memmove(b->at, b->at + sent, b->len - sent);
        b->len -= sent;
    }
}

static void take_answers(struct guest *g)
{
    struct buf *b = &g->client.got;
    size_t used = 0;

    client_receive(&g->client);
    while (b->len - used >= FRAME_LENGTH_BYTES) {
        size_t len = wire_load_u32(b->at + used);
        if (b->len - used - FRAME_LENGTH_BYTES < len) {
            break;
        }
        int32_t id = (int32_t)wire_load_u32(b->at + used + FRAME_LENGTH_BYTES);
        SCENARIO_CHECK(g->answered < g->asked, "an answer nobody asked for: %" PRId32, id);
        SCENARIO_CHECK(id == g->expected[g->answered], "answer %" PRId32 ", expected %" PRId32, id,
                       g->expected[g->answered]);
        g->answered++;
        used += FRAME_LENGTH_BYTES + len;
    }
    if (used > 0) {
        memmove(b->at, b->at + used, b->len - used);
        b->len -= used;
    }
}

static void release(struct party *p, size_t at)
{
    struct engine_seen *s = engine_seen();

    engine_release(&p->engine, (int)at);
    s->held[at] = s->held[--s->held_count];
}

static void act(struct party *p, struct guest *g)
{
    if (!g->here) {
        arrive(p, g);
    }
    ask(p, g);
    send_some(g);
    take_answers(g);
    if (g->client.closed || below(p, 10) == 0) {
        leave(g);
    }
}

static void check_nothing_left(struct party *p)
{
    struct core_stats s = engine_stats(&p->engine);

    SCENARIO_CHECK(s.connections_open == 0, "%" PRIu64 " connections left", s.connections_open);
    SCENARIO_CHECK(s.requests_running == 0, "%" PRIu64 " requests left", s.requests_running);
    SCENARIO_CHECK(engine_charged(&p->engine) == 0, "%zu bytes left", engine_charged(&p->engine));
}

SCENARIO(clients_get_their_own_answers_in_order, SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS)
{
    struct party *p = ARENA_NEW(run->arena, struct party);
    struct engine_options options = {
        .cores = 1 + (int)(run->seed % 4),
        .settings = {{"connections.max.idle.ms", "30000"}},
    };

    p->run = run;
    p->engine = engine_start_in(run->sim, run->arena, &options);
    p->random = sim_random(run->sim);
    for (int round = 0; round < ROUNDS; round++) {
        act(p, &p->guests[below(p, CLIENTS)]);
        if (engine_seen()->held_count > 0 && below(p, 2) == 0) {
            release(p, below(p, (uint64_t)engine_seen()->held_count));
        }
        engine_run(&p->engine, 1 + below(p, ROUND_US_MAX));
    }
    while (engine_seen()->held_count > 0) {
        release(p, 0);
        engine_run(&p->engine, 1000);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (p->guests[i].here) {
            take_answers(&p->guests[i]);
            leave(&p->guests[i]);
        }
    }
    engine_run(&p->engine, AFTERWARDS_US);
    while (engine_seen()->held_count > 0) { /* of requests that had waited */
        release(p, 0);
    }
    engine_run(&p->engine, AFTERWARDS_US);
    check_nothing_left(p);
    engine_stop_in(&p->engine);
}
