/* tests/sim/node_scenario.c: a whole broker, real clients' bytes, and everything that can happen to one node:
 * killed, power cut (with lost and torn writes), stopped and started, in the middle of any disk operation,
 * with another number of cores each time.
 *
 * CHECKED  What was acknowledged is readable, at the offset it was acknowledged at, once, in the order in which it
 *          was written, nothing else in between (an idempotent producer sends again what is in doubt). What a
 *          reader saw once is what every later reader sees. And when the trouble is over, all of it goes on to
 *          its end within TROUBLE_FREE_US.
 */
#include "broker/config.h"
#include "broker/node.h"
#include "tests/sim/node_clients.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum {
    WRITER_COUNT_MAX = 4,
    READER_COUNT = NODE_TOPIC_PARTITIONS,
    PORT = 9092,
    TROUBLE_COUNT_MAX = 6,
    TROUBLE_EVERY_US = 2500000,
    TROUBLE_FREE_US = 120000000,
    DOWN_US_MAX = 2000000,
    STOP_US_MAX = 20000000,
};

/* One machine with the broker on it, and its clients. */
struct stage {
    struct sim *sim;
    uint64_t seed;
    struct sim_random *random;
    struct sim_node *machine;
    struct config *config;
    struct node *node;
    struct node_writer *writers[WRITER_COUNT_MAX];
    int writer_count;
    struct node_reader *readers[READER_COUNT];
};

static void broker_start(void *context)
{
    struct stage *s = context;
    struct env *e = sim_node_up(s->machine) && sim_node_env(s->machine) != NULL
                        ? sim_node_env(s->machine)
                        : sim_node_restart(s->machine);
    struct node_options options = {
        .env = e,
        .config = s->config,
        .data_dir = BYTES("/data"),
        .core_count = (int)sim_random_range(s->random, 1, 4),
        .memory_bytes = 64 << 20,
    };

    sim_note(s->sim, "broker starts with %d cores", options.core_count);
    SCENARIO_CHECK(node_new(&options, &s->node) == OK, "node_new: %s", err_crumb());
    enum err err = node_start(s->node);
    if (err != OK && sim_node_crashed(s->machine)) {
        node_free(s->node); /* the power went while it started */
        s->node = NULL;
        sim_node_power_off(s->machine);
        (void)sim_after(s->sim, DOWN_US_MAX, broker_start, s);
        return;
    }
    SCENARIO_CHECK(err == OK, "the broker does not start: %s: %s", err_name(err), err_crumb());
}

static void broker_gone(struct stage *s)
{
    node_free(s->node);
    s->node = NULL;
    (void)sim_after(s->sim, sim_random_below(s->random, DOWN_US_MAX), broker_start, s);
}

/* The world cut the power inside a disk operation. */
static void machine_down(void *context)
{
    struct stage *s = context;

    sim_note(s->sim, "power went during a disk operation");
    broker_gone(s);
}

static bool broker_stopped(void *context)
{
    return node_stopped(((struct stage *)context)->node);
}

static void broker_stop(struct stage *s)
{
    struct node *n = s->node;

    node_stop_begin(n);
    bool stopped = sim_run_until(s->sim, broker_stopped, s, STOP_US_MAX);
    if (s->node != n) {
        return; /* the power went meanwhile */
    }
    SCENARIO_CHECK(stopped, "the broker does not stop");
    enum err e = node_stop(n);
    if (sim_node_crashed(s->machine)) {
        sim_node_power_off(s->machine);
    } else {
        SCENARIO_CHECK(e == OK, "node_stop: %s", err_name(e));
        sim_node_kill(s->machine);
    }
    broker_gone(s);
}

static void trouble(struct stage *s)
{
    if (s->node == NULL) {
        return;
    }
    switch (sim_random_below(s->random, 5)) {
    case 0:
        sim_note(s->sim, "kill -9");
        sim_node_kill(s->machine);
        broker_gone(s);
        break;
    case 1:
        sim_note(s->sim, "power cut");
        sim_node_power_off(s->machine);
        broker_gone(s);
        break;
    case 2:
        sim_note(s->sim, "clean stop");
        broker_stop(s);
        break;
    case 3:
        sim_disk_crash_in(sim_node_disk(s->machine), sim_random_range(s->random, 1, 40));
        break;
    default:
        sim_node_pause(s->machine, sim_random_below(s->random, 3000000));
        break;
    }
}

static bool writers_done(void *context)
{
    struct stage *s = context;

    for (int i = 0; i < s->writer_count; i++) {
        const char *wrong = node_writer_wrong(s->writers[i]);
        SCENARIO_CHECK(wrong == NULL, "%s", wrong);
    }
    for (int i = 0; i < READER_COUNT; i++) {
        const char *wrong = node_reader_wrong(s->readers[i]);
        SCENARIO_CHECK(wrong == NULL, "%s", wrong);
    }
    for (int i = 0; i < s->writer_count; i++) {
        if (node_writer_acked(s->writers[i]) < (i + 1) * 100) {
            return false;
        }
    }
    return true;
}

static int32_t partition_of(int writer)
{
    return writer % 2 == 0 ? 0 : 3; /* two writers share a partition */
}

static int64_t values_in(const struct stage *s, int32_t partition)
{
    int64_t count = 0;

    for (int i = 0; i < s->writer_count; i++) {
        count += partition_of(i) == partition ? (i + 1) * 100 : 0;
    }
    return count;
}

static bool readers_done(void *context)
{
    struct stage *s = context;

    (void)writers_done(s);
    for (int i = 0; i < READER_COUNT; i++) {
        if (node_reader_end(s->readers[i]) < values_in(s, i) ||
            node_reader_high_watermark(s->readers[i]) < 0) {
            return false;
        }
    }
    return true;
}

