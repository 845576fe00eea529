/* tests/bench/load_link.h: many connections to one broker in one thread, one request in flight on each.
 *
 * A failure of any kind ends the program with a line on standard error: a load that loses requests measures
 * nothing.
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "schema/apis.h"
#include "schema/errors.h"

enum { LOAD_LINKS_MAX = 12000 };

struct load;

struct load_link {
    struct load *load;
    int socket, index;
    bool connected, closed;
    uint64_t wake_us;     /* idle: call `due` then; 0: never */
    int16_t api, version; /* of the request in flight; api -1: none */
    int32_t correlation_id;
    struct buf in, out;
    size_t sent;
    void *state; /* the program's own */
};

struct load {
    struct env *env;
    struct env_poller *poller;
    struct env_address server;
    struct load_link *links;
    int count;
    struct arena arena; /* of one answer and the request it leads to */
    bool stop;
    /* Both may send on the link. */
    void (*up)(struct load_link *l);
    void (*answer)(struct load_link *l, int16_t api, const void *response);
    void (*due)(struct load_link *l);
    uint64_t now_us;
};

_Noreturn void load_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* Connects `count` links; up() is called for each as it stands. */
void load_open(struct load *l, const char *host_port, int count);
/* Until load->stop, or the deadline (then false). */
bool load_run(struct load *l, uint64_t deadline_us);
void load_close(struct load *l);
void load_send(struct load_link *l, int16_t api, int16_t version, const void *request);
