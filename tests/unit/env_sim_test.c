/* tests/unit/env_sim_test.c: the simulated world runs code as base/env.h promises, the same way for the same
 * seed, and its toy services show that it finds what it is there to find.
 */
#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/toy.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECOND_US = 1000000, POWER_SEED_COUNT = 200, TOY_VALUE_COUNT = 200 };

struct counting_job {
    struct env_job job;
    struct env *env;
    int *next, order;
    uint64_t began_us, ended_us;
};

static void count_run(struct env_job *job)
{
    struct counting_job *c = CONTAINER_OF(job, struct counting_job, job);
    int file;

    c->order = (*c->next)++;
    c->began_us = env_now_us(c->env);
    if (env_open(c->env, "/a", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file) == OK) {
        (void)env_sync(c->env, file);
        (void)env_close(c->env, file);
    }
    c->ended_us = env_now_us(c->env);
}

TEST(jobs_of_a_narrow_lane_run_in_order_and_come_home_after_their_time)
{
    struct sim *s = sim_new(1, NULL);
    struct env *e = sim_node_env(sim_node_add(s, "10.0.0.1"));
    struct counting_job jobs[4];
    struct env_event events[8];
    struct env_poller *poller;
    struct env_lane *lane;
    int next = 0;

    CHECK_OK(env_poller_new(e, &poller));
    CHECK_OK(env_lane_new(e, "one", 1, &lane));
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct counting_job){.job = {count_run, poller, NULL}, .env = e, .next = &next};
        env_job_submit(e, lane, &jobs[i].job);
    }
    CHECK_EQ(next, 0);
    CHECK_EQ(env_poll(e, poller, events, 8, 0), 0);
    sim_run_until_idle(s);
    CHECK_EQ(env_poll(e, poller, events, 8, 0), 4);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(events[i].kind, ENV_EVENT_JOB);
        CHECK(events[i].tag == &jobs[i].job);
        CHECK_EQ(jobs[i].order, i);
        CHECK(jobs[i].ended_us >= jobs[i].began_us + 100);
        CHECK(i == 0 || jobs[i].began_us >= jobs[i - 1].ended_us);
    }
    env_lane_free(e, lane);
    env_poller_free(e, poller);
    sim_free(s);
}

TEST(freeing_a_lane_finishes_its_jobs)
{
    struct sim *s = sim_new(1, NULL);
    struct env *e = sim_node_env(sim_node_add(s, "10.0.0.1"));
    struct counting_job jobs[3];
    struct env_event events[8];
    struct env_poller *poller;
    struct env_lane *lane;
    int next = 0;

    CHECK_OK(env_poller_new(e, &poller));
    CHECK_OK(env_lane_new(e, "two", 2, &lane));
    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct counting_job){.job = {count_run, poller, NULL}, .env = e, .next = &next};
        env_job_submit(e, lane, &jobs[i].job);
    }
    CHECK(sim_step(s)); /* one has run, one waits for its start, one is queued */
    CHECK_EQ(next, 1);
    env_lane_free(e, lane);
    CHECK_EQ(next, 3);
    CHECK_EQ(env_poll(e, poller, events, 8, 0), 3);
    sim_run_until_idle(s);
    env_poller_free(e, poller);
    sim_free(s);
}

TEST(a_job_at_the_crash_point_takes_its_machine_down)
{
    struct sim *s = sim_new(1, NULL);
    struct sim_node *n = sim_node_add(s, "10.0.0.1");
    struct env *e = sim_node_env(n);
    struct env_poller *poller;
    struct env_lane *lane;
    int next = 0;
    struct counting_job job;

    CHECK_OK(env_poller_new(e, &poller));
    CHECK_OK(env_lane_new(e, "one", 1, &lane));
    job = (struct counting_job){.job = {count_run, poller, NULL}, .env = e, .next = &next};
    sim_disk_crash_in(sim_node_disk(n), 2);
    env_job_submit(e, lane, &job.job);
    sim_run_until_idle(s);
    CHECK_EQ(next, 1);
    CHECK(!sim_node_up(n));
    CHECK(sim_node_env(n) == NULL);
    env_lane_free(e, lane); /* the dead door takes these */
    env_poller_free(e, poller);
    CHECK_OK(env_mkdir(sim_node_restart(n), "/d"));
    sim_free(s);
}

