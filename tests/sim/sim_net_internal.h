/* tests/sim/sim_net_internal.h: connections, as sim_net.c (segments on their way) and env_sim_net.c (the calls
 * of processes) share them.
 */
#pragma once

#include "tests/sim/sim_net.h"

enum { SIM_BACKLOG_MAX = 128 };

/* From end i to the other end. delivered + flying + unacked <= cap. */
struct sim_pipe {
    uint8_t *ring; /* cap bytes; the oldest delivered byte is at head */
    uint32_t cap, head, delivered, flying;
    uint32_t unacked;        /* read, but the sender cannot learn it: the way back is cut */
    uint64_t last_us;        /* when the newest segment arrives: none overtakes another */
    struct list flights;     /* on their way, in order */
    struct sim_event *event; /* of the first flight */
};

struct sim_connection {
    struct list_link link;
    struct sim *sim;
    struct sim_end ends[2];
    struct sim_pipe pipes[2];
    struct list resets;        /* flights that overtake */
    struct sim_event *give_up; /* planned while something cannot get through */
};

enum sim_flight_kind { SIM_FLIGHT_OPEN, SIM_FLIGHT_OPENED, SIM_FLIGHT_DATA, SIM_FLIGHT_FINISH };

struct sim_connection *sim_connection_new(struct sim_node *from, struct sim_node *to);
/* Frees it when nobody needs it any more. */
void sim_connection_check(struct sim_connection *c);
/* Puts a segment on its way from end `side`; DATA: `bytes` that are in the pipe's ring already. */
void sim_segment_send(struct sim_connection *c, int side, enum sim_flight_kind kind,
                      uint32_t bytes);
/* A reset from end `side`: it overtakes, and is lost where the way is cut. */
void sim_reset_send(struct sim_connection *c, int side);
/* This end learns that the connection is broken. */
void sim_end_break(struct sim_end *end);
/* Both ends learn it now. */
void sim_connection_break(struct sim_connection *c);
/* Nothing from end `side` is on its way any more (but resets). */
void sim_flights_drop(struct sim_connection *c, int side);
/* May a segment from end `side` arrive now? */
bool sim_way_is_open(const struct sim_connection *c, int side);
/* This end has read so much. */
void sim_pipe_read(struct sim_end *end, uint32_t bytes);
/* May something have changed for whoever polls this socket? */
void sim_socket_stir(struct sim_socket *s);

static inline int sim_end_side(const struct sim_end *end)
{
    return end == &end->connection->ends[1];
}
static inline struct sim_end *sim_end_peer(struct sim_end *end)
{
    return &end->connection->ends[!sim_end_side(end)];
}
/* What this end reads from, and what it writes to. */
static inline struct sim_pipe *sim_end_in(const struct sim_end *end)
{
    return &end->connection->pipes[!sim_end_side(end)];
}
static inline struct sim_pipe *sim_end_out(const struct sim_end *end)
{
    return &end->connection->pipes[sim_end_side(end)];
}
static inline uint32_t sim_pipe_free_bytes(const struct sim_pipe *p)
{
    return p->cap - p->delivered - p->flying - p->unacked;
}
