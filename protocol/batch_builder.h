/* protocol/batch_builder.h: makes v2 batches: for the command line, coordinators, recompression and tests.
 *
 *     batch_builder_init(&b, bytes_max);
 *     batch_builder_add(&b, &(struct batch_builder_record){.timestamp_ms = now, .key = k, .value = v});
 *     batch_builder_finish(&b, &(struct batch_builder_options){...}, &out);
 *
 * Any thread; one owner.
 */
#pragma once

#include "protocol/compression.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

/* Records of one batch; counts and lengths are 32 bits wide. */
struct batch_builder {
    struct buf records; /* encoded, uncompressed */
    struct buf headers; /* of the record being added */
    int32_t count;
    int64_t base_timestamp; /* of the first record */
    int64_t max_timestamp;
};

struct batch_builder_record {
    int64_t timestamp_ms; /* >= 0, or BATCH_NO_TIMESTAMP */
    struct bytes key, value;
    const struct record_header *headers;
    int32_t header_count;
};

/* Zero is not a fit value for all of these: begin with batch_builder_options_default(). */
struct batch_builder_options {
    enum codec codec;
    int level;
    uint16_t attributes; /* BATCH_TRANSACTIONAL, BATCH_CONTROL, BATCH_LOG_APPEND_TIME */
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t append_time_ms; /* with BATCH_LOG_APPEND_TIME */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    struct compression *compression; /* may be NULL with CODEC_NONE */
};

struct batch_builder_options batch_builder_options_default(void);

/* bytes_max: ceiling of the records before compression. */
void batch_builder_init(struct batch_builder *b, size_t bytes_max);
void batch_builder_deinit(struct batch_builder *b);
/* For the next batch; keeps memory. */
void batch_builder_reset(struct batch_builder *b);

/* ERR_LIMIT, ERR_NOMEM: nothing was added. ERR_USAGE: a negative timestamp other than -1. */
enum err batch_builder_add(struct batch_builder *b, const struct batch_builder_record *r);
/* A record as a reader gives it; deltas and attributes are set anew, headers taken as
 * encoded. */
enum err batch_builder_add_record(struct batch_builder *b, int64_t timestamp_ms,
                                  const struct record *r);
/* Bytes of an uncompressed batch of what is there now. */
size_t batch_builder_size(const struct batch_builder *b);
/* Appends the whole batch to `out`; at least one record was added. ERR_LIMIT, ERR_NOMEM: `out` as before. */
enum err batch_builder_finish(const struct batch_builder *b,
                              const struct batch_builder_options *options, struct buf *out);

/* The marker that ends a transaction (KIP-98). */
struct batch_end_transaction {
    bool commit;
    int32_t coordinator_epoch;
    int64_t producer_id;
    int16_t producer_epoch;
    int64_t timestamp_ms;
};

/* Appends the control batch. ERR_LIMIT, ERR_NOMEM. */
enum err batch_end_transaction_build(struct buf *out, const struct batch_end_transaction *in);
