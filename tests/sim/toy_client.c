/* tests/sim/toy_client.c: a client that does not give up until every value has come back.
 *
 * HOW      One actor. A connection sends the values behind the last acknowledged one, a window at a time, and
 *          expects them back in the same order. Trouble of any kind, or PATIENCE_US without progress, ends
 *          the connection; the next attempt comes after a pause.
 */
#include "tests/sim/toy.h"

#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { WINDOW = 32, PATIENCE_US = 5000000, PAUSE_US = 100000, EVENT_COUNT = 4 };

struct toy_client {
    struct env *env;
    struct env_poller *poller;
    struct env_thread *thread;
    struct env_address server;
    int socket; /* -1: none */
    bool connected, wrong;
    uint32_t id, count, acked, connects;
    uint64_t sent_bytes; /* on this connection, behind value `base` */
    uint32_t base;       /* acked when the connection began */
    uint8_t partial[8];  /* of the next value to come back */
    size_t partial_len;
    uint64_t progress_us, next_us;
};

static void disconnect(struct toy_client *c)
{
    env_unwatch(c->env, c->poller, c->socket);
    env_close_socket(c->env, c->socket);
    c->socket = -1;
    c->connected = false;
    c->next_us = env_now_us(c->env) + PAUSE_US;
}

static void watch(struct toy_client *c)
{
    uint64_t window_end = (uint64_t)MIN(c->acked + WINDOW, c->count) * 8;
    bool more = (uint64_t)c->base * 8 + c->sent_bytes < window_end;
    uint32_t interest = !c->connected ? ENV_WRITABLE
                        : more        ? ENV_READABLE | ENV_WRITABLE
                                      : ENV_READABLE;

    (void)env_watch(c->env, c->poller, c->socket, interest, c);
}

static void connect_start(struct toy_client *c)
{
    uint64_t now = env_now_us(c->env);

    if (now < c->next_us || env_connect(c->env, &c->server, &c->socket) != OK) {
        return;
    }
    c->connects++;
    c->base = c->acked;
    c->sent_bytes = 0;
    c->partial_len = 0;
    c->progress_us = now;
    watch(c);
}

static uint64_t value_of(const struct toy_client *c, uint64_t index)
{
    return ((uint64_t)c->id << 32) + index;
}

static enum err send_some(struct toy_client *c)
{
    uint8_t bytes[WINDOW * 8];
    uint64_t from = (uint64_t)c->base * 8 + c->sent_bytes;
    uint64_t end = (uint64_t)MIN(c->acked + WINDOW, c->count) * 8;
    size_t sent, len = 0;

    for (uint64_t at = from; at < end; at++) {
        uint64_t value = value_of(c, at / 8);

        bytes[len++] = ((const uint8_t *)&value)[at % 8];
    }
    if (len == 0) {
        return OK;
    }
    TRY(env_send(c->env, c->socket, &(struct env_slice){bytes, len}, 1, &sent));
    c->sent_bytes += sent;
    return OK;
}

static enum err receive_some(struct toy_client *c)
{
    uint64_t value;
    size_t got;

    TRY(env_receive(c->env, c->socket, c->partial + c->partial_len, 8 - c->partial_len, &got));
    c->partial_len += got;
    if (c->partial_len < 8) {
        return OK;
    }
    memcpy(&value, c->partial, sizeof(value));
    c->partial_len = 0;
    c->wrong = c->wrong || value != value_of(c, c->acked) ||
               ((uint64_t)c->acked - c->base) * 8 + 8 > c->sent_bytes;
    c->acked++;
    c->progress_us = env_now_us(c->env);
    return OK;
}

static void ready(struct toy_client *c, uint32_t bits)
{
    enum err e = OK;

    if (!c->connected) {
        e = env_connect_result(c->env, c->socket);
        c->connected = e == OK;
    }
    if (c->connected && (bits & ENV_READABLE) != 0) {
        e = receive_some(c);
    }
    if (c->connected && (e == OK || e == ERR_AGAIN) && (bits & ENV_WRITABLE) != 0) {
        e = send_some(c);
    }
    if (e != OK && e != ERR_AGAIN) {
        disconnect(c);
    } else {
        watch(c);
    }
}

static bool step(void *context)
{
    struct toy_client *c = context;
    struct env_event events[EVENT_COUNT];

    if (c->socket < 0) {
        connect_start(c);
    }
    int count = env_poll(c->env, c->poller, events, EVENT_COUNT, PAUSE_US);
    for (int i = 0; i < count; i++) {
        ready(c, events[i].ready);
    }
    if (c->socket >= 0 && env_now_us(c->env) > c->progress_us + PATIENCE_US) {
        disconnect(c);
    }
    return c->acked < c->count && !c->wrong;
}

struct toy_client *toy_client_new(struct env *e, const char *server_host, uint32_t id,
                                  uint32_t count)
{
    struct toy_client *c = sim_alloc(sizeof(*c));

    c->env = e;
    c->id = id;
    c->count = count;
    c->socket = -1;
    c->server.port = TOY_PORT;
    (void)snprintf(c->server.host, sizeof(c->server.host), "%s", server_host);
    ASSERT(env_poller_new(e, &c->poller) == OK);
    ASSERT(env_thread_start(e, "toy client", step, c, &c->thread) == OK);
    return c;
}

void toy_client_free(struct toy_client *c)
{
    env_thread_join(c->env, c->thread);
    if (c->socket >= 0) {
        disconnect(c);
    }
    env_poller_free(c->env, c->poller);
    sim_release(c);
}

uint32_t toy_client_acked(const struct toy_client *c)
{
    return c->acked;
}

bool toy_client_is_wrong(const struct toy_client *c)
{
    return c->wrong;
}

uint32_t toy_client_connects(const struct toy_client *c)
{
    return c->connects;
}
