/* tests/unit/core_test.c: the loop, several cores, several nodes, and the stop. */
#include "base/mem.h"
#include "tests/harness/test.h"
#include "tests/sim/engine.h"

enum { A_WHILE_US = 20 * 1000, SECOND_US = 1000 * 1000 };

/* ---- messages ---- */

struct trip {
    struct message message;
    int hops, hops_max;
};

static void hop(struct core *on, struct message *m)
{
    struct trip *t = CONTAINER_OF(m, struct trip, message);

    ASSERT_ON_CORE(on);
    if (++t->hops < t->hops_max) {
        mailbox_send(on, (on->index + 1) % node_core_count(on->node), m);
    }
}

TEST(a_message_goes_round_all_cores)
{
    for (int cores = 1; cores <= 4; cores *= 2) {
        struct engine e = engine_start(arena, &(struct engine_options){.cores = cores});
        struct trip t = {.message.run = hop, .hops_max = 100};
        struct core *zero = node_core(e.node, 0);
        (void)core_act_as(zero);
        core_later(zero, &t.message);
        (void)core_act_as(NULL);
        env_wake(zero->env, zero->poller);
        engine_run(&e, SECOND_US);
        CHECK_EQ(t.hops, t.hops_max);
        engine_stop(&e);
    }
}

TEST(connections_are_spread_evenly_over_the_cores)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 4});
    struct client c[12];

    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = client_connect(&e);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(node_core(e.node, i)->stats.connections_open, 3);
    }
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        client_send(&c[i], engine_now(&e, 1));
    }
    engine_run(&e, A_WHILE_US);
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        CHECK_EQ(client_replies(&c[i]), 1);
        client_close(&c[i]);
    }
    engine_stop(&e);
}

TEST(a_node_without_work_does_not_turn)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    struct client c = client_connect(&e);

    client_send(&c, engine_now(&e, 1));
    engine_run(&e, SECOND_US);
    uint64_t turns = engine_stats(&e).turns;
    engine_run(&e, 300 * (uint64_t)SECOND_US);
    CHECK_EQ(engine_stats(&e).turns, turns);
    client_close(&c);
    engine_stop(&e);
}

TEST(partitions_are_spread_over_the_cores_and_stay_there)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 4});
    struct uuid topic = uuid_random(test_random(), test_random());
    int count[4] = {0};

    for (int32_t i = 0; i < 4000; i++) {
        int core = core_of_partition(e.node, &topic, i);
        CHECK_EQ(core, core_of_partition(e.node, &topic, i));
        count[core]++;
    }
    for (int i = 0; i < 4; i++) {
        CHECK(count[i] > 800 && count[i] < 1200);
    }
    CHECK_EQ(core_of_partition(e.node, &(struct uuid){{0}}, 0), 0);
    engine_stop(&e);
}

/* ---- chores and timers ---- */

struct counting_chore {
    struct core_chore chore;
    int runs;
    uint64_t next_us;
};

static uint64_t run_counting(struct core *c, struct core_chore *chore)
{
    struct counting_chore *own = CONTAINER_OF(chore, struct counting_chore, chore);

    ASSERT_ON_CORE(c);
    own->runs++;
    return own->next_us;
}

TEST(a_chore_runs_when_it_said_and_when_it_is_woken)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct core *zero = node_core(e.node, 0);
    struct counting_chore c = {.chore.run = run_counting, .next_us = 10 * SECOND_US};

    core_chore_add(zero, &c.chore);
    env_wake(zero->env, zero->poller);
    engine_run(&e, SECOND_US);
    CHECK_EQ(c.runs, 1);
    engine_run(&e, 30 * (uint64_t)SECOND_US);
    CHECK_EQ(c.runs, 4);
    c.next_us = UINT64_MAX;
    engine_run(&e, 30 * (uint64_t)SECOND_US);
    CHECK_EQ(c.runs, 5);
    core_chore_wake(&c.chore);
    core_chore_wake(&c.chore);
    env_wake(zero->env, zero->poller);
    engine_run(&e, 30 * (uint64_t)SECOND_US);
    CHECK_EQ(c.runs, 6);
    core_chore_wake(&c.chore);
    core_chore_cancel(&c.chore);
    engine_run(&e, 30 * (uint64_t)SECOND_US);
    CHECK_EQ(c.runs, 6);
    engine_stop(&e);
}

