/* tests/unit/env_linux_test.c: the real world: limits, clock, pollers, lanes, actors. Files and sockets
 * have tests of their own beside this one. Nothing sleeps: waiting is env_poll(). */
#include "base/env_linux_internal.h"
#include "base/mem.h"
#include "tests/harness/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOB_COUNT = 2000, POLL_US = 20 * 1000 * 1000, EVENTS = 64 };

static struct env *new_env(void)
{
    struct env *e;

    CHECK_OK(env_linux_new(&e));
    return e;
}

static struct env_poller *new_poller(struct env *e)
{
    struct env_poller *p;

    CHECK_OK(env_poller_new(e, &p));
    return p;
}

TEST(clock_and_randomness_come_from_the_machine)
{
    struct env *e = new_env();
    uint64_t before = env_now_us(e), after = env_now_us(e);

    CHECK(before <= after);
    CHECK(env_wall_ms(e) > INT64_C(1700000000000));
    CHECK(env_random(e) != env_random(e));
    env_linux_free(e);
}

TEST(making_an_environment_survives_any_failed_allocation)
{
    for (uint64_t nth = 1; nth < 10; nth++) {
        struct env *e = NULL;
        struct env_poller *p = NULL;
        struct env_lane *l = NULL;
        (void)mem_fail_nth(nth);
        enum err result = env_linux_new(&e);
        result = result != OK ? result : env_poller_new(e, &p);
        result = result != OK ? result : env_lane_new(e, "lane", 2, &l);
        bool reached = mem_fail_nth(0) == 0;
        CHECK_EQ(result, reached ? ERR_NOMEM : OK);
        CHECK_EQ(nth <= 3, reached);
        if (e != NULL) {
            env_lane_free(e, l);
            env_poller_free(e, p);
        }
        env_linux_free(e);
    }
}

