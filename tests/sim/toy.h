/* tests/sim/toy.h: a small server and client on base/env.h, to try the world itself with, and to copy from.
 *
 * A client sends its values (8 bytes each) in order and waits for each to come back; after a break or a long
 * silence it connects again and goes on behind the last that came. The server sends back what it gets: at
 * once, or after it has written and synced it to /log/values.
 */
#pragma once

#include "tests/sim/env_sim.h"

enum toy_mode {
    TOY_ECHO,
    TOY_LOG,            /* answers when durable */
    TOY_LOG_ACK_EARLY,  /* the planted bug: answers when written */
    TOY_LOG_NO_DIR_SYNC /* another: forgets that a new file has a name */
};

enum { TOY_PORT = 7000 };

struct toy_server;
struct toy_client;

/* Opens the log (a blocking call), listens and starts its actor. */
enum err toy_server_new(struct env *e, enum toy_mode mode, struct toy_server **out);
/* After its process ended, or toy_server_stop() and the join within. */
void toy_server_free(struct toy_server *s);
/* A write or sync failed: it answers nothing any more. */
bool toy_server_failed(const struct toy_server *s);
/* The actor ends at its next step. */
void toy_server_stop(struct toy_server *s);

/* Values are (id << 32) + 0, 1, ... count-1. */
struct toy_client *toy_client_new(struct env *e, const char *server_host, uint32_t id,
                                  uint32_t count);
void toy_client_free(struct toy_client *c);
/* How many have come back, in order. */
uint32_t toy_client_acked(const struct toy_client *c);
/* Something came back that should not have. */
bool toy_client_is_wrong(const struct toy_client *c);
uint32_t toy_client_connects(const struct toy_client *c);

/* How many of the first `count` values of that id are missing in the node's log. */
uint32_t toy_log_missing(struct sim_node *n, uint32_t id, uint32_t count);
