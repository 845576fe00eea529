/* broker/groups/topic_pattern_internal.h: between the two files of topic_pattern.
 */
#pragma once

#include "broker/groups/topic_pattern.h"

/* Bytes of what topic_pattern_judge() writes, at most, per byte of the pattern. */
enum { TOPIC_PATTERN_GROWTH = 8 };

/* Writes a pattern that PCRE2 understands as RE2J understands `text`: no captures, no names, every literal that
 * could mean something escaped. Errors as of topic_pattern_new(). */
enum err topic_pattern_judge(struct bytes text, struct buf *out);
