/* broker/metadata.h: the metadata state machine (D9): topics, configs, ids, producer-id blocks, cluster id.
 *
 * Lives on core 0. Every change is a batch of Kafka's own metadata records (TopicRecord, PartitionRecord,
 * ConfigRecord, RemoveTopicRecord, ProducerIdsRecord, RegisterBrokerRecord, FeatureLevelRecord ...) appended
 * to a log of its own (key: zero uuid, partition 0; directory <data>/topics/__cluster_metadata/...); it is
 * applied when it is durable, then a new image goes to all cores, and only when every core has it is the
 * requester answered. So the log becomes Raft group 0 by changing who says "durable".
 *
 * A change is decided against the newest state plus what is already on its way: two CreateTopics of one
 * name in one turn cannot both pass.
 */
#pragma once

#include "broker/core.h"

struct metadata;
struct metadata_change;

/* Decides on core 0: looks at the state through metadata_draft_*(), adds records to the draft, and writes
 * its answers into what it carries. Adding no record is fine: then it is answered at once. */
typedef void metadata_decide(struct metadata *m, struct metadata_change *c);

/* One change asked for by a core. The caller embeds it in its request's arena and keeps it until done. */
struct metadata_change {
    struct message message; /* travels there and back */
    int from;               /* core that asks, and where done() runs */
    metadata_decide *decide;
    void (*done)(struct metadata_change *c); /* on `from`, after its image has the change */
    /* What went wrong with the log itself: OK, or ERR_IO, ERR_NOSPACE ...: nothing was changed. */
    enum err err;
    struct list_link link; /* metadata's own */
    uint64_t wait_version;
    int waiting_cores;
};

/* Any core. */
void metadata_submit(struct core *from, struct metadata_change *c);
