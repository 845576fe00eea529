/* tests/sim/toy_scenario.c: the toy services under every kind of trouble: the world's own scenarios, and the
 * pattern for others.
 *
 * HOW      One server, three clients and a nemesis for a drawn while; then calm, and everybody must come to an
 *          end. Whenever the server's machine has gone down, what was acknowledged must be in its log.
 */
#include "tests/sim/nemesis.h"
#include "tests/sim/scenario.h"
#include "tests/sim/toy.h"

#include <stdio.h>

enum { CLIENT_COUNT = 3, VALUE_COUNT = 3000, SECOND_US = 1000000, TROUBLE_SECONDS_MAX = 60 };
enum { GAP_US_MAX = 500000, LAST_US_MAX = 2 * SECOND_US, END_SECONDS = 3600, TEND_US = 200000 };

struct toys {
    struct sim *sim;
    enum toy_mode mode;
    struct sim_node *server_node, *client_nodes[CLIENT_COUNT];
    struct toy_server *server; /* NULL: down */
    struct toy_client *clients[CLIENT_COUNT];
    struct sim_event *tend;
};

static void log_check(struct toys *t)
{
    for (uint32_t i = 0; i < CLIENT_COUNT && t->mode == TOY_LOG; i++) {
        uint32_t acked = toy_client_acked(t->clients[i]);
        uint32_t missing = toy_log_missing(t->server_node, i, acked);

        SCENARIO_CHECK(missing == 0, "client %u: %u of %u acknowledged values are lost", i, missing,
                       acked);
    }
}

static void server_down(void *context, __attribute__((unused)) struct sim_node *n)
{
    struct toys *t = context;

    if (t->server != NULL) {
        toy_server_free(t->server);
        t->server = NULL;
    }
    log_check(t);
}

static void server_up(void *context, struct sim_node *n)
{
    struct toys *t = context;
    uint64_t faults = sim_disk_fault_count(sim_node_disk(n));
    enum err e = toy_server_new(sim_node_env(n), t->mode, &t->server);
    bool has_excuse = sim_node_crashed(n) || sim_disk_fault_count(sim_node_disk(n)) > faults;

    t->server = e == OK ? t->server : NULL;
    SCENARIO_CHECK(e == OK || has_excuse, "the server does not start: %s", err_crumb());
}

/* Now and then: a server that its disk has failed is started anew. */
static void server_tend(void *context)
{
    struct toys *t = context;
    bool is_useless = t->server == NULL || toy_server_failed(t->server);

    if (sim_node_up(t->server_node) && !sim_node_crashed(t->server_node) && is_useless) {
        sim_note(t->sim, "the disk has failed the server");
        sim_node_kill(t->server_node);
        server_down(t, t->server_node);
        (void)sim_node_restart(t->server_node);
        server_up(t, t->server_node);
    }
    t->tend = sim_after(t->sim, TEND_US, server_tend, t);
}

static bool is_done(void *context)
{
    const struct toys *t = context;
    bool done = true;

    for (uint32_t i = 0; i < CLIENT_COUNT; i++) {
        SCENARIO_CHECK(!toy_client_is_wrong(t->clients[i]), "client %u got a wrong value", i);
        done = done && toy_client_acked(t->clients[i]) == VALUE_COUNT;
    }
    return done;
}

static void toys_start(struct toys *t, struct sim *s, enum toy_mode mode)
{
    char host[32];

    *t = (struct toys){.sim = s, .mode = mode};
    t->server_node = sim_node_add(s, "10.0.0.1");
    server_up(t, t->server_node);
    for (uint32_t i = 0; i < CLIENT_COUNT; i++) {
        (void)snprintf(host, sizeof(host), "10.0.1.%u", i + 1);
        t->client_nodes[i] = sim_node_add(s, host);
        t->clients[i] =
            toy_client_new(sim_node_env(t->client_nodes[i]), "10.0.0.1", i, VALUE_COUNT);
    }
    t->tend = sim_after(s, TEND_US, server_tend, t);
}

static void toys_end(struct toys *t)
{
    sim_cancel(t->sim, t->tend);
    sim_node_power_off(t->server_node);
    server_down(t, t->server_node);
    for (uint32_t i = 0; i < CLIENT_COUNT; i++) {
        sim_node_kill(t->client_nodes[i]);
        toy_client_free(t->clients[i]);
    }
}

static void run_toys(struct scenario_run *run, enum toy_mode mode, uint32_t kinds)
{
    struct toys t;

    toys_start(&t, run->sim, mode);
    struct nemesis *m = nemesis_new(run->sim, &(struct nemesis_config){.kinds = kinds,
                                                                       .gap_us_max = GAP_US_MAX,
                                                                       .last_us_max = LAST_US_MAX,
                                                                       .victims = &t.server_node,
                                                                       .victim_count = 1,
                                                                       .down_max = 1,
                                                                       .down = server_down,
                                                                       .up = server_up,
                                                                       .context = &t});
    uint64_t trouble_us =
        sim_random_below(sim_random(run->sim), (uint64_t)TROUBLE_SECONDS_MAX * SECOND_US);
    (void)sim_run_until(run->sim, is_done, &t, trouble_us);
    nemesis_calm(m);
    SCENARIO_CHECK(sim_run_until(run->sim, is_done, &t, (uint64_t)END_SECONDS * SECOND_US),
                   "no end: %u, %u and %u of %u values acknowledged",
                   toy_client_acked(t.clients[0]), toy_client_acked(t.clients[1]),
                   toy_client_acked(t.clients[2]), VALUE_COUNT);
    nemesis_free(m);
    toys_end(&t);
}

SCENARIO(echoes_come_back_whole_and_in_order, SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS)
{
    run_toys(run, TOY_ECHO, NEMESIS_ALL & ~(1u << NEMESIS_CRASH_POINT));
}

SCENARIO(acknowledged_values_are_never_lost, SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS)
{
    run_toys(run, TOY_LOG, NEMESIS_ALL);
}

SCENARIO(acknowledged_values_survive_a_failing_disk,
         SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS | SIM_WITH_DISK_ERRORS)
{
    run_toys(run, TOY_LOG, NEMESIS_ALL);
}
