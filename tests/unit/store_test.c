/* tests/unit/store_test.c: many logs, many cores, crashes, full and failing disks. */
#include "tests/harness/test.h"
#include "tests/sim/sim_storage.h"

#include <stdarg.h>
#include <stdio.h>

static uint64_t seed_now; /* of the test that runs */

_Noreturn void storage_wrong(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    test_fail(file, line, "seed %" PRIu64 ": %s", seed_now, text);
}

/* -- random work -- */

static int below(struct storage_host *h, int n)
{
    return (int)sim_random_below(sim_random(h->sim), (uint64_t)n);
}

static void append_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    struct storage_sent sent = {.records = 1 + below(h, 5),
                                .value_bytes = below(h, 4) == 0 ? below(h, 8000) : below(h, 200),
                                .timestamp = 1000 + h->logs[log].model.end + below(h, 50),
                                .epoch = (int32_t)(h->logs[log].model.end / 500),
                                .producer = below(h, STORAGE_PRODUCERS + 1) - 1};
    enum err e = storage_append(h, log, &sent);

    CHECK_SAYS(e == OK || e == ERR_LIMIT || e == ERR_IO || e == ERR_NOSPACE, "append: %s",
               err_name(e));
}

static void cut_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    struct storage_log *g = &h->logs[log];
    int64_t next, to = storage_boundary(h, log, g->model.start);

    if (below(h, 3) > 0) { /* mostly near the end */
        to = storage_boundary(h, log, MAX(g->model.start, g->model.end - 20));
    }
    enum err e = storage_truncate(h, log, to);
    for (int64_t at = to; e == ERR_AGAIN && at < g->model.end; at = next) {
        if (storage_read(h, log, at, 1 << 20, &next) != OK) {
            return;
        }
        e = next < g->model.end ? ERR_AGAIN : storage_truncate(h, log, to);
    }
    CHECK_SAYS(e == OK || e == ERR_AGAIN || e == ERR_LIMIT, "truncate: %s", err_name(e));
}

static void move_start(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    struct storage_log *g = &h->logs[log];
    int64_t end = plog_durable_end(g->log);

    if (end > g->model.start) {
        enum err e =
            storage_start_set(h, log, g->model.start + below(h, (int)(end - g->model.start) + 1));

        CHECK_SAYS(e == OK || e == ERR_LIMIT, "start: %s", err_name(e));
    }
}

static void read_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    const struct model *m = &h->logs[log].model;
    int64_t next;

    if (m->end > m->start) {
        int64_t at = m->start + below(h, (int)(m->end - m->start));
        enum err e = storage_read(h, log, at, (size_t)below(h, 100000), &next);

        CHECK_SAYS(e == OK, "read %s: %s", err_name(e), err_crumb());
    }
}

static void find_some(struct storage_host *h)
{
    int log = below(h, STORAGE_LOGS);
    const struct model *m = &h->logs[log].model;
    int64_t want = -1, got = -1, t = 1000 + below(h, (int)m->end + 60);
    bool any = storage_model_find(m, t, &want);
    enum err e = storage_find(h, log, PLOG_FIND_TIME, t, &got);

    CHECK_ERR(e, any ? OK : ERR_NOT_FOUND);
    CHECK_EQ(got < 0 ? -1 : got, any ? want : -1);
}

static void restart(struct storage_host *h)
{
    int how = below(h, 3), cores = 1 + below(h, STORAGE_CORES_MAX);

    if (how == 0) {
        sim_run_until_idle(h->sim);
        CHECK_OK(storage_stop(h));
        CHECK_OK(storage_start(h, cores));
    } else {
        CHECK_OK(storage_crash_and_restart(h, cores, how == 1));
    }
    storage_check(h);
}

static void work(struct storage_host *h, int steps, bool cuts)
{
    for (int i = 0; i < steps; i++) {
        int what = below(h, 100);

        if (what < 60) {
            append_some(h);
        } else if (what < 75) {
            (void)storage_turn(h);
            sim_run_for(h->sim, (uint64_t)below(h, 3000));
        } else if (what < 85) {
            read_some(h);
        } else if (what < 89) {
            find_some(h);
        } else if (what < 92 && cuts) {
            cut_some(h);
            storage_settle(h); /* a cut that a crash may undo has two outcomes: other tests */
        } else if (what < 95) {
            move_start(h);
        } else if (what == 99) {
            restart(h);
        }
    }
    storage_settle(h);
    storage_check(h);
}

TEST(random_work_reads_as_the_model_says)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        seed_now = seed;
        struct sim *sim = sim_new(seed, NULL);
        struct storage_host *h = storage_host_new(sim, sim_node_add(sim, "10.0.0.1"));

        h->journal_file_bytes = seed % 2 == 0 ? 64 << 10 : 0;
        h->memory_bytes = seed % 3 == 0 ? 256 << 10 : 4 << 20;
        CHECK_OK(storage_start(h, 1 + (int)(seed % 3)));
        work(h, 600, true);
        storage_host_free(h);
        sim_free(sim);
    }
}
