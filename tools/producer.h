/* tools/producer.h: records into batches, batches to their leaders, once.
 *
 * Records collect in one batch for each partition and are sent when one is full or producer_flush() is called, one
 * request for each leader. With acks=all the producer is idempotent (KIP-98): what it repeats after a broken
 * connection is stored once. Errors that pass are retried until the client's time-out.
 */
#pragma once

#include "protocol/compression.h"
#include "protocol/record.h"
#include "schema/errors.h"
#include "schema/metadata.h"
#include "tools/client.h"

enum { PRODUCER_ACKS_ALL = -1, PRODUCER_PARTITION_BY_KEY = -1 };

struct producer_options {
    struct env *env;
    struct client *client;
    const struct metadata_response_topic *topic; /* partitions in order of their numbers; stays */
    int16_t acks;
    enum codec codec;
    /* A batch was stored; offset -1: unknown (acks=0, or a repetition that the broker had). */
    void (*on_sent)(void *context, int32_t partition, int64_t offset, int32_t count);
    void *context;
};

struct producer_record {
    int64_t timestamp_ms;
    struct bytes key, value; /* may be null */
    const struct record_header *headers;
    int32_t header_count;
    int32_t partition; /* or PRODUCER_PARTITION_BY_KEY; without a key any one, by the batch */
};

/* What became of the records. */
struct producer_outcome {
    int64_t sent, failed;
    enum kafka_error error; /* of the first that failed */
    int32_t partition;      /* and its partition */
    char message[256];      /* and what was said of it; "" */
};

struct producer;

/* Asks for a producer id. Errors as client_do(); ERR_UNSUPPORTED with a crumb when it is refused. */
enum err producer_new(const struct producer_options *options, struct producer **out);
/* What was not flushed is lost. */
void producer_free(struct producer *p);
/* ERR_USAGE: no such partition, or a timestamp below -1; ERR_LIMIT: too large. */
enum err producer_add(struct producer *p, const struct producer_record *r);
bool producer_has_pending(const struct producer *p);
/* Until everything was stored or has failed: see producer_outcome(). ERR_CLOSED, ERR_UNSUPPORTED ...: the broker
 * could not be asked or the time is over; what was pending counts as failed, though it may be stored. Then only
 * producer_outcome() and producer_free() are left to call: more records under these sequences could be taken for
 * repetitions. */
enum err producer_flush(struct producer *p);
const struct producer_outcome *producer_outcome(const struct producer *p);
