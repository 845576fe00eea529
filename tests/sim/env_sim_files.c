/* tests/sim/env_sim_files.c: handles, and the file calls of base/env.h on a simulated disk.
 *
 * CHECKED  Bugs of the code under test are asserted here: a blocking call in an actor's step, a number that
 *          is not open (any more), a write through a handle opened for reading, unaligned direct I/O.
 * FAILURE  A dead process gets ERR_IO, except for closing. More handles than the limit: ERR_LIMIT.
 */
#include "tests/sim/env_sim_internal.h"

#include "tests/sim/sim_mem.h"

enum {
    SLOT_BITS = 16,
    SLOT_FIRST = 3,
    GENERATION_MAX = 0x7fff,
    DIRECT_BYTES = 4096,
    SEND_BYTES = 16384
};

enum err sim_handle_new(struct sim_process *p, struct sim_handle h, int *out)
{
    if (p->handle_count >= p->node->handle_count_max) {
        return fail(ERR_LIMIT, "EMFILE");
    }
    if (p->handle_count + SLOT_FIRST >= p->handle_cap) {
        uint32_t cap = MAX(p->handle_cap * 2, 64u);

        ASSERT(cap <= 1u << SLOT_BITS);
        p->handles = sim_resize(p->handles, cap * sizeof(*p->handles));
        memset(&p->handles[p->handle_cap], 0, (cap - p->handle_cap) * sizeof(*p->handles));
        p->handle_cap = cap;
    }
    uint32_t slot = p->handle_next;
    do { /* round and round, so that a slot rests before it is used again */
        slot = slot + 1 >= p->handle_cap ? SLOT_FIRST : slot + 1;
    } while (p->handles[slot].kind != SIM_HANDLE_FREE);
    p->handle_next = slot;
    h.generation = p->handles[slot].generation % GENERATION_MAX + 1;
    p->handles[slot] = h;
    p->handle_count++;
    *out = (int)(slot | (h.generation - 1) << SLOT_BITS);
    return OK;
}

struct sim_handle *sim_handle_at(struct sim_process *p, int number, enum sim_handle_kind kind)
{
    uint32_t slot = (uint32_t)number & ((1u << SLOT_BITS) - 1);

    ASSERT(number >= 0 && slot < p->handle_cap);
    struct sim_handle *h = &p->handles[slot];
    ASSERT(h->generation == ((uint32_t)number >> SLOT_BITS) + 1); /* else: closed long ago */
    ASSERT(h->kind == kind); /* else: closed, or of the other kind */
    return h;
}

void sim_handle_free(struct sim_process *p, int number)
{
    uint32_t slot = (uint32_t)number & ((1u << SLOT_BITS) - 1);

    p->handles[slot].kind = SIM_HANDLE_FREE;
    p->handle_count--;
}

/* The start of every blocking call. */
static enum err begin(struct sim_process *p)
{
    if (p->dead) {
        return fail(ERR_IO, "the process is dead");
    }
    ASSERT(p->doing != SIM_DOING_STEP); /* a blocking call in a step */
    return OK;
}

static struct sim_inode *inode_at(struct sim_process *p, int file)
{
    return sim_handle_at(p, file, SIM_HANDLE_FILE)->inode;
}

static struct sim_disk *disk_of(const struct sim_process *p)
{
    return p->node->disk;
}

enum err sim_env_open(struct env *e, const char *path, uint32_t flags, int *out)
{
    struct sim_process *p = sim_process_of(e);
    struct sim_inode *i;

    TRY(begin(p));
    ASSERT((flags & ENV_OPEN_CREATE) == 0 || (flags & ENV_OPEN_WRITE) != 0);
    if (p->handle_count >= p->node->handle_count_max) {
        return fail(ERR_LIMIT, "%s: EMFILE", path);
    }
    TRY(sim_disk_open(disk_of(p), path, flags, &i));
    bool direct = (flags & ENV_OPEN_DIRECT) != 0 && !disk_of(p)->profile->direct_refused;
    return sim_handle_new(p,
                          (struct sim_handle){.kind = SIM_HANDLE_FILE,
                                              .inode = i,
                                              .writable = (flags & ENV_OPEN_WRITE) != 0,
                                              .direct = direct},
                          out);
}

enum err sim_env_close(struct env *e, int file)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return OK;
    }
    struct sim_handle *h = sim_handle_at(p, file, SIM_HANDLE_FILE);
    h->inode->locked = h->inode->locked && !h->holds_lock;
    sim_disk_close(disk_of(p), h->inode);
    sim_handle_free(p, file);
    return OK;
}

static bool is_aligned(const void *at, uint64_t position, size_t len)
{
    return (uintptr_t)at % DIRECT_BYTES == 0 && position % DIRECT_BYTES == 0 &&
           len % DIRECT_BYTES == 0;
}

enum err sim_env_read(struct env *e, int file, void *to, size_t len, uint64_t position, size_t *got)
{
    struct sim_process *p = sim_process_of(e);

    TRY(begin(p));
    const struct sim_handle *h = sim_handle_at(p, file, SIM_HANDLE_FILE);
    ASSERT(!h->direct || is_aligned(to, position, len));
    return sim_disk_read(disk_of(p), h->inode, (struct env_slice){to, len}, position, got);
}

