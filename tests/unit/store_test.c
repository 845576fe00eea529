/* tests/unit/store_test.c: many logs, many cores, crashes, full and failing disks. */
#include "base/mem.h"
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

    CHECK_SAYS(e == OK || e == ERR_LIMIT || e == ERR_IO || e == ERR_NOSPACE ||
                   (e == ERR_NOMEM && h->memory_may_fail),
               "append: %s", err_name(e));
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

        CHECK_SAYS(e == OK || e == ERR_LIMIT || e == ERR_IO || e == ERR_NOSPACE ||
                       (e == ERR_NOMEM && h->memory_may_fail),
                   "start: %s", err_name(e));
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
    for (uint64_t seed = 1; seed <= 25; seed++) {
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

/* -- crashes -- */

static struct sim_profile rough(void)
{
    struct sim_profile p = sim_profile_calm();

    p.survive_percent = 30;
    p.tear_percent = 40;
    return p;
}

/* A little of everything, the same each time; may end early because the machine crashed. */
static void script(struct storage_host *h)
{
    for (int i = 0; i < 90 && !sim_node_crashed(h->node) && sim_node_up(h->node); i++) {
        append_some(h);
        append_some(h);
        if (i % 3 == 0) {
            (void)storage_turn(h);
            sim_run_for(h->sim, 700);
        }
        if (i % 8 == 7) {
            storage_settle(h);
        }
        if (i % 16 == 15 && !sim_node_crashed(h->node) && sim_node_up(h->node)) {
            move_start(h);
        }
    }
    if (!sim_node_crashed(h->node) && sim_node_up(h->node)) {
        storage_settle(h);
    }
}

static struct storage_host *crash_host(struct sim **sim, uint64_t seed, const struct sim_profile *p)
{
    *sim = sim_new(seed, p);
    struct storage_host *h = storage_host_new(*sim, sim_node_add(*sim, "10.0.0.1"));

    seed_now = seed;
    h->journal_file_bytes = 64 << 10;
    for (int i = 0; i < STORAGE_LOGS; i++) {
        h->logs[i].settings.segment_bytes = 16 << 10;
    }
    return h;
}

/* Restarts until it comes up; each start may crash again `between` operations later. */
static void come_up(struct storage_host *h, uint64_t between)
{
    enum err e = ERR_IO;

    for (int tries = 0; tries < 100 && e != OK; tries++) {
        if (between > 0 && tries < 20) {
            sim_disk_crash_in(sim_node_disk(h->node), between + (uint64_t)tries * 3);
        } else {
            sim_disk_crash_in(sim_node_disk(h->node), 0);
        }
        e = storage_crash_and_restart(h, 1 + tries % STORAGE_CORES_MAX, true);
        CHECK_SAYS(e == OK || sim_node_crashed(h->node), "seed %" PRIu64 ": start: %s %s", seed_now,
                   err_name(e), err_crumb());
    }
    CHECK_OK(e);
    sim_disk_crash_in(sim_node_disk(h->node), 0);
}

TEST(a_power_loss_at_any_disk_operation_loses_nothing_acknowledged)
{
    struct sim_profile profile = rough();
    bool crashed = true;

    /* Every one at first, then some: each has other random work anyway. */
    for (uint64_t at = 1; crashed; at += 1 + at / 60) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, at, &profile);

        sim_disk_crash_in(sim_node_disk(h->node), at);
        enum err e = storage_start(h, 1 + (int)(at % 3));
        if (e == OK) {
            script(h);
        }
        crashed = sim_node_crashed(h->node) || !sim_node_up(h->node);
        CHECK(e == OK || crashed);
        come_up(h, at % 4 == 0 ? 0 : at % 37);
        storage_check(h);
        script(h);
        storage_check(h);
        storage_host_free(h);
        sim_free(sim);
        CHECK(at < 5000);
    }
}

TEST(a_killed_process_loses_nothing_at_all)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, seed, NULL);

        CHECK_OK(storage_start(h, 2));
        for (int i = 0; i < 8; i++) {
            script(h);
            append_some(h);
            (void)storage_turn(h);
            CHECK_OK(storage_crash_and_restart(h, 1 + i % STORAGE_CORES_MAX, false));
            storage_check(h);
        }
        storage_host_free(h);
        sim_free(sim);
    }
}

/* The tests above can only be believed if they notice. */
TEST(a_disk_that_only_says_it_synced_is_found_out)
{
    struct sim_profile profile = rough();
    int losses = 0;

    profile.survive_percent = profile.tear_percent = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, seed, &profile);

        CHECK_OK(storage_start(h, 1));
        script(h);
        sim_disk_lie(sim_node_disk(h->node), true);
        for (int i = 0; i < 20; i++) {
            append_some(h);
        }
        storage_settle(h);
        h->expect_loss = h->expect_damage = true;
        CHECK_OK(storage_crash_and_restart(h, 1, true));
        losses += h->losses;
        storage_host_free(h);
        sim_free(sim);
    }
    CHECK(losses >= 5);
}

