/* tests/unit/sim_disk_test.c: the simulated disk keeps what it promises and loses what it may.
 *
 * WHY      Everything that storage tests prove rests on this disk: were it too kind, they would prove nothing;
 *          were it to lose what was synced, they would accuse the innocent.
 */
#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"

#include <stdio.h>

enum { SEED_COUNT = 60, PATH_BYTES = 64, KIB4 = 4096, TORN_BYTES = 16 * KIB4 };

struct world {
    struct sim *sim;
    struct sim_node *node;
    struct env *env;
    struct sim_disk *disk;
};

static struct world world_new(uint64_t seed)
{
    struct world w = {.sim = sim_new(seed, NULL)};

    w.node = sim_node_add(w.sim, "10.0.0.1");
    w.env = sim_node_env(w.node);
    w.disk = sim_node_disk(w.node);
    return w;
}

static void reboot(struct world *w)
{
    sim_node_power_off(w->node);
    w->env = sim_node_restart(w->node);
}

static int open_new(struct world *w, const char *path)
{
    int file = -1;

    CHECK_OK(env_open(w->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file));
    return file;
}

static enum err write_at(struct world *w, int file, const char *text, uint64_t position)
{
    struct env_slice s = {(void *)(uintptr_t)text, strlen(text)};

    return env_write(w->env, file, &s, 1, position);
}

static enum err fill_at(struct world *w, int file, uint8_t byte, size_t len, uint64_t position)
{
    static uint8_t bytes[64 * KIB4];
    struct env_slice s = {bytes, len};

    memset(bytes, byte, len);
    return env_write(w->env, file, &s, 1, position);
}

/* What is in the file, as a NUL-terminated text. */
static const char *content(struct world *w, struct arena *arena, const char *path)
{
    char *text = arena_alloc(arena, KIB4);
    size_t got;
    int file;

    if (env_open(w->env, path, ENV_OPEN_READ, &file) != OK) {
        return "(none)";
    }
    CHECK_OK(env_read(w->env, file, text, KIB4 - 1, 0, &got));
    text[got] = '\0';
    CHECK_OK(env_close(w->env, file));
    return text;
}

TEST(written_bytes_are_read_at_once_across_chunks_and_holes)
{
    struct world w = world_new(1);
    int file = open_new(&w, "/a");
    uint8_t got[4];
    size_t n;
    uint64_t size;

    CHECK_OK(write_at(&w, file, "abcd", 16384 - 2));
    CHECK_OK(env_read(w.env, file, got, 4, 16384 - 2, &n));
    CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("abcd"));
    CHECK_OK(env_read(w.env, file, got, 4, 16384 + 1, &n));
    CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("d"));
    CHECK_OK(env_read(w.env, file, got, 4, 100, &n));
    CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("\0\0\0\0"));
    CHECK_OK(env_size(w.env, file, &size));
    CHECK_EQ(size, 16384 + 2);
    CHECK_OK(env_truncate(w.env, file, 16384 - 1));
    CHECK_OK(env_truncate(w.env, file, 16384 + 3));
    CHECK_OK(env_read(w.env, file, got, 4, 16384 - 2, &n));
    CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("a\0\0\0"));
    sim_free(w.sim);
}

TEST(synced_bytes_with_a_synced_name_survive_power_loss)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        int file = open_new(&w, "/a");

        CHECK_OK(write_at(&w, file, "first", 0));
        CHECK_OK(env_sync(w.env, file));
        CHECK_OK(env_sync_dir(w.env, "/"));
        CHECK_OK(write_at(&w, file, "lost?", 5));
        reboot(&w);
        CHECK_EQ(strncmp(content(&w, arena, "/a"), "first", 5), 0);
        sim_free(w.sim);
    }
}

