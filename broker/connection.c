/* broker/connection.c: the life of connections, and their part of a turn.
 *
 * WHY      Reading (connection_read.c), serving (dispatch.c) and writing (connection_write.c) never call each
 *          other back and forth: each leaves notes (dirty, resume, ended) that the end of the turn works off.
 *          So a connection may end at any point, and its memory is valid until the turn is over.
 * ENDING   connection_refuse(): nothing more is read; what is being served is still answered.
 *          connection_end(): now. Requests that are being served go on without their connection.
 * OWNER    The core; the struct itself is the listener's.
 * FAILURE  Logged here, at most LOG_LINES in LOG_WINDOW_US for each core.
 * LIMITS   See the header.
 */
#include "broker/connection.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/image.h"
#include "broker/node.h"

enum {
    LOG_LINES = 5,
    LOG_WINDOW_US = 10 * 1000 * 1000,
    LOG_CLIENT_BYTES = 64,
    SERVE_PER_TURN = 64,
};

/* ---- log lines ---- */

/* What a client calls itself may be anything: what could forge a line is not shown. */
static const char *printable(struct bytes name, char out[LOG_CLIENT_BYTES + 1])
{
    size_t len = MIN(name.len, (size_t)LOG_CLIENT_BYTES);

    for (size_t i = 0; i < len; i++) {
        bool plain = name.at[i] > ' ' && name.at[i] < 0x7f && name.at[i] != '"';
        out[i] = plain ? (char)name.at[i] : '?';
    }
    out[len] = '\0';
    return out;
}

static void log_end(struct connection *c, const char *why, const struct request *rq)
{
    char client[LOG_CLIENT_BYTES + 1];
    struct connections *cs = c->core->connections;
    uint64_t now = c->core->now_us;

    if (now - cs->log_window_us >= LOG_WINDOW_US) {
        cs->log_window_us = now;
        cs->log_lines = 0;
    }
    if (cs->log_lines == LOG_LINES) {
        cs->log_dropped++;
        return;
    }
    cs->log_lines++;
    if (rq == NULL) {
        log_warn("connection closed", "peer=%s:%u why=\"%s\" unreported_before=%" PRIu64,
                 c->peer.host, (unsigned)c->peer.port, why, cs->log_dropped);
    } else {
        log_warn(
            "connection closed",
            "peer=%s:%u why=\"%s\" api_key=%d version=%d client_id=%s unreported_before=%" PRIu64,
            c->peer.host, (unsigned)c->peer.port, why, rq->api_key, rq->version,
            printable(rq->client_id, client), cs->log_dropped);
    }
    cs->log_dropped = 0;
}

/* ---- notes for the end of the turn ---- */

void connection_dirty(struct connection *c)
{
    struct connections *cs = c->core->connections;

    if (c->open && !list_linked(&c->dirty_link)) {
        list_add_last(&cs->dirty, &c->dirty_link);
    }
}

void connection_resume(struct connection *c)
{
    struct connections *cs = c->core->connections;
    bool waits = c->stash.at != NULL || c->granted > 0 || (c->interest & ENV_READABLE) == 0;

    if (c->open && waits && !list_linked(&c->resume_link)) {
        list_add_last(&cs->resume, &c->resume_link);
    }
}

bool connection_may_read(const struct connection *c)
{
    return c->open && !c->input_ended && !list_linked(&c->waiter.link) &&
           c->exchanges.len < CONNECTION_REQUESTS_MAX &&
           c->output_bytes < CONNECTION_OUTPUT_BYTES_MAX &&
           c->output_memory <
               c->core->connections->budget.bytes_max / CONNECTION_OUTPUT_MEMORY_PART;
}

void connection_watch(struct connection *c)
{
    uint32_t want = (connection_may_read(c) ? (uint32_t)ENV_READABLE : 0) |
                    (c->blocked ? (uint32_t)ENV_WRITABLE : 0);

    if (!c->open || want == c->interest) {
        return;
    }
    if (want == 0) {
        env_unwatch(c->core->env, c->core->poller, c->socket.socket);
    } else if (env_watch(c->core->env, c->core->poller, c->socket.socket, want, &c->socket) != OK) {
        connection_end(c, err_crumb());
        return;
    }
    c->interest = want;
}