/* Below: a tree of /proc and /sys like that of several kinds of container. */
static void put(struct arena *arena, const char *path, const char *text)
{
    char *at = (char *)(uintptr_t)arena_copy(
                   arena, (struct bytes){(const uint8_t *)path, strlen(path) + 1})
                   .at;

    for (char *c = strchr(at + 1, '/'); c != NULL; c = strchr(c + 1, '/')) {
        *c = 0;
        (void)mkdir(at, 0700);
        *c = '/';
    }
    FILE *f = fopen(at, "w");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *path(struct arena *arena, const char *root, const char *rest)
{
    return (const char *)arena_format(arena, "%s/%s", root, rest).at;
}

static const char *new_root(struct arena *arena)
{
    char *root = (char *)(uintptr_t)arena_format(arena, "/tmp/weir-test-XXXXXX").at;

    CHECK(mkdtemp(root) != NULL);
    return root;
}

static void remove_root(struct arena *arena, const char *root)
{
    const char *command = (const char *)arena_format(arena, "rm -r '%s'", root).at;

    CHECK_EQ(system(command), 0);
}

TEST(without_control_groups_the_machine_is_the_limit)
{
    const char *root = new_root(arena);

    CHECK_EQ(env_linux_core_count_below(root, 6), 6);
    CHECK_EQ(env_linux_core_count_below(root, 0), 1);
    CHECK_EQ(env_linux_memory_bytes_below(root, 1000), 1000);
    put(arena, path(arena, root, "proc/self/cgroup"), "garbage\n\n0\n:::\n0::");
    CHECK_EQ(env_linux_core_count_below(root, 6), 6);
    remove_root(arena, root);
}

TEST(limits_of_control_groups_version_2_hold_for_all_groups_inside)
{
    const char *root = new_root(arena);

    put(arena, path(arena, root, "proc/self/cgroup"), "0::/a/b\n");
    put(arena, path(arena, root, "sys/fs/cgroup/a/b/cpu.max"), "max 100000\n");
    put(arena, path(arena, root, "sys/fs/cgroup/a/b/memory.max"), "max\n");
    CHECK_EQ(env_linux_core_count_below(root, 8), 8);
    CHECK_EQ(env_linux_memory_bytes_below(root, 1 << 30), 1 << 30);
    put(arena, path(arena, root, "sys/fs/cgroup/a/cpu.max"), "150000 100000\n");
    put(arena, path(arena, root, "sys/fs/cgroup/a/memory.max"), "67108864\n");
    CHECK_EQ(env_linux_core_count_below(root, 8), 2);
    CHECK_EQ(env_linux_core_count_below(root, 1), 1);
    CHECK_EQ(env_linux_memory_bytes_below(root, 1 << 30), 64 << 20);
    put(arena, path(arena, root, "sys/fs/cgroup/a/b/cpu.max"), "5000 100000\n");
    CHECK_EQ(env_linux_core_count_below(root, 8), 1);
    remove_root(arena, root);
}

TEST(limits_mounted_at_the_top_are_found_although_the_path_is_the_host_s)
{
    const char *root = new_root(arena);

    put(arena, path(arena, root, "proc/self/cgroup"),
        "12:memory:/docker/0123\n11:cpu,cpuacct:/docker/0123\n3:cpuset:/\n0::/docker/0123\n");
    put(arena, path(arena, root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us"), "300000\n");
    put(arena, path(arena, root, "sys/fs/cgroup/cpu/cpu.cfs_period_us"), "100000\n");
    put(arena, path(arena, root, "sys/fs/cgroup/memory/memory.limit_in_bytes"), "1048576\n");
    CHECK_EQ(env_linux_core_count_below(root, 8), 3);
    CHECK_EQ(env_linux_memory_bytes_below(root, 1 << 30), 1 << 20);
    put(arena, path(arena, root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us"), "-1\n");
    put(arena, path(arena, root, "sys/fs/cgroup/memory/memory.limit_in_bytes"),
        "9223372036854771712\n");
    CHECK_EQ(env_linux_core_count_below(root, 8), 8);
    CHECK_EQ(env_linux_memory_bytes_below(root, 1 << 30), 1 << 30);
    remove_root(arena, root);
}

TEST(this_machine_has_a_core_memory_and_files)
{
    CHECK(env_linux_core_count() >= 1);
    CHECK(env_linux_memory_bytes() > 16 << 20);
    CHECK(env_linux_files_max() >= 64);
}

TEST(a_poll_without_news_ends_at_its_time)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);
    struct env_event events[EVENTS];

    CHECK_EQ(env_poll(e, p, events, EVENTS, 0), 0);
    uint64_t before = env_now_us(e);
    CHECK_EQ(env_poll(e, p, events, EVENTS, 1500), 0);
    CHECK(env_now_us(e) - before >= 1500);
    env_poller_free(e, p);
    env_linux_free(e);
}

TEST(a_wake_before_the_wait_ends_that_wait_and_only_that)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);
    struct env_event events[EVENTS];

    env_wake(e, p);
    env_wake(e, p);
    CHECK_EQ(env_poll(e, p, events, EVENTS, -1), 0);
    uint64_t before = env_now_us(e);
    CHECK_EQ(env_poll(e, p, events, EVENTS, 2000), 0);
    CHECK(env_now_us(e) - before >= 2000);
    env_poller_free(e, p);
    env_linux_free(e);
}

/* Two actors hand a number to and fro. Each waits without an end, so one lost wake hangs the test; every
 * fourth turn it does not wait at all, so wakes meet sleepers and non-sleepers in all ways. */
struct pinger {
    struct env *env;
    struct env_poller *mine;
    struct pinger *other;
    _Atomic uint64_t inbox;
    uint64_t seen, end;
};

static bool ping_step(void *context)
{
    struct pinger *p = context;
    struct env_event events[2];
    uint64_t number = atomic_load_explicit(&p->inbox, memory_order_acquire);

    if (number > p->seen) {
        p->seen = number;
        atomic_store_explicit(&p->other->inbox, number + 1, memory_order_release);
        env_wake(p->env, p->other->mine);
    }
    if (p->seen >= p->end) {
        return false;
    }
    CHECK_EQ(env_poll(p->env, p->mine, events, 2, p->seen % 4 == 0 ? 0 : -1), 0);
    return true;
}

TEST(no_wake_is_lost_between_two_actors)
{
    struct env *e = new_env();
    struct pinger a = {.env = e, .mine = new_poller(e), .end = 20000};
    struct pinger b = {.env = e, .mine = new_poller(e), .end = 20000, .other = &a};
    struct env_thread *threads[2];

    a.other = &b;
    a.inbox = 1;
    CHECK_OK(env_thread_start(e, "a", ping_step, &a, &threads[0]));
    CHECK_OK(env_thread_start(e, "b-with-a-name-that-is-too-long", ping_step, &b, &threads[1]));
    env_thread_join(e, threads[0]);
    env_thread_join(e, threads[1]);
    CHECK(a.seen >= 20000 && b.seen >= 20000);
    env_poller_free(e, a.mine);
    env_poller_free(e, b.mine);
    env_linux_free(e);
}

struct count_job {
    struct env_job job;
    int number;
    _Atomic int *at_once, *at_once_max;
    int *plain; /* written without a lock: right only if jobs of a lane of one exclude each other */
};

static void count(struct env_job *job)
{
    struct count_job *c = CONTAINER_OF(job, struct count_job, job);
    int now = atomic_fetch_add(c->at_once, 1) + 1;
    int max = atomic_load(c->at_once_max);

    while (now > max && !atomic_compare_exchange_weak(c->at_once_max, &max, now)) {
    }
    if (c->plain != NULL) {
        CHECK_EQ(*c->plain, c->number);
        *c->plain = c->number + 1;
    }
    (void)atomic_fetch_sub(c->at_once, 1);
}

static void run_jobs(struct arena *arena, int width, bool ordered)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);
    struct env_lane *l;
    struct env_event events[EVENTS];
    struct count_job *jobs = ARENA_ARRAY(arena, struct count_job, JOB_COUNT);
    _Atomic int at_once = 0, at_once_max = 0;
    int plain = 0, done = 0;

    CHECK_OK(env_lane_new(e, "test", width, &l));
    for (int i = 0; i < JOB_COUNT; i++) {
        jobs[i] = (struct count_job){.job = {.run = count, .home = p},
                                     .number = i,
                                     .at_once = &at_once,
                                     .at_once_max = &at_once_max,
                                     .plain = ordered ? &plain : NULL};
        env_job_submit(e, l, &jobs[i].job);
    }
    while (done < JOB_COUNT) {
        int n = env_poll(e, p, events, EVENTS, POLL_US);
        CHECK(n <= EVENTS);
        for (int i = 0; i < n; i++, done++) {
            CHECK_EQ(events[i].kind, ENV_EVENT_JOB);
            const struct count_job *c = CONTAINER_OF(events[i].tag, struct count_job, job);
            CHECK(!ordered || c->number == done);
        }
    }
    CHECK(at_once_max >= 1 && at_once_max <= width);
    CHECK_EQ(env_poll(e, p, events, EVENTS, 0), 0);
    env_lane_free(e, l);
    env_poller_free(e, p);
    env_linux_free(e);
}

