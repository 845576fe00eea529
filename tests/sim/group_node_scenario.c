/* tests/sim/group_node_scenario.c: a group at a whole broker: writers write, members share the partitions and commit,
 * and everything happens to the machine: killed, power cut, in the middle of any disk operation; members die,
 * sleep too long, lose their connections.
 *
 * CHECKED  No acknowledged commit is lost and no record is skipped by the group (group_reader.h). When the trouble
 *          is over, the group gets to the end of every partition and commits it within TROUBLE_FREE_US; and after
 *          one more kill -9 somebody else finds exactly that.
 */
#include "base/log.h"
#include "broker/config.h"
#include "broker/node.h"
#include "tests/sim/group_reader.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/node_clients.h"
#include "tests/sim/scenario.h"

enum {
    PORT = 9092,
    WRITER_COUNT = 2,
    READER_COUNT_MAX = 4,
    VALUES_PER_WRITER = 1000,
    CHANGE_COUNT_MAX = 6,
    CHANGE_EVERY_US = 4000000,
    GAP_US_MAX = 1500000,
    LAST_US_MAX = 2000000,
    TROUBLE_FREE_US = 300000000, /* in the slowest worlds a fetch and its commit take 120 ms */
};

struct group_stage {
    struct sim *sim;
    struct sim_random *random;
    uint64_t seed;
    struct sim_node *machine, *clients;
    struct config *config;
    struct node *node;
    struct node_writer *writers[WRITER_COUNT];
    struct group_reader *readers[READER_COUNT_MAX];
    int32_t reader_count, reader_id;
    bool consumer;
    struct group_tally tally;
};

static void broker_up(void *context, struct sim_node *n)
{
    struct group_stage *s = context;
    struct node_options options = {
        .env = sim_node_env(n),
        .config = s->config,
        .data_dir = BYTES("/data"),
        .core_count = (int)sim_random_range(s->random, 1, 3),
        .memory_bytes = 64 << 20,
    };

    SCENARIO_CHECK(node_new(&options, &s->node) == OK, "node_new: %s", err_crumb());
    enum err e = node_start(s->node);
    if (e != OK && sim_node_crashed(n)) {
        node_free(s->node); /* the power went while it started */
        s->node = NULL;
        return;
    }
    SCENARIO_CHECK(e == OK, "the broker does not start: %s: %s", err_name(e), err_crumb());
}

static void broker_down(void *context, __attribute__((unused)) struct sim_node *n)
{
    struct group_stage *s = context;

    node_free(s->node);
    s->node = NULL;
}

static struct group_reader *reader_new(struct group_stage *s, bool observe)
{
    return group_reader_new(sim_node_env(s->clients),
                            &(struct group_reader_options){.server = "10.0.0.1",
                                                           .port = PORT,
                                                           .id = s->reader_id++,
                                                           .consumer = s->consumer,
                                                           .observe = observe,
                                                           .seed = s->seed,
                                                           .tally = &s->tally});
}

static int32_t partition_of(int32_t writer)
{
    return writer == 0 ? 1 : 4;
}

static void config_put(struct group_stage *s, struct bytes key, struct bytes value)
{
    SCENARIO_CHECK(config_set(s->config, key, value, CONFIG_FROM_SET) == OK, "%.*s",
                   BYTES_ARG(key));
}

static void stage_set(struct group_stage *s, struct scenario_run *run, bool consumer)
{
    log_level_set(LOG_ERROR);
    s->sim = run->sim;
    s->seed = run->seed;
    s->random = sim_random(run->sim);
    s->consumer = consumer;
    s->machine = sim_node_add(s->sim, "10.0.0.1");
    s->clients = sim_node_add(s->sim, "10.0.1.1");
    SCENARIO_CHECK(config_new(&s->config) == OK, "config");
    config_put(s, BYTES("offsets.topic.num.partitions"), BYTES("3"));
    config_put(s, BYTES("group.initial.rebalance.delay.ms"), BYTES("500"));
    config_put(s, BYTES("group.consumer.min.session.timeout.ms"), BYTES("6000"));
    config_put(s, BYTES("group.consumer.session.timeout.ms"), BYTES("6000"));
    config_put(s, BYTES("group.consumer.min.heartbeat.interval.ms"), BYTES("1000"));
    config_put(s, BYTES("group.consumer.heartbeat.interval.ms"), BYTES("2000"));
    broker_up(s, s->machine);
    for (int32_t i = 0; i < WRITER_COUNT; i++) {
        s->writers[i] =
            node_writer_new(sim_node_env(s->clients),
                            &(struct node_writer_options){.server = "10.0.0.1",
                                                          .port = PORT,
                                                          .id = i,
                                                          .partition = partition_of(i),
                                                          .value_count = VALUES_PER_WRITER,
                                                          .seed = s->seed});
    }
    s->tally.trouble = true;
    s->reader_count = (int32_t)sim_random_range(s->random, 1, READER_COUNT_MAX);
    for (int32_t i = 0; i < s->reader_count; i++) {
        s->readers[i] = reader_new(s, false);
    }
}

