/* tests/sim/toy_server.c: a server that sends back what it gets, after making it durable.
 *
 * HOW      One actor, one poller, one lane of width 1. What connections receive waits in `in`; when no job is
 *          under way all of it becomes one batch, written and synced by a job; when the job is back the bytes
 *          move to the `out` of the connections they came from and are sent.
 * FAILURE  After a failed write or sync nothing is answered any more (an fsync is not retried).
 */
#include "tests/sim/toy.h"

#include "tests/sim/sim_mem.h"

enum { CONN_COUNT = 16, CONN_BYTES = 4096, EVENT_COUNT = 8 };

static const char log_path[] = "/log/values";

struct conn {
    int socket; /* -1: free */
    uint32_t generation;
    uint8_t in[CONN_BYTES], out[CONN_BYTES];
    size_t in_len, out_len;
};

/* A part of the batch under way. */
struct part {
    uint32_t generation;
    size_t len;
};

struct toy_server {
    struct env *env;
    enum toy_mode mode;
    struct env_poller *poller;
    struct env_lane *lane;
    struct env_thread *thread;
    int listener, file;
    uint64_t position;
    struct conn conns[CONN_COUNT];
    struct env_job job;
    bool job_out, failed, stopping;
    struct part parts[CONN_COUNT];
    uint8_t batch[CONN_COUNT * CONN_BYTES];
    size_t batch_len;
};

static void conn_watch(struct toy_server *s, struct conn *c)
{
    uint32_t interest = c->out_len > 0 ? ENV_WRITABLE : 0;

    interest |= c->in_len + c->out_len < CONN_BYTES / 2 ? ENV_READABLE : 0;
    (void)env_watch(s->env, s->poller, c->socket, interest, c);
}

static void conn_close(struct toy_server *s, struct conn *c)
{
    env_unwatch(s->env, s->poller, c->socket);
    env_close_socket(s->env, c->socket);
    c->socket = -1;
    c->generation++;
    c->in_len = c->out_len = 0;
}

static void conns_accept(struct toy_server *s)
{
    for (size_t i = 0; i < CONN_COUNT; i++) {
        struct env_address peer, local;
        struct conn *c = &s->conns[i];

        if (c->socket >= 0) {
            continue;
        }
        if (env_accept(s->env, s->listener, &c->socket, &peer, &local) != OK) {
            c->socket = -1;
            return;
        }
        conn_watch(s, c);
    }
}