/* An actor that ticks: every second, and when it is woken. */
struct ticker {
    struct env *env;
    struct env_poller *poller;
    struct env_thread *thread;
    uint64_t next_us;
    int ticks, steps, stop_at;
};

static bool tick(void *context)
{
    struct ticker *t = context;
    struct env_event events[2];
    uint64_t now = env_now_us(t->env);

    t->steps++;
    if (now >= t->next_us) {
        t->ticks++;
        t->next_us = now + SECOND_US;
    }
    (void)env_poll(t->env, t->poller, events, 2, (int64_t)(t->next_us - now));
    return t->ticks < t->stop_at;
}

static void ticker_start(struct ticker *t, struct env *e, int stop_at)
{
    *t = (struct ticker){.env = e, .stop_at = stop_at};
    CHECK_OK(env_poller_new(e, &t->poller));
    CHECK_OK(env_thread_start(e, "ticker", tick, t, &t->thread));
}

TEST(an_actor_runs_at_its_time_out_and_when_woken_and_not_in_between)
{
    struct sim *s = sim_new(2, NULL);
    struct env *e = sim_node_env(sim_node_add(s, "10.0.0.1"));
    struct ticker t;

    ticker_start(&t, e, 1000);
    sim_run_for(s, 10 * SECOND_US + SECOND_US / 2);
    CHECK_EQ(t.ticks, 11);
    CHECK(t.steps <= 23);
    int steps = t.steps;
    env_wake(e, t.poller);
    sim_run_until_idle(s);
    CHECK(t.steps > steps && t.steps <= steps + 2);
    t.stop_at = 0;
    env_wake(e, t.poller);
    env_thread_join(e, t.thread);
    env_poller_free(e, t.poller);
    sim_free(s);
}

TEST(clocks_drift_jump_and_stop_with_the_process)
{
    struct sim *s = sim_new(3, NULL);
    struct sim_node *n = sim_node_add(s, "10.0.0.1");
    struct env *e = sim_node_env(n);
    struct ticker t;
    uint64_t start = env_now_us(e);
    int64_t wall = env_wall_ms(e);

    sim_node_drift_set(n, 100000);
    sim_run_for(s, 10 * SECOND_US);
    CHECK_EQ(env_now_us(e) - start, 11 * SECOND_US);
    CHECK_EQ(env_wall_ms(e) - wall, 11000);
    sim_node_wall_jump(n, -3600000);
    CHECK_EQ(env_wall_ms(e) - wall, 11000 - 3600000);
    sim_node_drift_set(n, -500000);
    sim_run_for(s, 10 * SECOND_US);
    CHECK_EQ(env_now_us(e) - start, 16 * SECOND_US);
    ticker_start(&t, e, 1000);
    sim_run_for(s, 10 * SECOND_US); /* five of its seconds */
    CHECK(t.ticks == 5 || t.ticks == 6);
    int ticks = t.ticks;
    sim_node_pause(n, 100 * SECOND_US);
    sim_run_for(s, 99 * SECOND_US);
    CHECK_EQ(t.ticks, ticks);
    sim_run_for(s, 2 * SECOND_US);
    CHECK(t.ticks > ticks);
    sim_node_kill(n);
    ticks = t.ticks;
    sim_run_for(s, 10 * SECOND_US);
    CHECK_EQ(t.ticks, ticks);
    env_thread_join(e, t.thread);
    env_poller_free(e, t.poller);
    sim_free(s);
}

/* Mistakes that a real machine would punish late or never. */
enum mistake {
    BLOCKING_CALL_IN_A_STEP,
    TWO_POLLS_IN_A_STEP,
    FILE_USED_AFTER_CLOSE,
    FILE_CLOSED_TWICE,
    SOCKET_CLOSED_WHILE_WATCHED,
    WRITE_TO_A_FILE_OPENED_FOR_READING,
    UNALIGNED_DIRECT_WRITE,
    JOIN_IN_A_STEP,
    MISTAKE_COUNT
};

