/* base/env.h: the seam to the world. Clock, randomness, files, sockets, pollers and helper threads go
 * through this table and nowhere else; tools/tidy.py forbids the real calls outside env_linux*.c.
 *
 * Two implementations: env_linux (epoll, threads, real files) and env_sim (tests/sim: many nodes in one
 * thread, from a seed). Code above cannot tell which one it has.
 *
 * THREADS  A "core" is an actor: a step function that env calls again and again, and that calls
 *          env_poll() exactly once per step. Blocking file calls (marked B) may be made from a job's
 *          run() or at start-up before the actors run, never from a step. Everything else never blocks.
 * JOBS     env_job_submit() runs job->run on a helper; when it returns, the job comes back to its home
 *          poller as an ENV_EVENT_JOB. A lane is a queue of jobs: FIFO, at most `width` at a time; width
 *          1 keeps order. The job belongs to env from submit until the event.
 * ERRORS   ERR_IO, ERR_NOSPACE, ERR_NOT_FOUND, ERR_EXISTS, ERR_AGAIN (would block), ERR_CLOSED (peer
 *          gone), ERR_LIMIT (out of descriptors). The crumb names path and errno. Never retried here.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "base/err.h"

enum { ENV_PATH_BYTES = 1024, ENV_ADDRESS_BYTES = 64 };

struct env_poller; /* one per actor: sockets, wake-ups and finished jobs */
struct env_lane;   /* a queue of helper jobs */
struct env_thread; /* a running actor */

/* One piece of memory to write; same layout as struct iovec. */
struct env_slice {
    void *at;
    size_t len;
};

enum env_open_flag {
    ENV_OPEN_READ = 0,
    ENV_OPEN_WRITE = 1,     /* read and write */
    ENV_OPEN_CREATE = 2,    /* create when missing */
    ENV_OPEN_EXCLUSIVE = 4, /* with CREATE: ERR_EXISTS when there */
    ENV_OPEN_DIRECT = 8,    /* bypass the page cache: memory, position and length are multiples of
                               4096. A file system that refuses gives an ordinary file instead. */
};

enum env_interest { ENV_READABLE = 1, ENV_WRITABLE = 2 };

enum env_event_kind { ENV_EVENT_SOCKET, ENV_EVENT_JOB };

struct env_event {
    enum env_event_kind kind;
    uint32_t ready; /* SOCKET: enum env_interest bits; both on hang-up, so the next call tells */
    void *tag;      /* SOCKET: as given to env_watch(); JOB: the struct env_job */
};

struct env_job {
    void (*run)(
        struct env_job *job); /* on a helper: may block; touches only what the job carries */
    struct env_poller *home;  /* where the event goes */
    struct env_job *next;     /* env's, while in flight */
};

struct env_disk_space {
    uint64_t free_bytes, total_bytes;
};

/* A socket address in text: "127.0.0.1", "::1" or a host name (connect and listen resolve it). */
struct env_address {
    char host[ENV_ADDRESS_BYTES];
    uint16_t port;
};

struct env;

struct env_vtable {
    /* clock and randomness: any thread */
    uint64_t (*now_us)(struct env *);
    int64_t (*wall_ms)(struct env *);
    uint64_t (*random)(struct env *);

    /* files (B) */
    enum err (*open)(struct env *, const char *path, uint32_t flags, int *out);
    enum err (*close)(struct env *, int file);
    enum err (*read)(struct env *, int file, void *to, size_t len, uint64_t position, size_t *got);
    enum err (*write)(struct env *, int file, const struct env_slice *slices, int count,
                      uint64_t position);
    enum err (*sync)(struct env *, int file);
    enum err (*sync_dir)(struct env *, const char *path);
    enum err (*sync_all)(struct env *, int file);
    enum err (*truncate)(struct env *, int file, uint64_t bytes);
    enum err (*allocate)(struct env *, int file, uint64_t position, uint64_t len);
    enum err (*size)(struct env *, int file, uint64_t *out);
    enum err (*rename)(struct env *, const char *from, const char *to);
    enum err (*unlink)(struct env *, const char *path);
    enum err (*mkdir)(struct env *, const char *path);
    enum err (*rmdir)(struct env *, const char *path);
    enum err (*list)(struct env *, const char *path, struct buf *names);
    enum err (*lock)(struct env *, const char *path, int *out);
    enum err (*space)(struct env *, const char *path, struct env_disk_space *out);

    /* a file from a step: never blocks */
    enum err (*read_cached)(struct env *, int file, void *to, size_t len, uint64_t position,
                            size_t *got);
    enum err (*send_file)(struct env *, int socket, int file, uint64_t position, size_t len,
                          size_t *sent);

