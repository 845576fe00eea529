/* broker/listener.h: accepting clients and handing them to cores.
 *
 * Core 0 accepts, a few at a time, and lends each connection to the core that has the fewest. At
 * max.connections, and when there are no descriptors left, it stops accepting: clients wait in the kernel's
 * queue until a connection ends or the pause is over. Past max.connections.per.ip a client is closed at once.
 */
#pragma once

#include "broker/core.h"

struct listeners;

struct listener_limits {
    size_t connections_max, connections_per_host_max;
};

enum { LISTENERS_MAX = 8 };

/* B. Binds all addresses; zero->listeners is set. ERR_IO: cannot be bound; ERR_NOMEM. After an error
 * listeners_free() is still right. Limits of SIZE_MAX: none. */
enum err listeners_open(struct core *zero, const struct env_address *at, int count,
                        const struct listener_limits *limits);
/* Where the first one listens. */
uint16_t listeners_port(const struct core *zero);
/* Stops accepting. On core 0. */
void listeners_stop(struct core *zero);
/* Frees every connection there is: no core runs any more, and connections_free() was called for all. */
void listeners_free(struct core *zero);
