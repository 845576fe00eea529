/* broker/topic_plan.h: may this topic be made, and what would it be made of. For CreateTopics,
 * CreatePartitions and creation on first use.
 *
 * The checks, their order and their error codes are those of Kafka 4.4 (KIP-464 for the -1 values). Runs on
 * core 0, inside a metadata decision; what it makes lives in the arena given.
 */
#pragma once

#include "broker/config_view.h"
#include "broker/metadata.h"
#include "schema/create_topics.h"

struct topic_plan {
    enum kafka_error error;
    struct bytes message; /* null without error */
    struct metadata_new_topic topic;
    int16_t replication_factor;
};

/* Names that Kafka accepts; `message` says what is wrong. */
bool topic_name_ok(struct bytes name, struct arena *arena, struct bytes *message);

/* Topics of the brokers' own: clients may read them, only administrators write to them. */
bool topic_name_is_internal(struct bytes name);

/* `image`: the draft. */
void topic_plan_make(struct topic_plan *plan, const struct image *image,
                     const struct config *config, const struct create_topics_request_topic *in,
                     struct arena *arena);

/* What the topic of the group coordinators is asked for as (offsets.topic.*): compacted, stored as it comes, with
 * no more replicas than there are brokers. Made in the arena. */
struct create_topics_request_topic topic_plan_offsets_topic(const struct image *image,
                                                            const struct config *config,
                                                            struct arena *arena);

/* Are these settings of a topic right, each and together? `message`: null without error. */
enum kafka_error topic_configs_check(const struct config_view *view, struct own_configs own,
                                     struct arena *arena, struct bytes *message);

/* Partitions past the `have` there are, each on `replication_factor` brokers; `assignments` NULL, or one row of
 * broker ids for each new one. Fills plan->topic.partitions only. */
struct partition_plan {
    int32_t have, count; /* there are; there shall be */
    int32_t replication_factor;
    const struct int32_array *assignments;
};
void topic_plan_partitions(struct topic_plan *plan, const struct image *image,
                           const struct partition_plan *in, struct arena *arena);
