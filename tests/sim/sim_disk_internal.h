/* tests/sim/sim_disk_internal.h: a simulated disk as the simulated kernel uses it. Calls mirror base/env.h,
 * with inodes for files.
 */
#pragma once

#include "base/env.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_profile.h"
#include "tests/sim/sim_tree.h"

struct sim_disk {
    struct sim_tree tree;
    const struct sim_profile *profile; /* the world's */
    struct sim_random random;
    struct sim_disk_fault faults[SIM_DISK_FAULT_COUNT_MAX];
    uint64_t fault_seen[SIM_DISK_FAULT_COUNT_MAX]; /* operations that matched so far */
    uint32_t fault_count;
    uint64_t op_count, crash_at, failed_count;
    uint64_t capacity_bytes; /* UINT64_MAX: none */
    uint64_t cost_us;        /* time taken by operations since it was last set to 0 */
    uint64_t done_hash;      /* every operation and its answer */
    bool lying, crashed;
};

struct sim_disk *sim_disk_new(const struct sim_profile *profile, struct sim_random random);
void sim_disk_free(struct sim_disk *d);
/* After every handle has been closed. */
void sim_disk_power_loss(struct sim_disk *d);

enum err sim_disk_open(struct sim_disk *d, const char *path, uint32_t flags,
                       struct sim_inode **out);
void sim_disk_close(struct sim_disk *d, struct sim_inode *i);
enum err sim_disk_read(struct sim_disk *d, struct sim_inode *i, struct env_slice to,
                       uint64_t position, size_t *got);
/* ERR_AGAIN where the profile says that the cache misses, and for bad sectors. Takes no time. */
enum err sim_disk_read_cached(struct sim_disk *d, struct sim_inode *i, struct env_slice to,
                              uint64_t position, size_t *got);
enum err sim_disk_write(struct sim_disk *d, struct sim_inode *i, struct bytes data,
                        uint64_t position);
enum err sim_disk_sync(struct sim_disk *d, struct sim_inode *i);
enum err sim_disk_sync_dir(struct sim_disk *d, const char *path);
enum err sim_disk_sync_all(struct sim_disk *d);
enum err sim_disk_truncate(struct sim_disk *d, struct sim_inode *i, uint64_t bytes);
enum err sim_disk_allocate(struct sim_disk *d, struct sim_inode *i, uint64_t position,
                           uint64_t len);
enum err sim_disk_rename(struct sim_disk *d, const char *from, const char *to);
enum err sim_disk_unlink(struct sim_disk *d, const char *path);
enum err sim_disk_mkdir(struct sim_disk *d, const char *path);
enum err sim_disk_rmdir(struct sim_disk *d, const char *path);
enum err sim_disk_list(struct sim_disk *d, const char *path, struct buf *names);
enum err sim_disk_lock(struct sim_disk *d, const char *path, struct sim_inode **out);
enum err sim_disk_space(struct sim_disk *d, struct env_disk_space *out);
