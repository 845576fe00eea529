/* protocol/batch_validate.h: what a broker says to the batch of one partition in a Produce request, before
 * anything is appended: the verdicts and error codes of Kafka 4.4 (the order of the questions, and the few
 * places where we are stricter, stand in the .c file).
 *
 * Sequence numbers and epochs of producers are not judged here (storage/producers.h does), nor whether the
 * topic is there or may be written to.
 */
#pragma once

#include "base/arena.h"
#include "protocol/compression.h"
#include "protocol/record_batch.h"
#include "schema/errors.h"

enum { BATCH_CODEC_PRODUCER = -1 };

/* Of the topic. */
struct batch_rules {
    int compression; /* compression.type: enum codec, or BATCH_CODEC_PRODUCER to keep the sender's */
    int compression_level; /* valid for that codec; unused with BATCH_CODEC_PRODUCER */
    bool log_append_time;  /* message.timestamp.type */
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    int64_t batch_bytes_max;        /* max.message.bytes */
    int64_t segment_bytes;          /* segment.bytes */
    int64_t record_body_bytes_max;  /* max.decompressed.message.bytes: of one record */
    int64_t decompressed_bytes_max; /* ours: of all records of one batch */
    bool compacted;                 /* cleanup.policy holds compact: records need keys */
};

/* Kafka's defaults of all of them. */
struct batch_rules batch_rules_default(void);

enum batch_origin {
    BATCH_FROM_CLIENT,
    BATCH_FROM_COORDINATOR, /* our own: control batches may be written */
};

struct batch_submission {
    struct bytes records; /* as in the request; not changed */
    int16_t produce_version;
    int64_t now_ms;
    enum batch_origin origin;
    const struct batch_rules *rules;
    struct compression *compression; /* of this core */
    struct arena *arena; /* of the request: messages, and a batch that had to be changed */
};

struct batch_record_error {
    int32_t index; /* of the record in the batch */
    struct bytes message;
};

/* At most this many record errors are listed for one batch. */
enum { BATCH_RECORD_ERRORS_MAX = 1000 };

struct batch_verdict {
    enum kafka_error error; /* KAFKA_NONE: append `batch` */
    struct bytes message;   /* null when there is nothing to say */
    struct batch_record_error *record_errors;
    int32_t record_error_count;

    /* Only with KAFKA_NONE. */
    struct bytes batch;         /* what to append: part of `records`, or changed in the arena */
    struct batch_header header; /* of `batch` */
    bool rebuilt;               /* compressed anew: records may lie otherwise than the sender's */
    int64_t max_timestamp;
    int64_t log_append_time_ms; /* -1 when the records keep their own time */
};

/* OK: there is a verdict. ERR_NOMEM (also an exhausted arena): there is none, try later. */
enum err batch_validate(const struct batch_submission *in, struct batch_verdict *out);
