/* protocol/batch_validate.c: the questions a produced batch must answer, in Kafka's order.
 *
 * WHY      Clients act on the code they get (retry, split, give up), so every wrong batch must get the
 *          code Kafka gives. And what is wrong must not reach the log, where no consumer could get past it.
 * FORMAT   In this order; the first "no" decides:
 *
 *          | question                                                       | else                       |
 *          | -------------------------------------------------------------- | -------------------------- |
 *          | is there one whole batch                                       | INVALID_RECORD             |
 *          | length field >= 14, magic 0..2                                 | CORRUPT_MESSAGE            |
 *          | magic 2                                                        | INVALID_RECORD             |
 *          | Produce below 7: not zstd                                      | UNSUPPORTED_COMPRESSION_…  |
 *          | no second batch behind it (the start of one is cut off)        | INVALID_RECORD             |
 *          | base offset 0                                                  | INVALID_RECORD             |
 *          | not larger than max.message.bytes                              | MESSAGE_TOO_LARGE          |
 *          | not shorter than a header, checksum right                      | CORRUPT_MESSAGE            |
 *          | a codec there is                                               | UNKNOWN_SERVER_ERROR       |
 *          | count > 0 and as the last delta says, no control batch, a      | INVALID_RECORD             |
 *          | sequence if there is a producer                                |                            |
 *          | it can be decompressed                                         | UNKNOWN_SERVER_ERROR       |
 *          | into exactly as many whole records                             | INVALID_RECORD             |
 *          | record by record: a key if the topic is compacted              | INVALID_RECORD, listed     |
 *          | …: the time within bounds, or not the sender's affair          | INVALID_TIMESTAMP, listed  |
 *          | compressed, kept as it is: offset deltas 0, 1, 2 …             | UNKNOWN_SERVER_ERROR       |
 *          | after recompression: still not larger than max.message.bytes   | MESSAGE_TOO_LARGE          |
 *          | not larger than a segment                                      | RECORD_LIST_TOO_LARGE      |
 *
 *          UNKNOWN_SERVER_ERROR stands where Kafka's own code breaks off with an exception it has no
 *          code for. Offset deltas of an uncompressed batch are not looked at, as there.
 *          Stricter than Kafka: the fields of a record inside a compressed batch must fill its
 *          length exactly (Kafka keeps such a batch and no consumer can read it), and all records of a
 *          batch together may not pass decompressed_bytes_max.
 *          Then the batch is appended as it is, except: the topic stamps the append time, or the largest
 *          timestamp or the timestamp type is wrong (both are set and checksummed anew), or the topic
 *          wants another codec (records are packed anew).
 * OWNER    The core of the connection or partition; nothing is kept between calls.
 * FAILURE  Only ERR_NOMEM; all else is a verdict.
 * LIMITS   Compressed batches that stay as they are need one window of memory; others are unpacked up to
 *          decompressed_bytes_max. BATCH_RECORD_ERRORS_MAX.
 */
#include "protocol/batch_validate.h"

#include "base/limits.h"
#include "protocol/batch_validate_internal.h"
#include "protocol/wire.h"

enum {
    LENGTH_AT = 8,
    MAGIC_AT = 16,
    ATTRIBUTES_AT = 21,
    LENGTH_MIN = 14,              /* of the oldest message format */
    READABLE_MIN = 27,            /* Kafka reads so far into a batch before it measures it */
    ZSTD_PRODUCE_VERSION_MIN = 7, /* KIP-110 */
};

enum { HOUR_MS = 3600 * 1000, MESSAGE_BYTES_DEFAULT = 1048588, SEGMENT_BYTES_DEFAULT = 1 << 30 };

/* Kafka's bound: the largest array of its virtual machine. */
enum { RECORD_BODY_BYTES_MAX = INT32_MAX - 8 };

struct batch_rules batch_rules_default(void)
{
    return (struct batch_rules){.compression = BATCH_CODEC_PRODUCER,
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = HOUR_MS,
                                .batch_bytes_max = MESSAGE_BYTES_DEFAULT,
                                .segment_bytes = SEGMENT_BYTES_DEFAULT,
                                .record_body_bytes_max = RECORD_BODY_BYTES_MAX,
                                .decompressed_bytes_max = DECOMPRESSED_BYTES_MAX};
}

bool batch_refuse(struct batch_check *c, enum kafka_error error, struct bytes message)
{
    c->out->error = error;
    c->out->message = message;
    return false;
}

bool batch_give_up(struct batch_check *c)
{
    c->nomem = true;
    return false;
}

enum frame { FRAME_NONE, FRAME_WHOLE, FRAME_CORRUPT, FRAME_UNREADABLE };

/* What stands at the start of `rest`, without a look at more than length and magic. */
static enum frame frame_next(struct bytes rest, struct bytes *out)
{
    if (rest.len < BATCH_OVERHEAD_BYTES) {
        return FRAME_NONE;
    }
    int32_t length = (int32_t)wire_load_u32(rest.at + LENGTH_AT);
    if (length < LENGTH_MIN) {
        return FRAME_CORRUPT;
    }
    if (rest.len <= MAGIC_AT) {
        return FRAME_NONE;
    }
    if (rest.at[MAGIC_AT] > BATCH_MAGIC) {
        return FRAME_CORRUPT;
    }
    if (length > INT32_MAX - BATCH_OVERHEAD_BYTES) {
        return FRAME_UNREADABLE;
    }
    size_t size = (size_t)length + BATCH_OVERHEAD_BYTES;
    *out = bytes_slice(rest, 0, size);
    return size > rest.len ? FRAME_NONE : FRAME_WHOLE;
}

