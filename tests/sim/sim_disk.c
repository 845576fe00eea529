/* tests/sim/sim_disk.c: a simulated disk: every operation is counted, timed, and may be made to fail.
 *
 * HOW      An operation first settles what must hold whatever happens (the file is there, the name is free),
 *          then asks for a verdict: the answer to give, and how much of it takes effect. The verdict counts
 *          the operation as a crash point, finds planned faults, draws random ones and adds up the time.
 * CRASH    At the crash point the operation happens or not, by a draw (a write also in part); the answer
 *          is ERR_IO and the disk is dead to the process. Power loss decides the rest.
 * FAILURE  A failed write may have written a part. A failed sync drops what was unsynced (sim_file.c). A
 *          failed change of names did nothing.
 */
#include "tests/sim/sim_disk_internal.h"

#include "tests/sim/sim_mem.h"

enum { NAMES_US_MAX = 60, US_PER_MIB = 500, MIB_SHIFT = 20 };

enum effect { EFFECT_NONE, EFFECT_PART, EFFECT_FULL };

struct verdict {
    enum err err;
    enum effect effect;
};

struct sim_disk *sim_disk_new(const struct sim_profile *profile, struct sim_random random)
{
    struct sim_disk *d = sim_alloc(sizeof(*d));

    d->profile = profile;
    d->random = random;
    d->capacity_bytes = profile->capacity_bytes;
    sim_tree_init(&d->tree);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    sim_tree_deinit(&d->tree);
    sim_release(d);
}

void sim_disk_power_loss(struct sim_disk *d)
{
    struct sim_crash_odds odds = {d->profile->survive_percent, d->profile->tear_percent};

    sim_tree_crash(&d->tree, odds, &d->random);
    d->crashed = false;
    d->crash_at = 0;
}

static uint64_t below(struct sim_disk *d, uint64_t max)
{
    return max == 0 ? 0 : sim_random_below(&d->random, max + 1);
}

static uint64_t duration(struct sim_disk *d, enum sim_disk_op op, uint64_t len)
{
    const struct sim_profile *p = d->profile;
    uint64_t us;

    if (op == SIM_DISK_SYNC || op == SIM_DISK_SYNC_DIR || op == SIM_DISK_SYNC_ALL) {
        us = sim_random_range(&d->random, p->sync_us_min, p->sync_us_max);
    } else if (op == SIM_DISK_WRITE || op == SIM_DISK_READ) {
        us = below(d, op == SIM_DISK_WRITE ? p->write_us_max : p->read_us_max) +
             ((len * US_PER_MIB) >> MIB_SHIFT);
    } else {
        us = below(d, NAMES_US_MAX);
    }
    return us + (sim_random_chance(&d->random, p->slow_ppm) ? below(d, p->slow_us_max) : 0);
}

static uint32_t fail_ppm(const struct sim_disk *d, enum sim_disk_op op)
{
    const struct sim_profile *p = d->profile;

    if (op == SIM_DISK_OPEN) {
        return p->open_fail_ppm;
    }
    if (op == SIM_DISK_READ) {
        return p->read_fail_ppm;
    }
    if (op == SIM_DISK_WRITE || op == SIM_DISK_ALLOCATE || op == SIM_DISK_TRUNCATE) {
        return p->write_fail_ppm;
    }
    if (op == SIM_DISK_SYNC || op == SIM_DISK_SYNC_DIR || op == SIM_DISK_SYNC_ALL) {
        return p->sync_fail_ppm;
    }
    return p->names_fail_ppm;
}

/* The planned faults that this operation hits. */
static enum err planned(struct sim_disk *d, enum sim_disk_op op, const char *path, bool changes)
{
    enum err e = OK;

    for (uint32_t i = 0; i < d->fault_count; i++) {
        const struct sim_disk_fault *f = &d->faults[i];

        if ((f->op != op && !(f->op == SIM_DISK_ANY && changes)) ||
            (f->path_part != NULL && strstr(path, f->path_part) == NULL)) {
            continue;
        }
        d->fault_seen[i]++;
        if (d->fault_seen[i] == f->nth || (f->for_ever && d->fault_seen[i] > f->nth)) {
            d->cost_us += f->slow_us;
            e = e == OK ? f->err : e;
        }
    }
    return e;
}