TEST(unsynced_bytes_survive_vanish_and_tear)
{
    bool survived = false, vanished = false, torn = false;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        int file = open_new(&w, "/a");

        CHECK_OK(fill_at(&w, file, 'o', TORN_BYTES, 0));
        CHECK_OK(env_sync(w.env, file));
        CHECK_OK(env_sync_dir(w.env, "/"));
        CHECK_OK(fill_at(&w, file, 'n', TORN_BYTES, 0));
        reboot(&w);
        struct buf b;
        buf_init(&b, 1 << 20);
        CHECK_OK(sim_disk_peek(w.disk, "/a", &b));
        CHECK_EQ(b.len, TORN_BYTES);
        size_t new_count = 0;
        for (size_t i = 0; i < b.len; i++) {
            CHECK(b.at[i] == 'o' || b.at[i] == 'n');
            CHECK_EQ(b.at[i], b.at[i / 512 * 512]); /* sectors are whole */
            new_count += b.at[i] == 'n';
        }
        survived = survived || new_count == TORN_BYTES;
        vanished = vanished || new_count == 0;
        torn = torn || (new_count > 0 && new_count < TORN_BYTES);
        buf_deinit(&b);
        sim_free(w.sim);
    }
    CHECK(survived && vanished && torn);
}

TEST(the_death_of_the_process_alone_loses_nothing)
{
    struct world w = world_new(3);
    int file = open_new(&w, "/a"), lock;

    CHECK_OK(write_at(&w, file, "here", 0));
    CHECK_OK(env_lock(w.env, "/lock", &lock));
    sim_node_kill(w.node);
    struct env *old = w.env;
    w.env = sim_node_restart(w.node);
    CHECK_STR_EQ(content(&w, arena, "/a"), "here");
    CHECK_OK(env_lock(w.env, "/lock", &lock));
    CHECK_ERR(env_lock(w.env, "/lock", &lock), ERR_EXISTS);
    CHECK_ERR(env_sync(old, file), ERR_IO);
    CHECK_OK(env_close(old, file));
    sim_free(w.sim);
}

TEST(a_name_without_a_synced_directory_may_vanish)
{
    int there = 0;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        int file = open_new(&w, "/a");

        CHECK_OK(write_at(&w, file, "x", 0));
        CHECK_OK(env_sync(w.env, file));
        reboot(&w);
        there += sim_disk_exists(w.disk, "/a");
        sim_free(w.sim);
    }
    CHECK(there > 0 && there < SEED_COUNT);
}

TEST(a_directory_keeps_a_first_part_of_its_changes)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        char path[PATH_BYTES];
        bool gone = false;

        sim_disk_put_dir(w.disk, "/d");
        for (int i = 0; i < 8; i++) {
            (void)snprintf(path, sizeof(path), "/d/%d", i);
            CHECK_OK(env_close(w.env, open_new(&w, path)));
        }
        reboot(&w);
        for (int i = 0; i < 8; i++) {
            (void)snprintf(path, sizeof(path), "/d/%d", i);
            gone = gone || !sim_disk_exists(w.disk, path);
            CHECK(!gone || !sim_disk_exists(w.disk, path));
        }
        sim_free(w.sim);
    }
}

TEST(a_directory_sync_is_for_that_directory_only)
{
    int other = 0;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);

        sim_disk_put_dir(w.disk, "/d");
        sim_disk_put_dir(w.disk, "/e");
        CHECK_OK(env_close(w.env, open_new(&w, "/d/a")));
        CHECK_OK(env_close(w.env, open_new(&w, "/e/a")));
        CHECK_OK(env_sync_dir(w.env, "/d"));
        reboot(&w);
        CHECK(sim_disk_exists(w.disk, "/d/a"));
        other += sim_disk_exists(w.disk, "/e/a");
        sim_free(w.sim);
    }
    CHECK(other > 0 && other < SEED_COUNT);
}

TEST(a_rename_is_old_or_new_and_new_after_a_directory_sync)
{
    int fresh = 0;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        bool sync = seed % 2 == 0;

        sim_disk_put(w.disk, "/d/a", BYTES("old"));
        int file = open_new(&w, "/d/a.new");
        CHECK_OK(write_at(&w, file, "new", 0));
        CHECK_OK(env_sync(w.env, file));
        CHECK_OK(env_rename(w.env, "/d/a.new", "/d/a"));
        CHECK_STR_EQ(content(&w, arena, "/d/a"), "new");
        if (sync) {
            CHECK_OK(env_sync_dir(w.env, "/d"));
        }
        reboot(&w);
        bool is_new = strcmp(content(&w, arena, "/d/a"), "new") == 0;
        CHECK(is_new || (!sync && strcmp(content(&w, arena, "/d/a"), "old") == 0));
        fresh += !sync && is_new;
        sim_free(w.sim);
    }
    CHECK(fresh > 0 && fresh < SEED_COUNT / 2);
}

