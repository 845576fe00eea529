/* broker/exchange.h: a request and its reply, from the frame to the last byte sent. Broker-internal: the
 * connection makes it, dispatch fills it, handlers see only its struct request.
 *
 * Legal states: RUNNING until the last hold on rq is gone; then one of the others for good. `connection` is
 * NULL once the connection has ended. Memory is charged to the core's budget: `charged` says how much.
 */
#pragma once

#include "broker/request.h"

struct connection;
struct connections;
struct dispatch_row;

enum exchange_state {
    EXCHANGE_RUNNING,
    EXCHANGE_REPLY,   /* slices[] is the reply */
    EXCHANGE_NOTHING, /* acks=0 */
    EXCHANGE_CLOSE,   /* the connection ends here */
};

enum { EXCHANGE_SMALL_REPLY_BYTES = 256 };

struct exchange {
    struct request rq;
    struct connections *home;
    struct connection *connection;
    const struct dispatch_row *row;
    enum exchange_state state;
    struct list_link link;    /* in the connection's order */
    struct list_link running; /* connections->running, while RUNNING */
    struct arena arena;
    uint8_t *frame; /* the request's bytes, unless they are in the arena; owned */
    size_t charged;
    uint8_t *reply; /* encoded part of the reply: `small`, or owned */
    struct env_slice *slices, one_slice;
    int slice_count, slice_at; /* slices before slice_at have been sent */
    uint8_t small[EXCHANGE_SMALL_REPLY_BYTES];
};

/* What a request costs before anything is known of it: the struct and its arena's first block. */
enum { EXCHANGE_BYTES = 2048 + sizeof(struct exchange) };

/* Takes over `charged` bytes of budget. `owned` is NULL, or the memory that frame lies in, which the
 * exchange frees; without, the frame is copied. NULL: no memory; nothing was taken over. */
struct exchange *exchange_new(struct connection *on, struct bytes frame, uint8_t *owned,
                              size_t charged, struct bytes *kept);
void exchange_free(struct exchange *e);
/* Charges what decoding took beyond what was charged. */
void exchange_charge_arena(struct exchange *e);
/* The request is decoded: what answers it may take as much memory as the core's budget has, however small the
 * question was (ListGroups, OffsetFetch of all). */
void exchange_allow_answer(struct exchange *e);
/* The reply is encoded: frees what only the request needed, unless the reply points into it. */
void exchange_trim(struct exchange *e);
/* Memory for the encoded reply; NULL: none. */
uint8_t *exchange_reply_alloc(struct exchange *e, size_t bytes);
