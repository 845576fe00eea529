/* broker/request.h: one request while it is being served, as its handler sees it.
 *
 * Belongs to the core of its connection; so do all functions here. It outlives the connection: operations
 * that are under way when the client goes come back to it as if nothing had happened, and what would be
 * answered is dropped.
 */
#pragma once

#include "base/arena.h"
#include "broker/core.h"

/* Bytes of a reply that are not copied into it: a fetch's records. They replace, in order, the `records`
 * fields of the response whose length they add up to. */
struct reply_range {
    struct bytes at;
    struct reply_range *next;
};

struct request {
    struct core *core;
    struct arena *arena;
    const struct image
        *image; /* the world as this request sees it; held by it. NULL: no metadata */
    int16_t api_key, version;
    int32_t correlation_id;
    struct bytes client_id;   /* null: none */
    struct env_address peer;  /* the client */
    struct env_address local; /* where it reached us: for advertised addresses */
    uint64_t received_us;
    size_t frame_bytes;
    void *in, *out; /* typed by the API */
    /* Called once the reply was handed to the socket or the connection died: release what the reply
     * pointed to (chunks). May be NULL. Also called for a request that is still under way when the node is
     * taken apart (node->closing): then it takes the request's timers away as well. */
    void (*sent)(struct request *rq);
    void *handler_state; /* the handler's own */
    struct reply_range *ranges_first, *ranges_last;

    /* The functions below keep these; finish() is called when the last hold is gone. */
    int holds;
    bool no_reply, close, abandoned;
    const char *close_why;
    void (*finish)(struct request *rq);
};

void request_hold(struct request *rq);
void request_release(struct request *rq);
/* Produce with acks=0: nothing is answered. */
void request_no_reply(struct request *rq);
/* Close the connection instead of answering (Kafka's answer to acks=0 errors and to nonsense); earlier
 * requests are answered before. `why` is a literal, for the log line. */
void request_close(struct request *rq, const char *why);
/* Adds bytes to the next records field of the reply; they must live until rq->sent. The field itself
 * holds their sum as length and any non-NULL address. Without any attached range, records are sent from where
 * the fields point. */
void request_attach(struct request *rq, struct bytes at);
/* Has the client gone? Long waits may stop early. */
bool request_abandoned(const struct request *rq);
/* Calls fn(timer) on the request's core after the delay, unless cancelled (t->fire = fn before). */
void request_timer(struct request *rq, struct timer *t, uint64_t delay_us);
