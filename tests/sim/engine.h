/* tests/sim/engine.h: a broker's engine without storage in a simulated world, with handlers that do what a
 * test says, and clients that send bytes. For tests and scenarios; it aborts on what cannot be.
 *
 *     struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
 *     struct client c = client_connect(&e);
 *     client_send(&c, engine_request(&e, 7, BYTES("now")));
 *     engine_run(&e, 1000);
 *     CHECK_EQ(client_replies(&c), 1);
 *     engine_stop(&e);
 *
 * HANDLERS  ApiVersions version 0..2 answers at once. Metadata answers when engine_release() says so. Fetch
 *           answers with records that are attached, not copied. Produce answers at once, acks=0 not at all.
 */
#pragma once

#include "base/log.h"
#include "broker/config.h"
#include "broker/connection.h"
#include "broker/handler.h"
#include "broker/node.h"
#include "protocol/frame.h"
#include "schema/api_versions.h"
#include "schema/dispatch.h"
#include "schema/fetch.h"
#include "schema/metadata.h"
#include "schema/produce.h"
#include "tests/sim/env_sim.h"

#include <stdio.h>

enum {
    ENGINE_HELD_MAX = 4096,
    CLIENT_BYTES_MAX = 256 << 20,
    CLIENT_PART_BYTES = 4096,
    ENGINE_PORT = 9092
};

struct engine_options {
    int cores; /* 0: 1 */
    uint64_t seed, memory_bytes;
    const char *settings[8][2];
    const struct sim_profile *profile;
};

struct engine {
    struct sim *sim;
    struct sim_node *server, *clients;
    struct config *config;
    struct node *node;
    struct arena *arena;
};

struct client {
    struct engine *engine;
    struct env *env;
    int socket;
    bool closed; /* the server ended it */
    struct buf got;
};

static inline void engine_ok(enum err e)
{
    ASSERT(e == OK);
}

/* What the handlers below have seen since the engine started; one engine at a time. */
struct engine_seen {
    struct request *held[ENGINE_HELD_MAX];
    int held_count, served, sent;
};

static inline struct engine_seen *engine_seen(void)
{
    static struct engine_seen seen;

    return &seen;
}

/* ---- handlers ---- */

static inline void engine_sent(struct request *rq)
{
    ASSERT(rq->handler_state == rq);
    engine_seen()->sent++;
}

static inline void engine_api_versions(struct request *rq, const void *in, void *out)
{
    (void)rq, (void)in;
    struct api_versions_response *r = out;
    r->throttle_time_ms = ++engine_seen()->served;
}

static inline void engine_metadata(struct request *rq, const void *in, void *out)
{
    (void)in, (void)out;
    struct engine_seen *s = engine_seen();
    s->served++;
    ASSERT(s->held_count < ENGINE_HELD_MAX);
    s->held[s->held_count++] = rq;
    rq->sent = engine_sent;
    rq->handler_state = rq;
    request_hold(rq);
}

/* Two partitions: "first" in two ranges, "second" in one. */
static inline void engine_fetch(struct request *rq, const void *in, void *out)
{
    (void)in;
    struct fetch_response *r = out;
    r->responses = fetch_response_topics_new(rq->arena, 1);
    r->responses.at[0].topic = BYTES("t");
    r->responses.at[0].partitions = fetch_response_partitions_new(rq->arena, 3);
    if (rq->arena->exhausted) {
        return;
    }
    r->responses.at[0].partitions.at[0].records = (struct bytes){(const uint8_t *)"x", 5};
    r->responses.at[0].partitions.at[1].records = BYTES("");
    r->responses.at[0].partitions.at[2].records = (struct bytes){(const uint8_t *)"x", 6};
    request_attach(rq, BYTES("fir"));
    request_attach(rq, BYTES("st"));
    request_attach(rq, BYTES("second"));
    rq->sent = engine_sent;
    rq->handler_state = rq;
}

static inline void engine_produce(struct request *rq, const void *in, void *out)
{
    const struct produce_request *p = in;
    struct produce_response *r = out;

    engine_seen()->served++;
    r->throttle_time_ms = 0;
    if (p->acks == 0) {
        request_no_reply(rq);
    } else if (p->acks == 1) {
        request_close(rq, "acks=1 is refused in this test");
    }
}

