/* tests/sim/sim_disk_hands.c: what tests do to a simulated disk and look at: planned faults, damage, content.
 *
 * WHY      A test arranges a fault, or looks what is there, without becoming an operation itself: none of
 *          this takes time, is counted, or fails.
 */
#include "tests/sim/sim_disk_internal.h"

#include "tests/sim/sim_mem.h"

#include <stdio.h>

void sim_disk_fault_add(struct sim_disk *d, const struct sim_disk_fault *f)
{
    ASSERT(d->fault_count < SIM_DISK_FAULT_COUNT_MAX && f->nth > 0);
    d->faults[d->fault_count] = *f;
    d->fault_seen[d->fault_count] = 0;
    d->fault_count++;
}

void sim_disk_faults_clear(struct sim_disk *d)
{
    d->fault_count = 0;
}

uint64_t sim_disk_fault_count(const struct sim_disk *d)
{
    return d->failed_count;
}

uint64_t sim_disk_op_count(const struct sim_disk *d)
{
    return d->op_count;
}

void sim_disk_crash_in(struct sim_disk *d, uint64_t n)
{
    d->crash_at = n == 0 ? 0 : d->op_count + n;
}

bool sim_disk_crash_is_planned(const struct sim_disk *d)
{
    return d->crash_at > d->op_count;
}

void sim_disk_capacity_set(struct sim_disk *d, uint64_t bytes)
{
    d->capacity_bytes = bytes;
}

uint64_t sim_disk_used(const struct sim_disk *d)
{
    return d->tree.block_count * SIM_BLOCK_BYTES;
}

void sim_disk_lie(struct sim_disk *d, bool lying)
{
    d->lying = lying;
}

static struct sim_inode *file_at(const struct sim_disk *d, const char *path)
{
    struct sim_place at;

    return sim_tree_find(&d->tree, path, &at) && at.inode != NULL && !at.inode->is_dir ? at.inode
                                                                                       : NULL;
}

bool sim_disk_flip(struct sim_disk *d, const char *path, uint64_t position, uint8_t mask)
{
    struct sim_inode *i = file_at(d, path);
    uint8_t byte;

    if (i == NULL || sim_file_read(&i->file, &byte, 1, position) == 0) {
        return false;
    }
    byte ^= mask;
    return sim_file_damage(&i->file, position, (struct bytes){&byte, 1});
}

bool sim_disk_damage(struct sim_disk *d, const char *path, uint64_t position, struct bytes now)
{
    struct sim_inode *i = file_at(d, path);

    return i != NULL && sim_file_damage(&i->file, position, now);
}

bool sim_disk_bad_sector(struct sim_disk *d, const char *path, uint64_t position, uint64_t len)
{
    struct sim_inode *i = file_at(d, path);

    return i != NULL && sim_file_bad_add(&i->file, position, len);
}

/* The search for one of many files, each as likely as it is long. */
struct rot {
    struct sim_random *random;
    const char *path_part;
    char *path;
    uint64_t *position;
    uint64_t bytes_seen;
    struct sim_inode *chosen;
};

static void rot_consider(void *context, const char *path, struct sim_inode *i)
{
    struct rot *rot = context;
    uint64_t durable = MIN(i->file.durable_size, i->file.size);

    if (durable == 0 || strstr(path, rot->path_part) == NULL) {
        return;
    }
    rot->bytes_seen += durable;
    if (sim_random_below(rot->random, rot->bytes_seen) < durable) {
        rot->chosen = i;
        *rot->position = sim_random_below(rot->random, durable);
        (void)snprintf(rot->path, ENV_PATH_BYTES, "%s", path);
    }
}

bool sim_disk_rot(struct sim_disk *d, const char *path_part, char *path, uint64_t *position)
{
    struct rot rot = {&d->random, path_part, path, position, 0, NULL};

    sim_tree_each_file(&d->tree, rot_consider, &rot);
    return rot.chosen != NULL &&
           sim_disk_flip(d, path, *position, (uint8_t)(1u << sim_random_below(&d->random, 8)));
}

bool sim_disk_exists(const struct sim_disk *d, const char *path)
{
    struct sim_place at;

    return sim_tree_find(&d->tree, path, &at) && at.inode != NULL;
}

bool sim_disk_size(const struct sim_disk *d, const char *path, uint64_t *out)
{
    const struct sim_inode *i = file_at(d, path);

    if (i != NULL) {
        *out = i->file.size;
    }
    return i != NULL;
}

enum err sim_disk_peek(const struct sim_disk *d, const char *path, struct buf *out)
{
    const struct sim_inode *i = file_at(d, path);

    if (i == NULL) {
        return fail(ERR_NOT_FOUND, "%s: ENOENT", path);
    }
    TRY(buf_reserve(out, (size_t)i->file.size));
    out->len += sim_file_read(&i->file, out->at + out->len, (size_t)i->file.size, 0);
    return OK;
}

/* Makes one directory of a path durable, with its name. */
static void dir_put(struct sim_disk *d, const char *path)
{
    struct sim_place at;

    ASSERT(sim_tree_find(&d->tree, path, &at));
    if (at.inode == NULL) {
        (void)sim_tree_create(&d->tree, &at, path, true);
        sim_tree_sync_dir(&d->tree, at.dir);
    }
}

void sim_disk_put_dir(struct sim_disk *d, const char *path)
{
    char part[ENV_PATH_BYTES];

    for (size_t len = 1; len <= strlen(path) && len < sizeof(part); len++) {
        if (path[len] == '/' || path[len] == '\0') {
            memcpy(part, path, len);
            part[len] = '\0';
            dir_put(d, part);
        }
    }
}

void sim_disk_put(struct sim_disk *d, const char *path, struct bytes content)
{
    char dir[ENV_PATH_BYTES];
    const char *last = strrchr(path, '/');
    struct sim_place at;

    if (last != NULL && last > path) {
        ASSERT((size_t)(last - path) < sizeof(dir));
        memcpy(dir, path, (size_t)(last - path));
        dir[last - path] = '\0';
        sim_disk_put_dir(d, dir);
    }
    ASSERT(sim_tree_find(&d->tree, path, &at));
    if (at.inode == NULL) {
        at.inode = sim_tree_create(&d->tree, &at, path, false);
        sim_tree_sync_dir(&d->tree, at.dir);
    }
    d->tree.block_count -= at.inode->file.block_count;
    sim_file_truncate(&at.inode->file, 0);
    sim_file_write(&at.inode->file, content, 0);
    sim_file_sync(&at.inode->file);
    d->tree.block_count += at.inode->file.block_count;
}

/* Paths on their way into a buffer. */
struct paths {
    struct buf *out;
    enum err err;
};

static void path_add(void *context, const char *path, __attribute__((unused)) struct sim_inode *i)
{
    struct paths *p = context;

    if (p->err == OK) {
        p->err = buf_add(p->out, (struct bytes){(const uint8_t *)path, strlen(path) + 1});
    }
}

enum err sim_disk_files(const struct sim_disk *d, struct buf *out)
{
    struct paths p = {out, OK};

    sim_tree_each_file(&d->tree, path_add, &p);
    return p.err;
}

void sim_disk_wipe(struct sim_disk *d)
{
    sim_tree_deinit(&d->tree);
    sim_tree_init(&d->tree);
}
