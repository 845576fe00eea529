/* tools/consumer.h: reading partitions from a position on, record by record.
 *
 *     topic_reader_new(&options, &c);
 *     while ((e = topic_reader_next(c, &record)) == OK) ...
 *
 * Each leader is asked for all of its partitions at once and may make us wait for FETCH_WAIT_MS when there is nothing.
 * Control batches are skipped, compressed ones unpacked. What passes (a leader that moves, a broker that starts anew)
 * is retried until the client's time-out.
 */
#pragma once

#include "protocol/record.h"
#include "schema/errors.h"
#include "tools/client.h"

struct consumer_partition {
    int32_t index, leader;
    int64_t start, end; /* of its log when the reading began */
    int64_t at;         /* the next offset to read */
    int64_t to;         /* stop before this one; INT64_MAX: never */
};

struct consumed {
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct bytes key, value; /* may be null */
    struct bytes headers;    /* as encoded: record_header_next() */
    int32_t header_count;
};

struct consumer_options {
    struct client *client;
    struct bytes topic;
    struct uuid topic_id; /* zero: unknown */
    struct consumer_partition *partitions;
    int32_t partition_count;
};

struct consumer;

/* ERR_NOMEM. The partitions are the caller's and move on as they are read. */
enum err topic_reader_new(const struct consumer_options *options, struct consumer **out);
void topic_reader_free(struct consumer *c);

/* The views are valid until the next call. ERR_NOT_FOUND: every partition has reached its `to`. ERR_AGAIN: the
 * next call will wait; a good moment to write out what came so far. ERR_CLOSED and others as client_do(). ERR_CORRUPT: a batch that does not verify.
 * ERR_USAGE: the broker refused a partition: topic_reader_refused() tells. */
enum err topic_reader_next(struct consumer *c, struct consumed *out);

struct consumer_refusal {
    const struct consumer_partition *partition;
    enum kafka_error error;
    int64_t log_start, log_end; /* -1: not said */
};

const struct consumer_refusal *topic_reader_refused(const struct consumer *c);
