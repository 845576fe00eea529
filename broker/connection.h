/* broker/connection.h: bytes in, frames out: the clients of one core.
 *
 * BORN     The listener (core 0) makes a struct connection and lends it to a core; when it has ended it goes
 *          home, where it is counted off and freed.
 * READING  A burst of small frames is read at once and served in one go; a frame that is not wholly there gets
 *          memory of its own and is received into it. Reading stops while the core's memory budget is
 *          used up, too many requests are being served, or the client does not take its replies.
 * REPLIES  In the order of the requests, whatever the order in which they are done (I17); all that is
 *          ready at the end of a turn goes out in one send.
 * OWNER    The core it was lent to.
 * FAILURE  A connection that breaks the protocol ends, with one log line; the others do not notice.
 */
#pragma once

#include "broker/budget.h"
#include "broker/core.h"
#include "broker/exchange.h"

/* Bounds of one connection. */
enum {
    CONNECTION_REQUESTS_MAX = 64,          /* being served at once; Kafka clients have 5 or fewer */
    CONNECTION_OUTPUT_BYTES_MAX = 1 << 20, /* replies not taken: then we do not read on ... */
    CONNECTION_OUTPUT_MEMORY_PART = 16, /* ... or when they hold this part of the core's budget */
    CONNECTION_SMALL_BYTES_MAX = 64 << 10,  /* of replies kept in one piece of memory */
    CONNECTION_REQUESTS_PER_VISIT = 32,     /* then others have their turn */
    CONNECTION_BYTES_PER_VISIT = 256 << 10, /* received into one frame */
    CONNECTION_SLICES = 64,                 /* of one send */
    CONNECTION_SENDS_PER_TURN = 4,
    CONNECTION_SCRATCH_BYTES = 64 << 10, /* one read of small frames; per core */
};

enum {
    CONNECTION_HALF_CLOSED_US =
        5 * 1000 * 1000, /* the client ended its side, answers are under way */
    /* While somebody waits for memory, who holds some must move so much in so long. */
    CONNECTION_STALL_US = 5 * 1000 * 1000,
    CONNECTION_STALL_BYTES = 16 << 10,
};

struct connection_limits {
    size_t frame_bytes_max; /* socket.request.max.bytes, if there is memory for it */
    size_t budget_bytes;    /* of all requests of the core */
    uint64_t idle_us;       /* connections.max.idle.ms; 0: never */
};

struct connection {
    struct core_socket socket;
    struct env_address peer, local;
    int home;               /* core that made it */
    struct message message; /* lends it, and brings it home */
    /* Runs at home when the connection has ended and the socket is closed. */
    void (*ended)(struct core *home, struct connection *c);

    /* From here on: broker/connection*.c only. */
    struct core *core;
    struct list_link link;        /* connections->open or ->ended */
    struct list_link dirty_link;  /* something to send */
    struct list_link resume_link; /* something to go on with */
    uint32_t interest;            /* as last given to env_watch() */
    bool open, input_ended, ending, blocked;
    const char *why;   /* it ended */
    uint8_t prefix[4]; /* of the next frame's size */
    size_t prefix_len;
    struct connection_frame {
        uint8_t *at; /* NULL: none under way */
        size_t size, have, charged;
    } frame;
    struct connection_stash { /* received, not looked at yet */
        uint8_t *at;
        size_t from, len, bytes;
    } stash;
    int visit_requests;
    struct budget_waiter waiter;
    size_t granted;        /* budget it was given and has not used */
    struct list exchanges; /* in order; the first may be running */
    /* Replies in order: small ones copied together, then exchanges that are too large for that. */
    struct connection_small {
        uint8_t *at; /* NULL: none */
        size_t from, len, cap;
    } small;
    struct list output;
    size_t output_bytes, output_memory; /* of both */
    struct timer timer;                 /* silence */
    uint64_t active_us, half_closed_us;
    uint64_t moved, moved_seen; /* bytes in and out */
};

struct connections {
    struct core *core;
    struct connection_limits limits;
    struct budget budget;
    struct list open, ended, dirty, resume;
    struct list free_exchanges, running;
    uint8_t *scratch; /* NULL until the first read */
    struct timer stall_timer;
    uint64_t log_window_us;
    int log_lines;
    uint64_t log_dropped;
    bool stopping;
};

/* ERR_NOMEM. c->connections is set. */
enum err connections_new(struct core *c, const struct connection_limits *limits);
/* Closes every socket and frees every request, also those still being served; their `sent` is called. No core
 * runs any more, and the connections themselves stay the listener's. */
void connections_free(struct core *c);

/* Lends the connection to core `to`. Memory from mem_alloc, cleared; socket, addresses, home and ended are
 * set. On core `from`. */
void connection_lend(struct core *from, int to, struct connection *c);

/* Parts of a turn. First: goes on with connections that could not be served to the end. */
void connections_go_on(struct core *c);
/* Later: sends what is ready. True: there is more to do at once. */
bool connections_send(struct core *c);

/* Reads no more requests; connections end as soon as they have nothing under way. */
void connections_stop(struct core *c);
/* Are all requests answered and all replies sent? */
bool connections_quiet(const struct core *c);

/* ---- between connection*.c and dispatch.c ---- */

/* The exchange has left RUNNING. */
void connection_exchange_done(struct exchange *e);
/* Ends it now; what is not sent is dropped. `why` is a literal, NULL: an ordinary end, no log line. */
void connection_end(struct connection *c, const char *why);
/* No more requests from it; it ends when those before are answered. `rq`: which one is to blame, or NULL. */
void connection_refuse(struct connection *c, const char *why, const struct request *rq);
/* May more requests be taken from it now? */
bool connection_may_read(const struct connection *c);
/* Goes on with it at the end of this turn. */
void connection_resume(struct connection *c);
void connection_dirty(struct connection *c);
/* Tells the poller what it waits for. */
void connection_watch(struct connection *c);
/* connection_read.c */
void connection_receive(struct connection *c);
void connection_go_on(struct connection *c);
void connection_input_drop(struct connection *c);
/* connection_write.c */
void connection_flush(struct connection *c);
/* Replies that are first in line become output. */
void connection_advance(struct connection *c);
/* All that was to be sent is dropped. */
void connection_output_drop(struct connection *c);
