/* tests/sim/kafka_link.h: one connection of a simulated client: real Kafka bytes over simulated sockets.
 *
 * The owner is an actor: it calls kafka_link_poll() once per step, and gets what happened by callbacks: up (a
 * new connection stands), answer (a response, in the order of the requests), down (it broke, was refused or was
 * silent for too long; everything that was asked on it is lost). Requests are written by the typed codec.
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "schema/apis.h"

enum { KAFKA_LINK_PIPELINE_MAX = 16 };

struct kafka_link_waiting {
    int16_t api, version;
    uint64_t tag;
};

struct kafka_link {
    struct env *env;
    struct env_poller *poller;
    struct env_address server;
    int socket; /* -1: none */
    bool connected;
    uint64_t next_us, progress_us;
    struct buf in, out;
    size_t out_sent;
    int32_t correlation_id; /* of the next request */
    struct kafka_link_waiting waiting[KAFKA_LINK_PIPELINE_MAX];
    int waiting_count;
    void (*up)(void *context);
    void (*down)(void *context);
    /* `body` parses with the API's response of that version. */
    void (*answer)(void *context, const struct kafka_link_waiting *asked, struct bytes body);
    void *context;
};

/* Callbacks and context are set by the caller afterwards. */
void kafka_link_init(struct kafka_link *l, struct env *e, const char *host, uint16_t port);
void kafka_link_deinit(struct kafka_link *l);
/* The actor's one env_poll; waits at most timeout_us. */
void kafka_link_poll(struct kafka_link *l, int64_t timeout_us);
bool kafka_link_can_send(const struct kafka_link *l);
/* `request`: struct of that API's request. no_answer: Produce with acks=0. */
void kafka_link_send(struct kafka_link *l, int16_t api, int16_t version, const void *request,
                     uint64_t tag);
/* Breaks it, as by a client that lost patience; down() is called. */
void kafka_link_drop(struct kafka_link *l);