/* ---- stop ---- */

TEST(a_stop_waits_for_requests_that_are_being_served)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    struct client c = client_connect(&e), d = client_connect(&e);

    client_send(&c, engine_later(&e, 1));
    client_send(&d, engine_later(&e, 2));
    engine_run(&e, A_WHILE_US);
    node_stop_begin(e.node);
    engine_run(&e, SECOND_US);
    CHECK(!node_stopped(e.node));
    engine_release(&e, 0);
    engine_release(&e, 1);
    engine_run(&e, SECOND_US);
    CHECK(node_stopped(e.node));
    CHECK_EQ(client_replies(&c), 1);
    CHECK_EQ(client_replies(&d), 1);
    CHECK(c.closed && d.closed);
    client_close(&c);
    client_close(&d);
    engine_stop(&e);
}

TEST(a_stop_does_not_wait_for_ever)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    struct client c = client_connect(&e);

    client_send(&c, engine_later(&e, 1));
    engine_run(&e, A_WHILE_US);
    node_stop_begin(e.node);
    engine_run(&e, NODE_STOP_US + SECOND_US);
    CHECK(node_stopped(e.node));
    client_close(&c);
    engine_stop(&e);
}

TEST(a_stopped_node_listens_no_more)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});

    node_stop_begin(e.node);
    engine_run(&e, SECOND_US);
    CHECK(node_stopped(e.node));
    struct env_address to = {.host = "10.0.0.1", .port = ENGINE_PORT};
    struct env *env = sim_node_env(e.clients);
    int socket;
    CHECK_OK(env_connect(env, &to, &socket));
    engine_run(&e, SECOND_US);
    CHECK(env_connect_result(env, socket) != OK);
    env_close_socket(env, socket);
    engine_stop(&e);
}

/* ---- start ---- */

TEST(a_listener_in_use_fails_the_start)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct node_options options = e.node->options;
    struct node *second;

    CHECK_OK(node_new(&options, &second));
    CHECK(node_start(second) != OK);
    node_free(second);
    engine_stop(&e);
}

TEST(a_start_without_memory_fails_and_leaves_nothing)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct node_options options = e.node->options;
    struct config *config;

    CHECK_OK(config_new(&config));
    CHECK_OK(
        config_set(config, BYTES("listeners"), BYTES("PLAINTEXT://10.0.0.1:1"), CONFIG_FROM_SET));
    options.config = config;
    options.core_count = 3;
    uint32_t handles = sim_node_handle_count(e.server);
    for (uint64_t at = 1;; at++) {
        struct node *n = NULL;
        (void)mem_fail_nth(at);
        enum err err = node_new(&options, &n);
        err = err == OK ? node_start(n) : err;
        bool reached = mem_fail_nth(0) == 0;
        if (err == OK) {
            CHECK_OK(node_stop(n));
        }
        node_free(n);
        CHECK_EQ(sim_node_handle_count(e.server), handles);
        if (!reached) {
            CHECK_EQ(err, OK);
            break;
        }
        CHECK_EQ(err, ERR_NOMEM);
        CHECK(at < 1000);
    }
    config_free(config);
    engine_stop(&e);
}

/* ---- determinism ---- */

static uint64_t hash_of_run(struct arena *arena, uint64_t seed)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 3, .seed = seed});
    struct client c[5];

    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = client_connect(&e);
        client_send(&c[i], engine_later(&e, (int32_t)i));
        client_send(&c[i], engine_now(&e, 7));
    }
    engine_run(&e, A_WHILE_US);
    for (int i = engine_seen()->held_count - 1; i >= 0; i--) {
        engine_release(&e, i);
    }
    engine_run(&e, A_WHILE_US);
    uint64_t hash = sim_hash(e.sim);
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        CHECK_EQ(client_replies(&c[i]), 2);
        client_close(&c[i]);
    }
    engine_stop(&e);
    return hash;
}

TEST(the_same_seed_gives_the_same_run)
{
    uint64_t first = hash_of_run(arena, 7);

    CHECK_EQ(hash_of_run(arena, 7), first);
    CHECK(hash_of_run(arena, 8) != first);
}
