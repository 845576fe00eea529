/* protocol/batch_builder.c: batches out of records.
 *
 * WHY      The broker stores what it gets, but somebody must write batches: the command line, coordinators,
 *          and the broker itself when a topic's codec is not the sender's.
 * FORMAT   record_batch.c and record.c. Offset deltas are 0, 1, 2 …; the base timestamp is the first
 *          record's; the largest is that of all records, or the append time.
 * OWNER    Who made it; records are encoded as they are added and compressed at the end.
 * LIMITS   The ceiling given to batch_builder_init(), and 2^31 - 1 bytes and records.
 */
#include "protocol/batch_builder.h"

#include "protocol/wire.h"

enum { MARKER_KEY_BYTES = 4, MARKER_VALUE_BYTES = 6, MARKER_ABORT = 0, MARKER_COMMIT = 1 };

struct batch_builder_options batch_builder_options_default(void)
{
    return (struct batch_builder_options){.codec = CODEC_NONE,
                                          .leader_epoch = -1,
                                          .append_time_ms = BATCH_NO_TIMESTAMP,
                                          .producer_id = BATCH_NO_PRODUCER_ID,
                                          .producer_epoch = -1,
                                          .base_sequence = BATCH_NO_SEQUENCE};
}

void batch_builder_init(struct batch_builder *b, size_t bytes_max)
{
    *b = (struct batch_builder){0};
    buf_init(&b->records, bytes_max);
    buf_init(&b->headers, bytes_max);
    batch_builder_reset(b);
}

void batch_builder_deinit(struct batch_builder *b)
{
    buf_deinit(&b->records);
    buf_deinit(&b->headers);
}

void batch_builder_reset(struct batch_builder *b)
{
    buf_reset(&b->records);
    b->count = 0;
    b->base_timestamp = b->max_timestamp = BATCH_NO_TIMESTAMP;
}

enum err batch_builder_add_record(struct batch_builder *b, int64_t timestamp_ms,
                                  const struct record *r)
{
    struct record copy = *r;
    int64_t base = b->count == 0 ? timestamp_ms : b->base_timestamp;

    if (timestamp_ms < 0 && timestamp_ms != BATCH_NO_TIMESTAMP) {
        return fail(ERR_USAGE, "a negative timestamp");
    }
    if (b->count == INT32_MAX) {
        return fail(ERR_LIMIT, "a batch is full of records");
    }
    copy.attributes = 0;
    copy.offset_delta = b->count;
    copy.timestamp_delta = timestamp_ms - base;
    TRY(record_write(&b->records, &copy));
    b->base_timestamp = base;
    b->max_timestamp = MAX(b->max_timestamp, timestamp_ms);
    b->count++;
    return OK;
}

enum err batch_builder_add(struct batch_builder *b, const struct batch_builder_record *r)
{
    buf_reset(&b->headers);
    TRY(record_headers_write(&b->headers, r->headers, r->header_count));
    return batch_builder_add_record(b, r->timestamp_ms,
                                    &(struct record){.key = r->key,
                                                     .value = r->value,
                                                     .header_count = r->header_count,
                                                     .headers = buf_view(&b->headers)});
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return BATCH_HEADER_BYTES + b->records.len;
}

static struct batch_header header_of(const struct batch_builder *b,
                                     const struct batch_builder_options *o)
{
    bool append_time = (o->attributes & BATCH_LOG_APPEND_TIME) != 0;

    return (struct batch_header){.base_offset = o->base_offset,
                                 .leader_epoch = o->leader_epoch,
                                 .magic = BATCH_MAGIC,
                                 .attributes = (uint16_t)(o->attributes | o->codec),
                                 .last_offset_delta = b->count - 1,
                                 .base_timestamp = b->base_timestamp,
                                 .max_timestamp =
                                     append_time ? o->append_time_ms : b->max_timestamp,
                                 .producer_id = o->producer_id,
                                 .producer_epoch = o->producer_epoch,
                                 .base_sequence = o->base_sequence,
                                 .record_count = b->count};
}

static enum err finish(const struct batch_builder *b, const struct batch_builder_options *o,
                       struct buf *out)
{
    struct batch_header h = header_of(b, o);
    size_t from = out->len;

    TRY(buf_reserve(out, BATCH_HEADER_BYTES));
    out->len += BATCH_HEADER_BYTES;
    if (o->codec == CODEC_NONE) {
        TRY(buf_add(out, buf_view(&b->records)));
    } else {
        TRY(compression_pack(o->compression, o->codec, o->level, buf_view(&b->records), out));
    }
    size_t size = out->len - from;
    if (size > INT32_MAX) {
        return fail(ERR_LIMIT, "a batch of %zu bytes", size);
    }
    h.length = (int32_t)(size - BATCH_OVERHEAD_BYTES);
    batch_header_write(out->at + from, &h);
    h.crc = batch_crc((struct bytes){out->at + from, size});
    batch_header_write(out->at + from, &h);
    return OK;
}

enum err batch_builder_finish(const struct batch_builder *b,
                              const struct batch_builder_options *options, struct buf *out)
{
    size_t len = out->len;

    ASSERT(b->count > 0);
    ASSERT((options->attributes & BATCH_CODEC_MASK) == 0);
    ASSERT(options->codec == CODEC_NONE || options->compression != NULL);
    enum err e = finish(b, options, out);
    if (e != OK) {
        out->len = len;
    }
    return e;
}

enum err batch_end_transaction_build(struct buf *out, const struct batch_end_transaction *in)
{
    uint8_t key[MARKER_KEY_BYTES] = {0}, value[MARKER_VALUE_BYTES] = {0};
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_builder b;

    wire_store_u16(key + 2, in->commit ? MARKER_COMMIT : MARKER_ABORT);
    wire_store_u32(value + 2, (uint32_t)in->coordinator_epoch);
    o.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    o.producer_id = in->producer_id;
    o.producer_epoch = in->producer_epoch;
    batch_builder_init(&b, BATCH_HEADER_BYTES);
    enum err e =
        batch_builder_add(&b, &(struct batch_builder_record){.timestamp_ms = in->timestamp_ms,
                                                             .key = {key, sizeof(key)},
                                                             .value = {value, sizeof(value)}});
    if (e == OK) {
        e = batch_builder_finish(&b, &o, out);
    }
    batch_builder_deinit(&b);
    return e;
}