static bool refuse_frame(struct batch_check *c, enum frame frame)
{
    if (frame == FRAME_CORRUPT) {
        return batch_refuse(c, KAFKA_CORRUPT_MESSAGE,
                            BYTES("The batch has an impossible length or magic."));
    }
    if (frame == FRAME_UNREADABLE) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                            BYTES("The batch has an impossible length."));
    }
    return batch_refuse(c, KAFKA_INVALID_RECORD,
                        BYTES("A partition of a Produce request needs one whole record batch."));
}

static bool check_codec_of_version(struct batch_check *c)
{
    int codec = wire_load_u16(c->batch.at + ATTRIBUTES_AT) & BATCH_CODEC_MASK;

    if (c->in->produce_version >= ZSTD_PRODUCE_VERSION_MIN) {
        return true;
    }
    if (!codec_known(codec)) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                            BYTES("The batch has an unknown codec."));
    }
    if (codec == CODEC_ZSTD) {
        return batch_refuse(c, KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
                            BYTES("zstd needs version 7 or later of the Produce request."));
    }
    return true;
}

/* The check of the request: one batch of the right format. */
static bool check_frames(struct batch_check *c)
{
    struct bytes second;
    enum frame frame = frame_next(c->in->records, &c->batch);

    if (frame != FRAME_WHOLE) {
        return refuse_frame(c, frame);
    }
    if (c->batch.at[MAGIC_AT] != BATCH_MAGIC) {
        return batch_refuse(
            c, KAFKA_INVALID_RECORD,
            BYTES("Only record batches of magic 2 are taken from this version on."));
    }
    if (!check_codec_of_version(c)) {
        return false;
    }
    frame = frame_next(bytes_slice(c->in->records, c->batch.len, SIZE_MAX), &second);
    if (frame == FRAME_NONE) {
        return true;
    }
    if (frame == FRAME_WHOLE) {
        return batch_refuse(
            c, KAFKA_INVALID_RECORD,
            BYTES("A partition of a Produce request may hold one record batch only."));
    }
    return refuse_frame(c, frame);
}

bool batch_refuse_size(struct batch_check *c, size_t size)
{
    return batch_refuse(
        c, KAFKA_MESSAGE_TOO_LARGE,
        arena_format(c->in->arena, "The record batch has %zu bytes, this topic takes %" PRId64 ".",
                     size, c->in->rules->batch_bytes_max));
}

/* Size and checksum: is it what its sender sent? */
static bool check_bytes(struct batch_check *c)
{
    if (c->batch.len < READABLE_MIN) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                            BYTES("The batch is too short to be read."));
    }
    if (c->in->origin == BATCH_FROM_CLIENT && wire_load_u64(c->batch.at) != 0) {
        return batch_refuse(c, KAFKA_INVALID_RECORD,
                            BYTES("The base offset of a batch must be 0."));
    }
    if ((int64_t)c->batch.len > c->in->rules->batch_bytes_max) {
        return batch_refuse_size(c, c->batch.len);
    }
    if (batch_header_read(c->batch, &c->header) != OK || !batch_crc_ok(c->batch)) {
        return batch_refuse(c, KAFKA_CORRUPT_MESSAGE, BYTES("The checksum of the batch is wrong."));
    }
    if (!codec_known(batch_codec(&c->header))) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                            BYTES("The batch has an unknown codec."));
    }
    return true;
}

static bool check_header(struct batch_check *c)
{
    const struct batch_header *h = &c->header;
    bool client = c->in->origin == BATCH_FROM_CLIENT;

    if (h->record_count <= 0 || (int64_t)h->last_offset_delta + 1 != h->record_count) {
        return batch_refuse(c, KAFKA_INVALID_RECORD,
                            BYTES("The record count of the batch does not fit its offsets."));
    }
    if (client && batch_is_control(h)) {
        return batch_refuse(c, KAFKA_INVALID_RECORD,
                            BYTES("Clients may not write control records."));
    }
    if (client && batch_has_producer(h) && h->base_sequence < 0) {
        return batch_refuse(c, KAFKA_INVALID_RECORD,
                            BYTES("A batch with a producer id needs a sequence number."));
    }
    return true;
}

static bool check_segment(struct batch_check *c)
{
    if ((int64_t)c->out->batch.len > c->in->rules->segment_bytes) {
        return batch_refuse(c, KAFKA_RECORD_LIST_TOO_LARGE,
                            BYTES("The record batch is larger than a segment."));
    }
    return true;
}

enum err batch_validate(const struct batch_submission *in, struct batch_verdict *out)
{
    struct batch_check c = {.in = in, .out = out, .max_timestamp = BATCH_NO_TIMESTAMP};

    ASSERT(in->rules->compression == BATCH_CODEC_PRODUCER || codec_known(in->rules->compression));
    ASSERT(in->rules->decompressed_bytes_max > 0);
    *out = (struct batch_verdict){.error = KAFKA_NONE,
                                  .max_timestamp = BATCH_NO_TIMESTAMP,
                                  .log_append_time_ms = BATCH_NO_TIMESTAMP};
    bool passed = check_frames(&c) && check_bytes(&c) && check_header(&c) &&
                  batch_check_records(&c) && check_segment(&c);
    if (c.nomem || in->arena->exhausted) {
        return fail(ERR_NOMEM, "no memory to look at a batch");
    }
    if (!passed) {
        out->batch = BYTES_NULL;
        return OK;
    }
    if (in->rules->log_append_time) {
        out->log_append_time_ms = in->now_ms;
    }
    return batch_header_read(out->batch, &out->header);
}
