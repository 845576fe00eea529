/* broker/handler.h: all that a request handler may include, besides its own schema.
 *
 * A handler is void handle_<api>(struct request *rq, const struct <api>_request *in, struct <api>_response
 * *out). It runs on the connection's core. `in` and `out` live in the request's arena, as does everything it
 * allocates: it never frees. It fills `out` and returns; or it starts operations, each of which holds the
 * request (request_hold) until its done() released it (request_release); the reply leaves when the last
 * hold is gone, always after the replies to the connection's earlier requests.
 */
#pragma once

#include "base/arena.h"
#include "base/log.h"
#include "broker/config.h"
#include "broker/core.h"
#include "broker/image.h"
#include "broker/metadata.h"
#include "broker/partition.h"
#include "schema/errors.h"

/* Bytes of a reply that are not copied into it: a fetch's records. They replace, in order, the `records`
 * fields of the response whose length they add up to. */
struct reply_range {
    struct bytes at;
    struct reply_range *next;
};

struct request {
    struct core *core;
    struct arena *arena;
    const struct image *image; /* the world as this request sees it; held by it */
    int16_t api_key, version;
    int32_t correlation_id;
    struct bytes client_id;       /* null: none */
    struct env_address peer;      /* the client */
    struct env_address local;     /* where it reached us: for advertised addresses */
    uint64_t received_us;
    size_t frame_bytes;
    void *in, *out;               /* typed by the API */
    /* Called once the reply was handed to the socket or the connection died: release what the reply
     * pointed to (chunks). May be NULL. */
    void (*sent)(struct request *rq);
    void *handler_state; /* the handler's own */
    struct reply_range *ranges_first, *ranges_last;
};

void request_hold(struct request *rq);
void request_release(struct request *rq);
/* Produce with acks=0: nothing is answered. */
void request_no_reply(struct request *rq);
/* Close the connection instead of answering (Kafka's answer to acks=0 errors and to nonsense). */
void request_close(struct request *rq, const char *why);
/* Adds bytes to the next records field of the reply; they must live until rq->sent. */
void request_attach(struct request *rq, struct bytes at);
/* Has the client gone? Long waits may stop early. */
bool request_abandoned(const struct request *rq);
/* Calls fn(timer) on the request's core after the delay, unless cancelled. */
void request_timer(struct request *rq, struct timer *t, uint64_t delay_us);
