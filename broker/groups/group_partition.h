/* broker/groups/group_partition.h: which partition of __consumer_offsets a group's records are in, as Kafka has it.
 *
 * Java's String.hashCode() of the id, its absolute value (0 for the one int without), modulo the number of
 * partitions. Tools that read the topic count on it.
 */
#pragma once

#include "base/bytes.h"

/* 0 .. partition_count - 1. partition_count > 0. */
int32_t group_partition_of(struct bytes group_id, int32_t partition_count);
