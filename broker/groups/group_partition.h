/* broker/groups/group_partition.h: which partition of __consumer_offsets a group's records are in, as Kafka has it.
 *
 * Java's String.hashCode() over the id's UTF-16 code units, its absolute value (0 for the one int without), modulo
 * the number of partitions. Tools that read the topic count on it.
 */
#pragma once

#include "base/bytes.h"

/* Java's hash of a UTF-8 text. Bytes that are not UTF-8 count as Java decodes them: as U+FFFD. */
int32_t java_string_hash(struct bytes utf8);

/* 0 .. partition_count - 1. partition_count > 0. */
int32_t group_partition_of(struct bytes group_id, int32_t partition_count);
