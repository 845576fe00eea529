/* broker/connection_write.c: replies, in order, as few send calls as possible.
 *
 * WHY      Requests may be done in any order; clients expect answers in theirs (I17). A send call costs more
 *          than all the rest of a small request, so replies wait for the end of the turn and go together.
 * FLOW     exchanges (request order; done ones wait behind those that are not)
 *            -> small replies: copied together, the exchange is free for the next request
 *            -> others, and all behind them: output, a list of exchanges
 *            -> one gather send -> freed, the memory given back.
 * BLOCKED  When the socket takes no more, the poller says when to go on. Meanwhile output grows at most to
 *          CONNECTION_OUTPUT_BYTES_MAX plus what is being served; then the connection is not read.
 * OWNER    The connection's core.
 * FAILURE  A failed send ends the connection.
 */
#include "broker/connection.h"

#include "base/mem.h"

enum { SMALL_REPLY_BYTES = 2048, SMALL_BYTES_MIN = 4096 };

static size_t reply_bytes(const struct exchange *e)
{
    size_t sum = 0;

    for (int i = e->slice_at; i < e->slice_count; i++) {
        sum += e->slices[i].len;
    }
    return sum;
}

/* ---- small replies ---- */

static void small_free(struct connection *c)
{
    if (c->small.at != NULL) {
        budget_give(&c->core->connections->budget, c->small.cap);
        c->output_memory -= c->small.cap;
        mem_free(c->small.at);
        c->small = (struct connection_small){0};
    }
}

static bool small_reserve(struct connection *c, size_t more)
{
    struct connection_small *s = &c->small;
    size_t cap = MAX(s->cap, (size_t)SMALL_BYTES_MIN);

    while (cap < s->len + more) {
        cap *= 2;
    }
    if (cap == s->cap) {
        return true;
    }
    uint8_t *at = cap > CONNECTION_SMALL_BYTES_MAX ? NULL
                  : s->at == NULL                  ? mem_alloc(cap)
                                                   : mem_realloc(s->at, cap);
    if (at == NULL) {
        return false;
    }
    budget_force(&c->core->connections->budget, cap - s->cap);
    c->output_memory += cap - s->cap;
    s->at = at;
    s->cap = cap;
    return true;
}

/* Copies the reply to the others; false: it stays in its exchange. */
static bool small_add(struct connection *c, const struct exchange *e)
{
    if (e->slice_count != 1 || e->rq.sent != NULL || e->slices[0].len > SMALL_REPLY_BYTES ||
        !list_empty(&c->output) || !small_reserve(c, e->slices[0].len)) {
        return false;
    }
    memcpy(c->small.at + c->small.len, e->slices[0].at, e->slices[0].len);
    c->small.len += e->slices[0].len;
    return true;
}

/* ---- order ---- */

/* Those that are being served go on without their connection. */
static void exchanges_drop(struct connection *c)
{
    struct list_link *link;

    while ((link = list_take_first(&c->exchanges)) != NULL) {
        struct exchange *e = CONTAINER_OF(link, struct exchange, link);
        e->connection = NULL;
        e->rq.abandoned = true;
        if (e->state != EXCHANGE_RUNNING) {
            exchange_free(e);
        }
    }
}

void connection_output_drop(struct connection *c)
{
    struct list_link *link;

    while ((link = list_take_first(&c->output)) != NULL) {
        exchange_free(CONTAINER_OF(link, struct exchange, link));
    }
    small_free(c);
    exchanges_drop(c);
    c->output_bytes = c->output_memory = 0;
}

static void first_done(struct connection *c, struct exchange *e)
{
    switch (e->state) {
    case EXCHANGE_REPLY:
        c->output_bytes += reply_bytes(e);
        if (small_add(c, e)) {
            break;
        }
        list_add_last(&c->output, &e->link);
        c->output_memory += e->charged;
        return;
    case EXCHANGE_CLOSE:
        connection_refuse(c, e->rq.close_why, &e->rq);
        exchanges_drop(c); /* those after it get no answers */
        break;
    case EXCHANGE_RUNNING:
    case EXCHANGE_NOTHING:
        break;
    }
    exchange_free(e);
}

void connection_advance(struct connection *c)
{
    struct list_link *link;
    bool moved = false;

    while ((link = list_first(&c->exchanges)) != NULL) {
        struct exchange *e = CONTAINER_OF(link, struct exchange, link);
        if (e->state == EXCHANGE_RUNNING) {
            break;
        }
        list_remove(&c->exchanges, link);
        first_done(c, e);
        moved = true;
    }
    if (moved) {
        connection_dirty(c);
    }
}

/* ---- sending ---- */

static size_t small_sent(struct connection *c, size_t sent)
{
    size_t of_this = MIN(sent, c->small.len - c->small.from);

    c->small.from += of_this;
    if (c->small.from == c->small.len) {
        small_free(c);
    }
    return sent - of_this;
}

/* Takes what was sent off the front of the output. */
static void output_sent(struct connection *c, size_t sent)
{
    c->output_bytes -= sent;
    sent = small_sent(c, sent);
    while (sent > 0) {
        struct exchange *e = CONTAINER_OF(list_first(&c->output), struct exchange, link);
        struct env_slice *s = &e->slices[e->slice_at];
        size_t of_this = MIN(sent, s->len);
        sent -= of_this;
        s->at = (uint8_t *)s->at + of_this;
        s->len -= of_this;
        if (s->len > 0) {
            return;
        }
        if (++e->slice_at == e->slice_count) {
            list_remove(&c->output, &e->link);
            c->output_memory -= e->charged;
            exchange_free(e);
        }
    }
}

static int gather(const struct connection *c, struct env_slice *out, size_t *bytes)
{
    int n = 0;

    *bytes = c->small.len - c->small.from;
    if (*bytes > 0) {
        out[n++] = (struct env_slice){c->small.at + c->small.from, *bytes};
    }
    list_for_each (&c->output, link) {
        const struct exchange *e = CONTAINER_OF(link, struct exchange, link);
        for (int i = e->slice_at; i < e->slice_count && n < CONNECTION_SLICES; i++) {
            out[n++] = e->slices[i];
            *bytes += e->slices[i].len;
        }
        if (n == CONNECTION_SLICES) {
            break;
        }
    }
    return n;
}

static void send_once(struct connection *c)
{
    struct env_slice slices[CONNECTION_SLICES];
    size_t bytes, sent = 0;
    int n = gather(c, slices, &bytes);

    enum err e = env_send(c->core->env, c->socket.socket, slices, n, &sent);
    if (e == ERR_AGAIN) {
        c->blocked = true;
        return;
    }
    if (e != OK) {
        connection_end(c, NULL);
        return;
    }
    c->core->stats.sends++;
    c->core->stats.bytes_out += sent;
    c->moved += sent;
    c->active_us = c->core->now_us;
    c->blocked = sent < bytes;
    output_sent(c, sent);
}

void connection_flush(struct connection *c)
{
    for (int left = CONNECTION_SENDS_PER_TURN;
         left > 0 && c->open && !c->blocked && c->output_bytes > 0; left--) {
        send_once(c);
    }
    if (!c->open) {
        return;
    }
    if (c->input_ended && list_empty(&c->exchanges) && c->output_bytes == 0) {
        connection_end(c, NULL);
        return;
    }
    if (!c->blocked && c->output_bytes > 0) {
        connection_dirty(c);
    }
    if (connection_may_read(c)) {
        connection_resume(c); /* if it had stopped */
    }
    if (c->blocked != ((c->interest & ENV_WRITABLE) != 0)) {
        connection_watch(c);
    }
}
