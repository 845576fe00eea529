/* broker/leader_hint.h: where the leader of a partition is, told along with an error (KIP-951). */
#pragma once

#include "broker/cluster_view.h"

struct leader_hint {
    int32_t leader, epoch; /* -1: not known */
};

static inline struct leader_hint leader_hint_of(const struct image_topic *topic, int32_t partition)
{
    if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        return (struct leader_hint){-1, -1};
    }
    return (struct leader_hint){topic->partitions[partition].leader,
                                topic->partitions[partition].leader_epoch};
}
