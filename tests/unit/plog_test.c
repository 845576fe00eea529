/* tests/unit/plog_test.c: appending, reading, cutting and searching one log. */
#include "tests/harness/test.h"
#include "tests/sim/sim_storage.h"

#include <stdio.h>

static struct storage_host *host_or_die(struct sim **sim)
{
    *sim = sim_new(1, NULL);
    struct storage_host *h = storage_host_new(*sim, sim_node_add(*sim, "10.0.0.1"));

    CHECK_OK(storage_start(h, 1));
    return h;
}

static void end(struct storage_host *h, struct sim *sim)
{
    storage_host_free(h);
    sim_free(sim);
}

static void append(struct storage_host *h, int log, int records, int bytes)
{
    CHECK_OK(storage_append(h, log,
                            &(struct storage_sent){.records = records,
                                                   .value_bytes = bytes,
                                                   .timestamp = 1000 + h->logs[log].model.end,
                                                   .producer = -1}));
}

TEST(an_append_is_durable_after_its_group_and_read_from_memory)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    append(h, 1, 3, 100);
    CHECK_EQ(plog_end(h->logs[1].log), 3);
    CHECK_EQ(plog_durable_end(h->logs[1].log), 0);
    storage_settle(h);
    CHECK_EQ(plog_durable_end(h->logs[1].log), 3);
    CHECK_EQ(h->logs[1].model.acked, 3);
    storage_check(h);
    end(h, sim);
}

TEST(a_kill_loses_nothing_that_was_durable)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    for (int i = 0; i < 50; i++) {
        append(h, i % STORAGE_LOGS, 2, 100 * (i % 7));
    }
    storage_settle(h);
    CHECK_OK(storage_crash_and_restart(h, 2, false));
    storage_check(h);
    CHECK_OK(storage_crash_and_restart(h, 3, true));
    storage_check(h);
    append(h, 2, 1, 10);
    storage_settle(h);
    storage_check(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 1));
    storage_check(h);
    end(h, sim);
}

TEST(old_segments_are_read_from_their_files)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    for (int i = 0; i < 300; i++) {
        append(h, 1, 1 + i % 3, 1000 + i);
        if (i % 10 == 0) {
            storage_settle(h);
        }
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 1));
    storage_check(h);
    struct store_stats stats;
    store_stats(h->stores[0], &stats);
    CHECK(stats.cold_reads > 0);
    end(h, sim);
}

TEST(a_segment_is_full_or_old_and_the_next_one_begins)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct plog_settings s = h->logs[1].settings;

    append(h, 1, 1, 1000);
    append(h, 1, 1, 1000);
    storage_settle(h);
    CHECK(
        !sim_disk_exists(sim_node_disk(h->node),
                         "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/00000000000000000002.log"));
    s.segment_ms = 100;
    plog_settings_set(h->logs[1].log, &s);
    sim_run_for(sim, 1000000);
    append(h, 1, 1, 1000);
    s.segment_ms = INT64_MAX;
    s.segment_bytes = 1; /* a batch larger than a segment has one for itself */
    plog_settings_set(h->logs[1].log, &s);
    append(h, 1, 1, 1000);
    append(h, 1, 1, 1000);
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    for (int64_t base = 2; base <= 4; base++) {
        char path[ENV_PATH_BYTES];

        (void)snprintf(path, sizeof(path),
                       "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/%020" PRId64 ".log", base);
        CHECK_SAYS(sim_disk_exists(sim_node_disk(h->node), path), "%s", path);
    }
    CHECK_OK(storage_start(h, 1));
    storage_check(h);
    end(h, sim);
}

TEST(an_idle_log_costs_no_file)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct buf names;

    storage_settle(h);
    buf_init(&names, 1 << 16);
    CHECK_OK(sim_disk_files(sim_node_disk(h->node), &names));
    CHECK_STR_EQ((const char *)names.at, "/data/lock");
    CHECK_EQ(names.len, strlen("/data/lock") + 1);
    buf_deinit(&names);
    CHECK_EQ(store_deadline_us(h->stores[0]), UINT64_MAX);
    end(h, sim);
}