/* ---- ending ---- */

void connection_end(struct connection *c, const char *why)
{
    struct connections *cs = c->core->connections;

    if (!c->open) {
        return;
    }
    if (why != NULL) {
        log_end(c, why, NULL);
    }
    c->open = false;
    if (c->interest != 0) {
        env_unwatch(c->core->env, c->core->poller, c->socket.socket);
    }
    env_close_socket(c->core->env, c->socket.socket);
    connection_input_drop(c);
    connection_output_drop(c);
    timer_wheel_cancel(&c->core->timers, &c->timer);
    if (list_linked(&c->dirty_link)) {
        list_remove(&cs->dirty, &c->dirty_link);
    }
    if (list_linked(&c->resume_link)) {
        list_remove(&cs->resume, &c->resume_link);
    }
    list_remove(&cs->open, &c->link);
    list_add_last(&cs->ended, &c->link);
    c->core->stats.connections_closed++;
    c->core->stats.connections_open--;
}

/* Its answers are not waited for longer than this. */
static void half_close(struct connection *c)
{
    list_for_each (&c->exchanges, link) {
        CONTAINER_OF(link, struct exchange, link)->rq.abandoned = true;
    }
    c->half_closed_us = c->core->now_us;
    timer_wheel_cancel(&c->core->timers, &c->timer);
    core_timer(c->core, &c->timer, CONNECTION_HALF_CLOSED_US);
}

void connection_refuse(struct connection *c, const char *why, const struct request *rq)
{
    if (!c->open || c->input_ended) {
        return;
    }
    if (why != NULL) {
        c->core->stats.requests_refused++;
        log_end(c, why, rq);
    }
    c->input_ended = true;
    connection_input_drop(c);
    half_close(c);
    connection_dirty(c); /* ends at the end of the turn if there is nothing to wait for */
    connection_watch(c);
}

static void silent(struct timer *t)
{
    struct connection *c = CONTAINER_OF(t, struct connection, timer);
    uint64_t idle_us = c->core->connections->limits.idle_us;
    uint64_t due_us = c->active_us + idle_us;

    if (c->input_ended && c->half_closed_us > 0) {
        connection_end(c, NULL);
    } else if (c->core->now_us < due_us) {
        core_timer(c->core, t, due_us - c->core->now_us);
    } else if (!list_empty(&c->exchanges)) {
        core_timer(c->core, t, idle_us); /* it waits for us, not we for it */
    } else {
        c->core->stats.connections_idle_closed++;
        connection_end(c, NULL);
    }
}

/* ---- coming and going ---- */

static void ready(struct core *core, struct core_socket *s, uint32_t bits)
{
    struct connection *c = CONTAINER_OF(s, struct connection, socket);

    ASSERT_ON_CORE(core);
    if ((bits & ENV_WRITABLE) != 0 && c->blocked) {
        c->blocked = false;
        connection_dirty(c);
    }
    if ((bits & ENV_READABLE) == 0 || (c->interest & ENV_READABLE) == 0) {
        return;
    }
    if (!connection_may_read(c)) {
        connection_watch(c);
    } else if (c->stash.at == NULL) {
        connection_receive(c);
    }
}

static void arrived(struct core *on, struct message *m)
{
    struct connection *c = CONTAINER_OF(m, struct connection, message);
    struct connections *cs = on->connections;

    c->core = on;
    c->socket.ready = ready;
    c->open = true;
    c->active_us = on->now_us;
    c->timer.fire = silent;
    list_add_last(&cs->open, &c->link);
    on->stats.connections_accepted++;
    on->stats.connections_open++;
    if (cs->stopping) {
        connection_end(c, NULL);
        return;
    }
    if (cs->limits.idle_us > 0) {
        core_timer(on, &c->timer, cs->limits.idle_us);
    }
    connection_watch(c);
}

