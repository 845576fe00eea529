/* tools/group_record.h: a record of __consumer_offsets, as far as commands look at it.
 *
 * Kafka's own formats: the key begins with a number that says which kind of record it is, the value with its version.
 * A null value takes back what the key names.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* Numbers of the keys. */
enum group_record_kind {
    GROUP_RECORD_LEGACY_OFFSET = 0,
    GROUP_RECORD_OFFSET = 1,
    GROUP_RECORD_CLASSIC = 2,  /* generation and members of a classic group */
    GROUP_RECORD_CONSUMER = 3, /* epoch of a consumer group */
    GROUP_RECORD_MEMBER = 5,
    GROUP_RECORD_TARGET = 6,        /* epoch of the target assignment */
    GROUP_RECORD_TARGET_MEMBER = 7, /* what a member shall have */
    GROUP_RECORD_CURRENT = 8,       /* what a member has */
};

struct group_record_member {
    struct bytes id, client_id, host;
    struct bytes instance; /* null: not static */
};

struct group_record {
    int16_t kind; /* of enum group_record_kind, or another */
    struct bytes group;
    struct bytes member; /* of kinds 5, 7 and 8 */
    bool gone;           /* a tombstone: the fields below are not there */
    int64_t timestamp_ms;
    struct bytes reason; /* header weir.reason; null: not told */
    int64_t pause_ms;    /* header weir.pause_ms; -1: not told */

    int64_t commit_ms; /* kinds 0 and 1 */
    int32_t epoch;     /* kinds 2 (generation), 3, 6, 8 */
    struct bytes protocol_type;
    struct group_record_member *members; /* kind 2; kind 5: one */
    int32_t member_count;
};

/* What a key names. ERR_MALFORMED; ERR_UNSUPPORTED: a kind that is not known here, with `kind` filled in. */
enum err group_record_key(struct arena *arena, struct bytes key, struct group_record *out);
/* The rest, after the key: value (null: gone) and encoded headers. ERR_MALFORMED, ERR_UNSUPPORTED. */
enum err group_record_value(struct arena *arena, struct bytes value, struct bytes headers,
                            struct group_record *out);

/* The partition of __consumer_offsets that has a group: Java's String.hashCode() of the name. */
int32_t group_record_partition(struct bytes group, int32_t partition_count);
/* Over the UTF-16 form of UTF-8 text. */
int32_t java_hash(struct bytes text);
