/* broker/cluster_view.h: brokers and topics as a client of this connection sees them. */
#pragma once

#include "broker/handler.h"

/* What anybody may do where nobody is kept out: bit n is operation n of the ACL numbers (KIP-430). */
enum {
    TOPIC_OPERATIONS = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11,
    CLUSTER_OPERATIONS = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12,
};

struct broker_view {
    int32_t id;
    struct bytes host;
    int32_t port;
    struct bytes rack;
};

/* The advertised address; a broker without one is told as the address this client reached us at. */
static inline struct broker_view broker_view(const struct request *rq, const struct image_broker *b)
{
    bool as_reached = b->host.len == 0;

    return (struct broker_view){.id = b->id,
                                .host = as_reached ? bytes_of(rq->local.host) : b->host,
                                .port = as_reached ? rq->local.port : b->port,
                                .rack = b->rack};
}