TEST(epochs_end_where_the_next_one_begins)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    int32_t found = -1;
    int64_t at = -1;
    int32_t epochs[] = {0, 0, 2, 5, 5};

    CHECK_EQ(plog_epoch(h->logs[1].log), -1);
    CHECK(!plog_epoch_end(h->logs[1].log, 3, &found, &at));
    for (size_t i = 0; i < COUNT_OF(epochs); i++) {
        CHECK_OK(
            storage_append(h, 1,
                           &(struct storage_sent){
                               .records = 10, .timestamp = 1, .epoch = epochs[i], .producer = -1}));
    }
    for (int life = 0; life < 2; life++) {
        struct plog *l = h->logs[1].log;

        CHECK_EQ(plog_epoch(l), 5);
        CHECK(plog_epoch_end(l, 0, &found, &at));
        CHECK_EQ(found, 0);
        CHECK_EQ(at, 20);
        CHECK(plog_epoch_end(l, 4, &found, &at));
        CHECK_EQ(found, 2);
        CHECK_EQ(at, 30);
        CHECK(plog_epoch_end(l, 9, &found, &at));
        CHECK_EQ(found, 5);
        CHECK_EQ(at, 50);
        CHECK(!plog_epoch_end(l, -1, &found, &at));
        storage_settle(h);
        CHECK_OK(storage_crash_and_restart(h, 1, true));
    }
    CHECK_ERR(
        storage_append(h, 1, &(struct storage_sent){.records = 1, .epoch = 4, .producer = -1}),
        ERR_USAGE);
    end(h, sim);
}

TEST(a_start_that_moves_removes_whole_segments)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    const char *first = "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/00000000000000000000.log";
    uint64_t ticket;
    int64_t next;

    for (int i = 0; i < 60; i++) {
        append(h, 1, 1, 5000);
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 1));
    CHECK(sim_disk_exists(sim_node_disk(h->node), first));
    uint64_t before = plog_bytes(h->logs[1].log);
    CHECK_ERR(plog_start_set(h->logs[1].log, 61, &ticket), ERR_USAGE);
    CHECK_OK(storage_start_set(h, 1, 40));
    CHECK_ERR(plog_start_set(h->logs[1].log, 39, &ticket), ERR_USAGE);
    storage_settle(h);
    CHECK(!sim_disk_exists(sim_node_disk(h->node), first));
    CHECK(plog_bytes(h->logs[1].log) < before / 2);
    CHECK_ERR(storage_read(h, 1, 39, 1000, &next), ERR_NOT_FOUND);
    storage_check(h);
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    CHECK_EQ(plog_start(h->logs[1].log), 40);
    storage_check(h);
    storage_settle(h);
    CHECK_OK(storage_crash_and_restart(h, 1, true)); /* now without the journal that said so */
    CHECK_EQ(plog_start(h->logs[1].log), 40);
    CHECK_OK(storage_start_set(h, 1, 60));
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 2));
    CHECK_EQ(plog_start(h->logs[1].log), 60);
    CHECK_EQ(plog_end(h->logs[1].log), 60);
    append(h, 1, 1, 10);
    storage_settle(h);
    storage_check(h);
    end(h, sim);
}

TEST(a_cut_stays_cut_whatever_happens_next)
{
    for (int how = 0; how < 4; how++) {
        struct sim *sim;
        struct storage_host *h = host_or_die(&sim);

        for (int i = 0; i < 40; i++) {
            append(h, 1, 2, 4000);
        }
        storage_settle(h);
        CHECK_OK(storage_truncate(h, 1, how % 2 == 0 ? 70 : 6));
        for (int i = 0; i < (how < 2 ? 0 : 5); i++) {
            append(h, 1, 3, 3000);
        }
        storage_settle(h);
        CHECK_OK(storage_crash_and_restart(h, 2, how == 1));
        storage_check(h);
        storage_settle(h);
        CHECK_OK(storage_crash_and_restart(h, 1, true));
        storage_check(h);
        append(h, 1, 1, 100);
        storage_settle(h);
        CHECK_OK(storage_stop(h));
        CHECK_OK(storage_start(h, 1));
        storage_check(h);
        end(h, sim);
    }
}

