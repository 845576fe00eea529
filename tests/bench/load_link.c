/* tests/bench/load_link.c: one epoll loop for all connections.
 *
 * Requests are encoded and answers decoded by the typed codec, in an arena that is emptied for each answer. One request
 * is in flight on a connection, as Kafka serves one at a time.
 */
#include "tests/bench/load_link.h"

#include "base/env_linux.h"
#include "base/mem.h"
#include "protocol/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EVENT_COUNT = 512,
    RECEIVE_BYTES = 64 << 10,
    LINK_BYTES_MAX = 64 << 20,
    ARENA_BYTES = 256 << 20
};

void load_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fputs("weir_group_load: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void watch(struct load_link *l)
{
    uint32_t interest = l->connected ? ENV_READABLE : ENV_WRITABLE;

    interest |= l->sent < l->out.len ? ENV_WRITABLE : 0;
    if (env_watch(l->load->env, l->load->poller, l->socket, interest, l) != OK) {
        load_fail("epoll: %s", err_crumb());
    }
}

static void flush(struct load_link *l)
{
    while (l->sent < l->out.len) {
        struct env_slice slice = {l->out.at + l->sent, l->out.len - l->sent};
        size_t sent = 0;
        enum err e = env_send(l->load->env, l->socket, &slice, 1, &sent);

        if (e == ERR_AGAIN) {
            watch(l);
            return;
        }
        if (e != OK) {
            load_fail("connection %d: %s", l->index, err_crumb());
        }
        l->sent += sent;
    }
    l->sent = 0;
    buf_reset(&l->out);
}

void load_send(struct load_link *l, int16_t api, int16_t version, const void *request)
{
    struct frame_request rq = {.api = api_find(api),
                               .key = api,
                               .version = version,
                               .correlation_id = ++l->correlation_id,
                               .client_id = BYTES("load")};
    size_t body = message_size(rq.api->request, version, request);
    size_t bytes = frame_request_size(&rq) + body;

    ASSERT(l->api < 0);
    if (buf_reserve(&l->out, bytes) != OK) {
        load_fail("no memory");
    }
    struct wire_writer w = wire_writer_of(l->out.at + l->out.len, bytes);
    frame_write_request(&w, &rq, body);
    message_write(&w, rq.api->request, version, request);
    l->out.len += bytes;
    l->api = api;
    l->version = version;
    flush(l);
}

static void answered(struct load_link *l, struct bytes frame)
{
    const struct api_info *api = api_find(l->api);
    struct arena *a = &l->load->arena;
    struct frame_response rs;

    if (l->api < 0 || frame_read_response(frame, api, l->version, &rs) != OK ||
        rs.correlation_id != l->correlation_id) {
        load_fail("connection %d: an answer that nobody asked for", l->index);
    }
    arena_reset(a);
    void *response = arena_alloc(a, api->response->body->bytes);
    struct wire_reader r = wire_reader_of(rs.body);
    if (response == NULL || message_read(&r, a, api->response, l->version, response) != OK) {
        load_fail("connection %d: %s does not parse", l->index, api->name);
    }
    l->api = -1;
    l->load->answer(l, api->key, response);
}

static void receive(struct load_link *l)
{
    size_t got = 0;

    if (buf_reserve(&l->in, RECEIVE_BYTES) != OK) {
        load_fail("no memory");
    }
    enum err e = env_receive(l->load->env, l->socket, l->in.at + l->in.len, RECEIVE_BYTES, &got);
    if (e == ERR_AGAIN) {
        return;
    }
    if (e != OK) {
        load_fail("connection %d was closed: %s", l->index, err_name(e));
    }
    l->in.len += got;
    if (l->in.len >= FRAME_LENGTH_BYTES) {
        size_t len = wire_load_u32(l->in.at);
        if (l->in.len - FRAME_LENGTH_BYTES >= len) {
            /* One request in flight: nothing may follow. */
            l->in.len = 0;
            answered(l, (struct bytes){l->in.at + FRAME_LENGTH_BYTES, len});
        }
    }
}

static void ready(struct load_link *l, uint32_t bits)
{
    if (!l->connected) {
        if (env_connect_result(l->load->env, l->socket) != OK) {
            load_fail("cannot connect: %s", err_crumb());
        }
        l->connected = true;
        watch(l);
        l->load->up(l);
        return;
    }
    if ((bits & ENV_WRITABLE) != 0) {
        flush(l);
        watch(l);
    }
    if ((bits & ENV_READABLE) != 0) {
        receive(l);
    }
}

void load_open(struct load *l, const char *host_port, int count)
{
    const char *colon = strrchr(host_port, ':');

    if (colon == NULL || (size_t)(colon - host_port) >= sizeof(l->server.host)) {
        load_fail("an address is HOST:PORT, not %s", host_port);
    }
    memcpy(l->server.host, host_port, (size_t)(colon - host_port));
    l->server.port = (uint16_t)strtoul(colon + 1, NULL, 10);
    if (env_linux_new(&l->env) != OK || env_poller_new(l->env, &l->poller) != OK) {
        load_fail("no event loop: %s", err_crumb());
    }
    arena_init(&l->arena, ARENA_BYTES);
    l->count = count;
    l->links = mem_zalloc((size_t)count, sizeof(*l->links));
    for (int i = 0; l->links != NULL && i < count; i++) {
        struct load_link *link = &l->links[i];

        *link = (struct load_link){.load = l, .index = i, .api = -1};
        buf_init(&link->in, LINK_BYTES_MAX);
        buf_init(&link->out, LINK_BYTES_MAX);
        if (env_connect(l->env, &l->server, &link->socket) != OK) {
            load_fail("cannot connect: %s", err_crumb());
        }
        watch(link);
    }
}

static void wake_idle(struct load *l)
{
    for (int i = 0; i < l->count; i++) {
        struct load_link *link = &l->links[i];

        if (link->wake_us != 0 && link->wake_us <= l->now_us && link->api < 0) {
            link->wake_us = 0;
            arena_reset(&l->arena);
            l->due(link);
        }
    }
}

bool load_run(struct load *l, uint64_t deadline_us)
{
    struct env_event events[EVENT_COUNT];
    uint64_t looked_us = 0;

    l->stop = false;
    while (!l->stop) {
        int count = env_poll(l->env, l->poller, events, EVENT_COUNT, 5000);

        l->now_us = env_now_us(l->env);
        for (int i = 0; i < count && !l->stop; i++) {
            ready(events[i].tag, events[i].ready);
        }
        if (l->due != NULL && l->now_us > looked_us + 5000) {
            looked_us = l->now_us;
            wake_idle(l);
        }
        if (l->now_us > deadline_us) {
            return false;
        }
    }
    return true;
}

void load_close(struct load *l)
{
    for (int i = 0; i < l->count; i++) {
        env_unwatch(l->env, l->poller, l->links[i].socket);
        env_close_socket(l->env, l->links[i].socket);
        buf_deinit(&l->links[i].in);
        buf_deinit(&l->links[i].out);
    }
    mem_free(l->links);
    arena_deinit(&l->arena);
    env_poller_free(l->env, l->poller);
    env_linux_free(l->env);
}
