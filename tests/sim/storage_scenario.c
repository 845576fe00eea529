/* tests/sim/storage_scenario.c: a node's storage under kills, power losses and slow disks, against the model.
 *
 * HOW      Random work by seed; at drawn moments the machine loses power in the middle of a disk operation, or the
 *          process is killed; then it comes up with another number of cores, perhaps crashing again on the
 *          way. After each start every log holds what was acknowledged, reads as the model says, and goes on.
 */
#include "tests/sim/scenario.h"
#include "tests/sim/sim_storage.h"

#include <stdarg.h>
#include <stdio.h>

enum { LIVES = 6, STEPS_MAX = 160, STARTS_MAX = 60, CRASH_OPS_MAX = 150, START_OPS_MAX = 25 };

_Noreturn void storage_wrong(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    scenario_fail(file, line, "%s", text);
}

static int below(struct storage_host *h, int n)
{
    return (int)sim_random_below(sim_random(h->sim), (uint64_t)n);
}

static bool alive(const struct storage_host *h)
{
    return sim_node_up(h->node) && !sim_node_crashed(h->node);
}

static bool is_excused(enum err e)
{
    return e == OK || e == ERR_LIMIT || e == ERR_IO || e == ERR_NOSPACE || e == ERR_CORRUPT;
}

static void append_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    struct storage_sent sent = {.records = 1 + below(h, 8),
                                .value_bytes = below(h, 5) == 0 ? below(h, 8000) : below(h, 300),
                                .timestamp = 1000 + h->logs[log].model.end + below(h, 50),
                                .epoch = (int32_t)(h->logs[log].model.end / 300),
                                .producer = below(h, STORAGE_PRODUCERS + 1) - 1};

    if (sent.epoch >= plog_epoch(h->logs[log].log)) {
        enum err e = storage_append(h, log, &sent);

        SCENARIO_CHECK(is_excused(e), "append: %s", err_name(e));
    }
}

static void read_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    const struct model *m = &h->logs[log].model;
    int64_t next;

    if (m->end > m->start) {
        enum err e = storage_read(h, log, m->start + below(h, (int)(m->end - m->start)),
                                  (size_t)below(h, 200000), &next);

        SCENARIO_CHECK(e == OK || !alive(h), "read: %s: %s", err_name(e), err_crumb());
    }
}

static void step(struct storage_host *h)
{
    int what = below(h, 20);

    if (what < 12) {
        append_some(h);
    } else if (what < 16) {
        (void)storage_turn(h);
        sim_run_for(h->sim, (uint64_t)below(h, 5000));
    } else if (what < 18) {
        read_some(h);
    } else if (what == 18) {
        storage_settle(h);
    } else {
        int log = below(h, STORAGE_LOGS);
        struct storage_log *g = &h->logs[log];
        int64_t room = plog_durable_end(g->log) - g->model.start;

        if (room > 0) {
            enum err e = storage_start_set(h, log, g->model.start + below(h, (int)room + 1));

            SCENARIO_CHECK(is_excused(e), "start: %s", err_name(e));
        }
    }
}

static void come_up(struct storage_host *h)
{
    struct sim_disk *d = sim_node_disk(h->node);
    bool power_off = below(h, 3) > 0;
    enum err e = ERR_IO;

    for (int tries = 0; tries < STARTS_MAX && e != OK; tries++) {
        bool again = tries < 5 && below(h, 3) == 0;

        sim_disk_crash_in(d, again ? 1 + (uint64_t)below(h, START_OPS_MAX) : 0);
        e = storage_crash_and_restart(h, 1 + below(h, STORAGE_CORES_MAX), power_off);
        SCENARIO_CHECK(e == OK || sim_node_crashed(h->node), "start: %s: %s", err_name(e),
                       err_crumb());
        power_off = true;
    }
    SCENARIO_CHECK(e == OK, "it never comes up");
}

SCENARIO(storage_keeps_what_it_acknowledged, 0)
{
    struct storage_host *h = storage_host_new(run->sim, sim_node_add(run->sim, "10.0.0.1"));

    h->journal_file_bytes = below(h, 2) == 0 ? 64 << 10 : 0;
    h->memory_bytes = below(h, 2) == 0 ? 512 << 10 : 8 << 20;
    for (int i = 0; i < STORAGE_LOGS; i++) {
        h->logs[i].settings.segment_bytes = 8000 << below(h, 6);
        h->logs[i].settings.segment_ms = below(h, 4) == 0 ? 50 : INT64_MAX;
    }
    come_up(h);
    for (int life = 0; life < LIVES; life++) {
        if (below(h, 2) == 0 && alive(h)) {
            sim_disk_crash_in(sim_node_disk(h->node), 1 + (uint64_t)below(h, CRASH_OPS_MAX));
        }
        for (int i = below(h, STEPS_MAX); i > 0 && alive(h); i--) {
            step(h);
        }
        come_up(h);
        sim_disk_crash_in(sim_node_disk(h->node), 0);
        storage_check(h);
    }
    storage_host_free(h);
}
