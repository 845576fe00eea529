/* tests/unit/env_linux_file_test.c: files, each test in a directory of its own. */
#include "base/env_linux.h"
#include "base/mem.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

struct fixture {
    struct env *env;
    const char *root;
    struct arena *arena;
};

static struct fixture set_up(struct arena *arena)
{
    struct fixture f = {.arena = arena};
    char *root = (char *)(uintptr_t)arena_format(arena, "/tmp/weir-test-XXXXXX").at;

    CHECK_OK(env_linux_new(&f.env));
    CHECK(mkdtemp(root) != NULL);
    f.root = root;
    return f;
}

static void tear_down(struct fixture *f)
{
    CHECK_EQ(system((const char *)arena_format(f->arena, "rm -r '%s'", f->root).at), 0);
    env_linux_free(f->env);
}

static const char *path(struct fixture *f, const char *name)
{
    return (const char *)arena_format(f->arena, "%s/%s", f->root, name).at;
}

static int create(struct fixture *f, const char *name)
{
    int file;

    CHECK_OK(env_open(f->env, path(f, name), ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file));
    return file;
}

static void write_at(struct fixture *f, int file, struct bytes b, uint64_t position)
{
    struct env_slice s = {(void *)(uintptr_t)b.at, b.len};

    CHECK_OK(env_write(f->env, file, &s, 1, position));
}

