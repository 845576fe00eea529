/* broker/metadata.h: the metadata state machine (D9): topics, configs, ids, producer-id blocks.
 *
 * Lives on core 0. Every change is one batch of Kafka's own metadata records (TopicRecord, PartitionRecord,
 * ConfigRecord, RemoveTopicRecord, ProducerIdsRecord) appended to a log of its own (zero uuid, partition 0,
 * topic "__cluster_metadata"). When the batch is durable the image it leads to goes to all cores, and only
 * when every core has it is the requester answered. So the log becomes Raft group 0 by changing who says
 * "durable".
 *
 * DRAFT    A change is decided against the draft: the newest durable state plus what is on its way. Two
 *          CreateTopics of one name in one turn cannot both pass. Whoever only looked at the draft waits
 *          until what he saw is durable, too. If the log fails, the draft falls back to the durable state and
 *          everybody who waited is told.
 */
#pragma once

#include "broker/core.h"
#include "broker/image.h"

struct metadata;
struct metadata_change;
struct plog;

/* Decides on core 0, once: looks at metadata_draft(), calls metadata_put_*(), and writes its answers into
 * what it carries. No I/O, no waiting. */
typedef void metadata_decide(struct metadata *m, struct metadata_change *c);

/* One change asked for by a core. Embedded in its request's arena; untouched until done. */
struct metadata_change {
    struct message message; /* travels there and back */
    struct core *from;      /* who asks, and where done() runs */
    metadata_decide *decide;
    void (*done)(struct metadata_change *c); /* on `from`, whose image has the change by then */
    /* OK; or the log failed (ERR_IO, ERR_NOSPACE, ERR_LIMIT, ERR_NOMEM): nothing was changed, answers of
     * decide() are void. */
    enum err err;
    int64_t wait_version; /* metadata's own, as is the link */
    struct list_link link;
};

/* Any core; c->decide and c->done are set. */
void metadata_submit(struct core *from, struct metadata_change *c);

/* ---- inside decide(), core 0 ---- */

/* The world as it will be when everything on its way is durable. */
const struct image *metadata_draft(const struct metadata *m);
struct core *metadata_core(const struct metadata *m);

struct metadata_new_topic {
    struct bytes name;
    /* Replicas of each partition; one node: {broker id}. */
    const struct image_partition *partitions;
    int32_t partition_count;
    const struct image_config *configs;
    int32_t config_count;
};

/* The name is free and valid, the configs are checked. Gives the new topic's id. */
struct uuid metadata_put_topic(struct metadata *m, const struct metadata_new_topic *topic);
/* Adds partitions past those the topic has. */
void metadata_put_partitions(struct metadata *m, const struct image_topic *topic,
                             const struct image_partition *added, int32_t added_count);
/* Sets (or takes away: value null) a setting of a topic, broker or group that is there. */
void metadata_put_config(struct metadata *m, enum image_resource_type type, struct bytes name,
                         const struct image_config *config);
void metadata_remove_topic(struct metadata *m, struct uuid id);
/* A producer id never given before. */
int64_t metadata_producer_id(struct metadata *m);

/* ---- life, called by the node ---- */

/* B. Start-up, core 0, after store_new(): reads the log and builds the first image, with this broker in
 * it. core->metadata and core->image of core 0 are set. ERR_CORRUPT: the log does not parse. */
enum err metadata_open(struct core *core_0, struct bytes cluster_id);
void metadata_close(struct core *core_0);
