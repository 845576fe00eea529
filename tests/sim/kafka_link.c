/* tests/sim/kafka_link.c: connecting, framing and patience of a simulated client.
 *
 * HOW      A broken connection is made anew after PAUSE_US; a connection on which something is asked and
 *          nothing came for PATIENCE_US is broken by the client itself.
 */
#include "tests/sim/kafka_link.h"

#include "protocol/frame.h"

#include <stdio.h>

enum {
    PATIENCE_US = 8000000,
    PAUSE_US = 200000,
    EVENT_COUNT = 4,
    LINK_BYTES_MAX = 64 << 20,
    RECEIVE_BYTES = 16 << 10,
};

void kafka_link_init(struct kafka_link *l, struct env *e, const char *host, uint16_t port)
{
    *l = (struct kafka_link){.env = e, .socket = -1, .server.port = port};
    (void)snprintf(l->server.host, sizeof(l->server.host), "%s", host);
    buf_init(&l->in, LINK_BYTES_MAX);
    buf_init(&l->out, LINK_BYTES_MAX);
    ASSERT(env_poller_new(e, &l->poller) == OK);
}

static void close_socket(struct kafka_link *l)
{
    if (l->socket >= 0) {
        env_unwatch(l->env, l->poller, l->socket);
        env_close_socket(l->env, l->socket);
        l->socket = -1;
    }
}

void kafka_link_deinit(struct kafka_link *l)
{
    close_socket(l);
    env_poller_free(l->env, l->poller);
    buf_deinit(&l->in);
    buf_deinit(&l->out);
}

void kafka_link_drop(struct kafka_link *l)
{
    bool was_up = l->connected;

    close_socket(l);
    l->connected = false;
    l->waiting_count = 0;
    l->out_sent = 0;
    buf_reset(&l->in);
    buf_reset(&l->out);
    l->next_us = env_now_us(l->env) + PAUSE_US;
    if (was_up) {
        l->down(l->context);
    }
}

static void watch(struct kafka_link *l)
{
    uint32_t interest = !l->connected ? ENV_WRITABLE : ENV_READABLE;

    if (l->connected && l->out_sent < l->out.len) {
        interest |= ENV_WRITABLE;
    }
    (void)env_watch(l->env, l->poller, l->socket, interest, l);
}

static void connect_start(struct kafka_link *l)
{
    if (env_now_us(l->env) >= l->next_us && env_connect(l->env, &l->server, &l->socket) == OK) {
        l->progress_us = env_now_us(l->env);
        watch(l);
    }
}

bool kafka_link_can_send(const struct kafka_link *l)
{
    return l->connected && l->waiting_count < KAFKA_LINK_PIPELINE_MAX;
}

void kafka_link_send(struct kafka_link *l, int16_t api, int16_t version, const void *request,
                     uint64_t tag)
{
    struct frame_request rq = {.api = api_find(api),
                               .key = api,
                               .version = version,
                               .correlation_id = l->correlation_id++,
                               .client_id = BYTES("sim")};
    size_t body = message_size(rq.api->request, version, request);
    size_t bytes = frame_request_size(&rq) + body;

    ASSERT(kafka_link_can_send(l));
    ASSERT(buf_reserve(&l->out, bytes) == OK);
    struct wire_writer w = wire_writer_of(l->out.at + l->out.len, bytes);
    frame_write_request(&w, &rq, body);
    message_write(&w, rq.api->request, version, request);
    l->out.len += bytes;
    if (l->waiting_count == 0) {
        l->progress_us = env_now_us(l->env);
    }
    l->waiting[l->waiting_count++] = (struct kafka_link_waiting){api, version, tag};
    watch(l);
}

static enum err flush(struct kafka_link *l)
{
    while (l->out_sent < l->out.len) {
        struct env_slice slice = {l->out.at + l->out_sent, l->out.len - l->out_sent};
        size_t sent = 0;
        TRY(env_send(l->env, l->socket, &slice, 1, &sent));
        l->out_sent += sent;
    }
    l->out_sent = 0;
    buf_reset(&l->out);
    return OK;
}

/* Hands out the whole frames at the start of `in`. */
static enum err take_frames(struct kafka_link *l)
{
    size_t at = 0;

    while (l->connected && l->in.len - at >= FRAME_LENGTH_BYTES) {
        size_t len = wire_load_u32(l->in.at + at);
        if (l->in.len - at - FRAME_LENGTH_BYTES < len) {
            break;
        }
        ASSERT(l->waiting_count > 0); /* nothing comes unasked */
        struct kafka_link_waiting asked = l->waiting[0];
        struct frame_response rs;
        TRY(frame_read_response((struct bytes){l->in.at + at + FRAME_LENGTH_BYTES, len},
                                api_find(asked.api), asked.version, &rs));
        ASSERT(rs.correlation_id == l->correlation_id - l->waiting_count); /* and in order */
        l->waiting_count--;
        memmove(l->waiting, l->waiting + 1, (size_t)l->waiting_count * sizeof(l->waiting[0]));
        l->progress_us = env_now_us(l->env);
        at += FRAME_LENGTH_BYTES + len;
        l->answer(l->context, &asked, rs.body);
    }
    if (l->connected) {
        memmove(l->in.at, l->in.at + at, l->in.len - at);
        l->in.len -= at;
    }
    return OK;
}

static enum err receive(struct kafka_link *l)
{
    size_t got = 0;

    ASSERT(buf_reserve(&l->in, RECEIVE_BYTES) == OK);
    TRY(env_receive(l->env, l->socket, l->in.at + l->in.len, RECEIVE_BYTES, &got));
    l->in.len += got;
    return take_frames(l);
}

static void ready(struct kafka_link *l, uint32_t bits)
{
    enum err e = OK;

    if (!l->connected) {
        e = env_connect_result(l->env, l->socket);
        if (e == OK) {
            l->connected = true;
            l->up(l->context);
        }
    } else if ((bits & ENV_READABLE) != 0) {
        e = receive(l);
    }
    if (l->connected && (e == OK || e == ERR_AGAIN)) {
        e = flush(l);
    }
    if (e != OK && e != ERR_AGAIN) {
        kafka_link_drop(l);
    } else if (l->socket >= 0) {
        watch(l);
    }
}

void kafka_link_poll(struct kafka_link *l, int64_t timeout_us)
{
    struct env_event events[EVENT_COUNT];

    if (l->socket < 0) {
        connect_start(l);
    }
    int count = env_poll(l->env, l->poller, events, EVENT_COUNT, timeout_us);
    for (int i = 0; i < count && l->socket >= 0; i++) {
        ready(l, events[i].ready);
    }
    bool asked = !l->connected || l->waiting_count > 0;
    if (l->socket >= 0 && asked && env_now_us(l->env) > l->progress_us + PATIENCE_US) {
        kafka_link_drop(l);
    }
}
