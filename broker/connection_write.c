/* broker/connection_write.c: replies, in order, as few send calls as possible.
 *
 * WHY      Requests may be done in any order; clients expect answers in theirs (I17). A send call costs more
 *          than all the rest of a small request, so replies wait for the end of the turn and go together.
 * FLOW     exchanges (request order; done ones wait behind those that are not)
 *            -> output (encoded, in order) -> one gather send -> freed, its memory given back.
 * BLOCKED  When the socket takes no more, the poller says when to go on. Meanwhile output grows at most to
 *          CONNECTION_OUTPUT_BYTES_MAX plus what is being served; then the connection is not read.
 * OWNER    The connection's core.
 * FAILURE  A failed send ends the connection.
 */
#include "broker/connection.h"

static size_t reply_bytes(const struct exchange *e)
{
    size_t sum = 0;

    for (int i = e->slice_at; i < e->slice_count; i++) {
        sum += e->slices[i].len;
    }
    return sum;
}

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
    exchanges_drop(c);
    c->output_bytes = 0;
}

static void first_done(struct connection *c, struct exchange *e)
{
    switch (e->state) {
    case EXCHANGE_REPLY:
        list_add_last(&c->output, &e->link);
        c->output_bytes += reply_bytes(e);
        return;
    case EXCHANGE_CLOSE:
        connection_refuse(c, e->rq.close_why);
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

/* Takes what was sent off the front of the output. */
static void output_sent(struct connection *c, size_t sent)
{
    c->output_bytes -= sent;
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
            exchange_free(e);
        }
    }
}

static int gather(const struct connection *c, struct env_slice *out, size_t *bytes)
{
    int n = 0;

    *bytes = 0;
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
    for (int i = 0;
         i < CONNECTION_SENDS_PER_TURN && c->open && !c->blocked && !list_empty(&c->output); i++) {
        send_once(c);
    }
    if (!c->open) {
        return;
    }
    if (c->input_ended && list_empty(&c->exchanges) && list_empty(&c->output)) {
        connection_end(c, NULL);
        return;
    }
    if (!c->blocked && !list_empty(&c->output)) {
        connection_dirty(c);
    }
    if (connection_may_read(c)) {
        connection_resume(c); /* if it had stopped */
    }
    if (c->blocked != ((c->interest & ENV_WRITABLE) != 0)) {
        connection_watch(c);
    }
}
