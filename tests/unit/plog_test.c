/* tests/unit/plog_test.c: appending, reading, cutting and searching one log. */
#include "tests/harness/test.h"
#include "tests/sim/sim_storage.h"

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