static void readers_new(struct stage *s, const char *host)
{
    struct sim_node *machine = sim_node_add(s->sim, host);

    for (int i = 0; i < READER_COUNT; i++) {
        s->readers[i] = node_reader_new(
            sim_node_env(machine),
            &(struct node_reader_options){
                .server = "10.0.0.1", .port = PORT, .partition = i, .seed = s->seed});
    }
}

static void stage_set(struct stage *s, struct scenario_run *run)
{
    *s = (struct stage){.sim = run->sim, .seed = run->seed, .random = sim_random(run->sim)};
    s->machine = sim_node_add(s->sim, "10.0.0.1");
    sim_node_on_down(s->machine, machine_down, s);
    SCENARIO_CHECK(config_new(&s->config) == OK, "config");
    SCENARIO_CHECK(config_set(s->config, BYTES("log.roll.ms"), BYTES("1500"), CONFIG_FROM_SET) ==
                       OK,
                   "log.roll.ms");
    broker_start(s);
    struct sim_node *clients = sim_node_add(s->sim, "10.0.1.1");
    s->writer_count = (int)sim_random_range(s->random, 1, WRITER_COUNT_MAX);
    for (int i = 0; i < s->writer_count; i++) {
        s->writers[i] = node_writer_new(sim_node_env(clients),
                                        &(struct node_writer_options){.server = "10.0.0.1",
                                                                      .port = PORT,
                                                                      .id = i,
                                                                      .partition = partition_of(i),
                                                                      .value_count = (i + 1) * 100,
                                                                      .seed = s->seed});
    }
    readers_new(s, "10.0.2.1");
}

/* Every value of every writer once, in its order, and nothing else. */
static void check_partition(const struct stage *s, int32_t partition)
{
    const struct node_reader *r = s->readers[partition];
    int32_t next[WRITER_COUNT_MAX] = {0};

    SCENARIO_CHECK(node_reader_end(r) == values_in(s, partition),
                   "partition %d: %lld values, not %lld", partition, (long long)node_reader_end(r),
                   (long long)values_in(s, partition));
    for (int64_t at = 0; at < node_reader_end(r); at++) {
        struct node_value v = node_reader_value(r, at);
        SCENARIO_CHECK(v.writer >= 0 && v.writer < s->writer_count, "a value of writer %d",
                       v.writer);
        SCENARIO_CHECK(v.n == next[v.writer],
                       "partition %d offset %lld: value %d of writer %d, not %d", partition,
                       (long long)at, v.n, v.writer, next[v.writer]);
        SCENARIO_CHECK(node_writer_offset(s->writers[v.writer], v.n) == at,
                       "value %d of writer %d was acknowledged at %lld and is at %lld", v.n,
                       v.writer, (long long)node_writer_offset(s->writers[v.writer], v.n),
                       (long long)at);
        next[v.writer]++;
    }
}

/* What an earlier reader saw is what this one sees. */
static void check_same(const struct node_reader *old, const struct node_reader *now)
{
    for (int64_t at = 0; at < node_reader_end(old); at++) {
        struct node_value a = node_reader_value(old, at), b = node_reader_value(now, at);
        SCENARIO_CHECK(a.writer == b.writer && a.n == b.n, "offset %lld changed", (long long)at);
    }
}

static void readers_wait(struct stage *s)
{
    if (sim_run_until(s->sim, readers_done, s, TROUBLE_FREE_US)) {
        return;
    }
    for (int i = 0; i < READER_COUNT; i++) {
        sim_note(s->sim, "reader of %d: %d of %d, high watermark %d, %s", i,
                 (int)node_reader_end(s->readers[i]), (int)values_in(s, i),
                 (int)node_reader_high_watermark(s->readers[i]),
                 kafka_error_info(node_reader_error(s->readers[i]))->name);
    }
    SCENARIO_CHECK(false, "readers do not come to the end");
}

static void stage_check(struct stage *s)
{
    struct node_reader *old[READER_COUNT];

    SCENARIO_CHECK(sim_run_until(s->sim, writers_done, s, TROUBLE_FREE_US),
                   "writers do not come to their end");
    readers_wait(s);
    memcpy(old, s->readers, sizeof(old));
    readers_new(s, "10.0.2.2");
    readers_wait(s);
    for (int i = 0; i < READER_COUNT; i++) {
        check_partition(s, i);
        check_same(old[i], s->readers[i]);
        node_reader_free(old[i]);
    }
}

static void stage_strike(struct stage *s)
{
    sim_disk_crash_in(sim_node_disk(s->machine), 0);
    if (s->node != NULL) {
        sim_node_kill(s->machine);
        node_free(s->node);
    }
    for (int i = 0; i < s->writer_count; i++) {
        node_writer_free(s->writers[i]);
    }
    for (int i = 0; i < READER_COUNT; i++) {
        node_reader_free(s->readers[i]);
    }
    config_free(s->config);
}

SCENARIO(a_node_keeps_what_it_acknowledged, SIM_WITH_NET_ERRORS | SIM_WITH_CLOCK_ERRORS)
{
    struct stage s;
    int troubles = (int)sim_random_below(sim_random(run->sim), TROUBLE_COUNT_MAX + 1);

    stage_set(&s, run);
    for (int i = 0; i < troubles; i++) {
        sim_run_for(s.sim, sim_random_below(s.random, TROUBLE_EVERY_US));
        trouble(&s);
    }
    stage_check(&s);
    stage_strike(&s);
}
