/* broker/groups/assignor.h: who gets which partition, computed by the coordinator (KIP-848).
 *
 *     uniform   every member gets about as many partitions as every other
 *     range     of every topic, each of its subscribers gets about as many partitions as every other; members
 *               that subscribe to the same topics of equal size get the same numbers of each
 *
 * Both keep what they can of the present assignment, give every partition of a subscribed topic to exactly one of
 * its subscribers, and depend on nothing but their input: no clock, no chance, no addresses. They are pure
 * functions; any core may call them.
 *
 * ORDER    Who comes first among equals is decided by the order of `members`. Sort them by member id, static
 *          members by instance id (they then stay what they are when their process starts again with a new member
 *          id), to get the same answer after a restart.
 * BALANCE  uniform: counts differ by one at most if all subscribe alike; otherwise no move of a partition from one
 *          member to another, nor a chain of such moves, would bring two counts closer to each other. Above
 *          ASSIGNOR_LEVEL_STEPS_MAX steps of looking for such chains it stops where it is: still complete and
 *          valid, perhaps less even.
 * STICKY   Unchanged input gives the present assignment back. uniform moves no more partitions than balance asks
 *          for if all subscribe alike; range in each topic.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

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
