/* base/limits.h: every limit that bounds what others can make us hold, its reason, and how they relate.
 * A limit that only one file knows may stand at the head of that file instead.
 */
#pragma once

#include "base/base.h"

/* The largest frame we read: Kafka's default of socket.request.max.bytes, so that a client tuned for
 * Kafka never meets a smaller number here. */
enum { FRAME_BYTES_MAX = 100 << 20 };

/* Cores of one node; bounds the mailbox matrix. */
enum { CORE_COUNT_MAX = 64 };

/* Elements of one array in a message (Kafka 4.4 refuses more, too). */
enum { ARRAY_COUNT_MAX = 1000000 };

/* Tagged fields of one struct in a message (likewise). */
enum { TAG_COUNT_MAX = 10000 };

/* A decoded request may take this many times its wire bytes, plus ARENA_SLACK_BYTES, of arena. The
 * widest struct per wire byte decides it; protocol/generate.py checks that no array element needs more. */
enum { DECODE_FACTOR = 64, ARENA_SLACK_BYTES = 1 << 20 };

/* Topic names, as Kafka: 249 leaves room for suffixes in a file name. */
enum { TOPIC_NAME_BYTES_MAX = 249 };

/* Bytes decompressed from one batch. Kafka has no such limit; a batch is at most
 * max.message.bytes compressed, and nobody means more than this by it. */
enum { DECOMPRESSED_BYTES_MAX = 512 << 20 };

/* Partitions that one request may make: Kafka refuses 10,000 and more. */
enum { TOPIC_PARTITIONS_MAX = 9999 };