/* A member dies, another one comes. */
static void change(struct group_stage *s)
{
    int32_t at = (int32_t)sim_random_below(s->random, (uint64_t)s->reader_count);

    sim_note(s->sim, "group reader %d dies", at);
    group_reader_free(s->readers[at]);
    s->readers[at] = reader_new(s, false);
}

static bool all_committed(void *context)
{
    const struct group_stage *s = context;

    SCENARIO_CHECK(s->tally.wrong == NULL, "%s", s->tally.wrong);
    for (int32_t i = 0; i < WRITER_COUNT; i++) {
        const char *wrong = node_writer_wrong(s->writers[i]);
        SCENARIO_CHECK(wrong == NULL, "%s", wrong);
        if (s->tally.partitions[partition_of(i)].committed != VALUES_PER_WRITER) {
            return false;
        }
    }
    return true;
}

static void stuck(struct group_stage *s, struct arena *arena)
{
    for (int32_t i = 0; i < s->reader_count; i++) {
        struct bytes b = group_reader_note(s->readers[i], arena);
        sim_note(s->sim, "%.*s", BYTES_ARG(b));
    }
    for (int32_t i = 0; i < WRITER_COUNT; i++) {
        const struct group_tally_partition *t = &s->tally.partitions[partition_of(i)];
        sim_note(s->sim, "partition %d: written %d, delivered %d, committed %d", partition_of(i),
                 node_writer_acked(s->writers[i]), (int)t->prefix, (int)t->committed);
    }
    SCENARIO_CHECK(false, "the group does not come to the end");
}

static bool observed(void *context)
{
    const struct group_stage *s = context;

    SCENARIO_CHECK(s->tally.wrong == NULL, "%s", s->tally.wrong);
    return group_reader_done(s->readers[0]);
}

/* Everybody goes, the broker is killed once more; somebody new asks where the group is. */
static void look_again(struct group_stage *s)
{
    for (int32_t i = 0; i < s->reader_count; i++) {
        group_reader_free(s->readers[i]);
    }
    sim_node_kill(s->machine);
    broker_down(s, s->machine);
    (void)sim_node_restart(s->machine);
    broker_up(s, s->machine);
    s->reader_count = 1;
    s->readers[0] = reader_new(s, true);
    SCENARIO_CHECK(sim_run_until(s->sim, observed, s, TROUBLE_FREE_US),
                   "nobody says where the group is");
}

static void stage_strike(struct group_stage *s)
{
    sim_node_kill(s->machine);
    broker_down(s, s->machine);
    for (int32_t i = 0; i < WRITER_COUNT; i++) {
        node_writer_free(s->writers[i]);
    }
    for (int32_t i = 0; i < s->reader_count; i++) {
        group_reader_free(s->readers[i]);
    }
    config_free(s->config);
}

static void play(struct scenario_run *run, bool consumer)
{
    struct group_stage *s = ARENA_NEW(run->arena, struct group_stage);

    stage_set(s, run, consumer);
    struct nemesis *m = nemesis_new(
        run->sim,
        &(struct nemesis_config){.kinds = 1 << NEMESIS_CLOG | 1 << NEMESIS_RESET |
                                          1 << NEMESIS_PAUSE | 1 << NEMESIS_KILL |
                                          1 << NEMESIS_POWER_OFF | 1 << NEMESIS_CRASH_POINT,
                                 .gap_us_max = GAP_US_MAX,
                                 .last_us_max = LAST_US_MAX,
                                 .victims = &s->machine,
                                 .victim_count = 1,
                                 .down_max = 1,
                                 .down = broker_down,
                                 .up = broker_up,
                                 .context = s});
    uint64_t changes = sim_random_below(s->random, CHANGE_COUNT_MAX + 1);
    for (uint64_t i = 0; i < changes; i++) {
        sim_run_for(s->sim, sim_random_below(s->random, CHANGE_EVERY_US));
        change(s);
    }
    nemesis_calm(m);
    s->tally.trouble = false;
    sim_note(s->sim, "calm");
    if (!sim_run_until(s->sim, all_committed, s, TROUBLE_FREE_US)) {
        stuck(s, run->arena);
    }
    nemesis_free(m);
    look_again(s);
    stage_strike(s);
}

SCENARIO(a_group_at_a_node_skips_nothing_and_loses_no_commit, SIM_WITH_NET_ERRORS)
{
    play(run, false);
}

SCENARIO(a_consumer_group_at_a_node_skips_nothing_and_loses_no_commit, SIM_WITH_NET_ERRORS)
{
    play(run, true);
}