static struct verdict verdict_of(struct sim_disk *d, enum sim_disk_op op, const char *path,
                                 uint64_t len, bool changes)
{
    enum err e = planned(d, op, path, changes);
    bool random_fault = sim_random_chance(&d->random, fail_ppm(d, op));

    d->cost_us += duration(d, op, len);
    d->op_count += changes;
    e = e == OK && random_fault ? ERR_IO : e;
    if (changes && d->op_count == d->crash_at) {
        d->crashed = true;
        return (struct verdict){
            fail(ERR_IO, "%s: power failed at operation %" PRIu64, path, d->op_count),
            (enum effect)sim_random_below(&d->random, EFFECT_FULL + 1)};
    }
    d->done_hash =
        (d->done_hash ^ ((uint64_t)op << 8) ^ (uint64_t)e ^ (len << 16)) * 0x9e3779b97f4a7c15u;
    if (e != OK) {
        d->failed_count++;
        return (struct verdict){fail(e, "%s: planned fault", path),
                                op == SIM_DISK_WRITE ? (enum effect)sim_random_below(&d->random, 2)
                                                     : EFFECT_NONE};
    }
    return (struct verdict){OK, EFFECT_FULL};
}

static enum err dead(const struct sim_disk *d, const char *path)
{
    return d->crashed ? fail(ERR_IO, "%s: no power", path) : OK;
}

/* Would `blocks` more fit? */
static bool fits(const struct sim_disk *d, uint64_t blocks)
{
    return d->tree.block_count + blocks <= d->capacity_bytes / SIM_BLOCK_BYTES;
}

static enum err find(struct sim_disk *d, const char *path, struct sim_place *out)
{
    TRY(dead(d, path));
    return sim_tree_find(&d->tree, path, out) ? OK : fail(ERR_NOT_FOUND, "%s: ENOENT", path);
}

static enum err find_there(struct sim_disk *d, const char *path, struct sim_place *out)
{
    TRY(find(d, path, out));
    return out->inode != NULL ? OK : fail(ERR_NOT_FOUND, "%s: ENOENT", path);
}

static void path_set(struct sim_inode *i, const char *path)
{
    sim_release(i->path);
    i->path = sim_copy_text(path);
}

enum err sim_disk_open(struct sim_disk *d, const char *path, uint32_t flags, struct sim_inode **out)
{
    struct sim_place at;