enum err sim_env_write(struct env *e, int file, const struct env_slice *slices, int count,
                       uint64_t position)
{
    struct sim_process *p = sim_process_of(e);
    size_t len = 0, done = 0;

    TRY(begin(p));
    const struct sim_handle *h = sim_handle_at(p, file, SIM_HANDLE_FILE);
    ASSERT(h->writable && count >= 0);
    for (int i = 0; i < count; i++) {
        ASSERT(!h->direct || is_aligned(slices[i].at, position, slices[i].len));
        len += slices[i].len;
    }
    uint8_t *all = sim_alloc(len); /* one write to the disk, so that it tears as one */
    for (int i = 0; i < count; i++) {
        if (slices[i].len > 0) {
            memcpy(all + done, slices[i].at, slices[i].len);
        }
        done += slices[i].len;
    }
    enum err written = sim_disk_write(disk_of(p), h->inode, (struct bytes){all, len}, position);
    sim_release(all);
    return written;
}

enum err sim_env_sync(struct env *e, int file)
{
    struct sim_process *p = sim_process_of(e);

    TRY(begin(p));
    return sim_disk_sync(disk_of(p), inode_at(p, file));
}

enum err sim_env_sync_dir(struct env *e, const char *path)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_sync_dir(disk_of(sim_process_of(e)), path);
}

enum err sim_env_sync_all(struct env *e, int file)
{
    struct sim_process *p = sim_process_of(e);

    TRY(begin(p));
    (void)inode_at(p, file);
    return sim_disk_sync_all(disk_of(p));
}

enum err sim_env_truncate(struct env *e, int file, uint64_t bytes)
{
    struct sim_process *p = sim_process_of(e);

    TRY(begin(p));
    ASSERT(sim_handle_at(p, file, SIM_HANDLE_FILE)->writable);
    return sim_disk_truncate(disk_of(p), inode_at(p, file), bytes);
}

enum err sim_env_allocate(struct env *e, int file, uint64_t position, uint64_t len)
{
    struct sim_process *p = sim_process_of(e);

    TRY(begin(p));
    ASSERT(sim_handle_at(p, file, SIM_HANDLE_FILE)->writable);
    return sim_disk_allocate(disk_of(p), inode_at(p, file), position, len);
}

enum err sim_env_size(struct env *e, int file, uint64_t *out)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead || disk_of(p)->crashed) {
        return fail(ERR_IO, "the process is dead");
    }
    *out = inode_at(p, file)->file.size;
    return OK;
}

enum err sim_env_rename(struct env *e, const char *from, const char *to)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_rename(disk_of(sim_process_of(e)), from, to);
}

enum err sim_env_unlink(struct env *e, const char *path)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_unlink(disk_of(sim_process_of(e)), path);
}

enum err sim_env_mkdir(struct env *e, const char *path)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_mkdir(disk_of(sim_process_of(e)), path);
}

enum err sim_env_rmdir(struct env *e, const char *path)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_rmdir(disk_of(sim_process_of(e)), path);
}

enum err sim_env_list(struct env *e, const char *path, struct buf *names)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_list(disk_of(sim_process_of(e)), path, names);
}

enum err sim_env_lock(struct env *e, const char *path, int *out)
{
    struct sim_process *p = sim_process_of(e);
    struct sim_inode *i;

    TRY(begin(p));
    if (p->handle_count >= p->node->handle_count_max) {
        return fail(ERR_LIMIT, "%s: EMFILE", path);
    }
    TRY(sim_disk_lock(disk_of(p), path, &i));
    return sim_handle_new(
        p,
        (struct sim_handle){
            .kind = SIM_HANDLE_FILE, .inode = i, .writable = true, .holds_lock = true},
        out);
}

enum err sim_env_space(struct env *e, __attribute__((unused)) const char *path,
                       struct env_disk_space *out)
{
    TRY(begin(sim_process_of(e)));
    return sim_disk_space(disk_of(sim_process_of(e)), out);
}

enum err sim_env_read_cached(struct env *e, int file, void *to, size_t len, uint64_t position,
                             size_t *got)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return fail(ERR_IO, "the process is dead");
    }
    return sim_disk_read_cached(disk_of(p), inode_at(p, file), (struct env_slice){to, len},
                                position, got);
}

enum err sim_env_send_file(struct env *e, int socket, int file, uint64_t position, size_t len,
                           size_t *sent)
{
    struct sim_process *p = sim_process_of(e);
    uint8_t
        bytes[SEND_BYTES - 1024]; /* at most so much at a time: a short send is always allowed */

    if (p->dead || disk_of(p)->crashed) {
        return fail(ERR_IO, "the process is dead");
    }
    size_t got = sim_file_read(&inode_at(p, file)->file, bytes, MIN(len, sizeof(bytes)), position);
    if (got == 0 && len > 0) {
        return fail(ERR_IO, "nothing to send at %" PRIu64, position);
    }
    return sim_env_send(e, socket, &(struct env_slice){bytes, got}, 1, sent);
}