TEST(a_rename_across_directories_is_in_exactly_one_of_them)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);

        sim_disk_put(w.disk, "/a/f", BYTES("x"));
        sim_disk_put_dir(w.disk, "/b");
        CHECK_OK(env_close(w.env, open_new(&w, "/b/before")));
        CHECK_OK(env_rename(w.env, "/a/f", "/b/f"));
        if (seed % 2 == 0) {
            CHECK_OK(env_sync_dir(w.env, "/a"));
        }
        reboot(&w);
        CHECK_EQ(sim_disk_exists(w.disk, "/a/f") + sim_disk_exists(w.disk, "/b/f"), 1);
        CHECK(!sim_disk_exists(w.disk, "/b/f") || sim_disk_exists(w.disk, "/b/before"));
        CHECK(seed % 2 == 1 || sim_disk_exists(w.disk, "/b/f"));
        sim_free(w.sim);
    }
}

TEST(sync_all_makes_names_and_bytes_durable)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);

        CHECK_OK(env_mkdir(w.env, "/d"));
        CHECK_OK(env_mkdir(w.env, "/d"));
        int a = open_new(&w, "/d/a"), b = open_new(&w, "/d/b");
        CHECK_OK(write_at(&w, a, "1", 0));
        CHECK_OK(write_at(&w, b, "2", 0));
        CHECK_OK(env_sync_all(w.env, a));
        reboot(&w);
        CHECK_STR_EQ(content(&w, arena, "/d/a"), "1");
        CHECK_STR_EQ(content(&w, arena, "/d/b"), "2");
        sim_free(w.sim);
    }
}

TEST(after_a_failed_sync_the_bytes_are_lost_though_the_next_one_succeeds)
{
    int shown = 0;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);

        sim_disk_put(w.disk, "/a", BYTES("old"));
        int file = open_new(&w, "/a");
        CHECK_OK(write_at(&w, file, "new", 0));
        sim_disk_fault_add(w.disk,
                           &(struct sim_disk_fault){.op = SIM_DISK_SYNC, .nth = 1, .err = ERR_IO});
        CHECK_ERR(env_sync(w.env, file), ERR_IO);
        shown += strcmp(content(&w, arena, "/a"), "new") == 0;
        CHECK_OK(write_at(&w, file, "!", 3));
        CHECK_OK(env_sync(w.env, file));
        reboot(&w);
        CHECK_STR_EQ(content(&w, arena, "/a"), "old!");
        CHECK_EQ(sim_disk_fault_count(w.disk), 1);
        sim_free(w.sim);
    }
    CHECK(shown > 0 && shown < SEED_COUNT);
}

TEST(planned_faults_hit_the_nth_matching_operation_once_or_for_ever)
{
    struct world w = world_new(5);
    int a = open_new(&w, "/a"), b = open_new(&w, "/b");

    sim_disk_fault_add(w.disk,
                       &(struct sim_disk_fault){
                           .op = SIM_DISK_WRITE, .path_part = "/b", .nth = 2, .err = ERR_NOSPACE});
    CHECK_OK(write_at(&w, a, "x", 0));
    CHECK_OK(write_at(&w, b, "x", 0));
    CHECK_OK(write_at(&w, a, "x", 0));
    CHECK_ERR(write_at(&w, b, "x", 0), ERR_NOSPACE);
    CHECK_OK(write_at(&w, b, "x", 0));
    sim_disk_fault_add(w.disk, &(struct sim_disk_fault){
                                   .op = SIM_DISK_ANY, .nth = 2, .for_ever = true, .err = ERR_IO});
    CHECK_OK(write_at(&w, a, "x", 0));
    CHECK_ERR(env_mkdir(w.env, "/d"), ERR_IO);
    CHECK_ERR(env_rename(w.env, "/a", "/c"), ERR_IO);
    CHECK_STR_EQ(content(&w, arena, "/a"), "x");
    sim_disk_faults_clear(w.disk);
    CHECK_OK(env_mkdir(w.env, "/d"));
    sim_free(w.sim);
}