    /* sockets: never block */
    enum err (*listen)(struct env *, const struct env_address *at, int *out, uint16_t *port);
    enum err (*accept)(struct env *, int listener, int *out, struct env_address *peer,
                       struct env_address *local);
    enum err (*connect)(struct env *, const struct env_address *to, int *out);
    enum err (*connect_result)(struct env *, int socket);
    enum err (*receive)(struct env *, int socket, void *to, size_t len, size_t *got);
    enum err (*send)(struct env *, int socket, const struct env_slice *slices, int count,
                     size_t *sent);
    void (*close_socket)(struct env *, int socket);

    /* pollers */
    enum err (*poller_new)(struct env *, struct env_poller **out);
    void (*poller_free)(struct env *, struct env_poller *);
    enum err (*watch)(struct env *, struct env_poller *, int socket, uint32_t interest, void *tag);
    void (*unwatch)(struct env *, struct env_poller *, int socket);
    int (*poll)(struct env *, struct env_poller *, struct env_event *events, int max,
                int64_t timeout_us);
    void (*wake)(struct env *, struct env_poller *);

    /* helpers and actors */
    enum err (*lane_new)(struct env *, const char *name, int width, struct env_lane **out);
    void (*lane_free)(struct env *, struct env_lane *);
    void (*job_submit)(struct env *, struct env_lane *, struct env_job *);
    enum err (*thread_start)(struct env *, const char *name, bool (*step)(void *), void *context,
                             struct env_thread **out);
    void (*thread_join)(struct env *, struct env_thread *);
};

/* An implementation embeds this as its first member. One per node (process). */
struct env {
    const struct env_vtable *v;
};

/* Monotonic microseconds; the zero is arbitrary. Only for time-outs and measuring, never for safety. */
static inline uint64_t env_now_us(struct env *e)
{
    return e->v->now_us(e);
}
/* Milliseconds since 1970 UTC; may jump either way. */
static inline int64_t env_wall_ms(struct env *e)
{
    return e->v->wall_ms(e);
}
static inline uint64_t env_random(struct env *e)
{
    return e->v->random(e);
}

/* B. `flags` of enum env_open_flag. ERR_NOT_FOUND, ERR_EXISTS. */
static inline enum err env_open(struct env *e, const char *path, uint32_t flags, int *out)
{
    return e->v->open(e, path, flags, out);
}
static inline enum err env_close(struct env *e, int file)
{
    return e->v->close(e, file);
}
/* B. Reads until `len` or the end of the file; *got < len means the end. */
static inline enum err env_read(struct env *e, int file, void *to, size_t len, uint64_t position,
                                size_t *got)
{
    return e->v->read(e, file, to, len, position, got);
}
/* B. Writes all slices one after the other at `position`, or fails: then what the range holds is
 * unknown. Nothing is durable before env_sync(). */
static inline enum err env_write(struct env *e, int file, const struct env_slice *slices, int count,
                                 uint64_t position)
{
    return e->v->write(e, file, slices, count, position);
}
/* B. fdatasync. After a failure nothing written since the last success may be believed; never call it
 * again on this file hoping for better (P5). */
static inline enum err env_sync(struct env *e, int file)
{
    return e->v->sync(e, file);
}
/* B. Makes creations, renames and removals inside the directory durable. */
static inline enum err env_sync_dir(struct env *e, const char *path)
{
    return e->v->sync_dir(e, path);
}
/* B. Syncs everything on the file system that holds `file`: cheaper than many env_sync(). */
static inline enum err env_sync_all(struct env *e, int file)
{
    return e->v->sync_all(e, file);
}
static inline enum err env_truncate(struct env *e, int file, uint64_t bytes)
{
    return e->v->truncate(e, file, bytes);
}
/* B. Reserves blocks without changing the size. OK also where the file system has no such thing;
 * ERR_NOSPACE. */
static inline enum err env_allocate(struct env *e, int file, uint64_t position, uint64_t len)
{
    return e->v->allocate(e, file, position, len);
}
static inline enum err env_size(struct env *e, int file, uint64_t *out)
{
    return e->v->size(e, file, out);
}
static inline enum err env_rename(struct env *e, const char *from, const char *to)
{
    return e->v->rename(e, from, to);
}
static inline enum err env_unlink(struct env *e, const char *path)
{
    return e->v->unlink(e, path);
}
/* B. OK also when the directory is there. The parent must exist. */
static inline enum err env_mkdir(struct env *e, const char *path)
{
    return e->v->mkdir(e, path);
}
static inline enum err env_rmdir(struct env *e, const char *path)
{
    return e->v->rmdir(e, path);
}
/* B. Adds the names in the directory, each followed by a NUL, sorted; without "." and "..". */
static inline enum err env_list(struct env *e, const char *path, struct buf *names)
{
    return e->v->list(e, path, names);
}
/* B. Creates the file and locks it against other processes until it is closed; ERR_EXISTS when
 * another holds it. */