    TRY(find(d, path, &at));
    bool create = at.inode == NULL && (flags & ENV_OPEN_CREATE) != 0;
    if (at.inode == NULL && !create) {
        return fail(ERR_NOT_FOUND, "%s: ENOENT", path);
    }
    if (at.inode != NULL && (flags & ENV_OPEN_EXCLUSIVE) != 0) {
        return fail(ERR_EXISTS, "%s: EEXIST", path);
    }
    if (at.inode != NULL && at.inode->is_dir) {
        return fail(ERR_IO, "%s: EISDIR", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_OPEN, path, 0, create);
    if (v.effect != EFFECT_NONE && create) {
        at.inode = sim_tree_create(&d->tree, &at, path, false);
    }
    if (v.err != OK) {
        return v.err;
    }
    path_set(at.inode, path);
    sim_tree_open(&d->tree, at.inode);
    *out = at.inode;
    return OK;
}

void sim_disk_close(struct sim_disk *d, struct sim_inode *i)
{
    sim_tree_close(&d->tree, i);
}

enum err sim_disk_read(struct sim_disk *d, struct sim_inode *i, struct env_slice to,
                       uint64_t position, size_t *got)
{
    TRY(dead(d, i->path));
    TRY(verdict_of(d, SIM_DISK_READ, i->path, to.len, false).err);
    if (sim_file_is_bad(&i->file, position, to.len)) {
        d->failed_count++;
        return fail(ERR_IO, "%s: bad sector near %" PRIu64, i->path, position);
    }
    *got = sim_file_read(&i->file, to.at, to.len, position);
    return OK;
}

enum err sim_disk_read_cached(struct sim_disk *d, struct sim_inode *i, struct env_slice to,
                              uint64_t position, size_t *got)
{
    TRY(dead(d, i->path));
    if (sim_random_chance(&d->random, d->profile->cache_miss_ppm) ||
        sim_file_is_bad(&i->file, position, to.len)) {
        return ERR_AGAIN;
    }
    *got = sim_file_read(&i->file, to.at, to.len, position);
    return OK;
}

enum err sim_disk_write(struct sim_disk *d, struct sim_inode *i, struct bytes data,
                        uint64_t position)
{
    TRY(dead(d, i->path));
    uint64_t before = i->file.block_count;
    if (!fits(d, sim_file_blocks_missing(&i->file, position, data.len))) {
        d->failed_count++;
        return fail(ERR_NOSPACE, "%s: ENOSPC", i->path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_WRITE, i->path, data.len, true);
    if (v.effect == EFFECT_PART) {
        data.len = (size_t)below(d, data.len);
    }
    if (v.effect != EFFECT_NONE) {
        sim_file_write(&i->file, data, position);
        d->tree.block_count += i->file.block_count - before;
    }
    return v.err;
}

/* A sync of one file was decided. */
static void sync_effect(struct sim_disk *d, struct sim_inode *i, struct verdict v)
{
    if (d->lying) {
        return;
    }
    if (v.err == OK || v.effect != EFFECT_NONE) {
        sim_file_sync(&i->file);
    } else if (!d->crashed) {
        sim_file_sync_failed(&i->file, sim_random_below(&d->random, 2) == 0);
    }
}

enum err sim_disk_sync(struct sim_disk *d, struct sim_inode *i)
{
    TRY(dead(d, i->path));
    struct verdict v = verdict_of(d, SIM_DISK_SYNC, i->path, 0, true);
    sync_effect(d, i, v);
    return v.err;
}

enum err sim_disk_sync_dir(struct sim_disk *d, const char *path)
{
    struct sim_place at;

    TRY(find_there(d, path, &at));
    if (!at.inode->is_dir) {
        return fail(ERR_IO, "%s: ENOTDIR", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_SYNC_DIR, path, 0, true);
    if (v.effect != EFFECT_NONE && !d->lying) {
        sim_tree_sync_dir(&d->tree, at.inode);
    }
    return v.err;
}

enum err sim_disk_sync_all(struct sim_disk *d)
{
    TRY(dead(d, "/"));
    struct verdict v = verdict_of(d, SIM_DISK_SYNC_ALL, "/", 0, true);
    list_for_each (&d->tree.inodes, l) {
        struct sim_inode *i = CONTAINER_OF(l, struct sim_inode, link);

        if (!i->is_dir) {
            sync_effect(d, i, v);
        }
    }
    if (v.effect != EFFECT_NONE && !d->lying) {
        sim_tree_sync_all(&d->tree);
    }
    return v.err;
}

enum err sim_disk_truncate(struct sim_disk *d, struct sim_inode *i, uint64_t bytes)
{
    TRY(dead(d, i->path));
    uint64_t before = i->file.block_count;
    struct verdict v = verdict_of(d, SIM_DISK_TRUNCATE, i->path, 0, true);
    if (v.effect != EFFECT_NONE) {
        sim_file_truncate(&i->file, bytes);
        d->tree.block_count -= before - i->file.block_count;
    }
    return v.err;
}

enum err sim_disk_allocate(struct sim_disk *d, struct sim_inode *i, uint64_t position, uint64_t len)
{
    TRY(dead(d, i->path));
    uint64_t before = i->file.block_count;
    if (!fits(d, sim_file_blocks_missing(&i->file, position, len))) {
        d->failed_count++;
        return fail(ERR_NOSPACE, "%s: ENOSPC", i->path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_ALLOCATE, i->path, 0, true);
    if (v.effect != EFFECT_NONE) {
        sim_file_allocate(&i->file, position, len);
        d->tree.block_count += i->file.block_count - before;
    }
    return v.err;
}

enum err sim_disk_rename(struct sim_disk *d, const char *from, const char *to)
{
    struct sim_place source, target;

    TRY(find_there(d, from, &source));
    TRY(find(d, to, &target));
    if (target.dir == NULL || source.dir == NULL) {
        return fail(ERR_IO, "%s: EBUSY", to);
    }
    if (target.inode != NULL && target.inode != source.inode &&
        (target.inode->is_dir != source.inode->is_dir || target.inode->now.len > 0)) {
        return fail(ERR_EXISTS, "%s: ENOTEMPTY", to);
    }
    struct verdict v = verdict_of(d, SIM_DISK_RENAME, from, 0, true);
    if (v.effect != EFFECT_NONE) {
        sim_tree_rename(&d->tree, &source, &target, to);
    }
    return v.err;
}

enum err sim_disk_unlink(struct sim_disk *d, const char *path)
{
    struct sim_place at;

    TRY(find_there(d, path, &at));
    if (at.inode->is_dir) {
        return fail(ERR_IO, "%s: EISDIR", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_UNLINK, path, 0, true);
    if (v.effect != EFFECT_NONE) {
        sim_tree_remove(&d->tree, &at);
    }
    return v.err;
}

enum err sim_disk_mkdir(struct sim_disk *d, const char *path)
{
    struct sim_place at;

    TRY(find(d, path, &at));
    if (at.inode != NULL) {
        return at.inode->is_dir ? OK : fail(ERR_EXISTS, "%s: EEXIST", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_MKDIR, path, 0, true);
    if (v.effect != EFFECT_NONE) {
        (void)sim_tree_create(&d->tree, &at, path, true);
    }
    return v.err;
}

enum err sim_disk_rmdir(struct sim_disk *d, const char *path)
{
    struct sim_place at;

    TRY(find_there(d, path, &at));
    if (!at.inode->is_dir || at.dir == NULL) {
        return fail(ERR_IO, "%s: ENOTDIR", path);
    }
    if (at.inode->now.len > 0) {
        return fail(ERR_EXISTS, "%s: ENOTEMPTY", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_RMDIR, path, 0, true);
    if (v.effect != EFFECT_NONE) {
        sim_tree_remove(&d->tree, &at);
    }
    return v.err;
}

enum err sim_disk_list(struct sim_disk *d, const char *path, struct buf *names)
{
    struct sim_place at;

    TRY(find_there(d, path, &at));
    if (!at.inode->is_dir) {
        return fail(ERR_IO, "%s: ENOTDIR", path);
    }
    TRY(verdict_of(d, SIM_DISK_LIST, path, 0, false).err);
    for (size_t k = 0; k < at.inode->now.len; k++) {
        const char *name = at.inode->now.at[k].name;

        TRY(buf_add(names, (struct bytes){(const uint8_t *)name, strlen(name) + 1}));
    }
    return OK;
}

enum err sim_disk_lock(struct sim_disk *d, const char *path, struct sim_inode **out)
{
    struct sim_place at;

    TRY(find(d, path, &at));
    if (at.inode != NULL && (at.inode->is_dir || at.inode->locked)) {
        return fail(at.inode->is_dir ? ERR_IO : ERR_EXISTS, "%s: locked", path);
    }
    struct verdict v = verdict_of(d, SIM_DISK_LOCK, path, 0, at.inode == NULL);
    if (v.effect != EFFECT_NONE && at.inode == NULL) {
        at.inode = sim_tree_create(&d->tree, &at, path, false);
    }
    if (v.err != OK) {
        return v.err;
    }
    at.inode->locked = true;
    sim_tree_open(&d->tree, at.inode);
    *out = at.inode;
    return OK;
}

enum err sim_disk_space(struct sim_disk *d, struct env_disk_space *out)
{
    TRY(dead(d, "/"));
    uint64_t used = d->tree.block_count * SIM_BLOCK_BYTES;
    out->total_bytes = d->capacity_bytes;
    out->free_bytes = d->capacity_bytes > used ? d->capacity_bytes - used : 0;
    return OK;
}