struct mistaken {
    struct env *env;
    struct env_poller *poller;
    struct env_thread *thread;
    enum mistake mistake;
};

static bool step_with_a_mistake(void *context)
{
    struct mistaken *m = context;
    struct env_event events[2];

    (void)env_poll(m->env, m->poller, events, 2, 0);
    if (m->mistake == BLOCKING_CALL_IN_A_STEP) {
        (void)env_mkdir(m->env, "/d");
    } else if (m->mistake == TWO_POLLS_IN_A_STEP) {
        (void)env_poll(m->env, m->poller, events, 2, 0);
    } else if (m->mistake == JOIN_IN_A_STEP) {
        env_thread_join(m->env, m->thread);
    }
    return false;
}

static void file_mistake(struct env *e, enum mistake mistake)
{
    static _Alignas(4096) uint8_t bytes[8192];
    struct env_slice aligned = {bytes, 4096}, unaligned = {bytes, 100};
    int plain, direct, again;

    CHECK_OK(env_open(e, "/f", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &plain));
    CHECK_OK(env_open(e, "/f", ENV_OPEN_WRITE | ENV_OPEN_DIRECT, &direct));
    CHECK_OK(env_write(e, direct, &aligned, 1, 4096));
    CHECK_OK(env_write(e, plain, &unaligned, 1, 1));
    if (mistake == UNALIGNED_DIRECT_WRITE) {
        (void)env_write(e, direct, &unaligned, 1, 0);
    }
    CHECK_OK(env_close(e, plain));
    CHECK_OK(env_open(e, "/f", ENV_OPEN_READ, &again));
    if (mistake == FILE_USED_AFTER_CLOSE) {
        (void)env_sync(e, plain);
    } else if (mistake == FILE_CLOSED_TWICE) {
        (void)env_close(e, plain);
    } else if (mistake == WRITE_TO_A_FILE_OPENED_FOR_READING) {
        (void)env_write(e, again, &unaligned, 1, 0);
    }
    CHECK_OK(env_close(e, again));
    CHECK_OK(env_close(e, direct));
}

/* MISTAKE_COUNT: none is made. */
static void make(enum mistake mistake)
{
    struct sim *s = sim_new(1, NULL);
    struct env *e = sim_node_env(sim_node_add(s, "10.0.0.1"));
    struct env_address at = {.host = "10.0.0.1"};
    struct mistaken m = {.env = e, .mistake = mistake};
    uint16_t port;
    int listener;

    CHECK_OK(env_poller_new(e, &m.poller));
    file_mistake(e, mistake);
    CHECK_OK(env_listen(e, &at, &listener, &port));
    CHECK_OK(env_watch(e, m.poller, listener, ENV_READABLE, &m));
    if (mistake != SOCKET_CLOSED_WHILE_WATCHED) {
        env_unwatch(e, m.poller, listener);
    }
    env_close_socket(e, listener);
    CHECK_OK(env_thread_start(e, "mistaken", step_with_a_mistake, &m, &m.thread));
    sim_run_until_idle(s);
    env_thread_join(e, m.thread);
    env_poller_free(e, m.poller);
    sim_free(s);
}

TEST(mistakes_of_the_code_under_test_are_asserted)
{
    for (int mistake = 0; mistake < MISTAKE_COUNT; mistake++) {
        int status = 0;
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            (void)close(STDERR_FILENO); /* what the assertion says is expected */
            make((enum mistake)mistake);
            _exit(0);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_SAYS(WIFSIGNALED(status), "mistake %d passed", mistake);
    }
    make(MISTAKE_COUNT);
}