static inline enum err env_lock(struct env *e, const char *path, int *out)
{
    return e->v->lock(e, path, out);
}
static inline enum err env_space(struct env *e, const char *path, struct env_disk_space *out)
{
    return e->v->space(e, path, out);
}
/* Reads what is in the page cache: ERR_AGAIN when the disk would be touched (then use a job). */
static inline enum err env_read_cached(struct env *e, int file, void *to, size_t len,
                                       uint64_t position, size_t *got)
{
    return e->v->read_cached(e, file, to, len, position, got);
}
/* Sends a range of a file without copying it; call only for ranges known to be cached. */
static inline enum err env_send_file(struct env *e, int socket, int file, uint64_t position,
                                     size_t len, size_t *sent)
{
    return e->v->send_file(e, socket, file, position, len, sent);
}

/* Port 0 asks for a free one; *port is the one it got. */
static inline enum err env_listen(struct env *e, const struct env_address *at, int *out,
                                  uint16_t *port)
{
    return e->v->listen(e, at, out, port);
}
/* ERR_AGAIN when nobody waits. `local` is the address the peer reached us at. */
static inline enum err env_accept(struct env *e, int listener, int *out, struct env_address *peer,
                                  struct env_address *local)
{
    return e->v->accept(e, listener, out, peer, local);
}
/* Begins to connect; writable when decided, then env_connect_result(). */
static inline enum err env_connect(struct env *e, const struct env_address *to, int *out)
{
    return e->v->connect(e, to, out);
}
static inline enum err env_connect_result(struct env *e, int socket)
{
    return e->v->connect_result(e, socket);
}
/* At least one byte, or ERR_AGAIN, or ERR_CLOSED at the end of the stream. */
static inline enum err env_receive(struct env *e, int socket, void *to, size_t len, size_t *got)
{
    return e->v->receive(e, socket, to, len, got);
}
/* Takes a prefix of the slices; ERR_AGAIN when not even one byte fits. */
static inline enum err env_send(struct env *e, int socket, const struct env_slice *slices,
                                int count, size_t *sent)
{
    return e->v->send(e, socket, slices, count, sent);
}
/* Unwatch it first. */
static inline void env_close_socket(struct env *e, int socket)
{
    e->v->close_socket(e, socket);
}

static inline enum err env_poller_new(struct env *e, struct env_poller **out)
{
    return e->v->poller_new(e, out);
}
static inline void env_poller_free(struct env *e, struct env_poller *p)
{
    e->v->poller_free(e, p);
}
/* Adds or changes a socket; level-triggered. Only from the poller's own actor, or before it runs. */
static inline enum err env_watch(struct env *e, struct env_poller *p, int socket, uint32_t interest,
                                 void *tag)
{
    return e->v->watch(e, p, socket, interest, tag);
}
static inline void env_unwatch(struct env *e, struct env_poller *p, int socket)
{
    e->v->unwatch(e, p, socket);
}
/* Waits at most timeout_us (0: not at all, -1: until something happens); returns how many events. A
 * wake ends the wait and is no event. In simulation it never waits: it notes when to be called again. */
static inline int env_poll(struct env *e, struct env_poller *p, struct env_event *events, int max,
                           int64_t timeout_us)
{
    return e->v->poll(e, p, events, max, timeout_us);
}
/* Ends the current or the next env_poll() wait of that poller. Any thread. */
static inline void env_wake(struct env *e, struct env_poller *p)
{
    e->v->wake(e, p);
}

/* A queue of jobs; its threads (at most `width`) start when first needed. */
static inline enum err env_lane_new(struct env *e, const char *name, int width,
                                    struct env_lane **out)
{
    return e->v->lane_new(e, name, width, out);
}
/* Waits for its jobs to end. */
static inline void env_lane_free(struct env *e, struct env_lane *l)
{
    e->v->lane_free(e, l);
}
static inline void env_job_submit(struct env *e, struct env_lane *l, struct env_job *job)
{
    e->v->job_submit(e, l, job);
}
/* Runs step(context) again and again until it returns false. */
static inline enum err env_thread_start(struct env *e, const char *name, bool (*step)(void *),
                                        void *context, struct env_thread **out)
{
    return e->v->thread_start(e, name, step, context, out);
}
static inline void env_thread_join(struct env *e, struct env_thread *t)
{
    e->v->thread_join(e, t);
}
