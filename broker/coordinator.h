/* broker/coordinator.h: a group coordinator (broker/groups/) on the core of its partition.
 *
 * Each partition of __consumer_offsets has one, as long as this node leads it: it loads the log into the state
 * machine, appends what that writes, tells it what is durable, and loads it anew when memory and log have come
 * apart. Requests come by broker/group_visit.h.
 *
 *     LOADING -> ACTIVE -> (what was written is lost) LOADING ...        any -> STOPPED: the node stops
 */
#pragma once

#include "broker/groups/groups.h"
#include "broker/partition.h"

struct coordinator;

/* The topic that coordinators live on. */
#define OFFSETS_TOPIC BYTES("__consumer_offsets")

/* On the partition's core; loading begins with the core's next turn. ERR_NOMEM. */
enum err coordinator_new(struct partition *p, struct coordinator **out);
/* Whoever waits is told NOT_COORDINATOR, unless the node is being taken apart. NULL is allowed. */
void coordinator_free(struct coordinator *c);

/* Serves a call, now or later; refuses it while loading. */
void coordinator_run(struct coordinator *c, struct group_call *call, group_operation *operation);
/* The log made progress (e OK), or what was not durable is gone. */
void coordinator_log_moved(struct coordinator *c, enum err e);
/* The groups of one partition; NULL while loading or stopped. */
const struct groups *coordinator_groups(const struct coordinator *c);
bool coordinator_is_loading(const struct coordinator *c);
/* Its number in __consumer_offsets. */
int32_t coordinator_partition(const struct coordinator *c);

/* ---- all of a core ---- */

/* The core has a new image. */
void coordinators_image_changed(struct core *core, const struct image *old);
/* The node stops: nobody waits any longer. */
void coordinators_stop(struct core *core);
/* No core runs any more, all are freed: the memory of those whose messages were still on their way. */
void coordinators_close(struct core *core);
struct coordinator *coordinator_first(const struct core *core);
struct coordinator *coordinator_next(const struct core *core, const struct coordinator *c);