TEST(opening_follows_its_flags)
{
    struct fixture f = set_up(arena);
    int file = -7;

    CHECK_ERR(env_open(f.env, path(&f, "a"), ENV_OPEN_READ, &file), ERR_NOT_FOUND);
    CHECK(strstr(err_crumb(), path(&f, "a")) != NULL);
    CHECK_EQ(file, -7);
    CHECK_OK(env_open(f.env, path(&f, "a"), ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE,
                      &file));
    CHECK((fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_OK(env_close(f.env, file));
    CHECK_ERR(env_open(f.env, path(&f, "a"), ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE,
                       &file),
              ERR_EXISTS);
    CHECK_OK(env_open(f.env, path(&f, "a"), ENV_OPEN_READ, &file));
    struct env_slice s = {(void *)(uintptr_t) "x", 1};
    CHECK_ERR(env_write(f.env, file, &s, 1, 0), ERR_IO);
    CHECK(strstr(err_crumb(), path(&f, "a")) != NULL); /* the name of an open file is found out */
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

/* More slices than one system call takes at once, some of them empty. */
TEST(all_slices_are_written_one_after_the_other)
{
    enum { COUNT = 3000 };
    struct fixture f = set_up(arena);
    int file = create(&f, "a");
    struct env_slice *slices = ARENA_ARRAY(arena, struct env_slice, COUNT);
    uint8_t *want = arena_alloc(arena, 1 << 20), *have = arena_alloc(arena, 1 << 20);
    size_t len = 0, got = 0;
    uint64_t size;

    for (int i = 0; i < COUNT; i++) {
        slices[i] = (struct env_slice){want + len, test_random_below(300)};
        for (size_t k = 0; k < slices[i].len; k++) {
            want[len++] = (uint8_t)test_random();
        }
    }
    CHECK_OK(env_write(f.env, file, slices, COUNT, 12345));
    CHECK_OK(env_write(f.env, file, slices, 0, 0));
    CHECK_OK(env_write(f.env, file, &(struct env_slice){want, 0}, 1, 0));
    CHECK_OK(env_size(f.env, file, &size));
    CHECK_EQ(size, 12345 + len);
    CHECK_OK(env_read(f.env, file, have, 1 << 20, 12345, &got));
    CHECK_BYTES_EQ(((struct bytes){have, got}), ((struct bytes){want, len}));
    CHECK_OK(env_read(f.env, file, have, 10, size, &got));
    CHECK_EQ(got, 0);
    CHECK_OK(env_sync(f.env, file));
    CHECK_OK(env_sync_all(f.env, file));
    CHECK_OK(env_truncate(f.env, file, 3));
    CHECK_OK(env_size(f.env, file, &size));
    CHECK_EQ(size, 3);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

/* A limit on the size of files makes the kernel take a part of the write and then refuse the rest. */
TEST(a_write_that_the_kernel_cuts_short_is_continued_and_then_fails)
{
    struct fixture f = set_up(arena);
    int file = create(&f, "a");
    uint8_t *data = arena_alloc(arena, 3 * PAGE_BYTES);
    struct env_slice slices[3] = {
        {data, PAGE_BYTES}, {data + PAGE_BYTES, PAGE_BYTES}, {data + 2 * PAGE_BYTES, PAGE_BYTES}};
    struct rlimit limit = {PAGE_BYTES + 100, RLIM_INFINITY};
    uint64_t size;

    memset(data, 'x', 3 * PAGE_BYTES);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_ERR(env_write(f.env, file, slices, 3, 0), ERR_IO);
    limit.rlim_cur = RLIM_INFINITY;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_OK(env_size(f.env, file, &size));
    CHECK_EQ(size, PAGE_BYTES + 100);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(a_full_disk_is_told_apart)
{
    struct fixture f = set_up(arena);
    int file;
    struct env_slice s = {(void *)(uintptr_t) "x", 1};

    CHECK_OK(env_open(f.env, "/dev/full", ENV_OPEN_WRITE, &file));
    CHECK_ERR(env_write(f.env, file, &s, 1, 0), ERR_NOSPACE);
    CHECK(strstr(err_crumb(), "/dev/full") != NULL);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(allocating_keeps_the_size)
{
    struct fixture f = set_up(arena);
    int file = create(&f, "a");
    uint64_t size;

    CHECK_OK(env_allocate(f.env, file, 0, 1 << 20));
    CHECK_OK(env_allocate(f.env, file, 0, 0));
    CHECK_OK(env_size(f.env, file, &size));
    CHECK_EQ(size, 0);
    CHECK_OK(env_close(f.env, file));
    CHECK_OK(env_open(f.env, "/dev/null", ENV_OPEN_WRITE, &file));
    CHECK_ERR(env_allocate(f.env, file, 0, 10), ERR_IO);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(direct_files_take_whole_pages_and_give_them_back)
{
    struct fixture f = set_up(arena);
    uint8_t *page = mem_pages(2 * PAGE_BYTES);
    struct env_slice s = {page, PAGE_BYTES};
    size_t got;
    int file;

    CHECK(page != NULL);
    memset(page, 'd', PAGE_BYTES);
    CHECK_OK(
        env_open(f.env, path(&f, "a"), ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_DIRECT, &file));
    CHECK_OK(env_write(f.env, file, &s, 1, PAGE_BYTES));
    CHECK_OK(env_sync(f.env, file));
    CHECK_OK(env_read(f.env, file, page, 2 * PAGE_BYTES, 0, &got));
    CHECK_EQ(got, 2 * PAGE_BYTES);
    CHECK(page[0] == 0 && page[PAGE_BYTES] == 'd' && page[2 * PAGE_BYTES - 1] == 'd');
    CHECK_OK(env_close(f.env, file));
    mem_free(page);
    tear_down(&f);
}

/* /proc refuses O_DIRECT at open; a disk refuses what is not aligned at the first write or read. */
TEST(where_direct_is_refused_an_ordinary_file_takes_its_place)
{
    struct fixture f = set_up(arena);
    char text[64] = {0};
    size_t got;
    int file;

    CHECK_OK(env_open(f.env, "/proc/self/comm", ENV_OPEN_READ | ENV_OPEN_DIRECT, &file));
    CHECK_OK(env_read(f.env, file, text, sizeof(text), 0, &got));
    CHECK(got > 0);
    CHECK_OK(env_close(f.env, file));
    for (int reading = 0; reading < 2; reading++) {
        CHECK_OK(env_open(f.env, path(&f, "a"), ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_DIRECT,
                          &file));
        if (reading) {
            CHECK_OK(env_read(f.env, file, text + 1, 6, 0, &got));
            CHECK_BYTES_EQ(((struct bytes){(uint8_t *)text + 1, got}), BYTES("direct"));
        } else {
            write_at(&f, file, BYTES("direct"), 0);
        }
        CHECK_OK(env_close(f.env, file));
    }
    CHECK_ERR(env_open(f.env, path(&f, "a"),
                       ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE | ENV_OPEN_DIRECT,
                       &file),
              ERR_EXISTS);
    tear_down(&f);
}

TEST(directories_are_made_listed_in_order_and_removed)
{
    struct fixture f = set_up(arena);
    struct buf names;

    buf_init(&names, 1 << 20);
    CHECK_OK(env_mkdir(f.env, path(&f, "d")));
    CHECK_OK(env_mkdir(f.env, path(&f, "d")));
    CHECK_ERR(env_mkdir(f.env, path(&f, "missing/d")), ERR_NOT_FOUND);
    CHECK_OK(env_list(f.env, path(&f, "d"), &names));
    CHECK_EQ(names.len, 0);
    static const char *const made[] = {"d/b", "d/a", "d/\xc3\xa4", "d/a1", "d/.hidden"};
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        CHECK_OK(env_close(f.env, create(&f, made[i])));
    }
    CHECK_OK(buf_add(&names, BYTES("kept\0")));
    CHECK_OK(env_list(f.env, path(&f, "d"), &names));
    CHECK_BYTES_EQ(buf_view(&names), BYTES("kept\0.hidden\0a\0a1\0b\0\xc3\xa4\0"));
    CHECK_ERR(env_mkdir(f.env, path(&f, "d/a")), ERR_EXISTS);
    CHECK_ERR(env_rmdir(f.env, path(&f, "d")), ERR_EXISTS);
    CHECK_ERR(env_list(f.env, path(&f, "missing"), &names), ERR_NOT_FOUND);
    CHECK_OK(env_sync_dir(f.env, path(&f, "d")));
    CHECK_ERR(env_sync_dir(f.env, path(&f, "missing")), ERR_NOT_FOUND);
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        CHECK_OK(env_unlink(f.env, path(&f, made[i])));
    }
    CHECK_ERR(env_unlink(f.env, path(&f, "d/a")), ERR_NOT_FOUND);
    CHECK_OK(env_rmdir(f.env, path(&f, "d")));
    buf_deinit(&names);
    tear_down(&f);
}

TEST(listing_survives_any_failed_allocation_and_a_small_buffer)
{
    struct fixture f = set_up(arena);
    struct buf names;
    bool reached = true;

    CHECK_OK(env_close(f.env, create(&f, "name-one")));
    CHECK_OK(env_close(f.env, create(&f, "name-two")));
    for (uint64_t nth = 1; reached; nth++) {
        buf_init(&names, 100);
        (void)mem_fail_nth(nth);
        enum err result = env_list(f.env, f.root, &names);
        reached = mem_fail_nth(0) == 0;
        CHECK_EQ(result, reached ? ERR_NOMEM : OK);
        CHECK(reached || nth > 2);
        buf_deinit(&names);
    }
    buf_init(&names, 10);
    CHECK_ERR(env_list(f.env, f.root, &names), ERR_LIMIT);
    buf_deinit(&names);
    tear_down(&f);
}

TEST(a_rename_replaces_its_target)
{
    struct fixture f = set_up(arena);
    char text[8];
    size_t got;
    int file = create(&f, "a");

    write_at(&f, file, BYTES("new"), 0);
    CHECK_OK(env_close(f.env, file));
    CHECK_OK(env_close(f.env, create(&f, "b")));
    CHECK_OK(env_rename(f.env, path(&f, "a"), path(&f, "b")));
    CHECK_ERR(env_rename(f.env, path(&f, "a"), path(&f, "b")), ERR_NOT_FOUND);
    CHECK(strstr(err_crumb(), path(&f, "b")) != NULL);
    CHECK_OK(env_open(f.env, path(&f, "b"), ENV_OPEN_READ, &file));
    CHECK_OK(env_read(f.env, file, text, sizeof(text), 0, &got));
    CHECK_BYTES_EQ(((struct bytes){(uint8_t *)text, got}), BYTES("new"));
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(a_lock_is_held_until_closed)
{
    struct fixture f = set_up(arena);
    int file, second = -1;

    CHECK_OK(env_lock(f.env, path(&f, "lock"), &file));
    CHECK_ERR(env_lock(f.env, path(&f, "lock"), &second), ERR_EXISTS);
    CHECK_EQ(second, -1);
    CHECK_OK(env_close(f.env, file));
    CHECK_OK(env_lock(f.env, path(&f, "lock"), &file));
    CHECK_OK(env_close(f.env, file));
    CHECK_ERR(env_lock(f.env, path(&f, "missing/lock"), &file), ERR_NOT_FOUND);
    tear_down(&f);
}

TEST(space_is_told_and_a_missing_path_is_not)
{
    struct fixture f = set_up(arena);
    struct env_disk_space space;

    CHECK_OK(env_space(f.env, f.root, &space));
    CHECK(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
    CHECK_ERR(env_space(f.env, path(&f, "missing"), &space), ERR_NOT_FOUND);
    tear_down(&f);
}

/* A cached read gives the right bytes or says "again"; what was just written, and synced, is cached. After
 * the cache was told to forget, "again" or the right bytes (the kernel need not obey). */
TEST(a_cached_read_is_right_or_says_again)
{
    struct fixture f = set_up(arena);
    int file = create(&f, "a");
    uint8_t *data = arena_alloc(arena, 64 * PAGE_BYTES),
            *have = arena_alloc(arena, 64 * PAGE_BYTES);
    size_t got = 0;

    for (size_t i = 0; i < 64 * PAGE_BYTES; i++) {
        data[i] = (uint8_t)test_random();
    }
    struct bytes whole = {data, 64 * PAGE_BYTES - 10};
    write_at(&f, file, whole, 0);
    CHECK_OK(env_sync(f.env, file));
    enum err first = env_read_cached(f.env, file, have, 64 * PAGE_BYTES, 0, &got);
    CHECK(first == OK || first == ERR_AGAIN);
    if (first == OK) {
        CHECK_BYTES_EQ(((struct bytes){have, got}), whole);
        CHECK_OK(env_read_cached(f.env, file, have, 100, whole.len, &got));
        CHECK_EQ(got, 0);
        CHECK_OK(env_read_cached(f.env, file, have, 100, whole.len - 7, &got));
        CHECK_EQ(got, 7);
    }
    CHECK_EQ(posix_fadvise(file, 8 * PAGE_BYTES, 8 * PAGE_BYTES, POSIX_FADV_DONTNEED), 0);
    enum err second = env_read_cached(f.env, file, have, 64 * PAGE_BYTES, 0, &got);
    CHECK(second == ERR_AGAIN || (second == OK && got == whole.len));
    CHECK_OK(env_read(f.env, file, have, 64 * PAGE_BYTES, 0, &got));
    CHECK_BYTES_EQ(((struct bytes){have, got}), whole);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(a_range_of_a_file_is_sent_to_a_socket)
{
    struct fixture f = set_up(arena);
    int file = create(&f, "a"), ends[2];
    char have[16];
    size_t sent = 0;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    write_at(&f, file, BYTES("0123456789"), 0);
    CHECK_OK(env_send_file(f.env, ends[0], file, 3, 4, &sent));
    CHECK_EQ(sent, 4);
    CHECK_EQ(read(ends[1], have, sizeof(have)), 4);
    CHECK_EQ(memcmp(have, "3456", 4), 0);
    CHECK_ERR(env_send_file(f.env, ends[0], file, 10, 4, &sent), ERR_IO); /* past its end */
    CHECK_OK(env_truncate(f.env, file, 1 << 20));
    enum err result = OK;
    for (int i = 0; i < 100 && result == OK; i++) {
        result = env_send_file(f.env, ends[0], file, 0, 1 << 20, &sent);
    }
    CHECK_EQ(result, ERR_AGAIN);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_ERR(env_send_file(f.env, ends[0], file, 0, 10, &sent), ERR_CLOSED);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_OK(env_close(f.env, file));
    tear_down(&f);
}

TEST(a_wrong_descriptor_is_an_error_everywhere)
{
    struct fixture f = set_up(arena);
    uint8_t byte[1];
    struct env_slice s = {byte, 1};
    uint64_t size;
    size_t got;

    CHECK_ERR(env_read(f.env, -1, byte, 1, 0, &got), ERR_IO);
    CHECK_ERR(env_write(f.env, -1, &s, 1, 0), ERR_IO);
    CHECK_ERR(env_sync(f.env, -1), ERR_IO);
    CHECK_ERR(env_sync_all(f.env, -1), ERR_IO);
    CHECK_ERR(env_truncate(f.env, -1, 0), ERR_IO);
    CHECK_ERR(env_allocate(f.env, -1, 0, 1), ERR_IO);
    CHECK_ERR(env_size(f.env, -1, &size), ERR_IO);
    CHECK_ERR(env_read_cached(f.env, -1, byte, 1, 0, &got), ERR_IO);
    CHECK_ERR(env_close(f.env, -1), ERR_IO);
    tear_down(&f);
}