TEST(a_cut_in_the_middle_of_a_batch_is_refused)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    uint64_t ticket;

    append(h, 1, 3, 10);
    CHECK_ERR(plog_truncate(h->logs[1].log, 2, &ticket), ERR_USAGE);
    CHECK_ERR(plog_truncate(h->logs[1].log, 4, &ticket), ERR_USAGE);
    CHECK_EQ(plog_end(h->logs[1].log), 3);
    end(h, sim);
}

TEST(a_deleted_log_leaves_nothing_behind)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    const char *path = "/data/topics/topic-1/8M2rkHhWRBKqAAAAAAAAAA-2/00000000000000000000.log";

    append(h, 0, 1, 10);
    for (int i = 0; i < 100; i++) {
        append(h, 2, 1, 5000);
    }
    storage_settle(h);
    CHECK(sim_disk_exists(sim_node_disk(h->node), path));
    plog_delete(h->logs[2].log);
    h->logs[2].log = NULL;
    sim_run_until_idle(sim);
    CHECK(!sim_disk_exists(sim_node_disk(h->node), path));
    end(h, sim);
}

TEST(relaxed_appends_are_answered_at_once)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    h->logs[1].settings.relaxed = true;
    plog_settings_set(h->logs[1].log, &h->logs[1].settings);
    append(h, 1, 3, 10); /* checks it */
    CHECK_EQ(plog_durable_end(h->logs[1].log), 3);
    CHECK_EQ(h->logs[1].model.acked, 0);
    storage_settle(h);
    CHECK_EQ(h->logs[1].model.acked, 3);
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    storage_check(h);
    end(h, sim);
}

TEST(times_are_found_in_memory_and_in_files)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct model *m = &h->logs[1].model;
    int64_t got, want, t = 5000;

    CHECK_ERR(storage_find(h, 1, PLOG_FIND_TIME, 0, &got), ERR_NOT_FOUND);
    CHECK_ERR(storage_find(h, 1, PLOG_FIND_MAX_TIMESTAMP, 0, &got), ERR_NOT_FOUND);
    for (int i = 0; i < 120; i++) {
        t += (i % 9) * 50 - 100; /* not in order */
        CHECK_OK(storage_append(
            h, 1,
            &(struct storage_sent){
                .records = 1 + i % 4, .value_bytes = 3000, .timestamp = t, .producer = -1}));
        storage_settle(h);
    }
    for (int life = 0; life < 2; life++) {
        int64_t most = -1;

        for (int64_t at = 4000; at < t + 2000; at += 130) {
            bool any = storage_model_find(m, at, &want);
            enum err e = storage_find(h, 1, PLOG_FIND_TIME, at, &got);

            CHECK_ERR(e, any ? OK : ERR_NOT_FOUND);
            CHECK(!any || got == want);
        }
        for (size_t i = 0; i < m->count; i++) {
            most = MAX(most, m->batches[i].max_timestamp);
        }
        CHECK_EQ(plog_max_timestamp(h->logs[1].log), most);
        CHECK(storage_model_find(m, most, &want));
        CHECK_OK(storage_find(h, 1, PLOG_FIND_MAX_TIMESTAMP, 0, &got));
        CHECK_EQ(got, want);
        CHECK_OK(storage_stop(h));
        CHECK_OK(storage_start(h, 1));
    }
    end(h, sim);
}

TEST(the_largest_time_is_that_below_the_asked_end)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    int64_t times[] = {100, 500, 300, 900, 200};

    for (size_t i = 0; i < COUNT_OF(times); i++) {
        CHECK_OK(storage_append(
            h, 1, &(struct storage_sent){.records = 1, .timestamp = times[i], .producer = -1}));
    }
    storage_settle(h);
    for (int64_t end_at = 1; end_at <= 5; end_at++) {
        struct plog_find f = {
            .log = h->logs[1].log, .kind = PLOG_FIND_MAX_TIMESTAMP, .offset_end = end_at};

        CHECK_OK(storage_find_until(h, &f));
        CHECK_EQ(f.offset, end_at == 1 ? 0 : end_at <= 3 ? 1 : 3);
        CHECK_EQ(f.timestamp, times[f.offset]);
        CHECK_EQ(f.leader_epoch, 0);
    }
    end(h, sim);
}