void connection_lend(struct core *from, int to, struct connection *c)
{
    ASSERT(c->ended != NULL && c->home == from->index);
    c->message.run = arrived;
    mailbox_send(from, to, &c->message);
}

static void came_home(struct core *on, struct message *m)
{
    struct connection *c = CONTAINER_OF(m, struct connection, message);

    c->ended(on, c);
}

static void send_home(struct connections *cs)
{
    struct list_link *link;

    while ((link = list_take_first(&cs->ended)) != NULL) {
        struct connection *c = CONTAINER_OF(link, struct connection, link);
        c->message.run = came_home;
        mailbox_send(cs->core, c->home, &c->message);
    }
}

void connection_exchange_done(struct exchange *e)
{
    ASSERT(e->state != EXCHANGE_RUNNING);
    if (e->connection == NULL) {
        exchange_free(e);
    } else {
        connection_advance(e->connection);
    }
}

/* ---- all of a core's ---- */

enum err connections_new(struct core *c, const struct connection_limits *limits)
{
    struct connections *cs = mem_zalloc(1, sizeof(*cs));

    if (cs == NULL) {
        return fail(ERR_NOMEM, "connections of core %d", c->index);
    }
    cs->core = c;
    cs->limits = *limits;
    budget_init(&cs->budget, limits->budget_bytes);
    c->connections = cs;
    return OK;
}

/* Whatever is under way is forgotten: the operations that hold it are gone as well. */
static void free_running(struct connections *cs)
{
    struct list_link *link;

    while ((link = list_take_first(&cs->running)) != NULL) {
        struct exchange *e = CONTAINER_OF(link, struct exchange, running);
        ASSERT(e->connection == NULL);
        exchange_free(e);
    }
    while ((link = list_take_first(&cs->free_exchanges)) != NULL) {
        struct exchange *e = CONTAINER_OF(link, struct exchange, link);
        arena_deinit(&e->arena);
        mem_free(e);
    }
}

void connections_free(struct core *c)
{
    struct connections *cs = c->connections;

    if (cs == NULL) {
        return;
    }
    list_for_each (&cs->open, link) {
        connection_end(CONTAINER_OF(link, struct connection, link), NULL);
    }
    free_running(cs);
    timer_wheel_cancel(&c->timers, &cs->stall_timer);
    mem_free(cs->scratch);
    mem_free(cs);
    c->connections = NULL;
}

void connections_go_on(struct core *core)
{
    struct connections *cs = core->connections;

    (void)budget_serve(&cs->budget, SERVE_PER_TURN);
    for (size_t left = cs->resume.len; left > 0 && cs->resume.len > 0; left--) {
        struct list_link *link = list_take_first(&cs->resume);
        struct connection *c = CONTAINER_OF(link, struct connection, resume_link);
        connection_go_on(c);
        connection_watch(c);
    }
}

bool connections_send(struct core *core)
{
    struct connections *cs = core->connections;

    for (size_t left = cs->dirty.len; left > 0 && cs->dirty.len > 0; left--) {
        struct list_link *link = list_take_first(&cs->dirty);
        connection_flush(CONTAINER_OF(link, struct connection, dirty_link));
    }
    send_home(cs);
    (void)budget_serve(&cs->budget, SERVE_PER_TURN); /* what replies have given back */
    return !list_empty(&cs->resume) || !list_empty(&cs->dirty);
}

void connections_stop(struct core *c)
{
    struct connections *cs = c->connections;

    cs->stopping = true;
    list_for_each (&cs->open, link) {
        struct connection *o = CONTAINER_OF(link, struct connection, link);
        o->input_ended = true;
        connection_input_drop(o);
        connection_dirty(o);
        connection_watch(o);
    }
}

bool connections_quiet(const struct core *c)
{
    const struct connections *cs = c->connections;

    return list_empty(&cs->running) && list_empty(&cs->open) && list_empty(&cs->ended);
}