TEST(a_lane_of_width_one_keeps_order)
{
    run_jobs(arena, 1, true);
}

TEST(a_wide_lane_runs_everything_and_never_more_at_once_than_its_width)
{
    run_jobs(arena, 4, false);
}

/* Each of two jobs ends only after the other has begun, and both are submitted while one thread is idle,
 * or about to be: the lane must see that it needs a second. */
struct meeting {
    struct env_job job;
    _Atomic bool *wait_for, *set;
};

static void meet(struct env_job *job)
{
    struct meeting *m = CONTAINER_OF(job, struct meeting, job);

    atomic_store(m->set, true);
    while (!atomic_load(m->wait_for)) {
    }
}

static void wait_for_jobs(struct env *e, struct env_poller *p, int count)
{
    struct env_event events[EVENTS];

    while (count > 0) {
        int n = env_poll(e, p, events, EVENTS, POLL_US);
        CHECK(n <= count);
        count -= n;
    }
}

TEST(two_jobs_of_a_wide_lane_run_at_the_same_time)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);

    for (int round = 0; round < 50; round++) {
        struct env_lane *l;
        _Atomic bool a_came = false, b_came = false, alone = true;
        struct meeting first = {{.run = meet, .home = p}, &alone, &alone};
        struct meeting a = {{.run = meet, .home = p}, &b_came, &a_came};
        struct meeting b = {{.run = meet, .home = p}, &a_came, &b_came};
        CHECK_OK(env_lane_new(e, "test", 2, &l));
        env_job_submit(e, l, &first.job);
        wait_for_jobs(e, p, 1);
        env_job_submit(e, l, &a.job);
        env_job_submit(e, l, &b.job);
        wait_for_jobs(e, p, 2);
        env_lane_free(e, l);
    }
    env_poller_free(e, p);
    env_linux_free(e);
}

TEST(freeing_a_lane_waits_for_its_jobs)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);
    struct env_lane *l;
    struct env_event events[EVENTS];
    struct count_job jobs[EVENTS / 2];
    _Atomic int at_once = 0, at_once_max = 0;

    CHECK_OK(env_lane_new(e, "test", 3, &l));
    for (int i = 0; i < EVENTS / 2; i++) {
        jobs[i] = (struct count_job){
            .job = {.run = count, .home = p}, .at_once = &at_once, .at_once_max = &at_once_max};
        env_job_submit(e, l, &jobs[i].job);
    }
    env_lane_free(e, l);
    CHECK_EQ(env_poll(e, p, events, EVENTS, 0), EVENTS / 2);
    env_poller_free(e, p);
    env_linux_free(e);
}

TEST(a_stop_signal_wakes_the_poller_and_is_remembered)
{
    struct env *e = new_env();
    struct env_poller *p = new_poller(e);
    struct env_event events[EVENTS];

    CHECK_OK(env_linux_on_stop(e, p));
    CHECK(!env_linux_stop_asked());
    CHECK_EQ(raise(SIGPIPE), 0);
    CHECK_EQ(env_poll(e, p, events, EVENTS, 0), 0);
    CHECK_EQ(raise(SIGTERM), 0);
    CHECK(env_linux_stop_asked());
    CHECK_EQ(env_poll(e, p, events, EVENTS, -1), 0);
    env_poller_free(e, p);
    env_linux_free(e);
}

TEST(an_errno_becomes_what_a_caller_should_do)
{
    CHECK_EQ(env_linux_error(ENOSPC), ERR_NOSPACE);
    CHECK_EQ(env_linux_error(EDQUOT), ERR_NOSPACE);
    CHECK_EQ(env_linux_error(EMFILE), ERR_LIMIT);
    CHECK_EQ(env_linux_error(EPIPE), ERR_CLOSED);
    CHECK_EQ(env_linux_error(EIO), ERR_IO);
    CHECK_EQ(env_linux_error(99999), ERR_IO);
    CHECK_STR_EQ(env_linux_error_text(EIO), "Input/output error");
    CHECK_STR_EQ(env_linux_error_text(99999), "unknown error");
}
