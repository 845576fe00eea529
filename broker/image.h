/* broker/image.h: what the cluster is: brokers, topics, partitions, settings. Immutable.
 *
 * Core 0 builds a new image from the last one and the records it applied (broker/metadata.c), and sends
 * the pointer to every core. Parts that did not change are shared between images. An image lives as long
 * as somebody holds a reference: a core holds its newest, a request the one it began with, so a handler
 * sees one consistent world from start to end.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

enum image_cleanup { CLEANUP_DELETE = 1, CLEANUP_COMPACT = 2 };

/* A topic's settings, resolved: topic, else broker, else default. Raw values are in image_topic.configs. */
struct topic_settings {
    uint32_t cleanup; /* enum image_cleanup bits, 0: keep all */
    int64_t segment_bytes, segment_ms, retention_ms, retention_bytes;
    int32_t max_message_bytes, index_interval_bytes, min_insync_replicas;
    int8_t compression; /* enum codec, -1: "producer" */
    int32_t gzip_level, lz4_level, zstd_level;
    int32_t max_decompressed_bytes;
    bool log_append_time;
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    bool relaxed; /* weir.durability=relaxed */
};

struct image_config {
    struct bytes key, value;
};

struct image_partition {
    int32_t leader; /* broker id, -1 none */
    int32_t leader_epoch;
    const int32_t *replicas; /* all of them in sync on one node; isr follows with replication */
    int32_t replica_count;
};

struct image_topic {
    struct uuid id;
    struct bytes name;
    bool internal;
    const struct image_partition *partitions;
    int32_t partition_count;
    const struct image_config *configs; /* set on the topic, sorted by key */
    int32_t config_count;
    struct topic_settings settings;
    uint64_t revision; /* metadata offset that created it */
};

/* Kinds of things that have settings, with the protocol's numbers. Those of topics stand in image_topic. */
enum image_resource_type { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_GROUP = 32 };

/* Settings of a broker ("1", or "" for all of them) or of a group. */
struct image_resource {
    int8_t type; /* RESOURCE_BROKER, RESOURCE_GROUP */
    struct bytes name;
    const struct image_config *configs; /* sorted by key; at least one */
    int32_t config_count;
};

struct image_broker {
    int32_t id;
    struct bytes host; /* advertised; "" means "the address the client reached us at" */
    uint16_t port;
    struct bytes rack; /* null: none */
};

struct image;

const struct image *image_ref(const struct image *i); /* any core */
void image_unref(const struct image *i);

/* Metadata offset of the last record in it; grows. */
int64_t image_version(const struct image *i);
struct bytes image_cluster_id(const struct image *i);
int32_t image_controller_id(const struct image *i);
int32_t image_broker_count(const struct image *i);
const struct image_broker *image_broker_at(const struct image *i, int32_t at);
const struct image_broker *image_broker_find(const struct image *i, int32_t id);

int32_t image_topic_count(const struct image *i);
/* In order of name. */
const struct image_topic *image_topic_at(const struct image *i, int32_t at);
/* NULL when there is none. */
const struct image_topic *image_topic_by_name(const struct image *i, struct bytes name);
const struct image_topic *image_topic_by_id(const struct image *i, struct uuid id);
/* Index of the first topic whose name is >= `name` (paging). */
int32_t image_topic_lower_bound(const struct image *i, struct bytes name);

/* In order of type, then name; only those that have settings. */
int32_t image_resource_count(const struct image *i);
const struct image_resource *image_resource_at(const struct image *i, int32_t at);
/* NULL when nothing is set. */
const struct image_resource *image_resource_find(const struct image *i, int8_t type,
                                                 struct bytes name);
/* What is set for a group, sorted by key; NULL and 0 when nothing is. */
const struct image_config *image_group_configs(const struct image *i, struct bytes group,
                                               int32_t *count);
