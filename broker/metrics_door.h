/* broker/metrics_door.h: the listener of metrics: scrapers ask, a page is made, it is sent.
 *
 * Its own address (weir.metrics.listener), its own few connections on core 0, apart from those of clients: what happens
 * there takes nothing from them but turns. No authentication: listen where only those are who may see it.
 */
#pragma once

#include "broker/core.h"

/* Connections at once; others wait in the kernel's queue. One lives for METRICS_CLIENT_US at most. */
enum { METRICS_CLIENTS_MAX = 16, METRICS_CLIENT_US = 10 * 1000 * 1000 };
/* Pages made or being sent at once, and with them memory: who comes later waits. */
enum { METRICS_PAGES_MAX = 2 };

struct metrics_door;

/* B. `at` is "host:port"; "" is no address: nothing listens. ERR_USAGE: it is no such thing, or cannot be bound as
 * env_listen() says; ERR_NOMEM. After an error metrics_door_free() is still right. */
enum err metrics_door_open(struct core *zero, struct bytes at);
/* Where it listens; 0: nowhere. */
uint16_t metrics_door_port(const struct core *zero);
/* Stops listening, ends all connections. On core 0. */
void metrics_door_stop(struct core *zero);
/* No core runs any more. */
void metrics_door_free(struct core *zero);
