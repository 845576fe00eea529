/* tests/unit/recovery_test.c: what a start makes of journals, locks and directories it finds. */
#include "storage/journal_format.h"
#include "storage/storage_internal.h"
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

static void append(struct storage_host *h, int log, int bytes)
{
    CHECK_OK(
        storage_append(h, log,
                       &(struct storage_sent){
                           .records = 1, .value_bytes = bytes, .timestamp = 1, .producer = -1}));
}

TEST(one_process_at_a_time_opens_a_directory)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct store_recovery *r;

    CHECK_ERR(store_recover(h->env, "/data", &r), ERR_EXISTS);
    CHECK_OK(storage_stop(h));
    CHECK_OK(store_recover(h->env, "/data", &r));
    store_recover_free(r);
    h->up = false;
    storage_host_free(h);
    sim_free(sim);
}

TEST(a_clean_stop_leaves_no_journal)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    append(h, 1, 100);
    storage_settle(h);
    CHECK(sim_disk_exists(sim_node_disk(h->node), "/data/journal/1-0-1.journal"));
    CHECK_OK(storage_stop(h));
    CHECK(!sim_disk_exists(sim_node_disk(h->node), "/data/journal/1-0-1.journal"));
    CHECK(sim_disk_exists(sim_node_disk(h->node),
                          "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/checkpoint"));
    sim_node_power_off(h->node);
    (void)sim_node_restart(h->node);
    CHECK_OK(storage_start(h, 2));
    storage_check(h);
    end(h, sim);
}

TEST(old_journals_go_when_all_is_synced_and_only_then)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    append(h, 1, 100);
    storage_settle(h);
    CHECK_OK(storage_crash_and_restart(h, 1, false));
    append(h, 1, 200);
    CHECK_OK(storage_crash_and_restart(h, 2, true)); /* at once: two starts' journals, or one */
    storage_check(h);
    append(h, 1, 300);
    storage_settle(h);
    CHECK(!sim_disk_exists(sim_node_disk(h->node), "/data/journal/1-0-1.journal"));
    CHECK(!sim_disk_exists(sim_node_disk(h->node), "/data/journal/2-0-1.journal"));
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    storage_check(h);
    end(h, sim);
}

TEST(a_group_between_good_ones_that_rots_is_reported_and_its_range_refused)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct sim_disk *d = sim_node_disk(h->node);
    int64_t next;

    for (int i = 0; i < 3; i++) { /* three groups: log 1, log 2, log 1 */
        append(h, i == 1 ? 2 : 1, 500);
        storage_settle(h);
    }
    append(h, 2, 50);
    storage_settle(h);
    sim_node_kill(h->node);
    storage_forget(h);
    CHECK(sim_disk_flip(d, "/data/journal/1-0-1.journal", 2 * JOURNAL_BLOCK_BYTES + 100, 1));
    (void)sim_node_restart(h->node);
    h->expect_damage = true;
    CHECK_OK(storage_start(h, 1));
    storage_check_log(h, 1);
    CHECK_EQ(plog_end(h->logs[2].log), 2);
    CHECK_ERR(storage_read(h, 2, 0, 1000, &next), ERR_CORRUPT);
    CHECK_OK(storage_read(h, 2, 1, 1000, &next));
    storage_settle(h);
    CHECK(sim_disk_exists(d, "/data/journal/1-0-1.journal.damaged"));
    end(h, sim);
}

TEST(a_file_that_ends_too_early_is_damage)
{
    struct sim *sim = sim_new(1, NULL);
    struct storage_host *h = storage_host_new(sim, sim_node_add(sim, "10.0.0.1"));
    struct store_recovery *r;

    h->journal_file_bytes = 16 << 10;
    CHECK_OK(storage_start(h, 1));
    for (int i = 0; i < 4; i++) { /* three groups in the first file */
        append(h, 1, 500);
        storage_settle(h);
    }
    sim_node_kill(h->node);
    storage_forget(h);
    CHECK(sim_disk_flip(sim_node_disk(h->node), "/data/journal/1-0-1.journal",
                        3 * JOURNAL_BLOCK_BYTES + 100, 1));
    CHECK_OK(store_recover(sim_node_restart(h->node), "/data", &r));
    CHECK_EQ(r->damaged_count, 1);
    store_recover_free(r);
    storage_host_free(h);
    sim_free(sim);
}