static inline const struct dispatch_row *engine_api_find(int16_t key)
{
    static struct dispatch_row rows[] = {
        {NULL, sizeof(struct api_versions_request), sizeof(struct api_versions_response),
         engine_api_versions},
        {NULL, sizeof(struct metadata_request), sizeof(struct metadata_response), engine_metadata},
        {NULL, sizeof(struct fetch_request), sizeof(struct fetch_response), engine_fetch},
        {NULL, sizeof(struct produce_request), sizeof(struct produce_response), engine_produce},
    };
    static const int16_t keys[] = {API_API_VERSIONS, API_METADATA, API_FETCH, API_PRODUCE};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (keys[i] == key) {
            rows[i].api = api_find(key);
            return &rows[i];
        }
    }
    return NULL;
}

/* ---- world ---- */

static inline struct engine engine_start_in(struct sim *sim, struct arena *arena,
                                            const struct engine_options *o)
{
    struct engine e = {.sim = sim, .arena = arena};
    struct node_options options = {.core_count = MAX(o->cores, 1),
                                   .memory_bytes = o->memory_bytes,
                                   .api_find = engine_api_find};

    *engine_seen() = (struct engine_seen){0};
    log_level_set(LOG_ERROR); /* bad clients are what the tests are about */
    e.server = sim_node_add(e.sim, "10.0.0.1");
    e.clients = sim_node_add(e.sim, "10.0.0.2");
    engine_ok(config_new(&e.config));
    engine_ok(config_set(e.config, BYTES("listeners"), BYTES("PLAINTEXT://10.0.0.1:9092"),
                         CONFIG_FROM_SET));
    for (size_t i = 0; i < COUNT_OF(o->settings) && o->settings[i][0] != NULL; i++) {
        engine_ok(config_set(e.config, bytes_of(o->settings[i][0]), bytes_of(o->settings[i][1]),
                             CONFIG_FROM_SET));
    }
    options.env = sim_node_env(e.server);
    options.config = e.config;
    engine_ok(node_new(&options, &e.node));
    engine_ok(node_start(e.node));
    return e;
}

static inline struct engine engine_start(struct arena *arena, const struct engine_options *o)
{
    return engine_start_in(sim_new(o->seed, o->profile), arena, o);
}

static inline void engine_run(struct engine *e, uint64_t us)
{
    sim_run_for(e->sim, us);
}

static inline void engine_stop_in(struct engine *e)
{
    engine_ok(node_stop(e->node));
    node_free(e->node);
    config_free(e->config);
}

static inline void engine_stop(struct engine *e)
{
    engine_stop_in(e);
    sim_free(e->sim);
}

static inline struct core_stats engine_stats(const struct engine *e)
{
    struct core_stats sum = {0};

    for (int i = 0; i < node_core_count(e->node); i++) {
        core_stats_add(&sum, &node_core(e->node, i)->stats);
    }
    return sum;
}

/* Memory that requests of all cores are charged for. */
static inline size_t engine_charged(const struct engine *e)
{
    size_t sum = 0;

    for (int i = 0; i < node_core_count(e->node); i++) {
        sum += node_core(e->node, i)->connections->budget.bytes;
    }
    return sum;
}

/* Lets the held Metadata request number `at` (in order of arrival) be answered. */
static inline void engine_release(struct engine *e, int at)
{
    struct request *rq = engine_seen()->held[at];
    struct core *c = rq->core;

    ASSERT(at < engine_seen()->held_count);
    (void)core_act_as(c);
    request_release(rq);
    (void)core_act_as(NULL);
    env_wake(sim_node_env(e->server), c->poller);
}

/* ---- requests ---- */

/* A whole frame: length, header, message. */
static inline struct bytes engine_frame(struct arena *a, int16_t key, int16_t version,
                                        int32_t correlation_id, struct bytes body)
{
    struct frame_request rq = {.api = api_find(key),
                               .key = key,
                               .version = version,
                               .correlation_id = correlation_id,
                               .client_id = BYTES("test")};
    size_t head = frame_request_size(&rq);
    uint8_t *at = arena_alloc(a, head + body.len);
    struct wire_writer w = wire_writer_of(at, head + body.len);

    frame_write_request(&w, &rq, body.len);
    wire_put_bytes(&w, body);
    return (struct bytes){at, head + body.len};
}

/* ApiVersions 1: answered at once. */
static inline struct bytes engine_now(struct engine *e, int32_t correlation_id)
{
    return engine_frame(e->arena, API_API_VERSIONS, 1, correlation_id, BYTES(""));
}

