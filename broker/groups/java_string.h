/* broker/groups/java_string.h: what Java makes of a text: UTF-16 code units, and String.hashCode() over them.
 *
 * Kafka's own files and choices depend on both. Bytes that are not UTF-8 become U+FFFD, as many as Java's decoder
 * makes of them.
 */
#pragma once

#include "base/bytes.h"

/* Writes the code units, at most utf8.len of them, and returns how many. */
size_t java_string_units(struct bytes utf8, uint16_t *out);

int32_t java_string_hash(struct bytes utf8);
