/* broker/connection_read.c: from received bytes to requests.
 *
 * WHY      Clients pipeline: one receive call often gives many small frames, and serving them together
 *          is ten times cheaper than one by one. Large frames must not be copied around instead.
 * FLOW     receive into the core's scratch memory -> whole frames become requests -> what is left:
 *            a part of a frame   gets memory of the frame's size; the rest is received into that
 *            a part of the size  up to 3 bytes, kept in the connection
 *            more than may be served now (budget, requests, fairness): kept in a stash, read no further
 *          so a silent connection holds no memory, and never more than one frame or 64 KiB of stash.
 * BUDGET   A frame is charged when its size is known, before memory for it exists. Who must wait for it
 *          stops reading, keeps what came with it as stash, and goes on when it is granted.
 * OWNER    The connection's core.
 * FAILURE  A size that cannot be: the connection is refused. No memory: it ends.
 */
#include "broker/connection.h"

#include "base/mem.h"
#include "broker/dispatch.h"
#include "protocol/wire.h"

enum {
    SIZE_BYTES = 4,
    FRAME_BYTES_MIN = 8,             /* API key, version, correlation id */
    ADMISSION_BYTES = EXCHANGE_BYTES /* what must be free before we read at all */
};

/* ---- memory ---- */

static void grant_return(struct connection *c)
{
    budget_give(&c->core->connections->budget, c->granted);
    c->granted = 0;
}

static void granted(struct budget_waiter *w)
{
    struct connection *c = CONTAINER_OF(w, struct connection, waiter);

    c->granted = w->bytes;
    connection_resume(c);
}

static void stalls_look(struct timer *t)
{
    struct connections *cs = CONTAINER_OF(t, struct connections, stall_timer);

    list_for_each (&cs->open, link) {
        struct connection *c = CONTAINER_OF(link, struct connection, link);
        bool holds = c->frame.at != NULL || c->output_bytes > 0;
        if (holds && c->moved - c->moved_seen < CONNECTION_STALL_BYTES) {
            cs->core->stats.connections_stalled_closed++;
            connection_end(c, "it holds memory that others wait for, and does not move");
        }
        c->moved_seen = c->moved;
    }
    if (!list_empty(&cs->budget.waiters)) {
        core_timer(cs->core, t, CONNECTION_STALL_US);
    }
}

static void wait_for_budget(struct connection *c, size_t bytes)
{
    struct connections *cs = c->core->connections;

    grant_return(c); /* who waits holds nothing, or two could wait for each other */
    c->waiter.granted = granted;
    budget_wait(&cs->budget, &c->waiter, bytes);
    c->core->stats.budget_waits++;
    if (!timer_pending(&cs->stall_timer)) {
        list_for_each (&cs->open, link) {
            struct connection *o = CONTAINER_OF(link, struct connection, link);
            o->moved_seen = o->moved;
        }
        cs->stall_timer.fire = stalls_look;
        core_timer(c->core, &cs->stall_timer, CONNECTION_STALL_US);
    }
}

/* Charges `bytes`; false: the connection waits now. */
static bool admit(struct connection *c, size_t bytes)
{
    struct budget *b = &c->core->connections->budget;

    if (c->granted >= bytes) {
        budget_give(b, c->granted - bytes);
        c->granted = 0;
        return true;
    }
    grant_return(c);
    if (budget_take(b, bytes)) {
        return true;
    }
    wait_for_budget(c, bytes);
    return false;
}

static void stash_free(struct connection *c)
{
    if (c->stash.at != NULL) {
        budget_give(&c->core->connections->budget, c->stash.bytes);
        mem_free(c->stash.at);
        c->stash = (struct connection_stash){0};
    }
}

void connection_input_drop(struct connection *c)
{
    struct budget *b = &c->core->connections->budget;

    budget_wait_cancel(b, &c->waiter);
    grant_return(c);
    stash_free(c);
    if (c->frame.at != NULL) {
        budget_give(b, c->frame.charged);
        mem_free(c->frame.at);
        c->frame = (struct connection_frame){0};
    }
    c->prefix_len = 0;
}

/* ---- frames ---- */

/* `owned` is NULL or the frame's memory. */
static void serve(struct connection *c, struct bytes frame, uint8_t *owned, size_t charged)
{
    struct bytes kept;
    struct exchange *e = exchange_new(c, frame, owned, charged, &kept);

    if (e == NULL) {
        mem_free(owned);
        budget_give(&c->core->connections->budget, charged);
        connection_end(c, "out of memory for a request");
        return;
    }
    c->visit_requests++;
    list_add_last(&c->exchanges, &e->link);
    dispatch_request(e, kept);
}

static void begin_frame(struct connection *c, size_t size, struct bytes there, size_t charged)
{
    uint8_t *at = mem_alloc(size);

    if (at == NULL) {
        budget_give(&c->core->connections->budget, charged);
        connection_end(c, "out of memory for a frame");
        return;
    }
    memcpy(at, there.at, there.len);
    c->frame = (struct connection_frame){at, size, there.len, charged};
    c->core->stats.frames_big++;
}