/* -- failing disks -- */

static bool refuses(struct storage_host *h, enum err with)
{
    struct storage_sent sent = {.records = 1, .value_bytes = 10, .timestamp = 1, .producer = -1};
    bool all = true;

    for (int i = 0; i < STORAGE_LOGS; i++) {
        sent.epoch = plog_epoch(h->logs[i].log);
        all = all && storage_append(h, i, &sent) == with && plog_state(h->logs[i].log) == with;
    }
    return all;
}

/* The nth operation of that kind on files of that name fails for good; what was acknowledged stays. */
static bool fail_nth(enum sim_disk_op op, const char *path_part, uint64_t nth)
{
    struct sim *sim;
    struct storage_host *h = crash_host(&sim, nth, NULL);
    uint64_t failed;

    CHECK_OK(storage_start(h, 1));
    sim_disk_fault_add(
        sim_node_disk(h->node),
        &(struct sim_disk_fault){.op = op, .path_part = path_part, .nth = nth, .err = ERR_IO});
    script(h);
    failed = sim_disk_fault_count(sim_node_disk(h->node));
    if (failed > 0) {
        CHECK_SAYS(refuses(h, ERR_IO), "nth %" PRIu64 " of %d on %s: appends are taken", nth,
                   (int)op, path_part);
        sim_run_for(h->sim, 5000000);
        storage_settle(h);
        CHECK(refuses(h, ERR_IO)); /* it does not heal */
    }
    storage_check(h);
    sim_disk_faults_clear(sim_node_disk(h->node));
    CHECK_OK(storage_crash_and_restart(h, 2, nth % 2 == 0));
    storage_check(h);
    script(h);
    storage_check(h);
    storage_host_free(h);
    sim_free(sim);
    return failed > 0;
}

TEST(a_failed_write_or_sync_ends_appends_until_the_next_start)
{
    static const struct {
        enum sim_disk_op op;
        const char *path_part;
    } kinds[] = {{SIM_DISK_WRITE, ".journal"},    {SIM_DISK_SYNC, ".journal"},
                 {SIM_DISK_SYNC_DIR, "journal"},  {SIM_DISK_OPEN, ".journal"},
                 {SIM_DISK_ALLOCATE, ".journal"}, {SIM_DISK_WRITE, ".log"},
                 {SIM_DISK_SYNC, ".log"},         {SIM_DISK_WRITE, "checkpoint"},
                 {SIM_DISK_SYNC, "checkpoint"},   {SIM_DISK_RENAME, NULL}};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        uint64_t nth = 1;

        while (fail_nth(kinds[i].op, kinds[i].path_part, nth)) {
            nth += 1 + nth / 6;
        }
        CHECK_SAYS(nth > 1, "kind %zu is never hit", i);
    }
}

/* Everything still there reads as it was; what does not is refused, never changed. */
static void check_damaged(struct storage_host *h)
{
    for (int i = 0; i < STORAGE_LOGS; i++) {
        struct storage_log *g = &h->logs[i];

        for (int64_t at = plog_start(g->log); at < plog_end(g->log);) {
            int64_t next = at + 1;
            enum err e = storage_read(h, i, at, 1 << 20, &next);

            CHECK_SAYS(e == OK || e == ERR_CORRUPT,
                       "seed %" PRIu64 ": offset %" PRId64 " reads as %s", seed_now, at,
                       err_name(e));
            at = e == OK ? next : at + 1;
        }
    }
}

static bool has_file(const struct storage_host *h, const char *part)
{
    struct buf names;
    bool any = false;

    buf_init(&names, 1 << 20);
    CHECK_OK(sim_disk_files(sim_node_disk(h->node), &names));
    for (size_t at = 0; at < names.len; at += strlen((const char *)names.at + at) + 1) {
        any = any || strstr((const char *)names.at + at, part) != NULL;
    }
    buf_deinit(&names);
    return any;
}

TEST(a_failed_sync_after_a_start_keeps_the_old_journals)
{
    struct sim *sim;
    struct storage_host *h = crash_host(&sim, 1, NULL);

    CHECK_OK(storage_start(h, 2));
    script(h);
    sim_disk_fault_add(sim_node_disk(h->node),
                       &(struct sim_disk_fault){.op = SIM_DISK_SYNC_ALL, .nth = 1, .err = ERR_IO});
    CHECK_OK(storage_crash_and_restart(h, 1, false));
    storage_settle(h);
    CHECK(refuses(h, ERR_IO));
    check_damaged(h); /* the page cache may show old bytes now */
    CHECK(has_file(h, "/journal/1-0-"));
    CHECK_OK(storage_crash_and_restart(h, 3, true));
    storage_check(h);
    storage_settle(h);
    CHECK(!has_file(h, "/journal/1-0-"));
    script(h);
    storage_check(h);
    storage_host_free(h);
    sim_free(sim);
}