/* What is in `in` when its bytes are answered. */
static void conn_answer(struct conn *c, const uint8_t *bytes, size_t len)
{
    ASSERT(c->out_len + len <= CONN_BYTES);
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

static void job_run(struct env_job *job)
{
    struct toy_server *s = CONTAINER_OF(job, struct toy_server, job);
    struct env_slice all = {s->batch, s->batch_len};

    enum err e = env_write(s->env, s->file, &all, 1, s->position);
    e = e == OK ? env_sync(s->env, s->file) : e;
    s->failed = s->failed || e != OK;
}

static void batch_answer(struct toy_server *s)
{
    size_t at = 0;

    for (size_t i = 0; i < CONN_COUNT; i++) {
        struct conn *c = &s->conns[i];

        if (s->parts[i].len > 0 && c->socket >= 0 && c->generation == s->parts[i].generation) {
            conn_answer(c, s->batch + at, s->parts[i].len);
            conn_watch(s, c);
        }
        at += s->parts[i].len;
    }
}

static void batch_start(struct toy_server *s)
{
    s->batch_len = 0;
    for (size_t i = 0; i < CONN_COUNT; i++) {
        struct conn *c = &s->conns[i];
        bool takes = c->socket >= 0 && c->out_len <= CONN_BYTES / 2; /* the answer must fit */
        size_t whole = takes ? c->in_len / 8 * 8 : 0;

        s->parts[i] = (struct part){c->generation, whole};
        memcpy(s->batch + s->batch_len, c->in, whole);
        memmove(c->in, c->in + whole, c->in_len - whole);
        c->in_len -= whole;
        s->batch_len += whole;
    }
    if (s->batch_len == 0) {
        return;
    }
    if (s->mode == TOY_ECHO || s->mode == TOY_LOG_ACK_EARLY) {
        batch_answer(s);
    }
    if (s->mode != TOY_ECHO) {
        s->job = (struct env_job){job_run, s->poller, NULL};
        s->job_out = true;
        env_job_submit(s->env, s->lane, &s->job);
    }
}

static void job_done(struct toy_server *s)
{
    s->job_out = false;
    s->position += s->batch_len;
    if (!s->failed && s->mode != TOY_LOG_ACK_EARLY) {
        batch_answer(s);
    }
}

static void conn_ready(struct toy_server *s, struct conn *c, uint32_t ready)
{
    enum err e = OK;
    size_t n = 0;

    if ((ready & ENV_WRITABLE) != 0 && c->out_len > 0) {
        e = env_send(s->env, c->socket, &(struct env_slice){c->out, c->out_len}, 1, &n);
        n = e == OK ? n : 0;
        memmove(c->out, c->out + n, c->out_len - n);
        c->out_len -= n;
    }
    if ((e == OK || e == ERR_AGAIN) && (ready & ENV_READABLE) != 0 &&
        c->in_len + c->out_len < CONN_BYTES / 2) {
        e = env_receive(s->env, c->socket, c->in + c->in_len,
                        CONN_BYTES / 2 - c->in_len - c->out_len, &n);
        c->in_len += e == OK ? n : 0;
    }
    if (e != OK && e != ERR_AGAIN) {
        conn_close(s, c);
    } else {
        conn_watch(s, c);
    }
}

static bool step(void *context)
{
    struct toy_server *s = context;
    struct env_event events[EVENT_COUNT];

    int count = env_poll(s->env, s->poller, events, EVENT_COUNT, -1);
    for (int i = 0; i < count; i++) {
        if (events[i].kind == ENV_EVENT_JOB) {
            job_done(s);
        } else if (events[i].tag == s) {
            conns_accept(s);
        } else {
            conn_ready(s, events[i].tag, events[i].ready);
        }
    }
    if (!s->job_out && !s->failed) {
        batch_start(s);
        for (size_t i = 0; i < CONN_COUNT; i++) {
            if (s->conns[i].socket >= 0) {
                conn_watch(s, &s->conns[i]);
            }
        }
    }
    return !s->stopping || s->job_out;
}

static enum err log_open(struct toy_server *s)
{
    TRY(env_mkdir(s->env, "/log"));
    TRY(env_sync_dir(s->env, "/"));
    TRY(env_open(s->env, log_path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &s->file));
    if (s->mode != TOY_LOG_NO_DIR_SYNC) {
        TRY(env_sync_dir(s->env, "/log"));
    }
    TRY(env_size(s->env, s->file, &s->position));
    s->position = (s->position + 7) / 8 * 8;
    return OK;
}

enum err toy_server_new(struct env *e, enum toy_mode mode, struct toy_server **out)
{
    struct toy_server *s = sim_alloc(sizeof(*s));
    struct env_address at = {.host = "0.0.0.0", .port = TOY_PORT};
    uint16_t port;

    s->env = e;
    s->mode = mode;
    s->file = s->listener = -1;
    for (size_t i = 0; i < CONN_COUNT; i++) {
        s->conns[i].socket = -1;
    }
    enum err opened = mode == TOY_ECHO ? OK : log_open(s);
    if (opened != OK || env_listen(e, &at, &s->listener, &port) != OK ||
        env_poller_new(e, &s->poller) != OK ||
        env_watch(e, s->poller, s->listener, ENV_READABLE, s) != OK ||
        env_lane_new(e, "log", 1, &s->lane) != OK ||
        env_thread_start(e, "toy server", step, s, &s->thread) != OK) {
        toy_server_free(s);
        return opened == OK ? fail(ERR_IO, "toy server cannot start") : opened;
    }
    *out = s;
    return OK;
}

void toy_server_stop(struct toy_server *s)
{
    s->stopping = true;
    env_wake(s->env, s->poller);
}

bool toy_server_failed(const struct toy_server *s)
{
    return s->failed;
}

void toy_server_free(struct toy_server *s)
{
    if (s->thread != NULL) {
        env_thread_join(s->env, s->thread);
    }
    for (size_t i = 0; i < CONN_COUNT; i++) {
        if (s->conns[i].socket >= 0) {
            conn_close(s, &s->conns[i]);
        }
    }
    if (s->listener >= 0 && s->poller != NULL) {
        env_unwatch(s->env, s->poller, s->listener);
        env_close_socket(s->env, s->listener);
    }
    if (s->lane != NULL) {
        env_lane_free(s->env, s->lane);
    }
    if (s->poller != NULL) {
        env_poller_free(s->env, s->poller);
    }
    if (s->file >= 0) {
        (void)env_close(s->env, s->file);
    }
    sim_release(s);
}

uint32_t toy_log_missing(struct sim_node *n, uint32_t id, uint32_t count)
{
    struct buf log;
    uint32_t missing = 0;

    buf_init(&log, (size_t)1 << 30);
    if (sim_disk_peek(sim_node_disk(n), log_path, &log) != OK) {
        return count;
    }
    bool *there = sim_alloc(count * sizeof(*there));
    for (size_t at = 0; at + 8 <= log.len; at += 8) {
        uint64_t value;

        memcpy(&value, log.at + at, sizeof(value));
        if (value >> 32 == id && (uint32_t)value < count) {
            there[(uint32_t)value] = true;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        missing += !there[i];
    }
    sim_release(there);
    buf_deinit(&log);
    return missing;
}
