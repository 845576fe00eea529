/* tests/sim/sim_net.h: the simulated network: listeners, connections, segments on their way.
 *
 *     end 0 --- pipe 0: [ delivered | arriving in order ... ] --> end 1
 *     end 0 <-- pipe 1 -------------------------------------- end 1
 *
 * A connection lives until both ends are closed (or gone with their machine) and nothing is on its way.
 */
#pragma once

#include "tests/sim/env_sim_internal.h"

struct sim_connection;

enum sim_end_state {
    SIM_END_CONNECTING,
    SIM_END_OPEN,
    SIM_END_BROKEN, /* reset, refused or given up; the socket may still be there */
    SIM_END_CLOSED, /* by its process: the machine answers with resets */
    SIM_END_GONE    /* with its machine, which knows nothing of it */
};

struct sim_end {
    struct sim_connection *connection;
    struct list_link waiting; /* in a listener's backlog */
    struct sim_node *node;
    struct sim_socket *socket; /* NULL: none yet, or closed */
    struct env_address address;
    enum sim_end_state state;
    bool peer_finished; /* the peer's end of stream has come */
};

/* Owned by the handle of a process. */
struct sim_socket {
    struct sim_process *process;
    int number;
    struct sim_end *end;   /* NULL: a listener */
    struct list_link link; /* listener: in the process's list */
    struct list backlog;
    uint16_t port;
};

/* What the socket is ready for, enum env_interest. */
uint32_t sim_socket_ready(const struct sim_socket *s);
/* The kernel closes it: the process did, or died. */
void sim_socket_close(struct sim_socket *s);
/* The machine lost power. */
void sim_socket_vanish(struct sim_socket *s);
void sim_net_free(struct sim *s);