TEST(a_full_disk_refuses_appends_until_there_is_space)
{
    for (uint64_t seed = 1; seed <= 16; seed++) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, seed, NULL);
        struct sim_disk *d = sim_node_disk(h->node);
        bool refused = false;

        CHECK_OK(storage_start(h, 1 + (int)(seed % 2)));
        if (seed % 4 > 0) {
            script(h);
        }
        sim_disk_capacity_set(d, sim_disk_used(d) + seed * 5000);
        for (int i = 0; i < 40 && !refused; i++) {
            script(h);
            for (int k = 0; k < STORAGE_LOGS; k++) {
                refused = refused || plog_state(h->logs[k].log) == ERR_NOSPACE;
            }
        }
        CHECK(refused);
        storage_check(h);
        sim_disk_capacity_set(d, (uint64_t)1 << 40);
        for (int i = 0; i < 10; i++) {
            sim_run_for(h->sim, 1000000);
            storage_settle(h);
        }
        for (int k = 0; k < STORAGE_LOGS; k++) {
            CHECK_OK(plog_state(h->logs[k].log));
            h->logs[k].failed = false;
        }
        script(h);
        storage_check(h);
        CHECK_OK(storage_crash_and_restart(h, 2, seed % 2 == 0));
        storage_check(h);
        storage_host_free(h);
        sim_free(sim);
    }
}

TEST(an_allocation_that_fails_costs_at_most_an_operation)
{
    bool hit = true;

    for (uint64_t nth = 1; hit; nth += 1 + nth / 12) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, nth, NULL);

        h->memory_may_fail = true;
        CHECK_OK(storage_start(h, 1));
        (void)mem_fail_nth(nth);
        script(h);
        hit = mem_fail_nth(0) == 0;
        storage_settle(h);
        sim_run_for(h->sim, 3000000);
        storage_settle(h);
        storage_check(h);
        CHECK_OK(storage_crash_and_restart(h, 2, true));
        storage_check(h);
        storage_host_free(h);
        sim_free(sim);
    }
}

TEST(a_start_without_memory_fails_and_changes_nothing)
{
    struct sim_profile profile = rough();
    bool hit = true;

    for (uint64_t nth = 1; hit; nth += 1 + nth / 20) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, 7, &profile);

        CHECK_OK(storage_start(h, 2));
        script(h);
        sim_node_kill(h->node);
        storage_forget(h);
        (void)sim_node_restart(h->node);
        (void)mem_fail_nth(nth);
        enum err e = storage_start(h, 3);
        hit = mem_fail_nth(0) == 0;
        CHECK(e == OK || (e == ERR_NOMEM && hit));
        CHECK_OK(storage_crash_and_restart(h, 1, true));
        storage_check(h);
        storage_host_free(h);
        sim_free(sim);
    }
}

/* -- damage -- */

TEST(rotten_bytes_are_found_and_never_served)
{
    int found = 0;

    for (uint64_t seed = 1; seed <= 90; seed++) {
        struct sim *sim;
        struct storage_host *h = crash_host(&sim, seed, NULL);
        struct store_stats stats;
        char path[ENV_PATH_BYTES];
        uint64_t position;

        CHECK_OK(storage_start(h, 1));
        script(h);
        if (seed % 3 == 0) {
            CHECK_OK(storage_stop(h));
            CHECK(sim_disk_rot(sim_node_disk(h->node), seed % 2 == 0 ? ".log" : "topics", path,
                               &position));
            h->expect_damage = true;
            CHECK_OK(storage_start(h, 1));
        } else if (seed % 3 == 1) {
            sim_node_kill(h->node);
            storage_forget(h);
            CHECK(sim_disk_rot(sim_node_disk(h->node), "data", path, &position));
            (void)sim_node_restart(h->node);
            h->expect_damage = h->expect_loss = true;
            CHECK_OK(storage_start(h, 1));
        } else { /* while it runs */
            h->expect_damage = true;
            CHECK(sim_disk_rot(sim_node_disk(h->node), ".log", path, &position));
        }
        check_damaged(h);
        store_stats(h->stores[0], &stats);
        found += stats.corrupt_ranges > 0;
        storage_host_free(h);
        sim_free(sim);
    }
    CHECK_SAYS(found > 20, "%d", found);
}