TEST(at_the_crash_point_the_operation_and_all_later_ones_fail)
{
    bool happened = false, did_not = false;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        uint64_t size;
        int file;

        sim_disk_put(w.disk, "/a", BYTES("old"));
        CHECK_OK(env_open(w.env, "/a", ENV_OPEN_WRITE, &file));
        CHECK_OK(write_at(&w, file, "new", 0));
        CHECK_EQ(sim_disk_op_count(w.disk), 1);
        sim_disk_crash_in(w.disk, 1);
        CHECK_ERR(env_sync(w.env, file), ERR_IO);
        CHECK(sim_node_crashed(w.node));
        CHECK_ERR(env_size(w.env, file, &size), ERR_IO);
        CHECK_ERR(env_mkdir(w.env, "/d"), ERR_IO);
        reboot(&w);
        CHECK(!sim_node_crashed(w.node));
        happened = happened || strcmp(content(&w, arena, "/a"), "new") == 0;
        did_not = did_not || strcmp(content(&w, arena, "/a"), "old") == 0;
        sim_free(w.sim);
    }
    CHECK(happened && did_not);
}

TEST(a_full_disk_refuses_and_takes_again_after_a_removal)
{
    struct world w = world_new(7);
    struct env_disk_space space;
    int a = open_new(&w, "/a"), b = open_new(&w, "/b");

    sim_disk_capacity_set(w.disk, 10 * KIB4);
    CHECK_OK(env_allocate(w.env, a, 0, 6 * KIB4));
    CHECK_ERR(fill_at(&w, b, 'b', 5 * KIB4, 0), ERR_NOSPACE);
    CHECK_ERR(env_allocate(w.env, b, 0, 5 * KIB4), ERR_NOSPACE);
    CHECK_OK(fill_at(&w, a, 'a', 6 * KIB4, 0)); /* what was reserved */
    CHECK_OK(env_space(w.env, "/", &space));
    CHECK_EQ(space.free_bytes, 4 * KIB4);
    CHECK_OK(env_unlink(w.env, "/a"));
    CHECK_EQ(sim_disk_used(w.disk), 6 * KIB4); /* still open */
    CHECK_OK(env_close(w.env, a));
    CHECK_EQ(sim_disk_used(w.disk), 0);
    CHECK_OK(fill_at(&w, b, 'b', 10 * KIB4, 0));
    CHECK_OK(env_truncate(w.env, b, 1));
    CHECK_EQ(sim_disk_used(w.disk), KIB4);
    sim_free(w.sim);
}

TEST(damage_is_seen_by_reads_and_stays_after_power_loss)
{
    struct world w = world_new(8);
    char path[ENV_PATH_BYTES];
    uint64_t position;
    int file;
    uint8_t byte;
    size_t got;

    sim_disk_put(w.disk, "/d/a", BYTES("abc"));
    CHECK(sim_disk_flip(w.disk, "/d/a", 1, 1));
    CHECK_STR_EQ(content(&w, arena, "/d/a"), "acc");
    CHECK(!sim_disk_flip(w.disk, "/d/a", 3, 1));
    CHECK(!sim_disk_rot(w.disk, "/other", path, &position));
    reboot(&w);
    CHECK_STR_EQ(content(&w, arena, "/d/a"), "acc");
    CHECK(sim_disk_rot(w.disk, "/d/", path, &position));
    CHECK_STR_EQ(path, "/d/a");
    CHECK(strcmp(content(&w, arena, "/d/a"), "acc") != 0);
    CHECK(sim_disk_bad_sector(w.disk, "/d/a", 2, 1));
    CHECK_OK(env_open(w.env, "/d/a", ENV_OPEN_WRITE, &file));
    CHECK_OK(env_read(w.env, file, &byte, 1, 0, &got));
    CHECK_ERR(env_read(w.env, file, &byte, 1, 2, &got), ERR_IO);
    CHECK_ERR(env_read_cached(w.env, file, &byte, 1, 2, &got), ERR_AGAIN);
    CHECK_OK(write_at(&w, file, "z", 2));
    CHECK_OK(env_read(w.env, file, &byte, 1, 2, &got));
    CHECK_EQ(byte, 'z');
    sim_free(w.sim);
}