TEST(a_profile_has_errors_only_when_asked_and_is_the_seeds_own)
{
    uint64_t disk = 0, net = 0, clock = 0, different = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_profile kind = sim_profile_from_seed(seed, 0);
        struct sim_profile all = sim_profile_from_seed(
            seed, SIM_WITH_DISK_ERRORS | SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS);
        struct sim_profile next = sim_profile_from_seed(seed + 1, 0);

        CHECK_EQ(
            kind.sync_fail_ppm + kind.write_fail_ppm + kind.read_fail_ppm + kind.names_fail_ppm, 0);
        CHECK_EQ(kind.reset_ppm + kind.refuse_ppm + kind.drift_ppm_max + kind.wall_off_ms_max, 0);
        CHECK(kind.survive_percent + kind.tear_percent <= 100);
        CHECK(kind.sync_us_min <= kind.sync_us_max &&
              kind.buffer_bytes_min <= kind.buffer_bytes_max);
        disk += all.sync_fail_ppm > 0;
        net += all.reset_ppm > 0;
        clock += all.drift_ppm_max > 0;
        different += kind.sync_us_max != next.sync_us_max;
    }
    CHECK(disk > 20 && disk < 80);
    CHECK(net > 20 && net < 80);
    CHECK(clock > 20 && clock < 80);
    CHECK(different > 50);
}

/* Who is down, as the nemesis tells it. */
static void count_down(void *context, struct sim_node *n)
{
    int *down = context;

    CHECK(!sim_node_up(n));
    CHECK(++*down <= 2);
}

/* Gives the crash points an operation to strike at. */
static void count_up(void *context, struct sim_node *n)
{
    int *down = context;

    CHECK(sim_node_up(n));
    --*down;
    for (int i = 0; i < 100 && !sim_node_crashed(n); i++) {
        char path[16];

        (void)snprintf(path, sizeof(path), "/%d", i);
        (void)env_mkdir(sim_node_env(n), path);
        (void)env_rmdir(sim_node_env(n), path);
    }
}

TEST(the_nemesis_strikes_in_every_way_it_may_and_leaves_all_well)
{
    struct sim *s = sim_new(12, NULL);
    struct sim_node *nodes[4];
    char host[32];
    int down = 0;

    for (uint32_t i = 0; i < 4; i++) {
        (void)snprintf(host, sizeof(host), "10.0.0.%u", i + 1);
        nodes[i] = sim_node_add(s, host);
    }
    struct nemesis *m =
        nemesis_new(s, &(struct nemesis_config){.kinds = NEMESIS_ALL & ~(1u << NEMESIS_PAUSE),
                                                .gap_us_max = SECOND_US,
                                                .last_us_max = 10 * SECOND_US,
                                                .victims = nodes,
                                                .victim_count = 3,
                                                .down_max = 2,
                                                .down = count_down,
                                                .up = count_up,
                                                .context = &down});
    sim_run_for(s, 1000 * (uint64_t)SECOND_US);
    nemesis_calm(m);
    sim_run_for(s, SECOND_US);
    for (int kind = 0; kind < NEMESIS_KIND_COUNT; kind++) {
        CHECK_EQ(nemesis_count(m, (enum nemesis_kind)kind) > 0, kind != NEMESIS_PAUSE);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(sim_node_up(nodes[i]));
    }
    CHECK_EQ(down, 0);
    nemesis_free(m);
    sim_free(s);
}

/* A toy world: one server, two clients, and what happened. */
struct toy_world {
    struct sim *sim;
    struct sim_node *server_node, *client_nodes[2];
    struct toy_server *server;
    struct toy_client *clients[2];
    enum toy_mode mode;
};

static void toy_world_start(struct toy_world *w, uint64_t seed, enum toy_mode mode)
{
    struct sim_profile profile =
        sim_profile_from_seed(seed, SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS);
    char host[32];

    *w = (struct toy_world){.sim = sim_new(seed, &profile), .mode = mode};
    w->server_node = sim_node_add(w->sim, "10.0.0.1");
    CHECK_OK(toy_server_new(sim_node_env(w->server_node), mode, &w->server));
    for (uint32_t i = 0; i < 2; i++) {
        (void)snprintf(host, sizeof(host), "10.0.1.%u", i + 1);
        w->client_nodes[i] = sim_node_add(w->sim, host);
        w->clients[i] =
            toy_client_new(sim_node_env(w->client_nodes[i]), "10.0.0.1", i + 1, TOY_VALUE_COUNT);
    }
}

