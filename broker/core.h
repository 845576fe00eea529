/* broker/core.h: one thread, one loop, and everything that belongs to it.
 *
 * A core owns its connections, its partitions with their logs (one storage/store.h), its timers and its
 * memory budget. Nothing of it is touched by another core; what crosses is a message (broker/mailbox.h).
 *
 * ONE TURN  1 read the clock  2 drain the mailboxes (bounded)  3 env_poll: sockets, finished jobs
 *           4 timers  5 local messages  6 store_commit(): one journal group for everything appended in this
 *           turn  7 flush mailboxes (one wake per core) and sockets (one send per connection)
 *           8 background quanta. While there was work within the last millisecond it spins for up to
 *           CORE_SPIN_US before it sleeps; idle, it costs nothing.
 */
#pragma once

#include "base/env.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "broker/mailbox.h"

struct image;
struct node;
struct store;
struct connections; /* broker/connection.c's own */
struct config;

struct core {
    int index;
    struct node *node;
    struct env *env;
    const struct config *config; /* immutable, shared by all cores */
    struct env_poller *poller;
    struct mailbox mailbox;
    struct timer_wheel timers;
    struct store *store;
    struct map partitions;     /* struct partition by (topic id, partition), broker/partition.h */
    const struct image *image; /* newest metadata this core has seen; broker/image.h */
    struct connections *connections;
    struct fetch_sessions *fetch_sessions; /* broker/fetch_session.h */
    struct metadata *metadata;             /* core 0 only: broker/metadata.h */
    uint64_t now_us;                       /* read once per turn */
    int64_t wall_ms;
    struct core_stats *stats; /* broker/metrics.h */
};

#define ASSERT_ON_CORE(core) ASSERT(core_is_current(core))

/* Is this the core whose turn runs on this thread? */
bool core_is_current(const struct core *c);

/* Which core owns a partition: a hash of the key over the cores of this start. */
struct uuid;
int core_of_partition(const struct node *n, const struct uuid *topic_id, int32_t partition);

/* Runs fn once, later in this turn or in the next, on this core. */
void core_later(struct core *c, struct message *m);