TEST(names_behave_as_on_a_real_file_system)
{
    struct world w = world_new(9);
    struct buf names;
    int file;

    buf_init(&names, KIB4);
    CHECK_ERR(env_open(w.env, "/no/a", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), ERR_NOT_FOUND);
    CHECK_ERR(env_open(w.env, "/a", ENV_OPEN_READ, &file), ERR_NOT_FOUND);
    CHECK_ERR(env_mkdir(w.env, "/d/e"), ERR_NOT_FOUND);
    CHECK_OK(env_mkdir(w.env, "/d"));
    CHECK_OK(env_close(w.env, open_new(&w, "/d/b")));
    CHECK_OK(env_close(w.env, open_new(&w, "/d/a")));
    CHECK_OK(env_mkdir(w.env, "d/c/"));
    CHECK_OK(env_list(w.env, "/d", &names));
    CHECK_BYTES_EQ(buf_view(&names), ((struct bytes){(const uint8_t *)"a\0b\0c", 6}));
    CHECK_ERR(env_open(w.env, "/d/a", ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file),
              ERR_EXISTS);
    CHECK_ERR(env_rmdir(w.env, "/d"), ERR_EXISTS);
    CHECK_ERR(env_unlink(w.env, "/d/c"), ERR_IO);
    CHECK_ERR(env_unlink(w.env, "/d/x"), ERR_NOT_FOUND);
    CHECK_OK(env_rename(w.env, "/d", "/e"));
    CHECK(sim_disk_exists(w.disk, "/e/b") && !sim_disk_exists(w.disk, "/d"));
    CHECK_OK(env_rmdir(w.env, "/e/c"));
    buf_reset(&names);
    CHECK_OK(sim_disk_files(w.disk, &names));
    CHECK_BYTES_EQ(buf_view(&names), ((struct bytes){(const uint8_t *)"/e/a\0/e/b", 10}));
    buf_deinit(&names);
    sim_free(w.sim);
}

TEST(a_lying_disk_says_ok_and_loses_everything)
{
    int kept = 0;

    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct world w = world_new(seed);
        int file;

        sim_disk_put(w.disk, "/a", BYTES("old"));
        CHECK_OK(env_open(w.env, "/a", ENV_OPEN_WRITE, &file));
        sim_disk_lie(w.disk, true);
        CHECK_OK(write_at(&w, file, "new", 0));
        CHECK_OK(env_sync(w.env, file));
        CHECK_OK(env_sync_all(w.env, file));
        reboot(&w);
        kept += strcmp(content(&w, arena, "/a"), "new") == 0;
        sim_free(w.sim);
    }
    CHECK(kept < SEED_COUNT);
}

TEST(a_hundred_mebibytes_are_written_and_synced_in_no_time)
{
    struct world w = world_new(11);
    int file = open_new(&w, "/big");
    uint64_t size;

    for (uint64_t at = 0; at < (uint64_t)100 << 20; at += 64 * KIB4) {
        CHECK_OK(fill_at(&w, file, (uint8_t)(at >> 18), 64 * KIB4, at));
        if (at % (1 << 22) == 0) {
            CHECK_OK(env_sync(w.env, file));
        }
    }
    CHECK(sim_disk_size(w.disk, "/big", &size));
    CHECK_EQ(size, 100 << 20);
    sim_free(w.sim);
}

TEST(a_wiped_disk_is_empty_and_damage_replaces_bytes)
{
    struct world w = world_new(12);

    sim_disk_put(w.disk, "/d/a", BYTES("abcdef"));
    CHECK(sim_disk_damage(w.disk, "/d/a", 2, BYTES("\0\0")));
    CHECK(!sim_disk_damage(w.disk, "/d/a", 5, BYTES("\0\0")));
    struct buf b;
    buf_init(&b, KIB4);
    CHECK_OK(sim_disk_peek(w.disk, "/d/a", &b));
    CHECK_BYTES_EQ(buf_view(&b), BYTES("ab\0\0ef"));
    buf_deinit(&b);
    sim_node_power_off(w.node);
    sim_disk_wipe(w.disk);
    CHECK_EQ(sim_disk_used(w.disk), 0);
    w.env = sim_node_restart(w.node);
    CHECK(!sim_disk_exists(w.disk, "/d"));
    CHECK_OK(env_mkdir(w.env, "/d"));
    sim_free(w.sim);
}