/* Takes one frame, or the beginning of one, off the front of `in`; false: nothing can be taken now. */
static bool take_frame(struct connection *c, struct bytes *in)
{
    int32_t size = (int32_t)wire_load_u32(in->at);

    if (size < FRAME_BYTES_MIN || (size_t)size > c->core->connections->limits.frame_bytes_max) {
        connection_refuse(c, size < 0 ? "negative frame size" : "frame size out of bounds", NULL);
        return false;
    }
    size_t bytes = (size_t)size, charged = bytes + EXCHANGE_BYTES;
    if (!admit(c, charged)) {
        return false;
    }
    struct bytes body = bytes_slice(*in, SIZE_BYTES, bytes);
    *in = bytes_slice(*in, SIZE_BYTES + body.len, in->len);
    if (body.len < bytes) {
        begin_frame(c, bytes, body, charged);
    } else {
        serve(c, body, NULL, charged);
    }
    return true;
}

/* Makes requests of what `in` holds; returns what is left. */
static struct bytes take_frames(struct connection *c, struct bytes in)
{
    while (in.len >= SIZE_BYTES && c->visit_requests < CONNECTION_REQUESTS_PER_VISIT &&
           connection_may_read(c) && take_frame(c, &in)) {
    }
    return c->open && !c->input_ended ? in : bytes_slice(in, in.len, 0);
}

/* Keeps what take_frames() left of the scratch memory. */
static void keep_rest(struct connection *c, struct bytes rest)
{
    if (rest.len < SIZE_BYTES) {
        if (rest.len > 0) {
            memcpy(c->prefix, rest.at, rest.len);
        }
        c->prefix_len = rest.len;
        return;
    }
    uint8_t *at = mem_alloc(rest.len);
    if (at == NULL) {
        connection_end(c, "out of memory for received bytes");
        return;
    }
    memcpy(at, rest.at, rest.len);
    c->stash = (struct connection_stash){.at = at, .len = rest.len, .bytes = rest.len};
    budget_force(&c->core->connections->budget, rest.len);
    if (connection_may_read(c)) {
        connection_resume(c); /* it only had its share of this turn */
    }
}

/* ---- receiving ---- */

/* False: nothing came, or the connection has ended. */
static bool receive(struct connection *c, uint8_t *to, size_t len, size_t *got)
{
    enum err e = env_receive(c->core->env, c->socket.socket, to, len, got);

    if (e == OK) {
        c->core->stats.receives++;
        c->core->stats.bytes_in += *got;
        c->moved += *got;
        c->active_us = c->core->now_us;
        return true;
    }
    if (e == ERR_CLOSED) {
        connection_refuse(c, NULL, NULL);
    } else if (e != ERR_AGAIN) {
        connection_end(c, NULL);
    }
    return false;
}

static void receive_frame(struct connection *c)
{
    struct connection_frame *f = &c->frame;
    size_t left = CONNECTION_BYTES_PER_VISIT, got;

    while (f->have < f->size && left > 0) {
        if (!receive(c, f->at + f->have, MIN(f->size - f->have, left), &got)) {
            return;
        }
        f->have += got;
        left -= got;
    }
    if (f->have == f->size) {
        struct connection_frame done = *f;
        *f = (struct connection_frame){0};
        serve(c, (struct bytes){done.at, done.size}, done.at, done.charged);
    }
}

void connection_receive(struct connection *c)
{
    struct connections *cs = c->core->connections;
    size_t got;

    ASSERT(c->open && c->stash.at == NULL);
    c->visit_requests = 0;
    if (c->frame.at != NULL) {
        receive_frame(c);
        return;
    }
    if (c->granted == 0 && !budget_open(&cs->budget)) {
        wait_for_budget(c, ADMISSION_BYTES);
        return;
    }
    if (cs->scratch == NULL) {
        cs->scratch = mem_alloc(CONNECTION_SCRATCH_BYTES);
    }
    if (cs->scratch == NULL) {
        connection_end(c, "out of memory for receiving");
        return;
    }
    memcpy(cs->scratch, c->prefix, c->prefix_len);
    if (!receive(c, cs->scratch + c->prefix_len, CONNECTION_SCRATCH_BYTES - c->prefix_len, &got)) {
        return;
    }
    struct bytes in = {cs->scratch, c->prefix_len + got};
    c->prefix_len = 0;
    keep_rest(c, take_frames(c, in));
}

static void go_on_with_stash(struct connection *c)
{
    struct connection_stash *s = &c->stash;
    struct bytes rest = take_frames(c, (struct bytes){s->at + s->from, s->len - s->from});

    if (s->at == NULL) {
        return; /* refused or ended on the way */
    }
    s->from = s->len - rest.len;
    if (rest.len < SIZE_BYTES) {
        memcpy(c->prefix, rest.at, rest.len);
        c->prefix_len = rest.len;
        stash_free(c);
    } else if (connection_may_read(c)) {
        connection_resume(c);
    }
}

void connection_go_on(struct connection *c)
{
    ASSERT(c->open);
    c->visit_requests = 0;
    if (c->stash.at != NULL) {
        go_on_with_stash(c);
    } else if (c->granted > 0 && connection_may_read(c) && c->frame.at == NULL) {
        connection_receive(c); /* it had to wait before it read anything */
    }
}
