/* broker/groups/subscription_hash.h: one number that changes when a subscribed topic does.
 *
 * ConsumerGroupMetadataValue.metadataHash. The coordinator compares it with that of the newest metadata: when they
 * differ, topics came, went, grew or moved to other racks, and the assignment is computed anew. It is the number
 * that Kafka 4.4 writes, bit for bit (XXH3, 64 bits), so a log may change hands.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

/* The racks of the brokers that hold a partition; brokers without a rack are left out. In any order. */
struct subscription_racks {
    const struct bytes *at;
    int32_t len;
};

struct subscription_topic {
    struct uuid id;
    struct bytes name;
    int32_t partition_count;
    const struct subscription_racks *racks; /* one per partition; NULL: no broker has a rack */
};

/* Of one topic; 0 stands for a topic that does not exist. Scratch memory from the arena: ERR_NOMEM. */
enum err subscription_topic_hash(struct arena *a, const struct subscription_topic *t, int64_t *out);

/* Of a group: its existing topics' hashes, ordered by topic name. 0 when there are none. */
int64_t subscription_hash(const int64_t *topic_hashes, int32_t count);

/* XXH3 of any bytes, 64 bits, seed 0. */
uint64_t subscription_xxh3(struct bytes b);
