/* broker/groups/assignor.h: who gets which partition, computed by the coordinator (KIP-848).
 *
 *     uniform   every member gets about as many partitions as every other
 *     range     of every topic, its subscribers in their order get ranges of equal length: so members that
 *               subscribe to the same topics of equal size get the same numbers of each
 *
 * Both give every partition of a subscribed topic to exactly one of its subscribers, and depend on nothing but
 * their input: no clock, no chance, no addresses. They are pure functions; any core may call them.
 *
 * ORDER    The order of `members` does not matter. Where one must come first it is static members by instance id,
 *          then the others by member id.
 * BALANCE  uniform: counts differ by one at most if all subscribe alike. Otherwise no chain of moves, each to
 *          another subscriber of the topic, would bring two counts closer to each other. Looking for chains ends
 *          after ASSIGNOR_STEPS_MAX steps: the assignment is then complete and valid, and perhaps less even.
 * STICKY   uniform keeps what it can of the present assignment: an even one comes back unchanged; and if all
 *          subscribe alike, no partition moves that balance does not ask for. range does not look at the present
 *          assignment (nor does Kafka 4.4's): a member that leaves shifts the ranges of those behind it.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

/* Steps (a member or topic looked at) that levelling uneven subscriptions may take: some milliseconds. */
enum { ASSIGNOR_STEPS_MAX = 8000000 };

struct assignor_topic {
    struct uuid id;
    struct bytes name;
    int32_t partition_count; /* 0 .. TOPIC_PARTITIONS_MAX */
};

struct assignor_part {
    int32_t topic; /* index into assignor_group.topics */
    int32_t partition;
};

struct assignor_member {
    struct bytes member_id;
    struct bytes instance_id; /* null: not a static member */
    struct bytes rack_id;     /* null: none; Kafka's assignors do not look at it either */
    const int32_t *topics;    /* subscribed: ascending indexes into assignor_group.topics */
    int32_t topic_count;
    /* Its present target assignment, sorted by topic and partition. May name what it no longer subscribes to,
     * partitions that are gone, and what another member has, too: the first one keeps it. */
    const struct assignor_part *owned;
    int32_t owned_count;
    /* Out: in the arena, or equal to `owned` where nothing changed; sorted. */
    const struct assignor_part *assigned;
    int32_t assigned_count;
};

struct assignor_group {
    const struct assignor_topic *topics; /* those that somebody subscribes to or owns */
    int32_t topic_count;
    struct assignor_member *members;
    int32_t member_count;
};

/* Fills in `assigned` of every member. ERR_NOMEM: the arena is exhausted; what is in `assigned` is of no use. */
typedef enum err assign(struct assignor_group *g, struct arena *a);

struct assignor {
    const char *name; /* as in ConsumerGroupHeartbeat's ServerAssignor */
    assign *assign;
};

/* "uniform" or "range"; NULL: there is no such assignor. */
const struct assignor *assignor_find(struct bytes name);

/* The one at this place, NULL at the end: 0 is the default ("uniform"). */
const struct assignor *assignor_at(int32_t index);