static bool toy_world_is_done(void *context)
{
    const struct toy_world *w = context;
    bool done = true;

    for (uint32_t i = 0; i < 2; i++) {
        CHECK(!toy_client_is_wrong(w->clients[i]));
        done = done && toy_client_acked(w->clients[i]) == TOY_VALUE_COUNT;
    }
    return done;
}

static void toy_world_end(struct toy_world *w)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (sim_node_up(w->client_nodes[i])) {
            sim_node_kill(w->client_nodes[i]);
        }
        toy_client_free(w->clients[i]);
    }
    if (w->server != NULL) {
        toy_server_stop(w->server);
        toy_server_free(w->server);
    }
    sim_free(w->sim);
}

TEST(an_echo_over_a_bad_network_comes_back_whole_and_in_order)
{
    uint32_t connects = 0;

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct toy_world w;

        toy_world_start(&w, seed, TOY_ECHO);
        CHECK_SAYS(sim_run_until(w.sim, toy_world_is_done, &w, (uint64_t)3600 * SECOND_US),
                   "seed=%" PRIu64 " acked=%u,%u", seed, toy_client_acked(w.clients[0]),
                   toy_client_acked(w.clients[1]));
        connects += toy_client_connects(w.clients[0]);
        toy_world_end(&w);
    }
    CHECK_SAYS(connects > 50, "connects=%u: the network was too good", connects);
}

TEST(the_same_seed_is_the_same_history_and_another_is_another)
{
    uint64_t hashes[3];

    for (size_t i = 0; i < 3; i++) {
        struct toy_world w;

        toy_world_start(&w, i == 2 ? 78 : 77, TOY_LOG);
        (void)sim_run_until(w.sim, toy_world_is_done, &w, (uint64_t)60 * SECOND_US);
        hashes[i] = sim_hash(w.sim);
        toy_world_end(&w);
    }
    CHECK_EQ(hashes[0], hashes[1]);
    CHECK(hashes[0] != hashes[2]);
}

/* Lets the machine lose power at a drawn time; how many acknowledged values are not in its log then. */
static uint32_t lost_by_power_off(uint64_t seed, enum toy_mode mode)
{
    struct toy_world w;
    uint32_t lost = 0;

    toy_world_start(&w, seed, mode);
    uint64_t until = sim_random_range(sim_random(w.sim), 1000, SECOND_US);
    (void)sim_run_until(w.sim, toy_world_is_done, &w, until);
    sim_node_power_off(w.server_node);
    toy_server_free(w.server);
    w.server = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        lost += toy_log_missing(w.server_node, i + 1, toy_client_acked(w.clients[i]));
    }
    if (lost == 0) { /* and life goes on */
        CHECK_OK(toy_server_new(sim_node_restart(w.server_node), mode, &w.server));
        CHECK_SAYS(sim_run_until(w.sim, toy_world_is_done, &w, (uint64_t)3600 * SECOND_US),
                   "seed=%" PRIu64, seed);
    }
    toy_world_end(&w);
    return lost;
}

TEST(acknowledged_values_survive_power_loss_and_planted_bugs_do_not_pass)
{
    uint32_t early = 0, nameless = 0;

    for (uint64_t seed = 0; seed < POWER_SEED_COUNT; seed++) {
        CHECK_SAYS(lost_by_power_off(seed, TOY_LOG) == 0, "seed=%" PRIu64, seed);
    }
    for (uint64_t seed = 0; seed < 40; seed++) {
        early += lost_by_power_off(seed, TOY_LOG_ACK_EARLY) > 0;
        nameless += lost_by_power_off(seed, TOY_LOG_NO_DIR_SYNC) > 0;
    }
    CHECK(early > 0);
    CHECK(nameless > 0);
}