/* Metadata 1: answered by engine_release(). */
static inline struct bytes engine_later(struct engine *e, int32_t correlation_id)
{
    struct metadata_request in;

    metadata_request_init(&in);
    in.topics.len = -1;
    return engine_frame(e->arena, API_METADATA, 1, correlation_id,
                        metadata_request_bytes(e->arena, &in, 1));
}

/* Produce 7 with so many bytes of records. */
static inline struct bytes engine_produce_frame(struct engine *e, int32_t correlation_id,
                                                int16_t acks, size_t bytes)
{
    struct produce_request in;

    produce_request_init(&in);
    in.acks = acks;
    in.topic_data = produce_request_topics_new(e->arena, 1);
    in.topic_data.at[0].name = BYTES("t");
    in.topic_data.at[0].partition_data = produce_request_partitions_new(e->arena, 1);
    in.topic_data.at[0].partition_data.at[0].records.at = arena_alloc(e->arena, bytes);
    in.topic_data.at[0].partition_data.at[0].records.len = bytes;
    return engine_frame(e->arena, API_PRODUCE, 7, correlation_id,
                        produce_request_bytes(e->arena, &in, 7));
}

/* ---- clients ---- */

static inline struct client client_connect(struct engine *e)
{
    struct client c = {.engine = e, .env = sim_node_env(e->clients)};
    struct env_address to = {.host = "10.0.0.1", .port = ENGINE_PORT};

    buf_init(&c.got, CLIENT_BYTES_MAX);
    engine_ok(env_connect(c.env, &to, &c.socket));
    engine_run(e, 5000);
    return c;
}

/* Sends as much as fits now; returns how much. */
static inline size_t client_send_some(struct client *c, struct bytes b)
{
    struct env_slice slice = {(void *)(uintptr_t)b.at, b.len};
    size_t sent = 0;

    enum err e = b.len == 0 ? OK : env_send(c->env, c->socket, &slice, 1, &sent);
    ASSERT(e == OK || e == ERR_AGAIN || e == ERR_CLOSED);
    return e == OK ? sent : 0;
}

/* Takes what has come. */
static inline void client_receive(struct client *c)
{
    size_t got;

    while (!c->closed) {
        engine_ok(buf_reserve(&c->got, CLIENT_PART_BYTES));
        enum err e =
            env_receive(c->env, c->socket, c->got.at + c->got.len, CLIENT_PART_BYTES, &got);
        if (e == ERR_AGAIN) {
            return;
        }
        c->closed = e != OK;
        c->got.len += e == OK ? got : 0;
    }
}

/* Sends all of it, taking replies meanwhile; gives up after 10 seconds. */
static inline void client_send(struct client *c, struct bytes b)
{
    for (int i = 0; i < 10000 && b.len > 0 && !c->closed; i++) {
        b = bytes_slice(b, client_send_some(c, b), b.len);
        if (b.len > 0) {
            engine_run(c->engine, 1000);
            client_receive(c);
        }
    }
    ASSERT(b.len == 0 || c->closed);
}

static inline void client_close(struct client *c)
{
    env_close_socket(c->env, c->socket);
    buf_deinit(&c->got);
}

/* Frame number `at` of what has come, without its length; null when it is not there. */
static inline struct bytes client_reply(struct client *c, int at)
{
    struct bytes rest = buf_view(&c->got);

    for (int i = 0; rest.len >= FRAME_LENGTH_BYTES; i++) {
        size_t len = wire_load_u32(rest.at);
        if (rest.len - FRAME_LENGTH_BYTES < len) {
            break;
        }
        if (i == at) {
            return bytes_slice(rest, FRAME_LENGTH_BYTES, len);
        }
        rest = bytes_slice(rest, FRAME_LENGTH_BYTES + len, rest.len);
    }
    return BYTES_NULL;
}

static inline int client_replies(struct client *c)
{
    int n = 0;

    client_receive(c);
    for (struct bytes rest = buf_view(&c->got); rest.len >= FRAME_LENGTH_BYTES; n++) {
        size_t len = wire_load_u32(rest.at);
        if (rest.len - FRAME_LENGTH_BYTES < len) {
            break;
        }
        rest = bytes_slice(rest, FRAME_LENGTH_BYTES + len, rest.len);
    }
    return n;
}

/* The correlation id of that reply. */
static inline int32_t client_id_of(struct client *c, int at)
{
    struct bytes reply = client_reply(c, at);

    ASSERT(reply.at != NULL && reply.len >= 4);
    return (int32_t)wire_load_u32(reply.at);
}