TEST(directories_of_unknown_logs_go_if_there_is_metadata)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct sim_disk *d = sim_node_disk(h->node);
    const char *stray = "/data/topics/topic-9/8s2rkHhWRBKqAAAAAAAAAA-9/00000000000000000000.log";
    const char *other = "/data/topics/topic-9/notes/readme";

    CHECK_OK(storage_stop(h));
    sim_disk_put(d, stray, BYTES("x"));
    sim_disk_put(d, other, BYTES("x"));
    CHECK_OK(storage_start(h, 1));
    storage_settle(h);
    CHECK(sim_disk_exists(d, stray)); /* an empty metadata log knows nothing */
    append(h, 0, 10);
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK_OK(storage_start(h, 1));
    storage_settle(h);
    CHECK(!sim_disk_exists(d, stray));
    CHECK(sim_disk_exists(d, other));
    end(h, sim);
}

/* Many new logs must not wait for a sync each: the journals go after one sync of everything. */
TEST(a_first_checkpoint_at_a_start_is_synced_with_everything_else)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    struct sim_disk *d = sim_node_disk(h->node);
    const char *journal = "/data/journal/1-0-1.journal";

    append(h, 1, 100);
    append(h, 1, 100);
    storage_settle(h);
    CHECK_OK(storage_start_set(h, 1, 1));
    storage_settle(h);
    sim_disk_fault_add(d, &(struct sim_disk_fault){.op = SIM_DISK_SYNC,
                                                   .path_part = "checkpoint.new",
                                                   .nth = 1,
                                                   .for_ever = true,
                                                   .err = ERR_IO});
    CHECK_OK(storage_crash_and_restart(h, 1, true)); /* again before anything of it was synced: */
    CHECK_EQ(plog_start(h->logs[1].log), 1);
    CHECK(sim_disk_exists(d, journal));
    sim_disk_faults_clear(d);
    CHECK_OK(storage_crash_and_restart(h, 1, true));
    CHECK_EQ(plog_start(h->logs[1].log), 1);
    storage_check(h);
    storage_settle(h);
    CHECK(!sim_disk_exists(d, journal));
    CHECK_OK(storage_crash_and_restart(h, 2, true)); /* the checkpoint alone knows the start now */
    CHECK_EQ(plog_start(h->logs[1].log), 1);
    storage_check(h);
    end(h, sim);
}

TEST(a_checkpoint_that_rots_costs_a_scan_and_nothing_else)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);

    for (int i = 0; i < 60; i++) {
        append(h, 1, 4000);
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK(sim_disk_flip(sim_node_disk(h->node),
                        "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/checkpoint", 30, 1));
    CHECK_OK(storage_start(h, 1));
    storage_check(h);
    end(h, sim);
}

TEST(an_index_that_is_lost_is_made_again)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    const char *idx = "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/00000000000000000000.idx";

    for (int i = 0; i < 60; i++) {
        append(h, 1, 4000);
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK(sim_disk_exists(sim_node_disk(h->node), idx));
    CHECK_OK(env_unlink(h->env, idx));
    CHECK_OK(storage_start(h, 1));
    storage_check(h);
    CHECK(sim_disk_exists(sim_node_disk(h->node), idx));
    end(h, sim);
}

TEST(damage_in_an_old_segment_hides_that_range_and_no_other)
{
    struct sim *sim;
    struct storage_host *h = host_or_die(&sim);
    const char *log = "/data/topics/topic-0/782rkHhWRBKqAAAAAAAAAA-1/00000000000000000000.log";
    int64_t next;

    for (int i = 0; i < 60; i++) {
        append(h, 1, 4000);
    }
    storage_settle(h);
    CHECK_OK(storage_stop(h));
    CHECK(sim_disk_flip(sim_node_disk(h->node), log, 10000, 1));
    h->expect_damage = true;
    CHECK_OK(storage_start(h, 1));
    CHECK_OK(plog_state(h->logs[1].log));
    CHECK_OK(storage_read(h, 1, 0, 1 << 20, &next));
    CHECK_EQ(next, 2);
    CHECK_ERR(storage_read(h, 1, 2, 1 << 20, &next), ERR_CORRUPT);
    CHECK_OK(storage_read(h, 1, 3, 1 << 20, &next));
    CHECK(next > 10);
    append(h, 1, 10);
    storage_settle(h);
    CHECK_OK(storage_read(h, 1, 60, 1 << 20, &next));
    end(h, sim);
}
