/* broker/core.h: one thread, one loop, and everything that belongs to it.
 *
 * A core owns its connections, its partitions with their logs (one storage/store.h), its timers and its
 * memory budget. Nothing of it is touched by another core; what crosses is a message (broker/mailbox.h).
 *
 * ONE TURN  1 read the clock  2 drain the mailboxes (bounded)  3 env_poll: sockets, finished jobs
 *           4 timers  5 local messages  6 store_commit(): one journal group for everything appended in this
 *           turn  7 flush mailboxes (one wake per core) and sockets (one send per connection)
 *           8 background quanta. While there was traffic between cores within the last millisecond it
 *           watches its mailboxes for up to node.spin_us before it sleeps; idle, it costs nothing.
 */
#pragma once

#include "base/env.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "broker/mailbox.h"
#include "broker/metrics.h"

struct compression;
struct config;
struct connections; /* broker/connection.h */
struct image;       /* broker/image.h */
struct listeners;   /* broker/listener.h */
struct node;        /* broker/node.h */
struct store;

/* Bounds of one turn. */
enum {
    CORE_MESSAGES_PER_TURN = 256,
    CORE_EVENTS_PER_TURN = 256,
    CORE_TIMERS_PER_TURN = 256,
};

/* A socket of this core: what env_watch() gets as its tag. */
struct core_socket {
    void (*ready)(struct core *c, struct core_socket *s, uint32_t ready);
    int socket;
};

/* A job for a helper lane; done() runs on the core whose poller is job.home. */
struct core_job {
    struct env_job job;
    void (*done)(struct core *c, struct core_job *job);
};

/* A piece of work done a little at a time, after everything else of a turn: retention, expiry, checks.
 * run() does at most CORE_CHORE_US of it and says in how many microseconds it wants to go on: 0 in the next
 * turn, UINT64_MAX only after core_chore_wake(). Belongs to the module that adds it. */
struct core_chore {
    uint64_t (*run)(struct core *c, struct core_chore *chore);
    struct core *core; /* the rest is the core's */
    struct timer timer;
    struct list_link link;
};

enum { CORE_CHORE_US = 500 };

struct core {
    int index;
    struct node *node;
    struct env *env;
    const struct config *config; /* immutable, shared by all cores */
    struct env_poller *poller;
    struct mailbox mailbox;
    struct timer_wheel timers;
    struct store *store;       /* NULL: this node keeps nothing (tests of the engine) */
    struct map partitions;     /* struct partition by (topic id, partition), broker/partition.h */
    const struct image *image; /* newest metadata this core has seen; broker/image.h */
    struct connections *connections;
    struct fetch_sessions *fetch_sessions; /* broker/fetch_session.h */
    size_t fetch_lent; /* broker/fetch_wait.c: log bytes in replies that are not sent */
    struct compression *compression;   /* for broker/handlers/produce.c; NULL until needed */
    struct metadata *metadata;         /* core 0 only: broker/metadata.h */
    struct metrics_door *metrics_door; /* core 0 only: broker/metrics_door.h; NULL: none */
    struct list coordinators;          /* broker/coordinator.h */
    struct list auto_creations;        /* broker/auto_create.c's own */
    struct listeners *listeners;       /* core 0 only: broker/listener.h */
    uint64_t now_us;                   /* read once per turn, and again after a wait */
    int64_t wall_ms;
    struct core_stats stats; /* broker/metrics.h */
    /* The loop's own from here on. */
    struct list chores; /* those that want to run now */
    struct message stop_message;
    struct timer stop_timer;
    int stop_waiting;    /* core 0: cores that are not quiet yet */
    uint64_t crossed_us; /* when a message of another core was last seen */
    int watch_trust;     /* rises when watching the mailboxes pays, falls when it does not */
    int watch_skipped;
    bool again;        /* there is work for the next turn */
    bool mailbox_full; /* a ring was full: flush soon */
    bool stop_begun;   /* core 0 */
    bool stopping, stopped;
};

#define ASSERT_ON_CORE(core) ASSERT(core_is_current(core))

/* Is this the core whose turn runs on this thread? */
bool core_is_current(const struct core *c);
/* Start and end of a node: what follows on this thread is done in the name of core c, whose loop does not
 * run; NULL: of none. Returns whose name it was. */
const struct core *core_act_as(const struct core *c);

/* Which core owns a partition: a hash of the key over the cores of this start. The node's own logs (the
 * zero topic id) belong to core 0. */
struct uuid;
int core_of_partition(const struct node *n, const struct uuid *topic_id, int32_t partition);

/* Runs m->run once, later in this turn or in the next, on this core. */
void core_later(struct core *c, struct message *m);

/* Calls t->fire on this core after the delay; cancel with timer_wheel_cancel(&c->timers, t). */
void core_timer(struct core *c, struct timer *t, uint64_t delay_us);

/* Runs chore->run at the end of this turn, or of the next. */
void core_chore_add(struct core *c, struct core_chore *chore);
/* The same for one that waits, whatever it said before. */
void core_chore_wake(struct core_chore *chore);
void core_chore_cancel(struct core_chore *chore);

/* Mailbox, clock and poller; node, index, env and config are set. Half-built after an error:
 * core_deinit() is right in any case. */
enum err core_init(struct core *c, struct core *const *peers, int count);
/* No core of the node runs any more. */
void core_deinit(struct core *c);

/* One turn (env_thread_start's step); false once the core has stopped. */
bool core_turn(void *core);
