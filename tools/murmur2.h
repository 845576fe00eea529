/* tools/murmur2.h: which partition a key belongs to, as Kafka's Java producer decides. */
#pragma once

#include "base/bytes.h"

/* MurmurHash2, 32 bits, with the seed Kafka uses. */
uint32_t murmur2(struct bytes data);
/* `partitions` > 0. */
int32_t murmur2_partition(struct bytes key, int32_t partitions);
