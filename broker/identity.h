/* broker/identity.h: which node of which cluster a data directory belongs to.
 *
 * <data>/meta.properties, in the form of Kafka's file of that name (version, node.id, cluster.id,
 * directory.id), and a last line with the CRC-32C of what stands before it. Written once, when the
 * directory is fresh; never changed.
 */
#pragma once

#include "base/env.h"
#include "base/uuid.h"

enum { CLUSTER_ID_BYTES_MAX = 249 };

struct identity {
    int32_t node_id;
    char cluster_id[CLUSTER_ID_BYTES_MAX + 1];
    struct uuid directory_id;
};

/* B. The directory exists and is locked. `cluster_id` is what a fresh directory gets; empty: made up.
 * ERR_CORRUPT; ERR_USAGE: the directory belongs to another node or cluster than asked for. */
enum err identity_open(struct env *env, const char *data_dir, int32_t node_id,
                       struct bytes cluster_id, struct identity *out);
