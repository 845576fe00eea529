/* base/env_linux_limits.c: how much of the machine is ours.
 *
 * WHY      In a container the machine's own numbers are wrong: threads for 64 processors under a quota of one
 *          spend their time being throttled, and memory beyond the limit is a killed process.
 * FORMAT   /proc/self/cgroup has one line for each hierarchy: "0::/path" (version 2), "4:memory:/path"
 *          (version 1). A limit may stand in the group or in any group around it; the smallest counts.
 *          In a container the path may be that of the host while only our own part is mounted, so
 *          every prefix of the path is tried, down to none, and files that are not there are skipped.
 *
 *              version 2  /sys/fs/cgroup/<path>/cpu.max                       "150000 100000" or "max 100000"
 *                         /sys/fs/cgroup/<path>/memory.max                    "67108864" or "max"
 *              version 1  /sys/fs/cgroup/cpu/<path>/cpu.cfs_quota_us          "150000" or "-1"
 *                         /sys/fs/cgroup/cpu/<path>/cpu.cfs_period_us         "100000"
 *                         /sys/fs/cgroup/memory/<path>/memory.limit_in_bytes  "67108864"
 * FAILURE  What cannot be read or understood limits nothing.
 */
#include "base/env_linux_internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LIMIT_FILE_BYTES = 4096 };

/* A limit that stands in files of a hierarchy. */
struct limit_file {
    const char
        *controller; /* version 1: its name in /proc/self/cgroup and below /sys; NULL: version 2 */
    uint64_t (*read)(const char *folder);
};

/* The beginning of a small file; empty when it cannot be read. */
static struct bytes read_small(const char *folder, const char *name, char text[LIMIT_FILE_BYTES])
{
    char path[ENV_PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = n < 0 || n >= ENV_PATH_BYTES ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, text, LIMIT_FILE_BYTES);

    if (file >= 0) {
        (void)close(file);
    }
    return (struct bytes){(const uint8_t *)text, got < 0 ? 0 : (size_t)got};
}

/* The part before the first `c`, and *rest what follows. */
static struct bytes part_before(struct bytes b, uint8_t c, struct bytes *rest)
{
    ptrdiff_t at = bytes_find(b, c);
    size_t len = at < 0 ? b.len : (size_t)at;

    *rest = bytes_slice(b, len + 1, b.len);
    return bytes_slice(b, 0, len);
}

/* UINT64_MAX unless it is a number above 0. */
static uint64_t number_or_max(struct bytes b)
{
    int64_t value;

    return bytes_to_i64(bytes_trim(b), &value) == OK && value > 0 ? (uint64_t)value : UINT64_MAX;
}

/* Processors, rounded up: a quota of one and a half keeps two threads busy. */
static uint64_t cores_of_quota(uint64_t quota, uint64_t period)
{
    if (quota == UINT64_MAX || period == UINT64_MAX) {
        return UINT64_MAX;
    }
    return quota / period + (quota % period > 0);
}

static uint64_t read_cpu_v2(const char *folder)
{
    char text[LIMIT_FILE_BYTES];
    struct bytes rest;
    struct bytes quota = part_before(read_small(folder, "cpu.max", text), ' ', &rest);

    return cores_of_quota(number_or_max(quota), number_or_max(rest));
}

static uint64_t read_cpu_v1(const char *folder)
{
    char text[LIMIT_FILE_BYTES];
    uint64_t quota = number_or_max(read_small(folder, "cpu.cfs_quota_us", text));

    return cores_of_quota(quota, number_or_max(read_small(folder, "cpu.cfs_period_us", text)));
}

static uint64_t read_memory_v2(const char *folder)
{
    char text[LIMIT_FILE_BYTES];

    return number_or_max(read_small(folder, "memory.max", text));
}

static uint64_t read_memory_v1(const char *folder)
{
    char text[LIMIT_FILE_BYTES];

    return number_or_max(read_small(folder, "memory.limit_in_bytes", text));
}

/* Is `name` in the comma-separated list? */
static bool has_controller(struct bytes list, const char *name)
{
    while (list.len > 0) {
        if (bytes_equal(part_before(list, ',', &list), bytes_of(name))) {
            return true;
        }
    }
    return false;
}

/* Our group's path in the hierarchy of this limit; null when it has none. */
static struct bytes path_in(struct bytes groups, const struct limit_file *limit)
{
    while (groups.len > 0) {
        struct bytes line = part_before(groups, '\n', &groups);
        struct bytes number = part_before(line, ':', &line);
        struct bytes controllers = part_before(line, ':', &line);
        bool ours = limit->controller == NULL
                        ? bytes_equal(number, BYTES("0")) && controllers.len == 0
                        : has_controller(controllers, limit->controller);
        if (ours) {
            return line;
        }
    }
    return BYTES_NULL;
}

/* The smallest value over a group and all around it. */
static uint64_t smallest(const char *root, struct bytes groups, const struct limit_file *limit)
{
    struct bytes path = path_in(groups, limit);
    const char *controller = limit->controller == NULL ? "" : limit->controller;
    uint64_t least = UINT64_MAX;
    char folder[ENV_PATH_BYTES];

    if (path.at == NULL) {
        return UINT64_MAX;
    }
    for (;;) {
        int n = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup/%s%.*s", root, controller,
                         BYTES_ARG(path));
        if (n > 0 && n < ENV_PATH_BYTES) {
            least = MIN(least, limit->read(folder));
        }
        if (path.len == 0) {
            return least;
        }
        do {
            path.len--;
        } while (path.len > 0 && path.at[path.len] != '/');
    }
}

static uint64_t smallest_of_two(const char *root, const struct limit_file limits[2])
{
    char folder[ENV_PATH_BYTES], text[LIMIT_FILE_BYTES];
    int n = snprintf(folder, sizeof(folder), "%s/proc/self", root);
    struct bytes groups =
        n < 0 || n >= ENV_PATH_BYTES ? BYTES_NULL : read_small(folder, "cgroup", text);
    uint64_t a = smallest(root, groups, &limits[0]), b = smallest(root, groups, &limits[1]);

    return MIN(a, b);
}

int env_linux_core_count_below(const char *root, int machine)
{
    static const struct limit_file limits[2] = {{NULL, read_cpu_v2}, {"cpu", read_cpu_v1}};
    uint64_t allowed = smallest_of_two(root, limits);

    return (int)MIN(allowed, (uint64_t)MAX(machine, 1));
}

uint64_t env_linux_memory_bytes_below(const char *root, uint64_t machine)
{
    static const struct limit_file limits[2] = {{NULL, read_memory_v2}, {"memory", read_memory_v1}};
    uint64_t allowed = smallest_of_two(root, limits);

    return MIN(allowed, machine);
}

int env_linux_core_count(void)
{
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int machine = online < 1 ? 1 : (int)MIN(online, (long)CPU_SETSIZE);

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        machine = MIN(machine, CPU_COUNT(&set));
    }
    return env_linux_core_count_below("", machine);
}

uint64_t env_linux_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

    ASSERT(pages > 0 && page_bytes > 0);
    return env_linux_memory_bytes_below("", (uint64_t)pages * (uint64_t)page_bytes);
}

uint64_t env_linux_files_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (limit.rlim_cur != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return raised.rlim_cur;
    }
    return limit.rlim_cur;
}