TEST(a_full_memory_or_journal_makes_appends_wait_and_then_go_on)
{
    struct sim *sim = sim_new(1, NULL);
    struct storage_host *h = storage_host_new(sim, sim_node_add(sim, "10.0.0.1"));
    int waited = 0;

    h->journal_file_bytes = 64 << 10;
    h->memory_bytes = 256 << 10;
    CHECK_OK(storage_start(h, 1));
    for (int i = 0; i < 2000; i++) {
        int log = i % STORAGE_LOGS;
        enum err e = ERR_LIMIT;

        for (int tries = 0; tries < 1000 && e == ERR_LIMIT; tries++) {
            e = storage_append(
                h, log, &(struct storage_sent){.records = 1, .value_bytes = 6000, .producer = -1});
            if (e == ERR_LIMIT) {
                CHECK(!plog_has_room(h->logs[log].log, 6200));
                waited++;
                (void)storage_turn(h);
                sim_run_for(sim, 300);
            }
        }
        CHECK_OK(e);
    }
    CHECK(waited > 10);
    storage_settle(h);
    storage_check(h);
    struct store_stats stats;
    store_stats(h->stores[0], &stats);
    CHECK(stats.syncs > 0);
    CHECK(stats.journal_files <= 8);
    CHECK(stats.chunk_bytes <= 2 * h->memory_bytes);
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    storage_check(h);
    end(h, sim);
}

TEST(an_append_larger_than_every_budget_goes_through_when_nothing_else_does)
{
    struct sim *sim = sim_new(1, NULL);
    struct storage_host *h = storage_host_new(sim, sim_node_add(sim, "10.0.0.1"));
    enum err e = ERR_LIMIT;

    h->journal_file_bytes = 64 << 10;
    h->memory_bytes = 256 << 10;
    CHECK_OK(storage_start(h, 1));
    append(h, 2, 1, 100);
    for (int tries = 0; tries < 1000 && e == ERR_LIMIT; tries++) {
        e = storage_append(
            h, 1, &(struct storage_sent){.records = 200, .value_bytes = 8000, .producer = -1});
        (void)storage_turn(h);
        sim_run_for(sim, 1000);
    }
    CHECK_OK(e);
    storage_settle(h);
    append(h, 2, 1, 100);
    storage_settle(h);
    storage_check(h);
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    storage_check(h);
    end(h, sim);
}

TEST(a_log_that_is_not_whole_batches_is_refused)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct plog_appended out;

    CHECK_ERR(plog_append(h->logs[1].log, BYTES("not a batch"), 0, 0, &out), ERR_MALFORMED);
    CHECK_ERR(plog_append(h->logs[1].log, BYTES(""), 0, 0, &out), ERR_MALFORMED);
    CHECK_EQ(plog_end(h->logs[1].log), 0);
    end(h, sim);
}

static enum err count_batches(void *context, struct bytes batch)
{
    int *count = context;

    CHECK(batch_crc_ok(batch));
    return ++*count == 1000 ? ERR_LIMIT : OK;
}

TEST(a_scan_gives_every_batch_from_an_offset_on)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    int count = 0;

    for (int i = 0; i < 100; i++) {
        append(h, 1, 2, 3000);
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 1));
    CHECK_OK(plog_scan(h->logs[1].log, 0, count_batches, &count));
    CHECK_EQ(count, 100);
    count = 0;
    CHECK_OK(plog_scan(h->logs[1].log, 151, count_batches, &count));
    CHECK_EQ(count, 25);
    count = 990;
    CHECK_ERR(plog_scan(h->logs[1].log, 0, count_batches, &count), ERR_LIMIT);
    end(h, sim);
}
