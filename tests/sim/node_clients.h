/* tests/sim/node_clients.h: the clients that load a simulated broker, and what they know afterwards.
 *
 * A writer is an idempotent producer with up to five batches in flight, as real ones are: it sends values
 * "<writer>:<n>", n = 0, 1, 2 ..., into one partition, and sends again, with the same sequence numbers, until each
 * is acknowledged. A reader fetches one partition from its start on, for as long as it lives, and keeps every
 * value it saw at which offset.
 */
#pragma once

#include "base/env.h"
#include "schema/errors.h"

enum {
    NODE_TOPIC_PARTITIONS = 5,
    NODE_READER_VALUES_MAX = 4096, /* values in one partition */
};

#define NODE_TOPIC "stream"

struct node_writer;
struct node_reader;

struct node_writer_options {
    const char *server;
    uint16_t port;
    int32_t id, partition;
    int32_t value_count;
    uint64_t seed;
};

struct node_writer *node_writer_new(struct env *e, const struct node_writer_options *options);
void node_writer_free(struct node_writer *w);
/* Values 0 .. acked-1 are acknowledged. */
int32_t node_writer_acked(const struct node_writer *w);
/* Offset at which value n was acknowledged, n < acked. */
int64_t node_writer_offset(const struct node_writer *w, int32_t n);
/* NULL, or what the broker did that it must not do. */
const char *node_writer_wrong(const struct node_writer *w);

struct node_value {
    int32_t writer, n;
};

struct node_reader_options {
    const char *server;
    uint16_t port;
    int32_t partition;
    uint64_t seed;
};

struct node_reader *node_reader_new(struct env *e, const struct node_reader_options *options);
void node_reader_free(struct node_reader *r);
/* How many offsets it has seen: 0 .. end-1. */
int64_t node_reader_end(const struct node_reader *r);
struct node_value node_reader_value(const struct node_reader *r, int64_t offset);
/* The high watermark of the last answer that had one, -1 before. */
int64_t node_reader_high_watermark(const struct node_reader *r);
/* Of the last answer. */
enum kafka_error node_reader_error(const struct node_reader *r);
const char *node_reader_wrong(const struct node_reader *r);
