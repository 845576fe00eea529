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
#include "protocol/batch_builder.h"
#include "protocol/record.h"
#include "protocol/record_stream.h"
#include "protocol/varint.h"
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

/* One validation on its way. */
struct check {
    const struct batch_submission *in;
    struct batch_verdict *out;
    struct batch_header header;
    struct bytes batch;
    int32_t index;         /* of the record looked at */
    int32_t wrong_records; /* also those that are not listed */
    bool wrong_time;       /* at least one of them for its time */
    int64_t max_timestamp;
    bool nomem;
};

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

/* Decides; false, so that a check can end with it. */
static bool refuse(struct check *c, enum kafka_error error, struct bytes message)
{
    c->out->error = error;
    c->out->message = message;
    return false;
}

static bool give_up(struct check *c)
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

static bool refuse_frame(struct check *c, enum frame frame)
{
    if (frame == FRAME_CORRUPT) {
        return refuse(c, KAFKA_CORRUPT_MESSAGE,
                      BYTES("The batch has an impossible length or magic."));
    }
    if (frame == FRAME_UNREADABLE) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch has an impossible length."));
    }
    return refuse(c, KAFKA_INVALID_RECORD,
                  BYTES("A partition of a Produce request needs one whole record batch."));
}

static bool check_codec_of_version(struct check *c)
{
    int codec = wire_load_u16(c->batch.at + ATTRIBUTES_AT) & BATCH_CODEC_MASK;

    if (c->in->produce_version >= ZSTD_PRODUCE_VERSION_MIN) {
        return true;
    }
    if (!codec_known(codec)) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch has an unknown codec."));
    }
    if (codec == CODEC_ZSTD) {
        return refuse(c, KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
                      BYTES("zstd needs version 7 or later of the Produce request."));
    }
    return true;
}

/* The check of the request: one batch of the right format. */
static bool check_frames(struct check *c)
{
    struct bytes second;
    enum frame frame = frame_next(c->in->records, &c->batch);

    if (frame != FRAME_WHOLE) {
        return refuse_frame(c, frame);
    }
    if (c->batch.at[MAGIC_AT] != BATCH_MAGIC) {
        return refuse(c, KAFKA_INVALID_RECORD,
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
        return refuse(c, KAFKA_INVALID_RECORD,
                      BYTES("A partition of a Produce request may hold one record batch only."));
    }
    return refuse_frame(c, frame);
}

static bool refuse_size(struct check *c, size_t size)
{
    return refuse(c, KAFKA_MESSAGE_TOO_LARGE,
                  arena_format(c->in->arena,
                               "The record batch has %zu bytes, this topic takes %" PRId64 ".",
                               size, c->in->rules->batch_bytes_max));
}

/* Size and checksum: is it what its sender sent? */
static bool check_bytes(struct check *c)
{
    if (c->batch.len < READABLE_MIN) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch is too short to be read."));
    }
    if (c->in->origin == BATCH_FROM_CLIENT && wire_load_u64(c->batch.at) != 0) {
        return refuse(c, KAFKA_INVALID_RECORD, BYTES("The base offset of a batch must be 0."));
    }
    if ((int64_t)c->batch.len > c->in->rules->batch_bytes_max) {
        return refuse_size(c, c->batch.len);
    }
    if (batch_header_read(c->batch, &c->header) != OK || !batch_crc_ok(c->batch)) {
        return refuse(c, KAFKA_CORRUPT_MESSAGE, BYTES("The checksum of the batch is wrong."));
    }
    if (!codec_known(batch_codec(&c->header))) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch has an unknown codec."));
    }
    return true;
}

static bool check_header(struct check *c)
{
    const struct batch_header *h = &c->header;
    bool client = c->in->origin == BATCH_FROM_CLIENT;

    if (h->record_count <= 0 || (int64_t)h->last_offset_delta + 1 != h->record_count) {
        return refuse(c, KAFKA_INVALID_RECORD,
                      BYTES("The record count of the batch does not fit its offsets."));
    }
    if (client && batch_is_control(h)) {
        return refuse(c, KAFKA_INVALID_RECORD, BYTES("Clients may not write control records."));
    }
    if (client && batch_has_producer(h) && h->base_sequence < 0) {
        return refuse(c, KAFKA_INVALID_RECORD,
                      BYTES("A batch with a producer id needs a sequence number."));
    }
    return true;
}

static int64_t record_time(const struct batch_header *h, int64_t delta)
{
    if ((h->attributes & BATCH_LOG_APPEND_TIME) != 0) {
        return h->max_timestamp;
    }
    return (int64_t)((uint64_t)h->base_timestamp + (uint64_t)delta);
}

static void list_error(struct check *c, struct bytes message)
{
    struct batch_verdict *out = c->out;
    int32_t room = MIN(c->header.record_count, BATCH_RECORD_ERRORS_MAX);

    c->wrong_records++;
    if (out->record_errors == NULL) {
        out->record_errors = ARENA_ARRAY(c->in->arena, struct batch_record_error, room);
    }
    if (out->record_errors != NULL && out->record_error_count < room) {
        out->record_errors[out->record_error_count++] =
            (struct batch_record_error){.index = c->index, .message = message};
    }
}

/* Differences wrap, as they do in Kafka: a time 2^63 ms away is wrong either way. */
static bool time_in_bounds(const struct check *c, int64_t time)
{
    int64_t age = (int64_t)((uint64_t)c->in->now_ms - (uint64_t)time);
    int64_t ahead = (int64_t)(0 - (uint64_t)age);

    return age <= c->in->rules->timestamp_before_max_ms &&
           ahead <= c->in->rules->timestamp_after_max_ms;
}

/* One record; what is wrong with it is listed. */
static void check_record(struct check *c, int64_t time, bool has_key)
{
    const struct batch_rules *rules = c->in->rules;

    if (__builtin_expect(rules->compacted && !has_key, 0)) {
        list_error(c, BYTES("A record of a compacted topic needs a key."));
    } else if (!rules->log_append_time && time != BATCH_NO_TIMESTAMP) {
        if (__builtin_expect(!time_in_bounds(c, time), 0)) {
            c->wrong_time = true;
            list_error(c,
                       BYTES("The timestamp of the record is too old or too far in the future."));
        }
    } else if ((c->header.attributes & BATCH_LOG_APPEND_TIME) != 0) {
        c->wrong_time = true;
        list_error(c, BYTES("A producer may not set the timestamp type to log append time."));
    }
    c->max_timestamp = MAX(c->max_timestamp, time);
    c->index++;
}

static bool check_listed(struct check *c)
{
    if (c->wrong_records == 0) {
        return true;
    }
    return refuse(c, c->wrong_time ? KAFKA_INVALID_TIMESTAMP : KAFKA_INVALID_RECORD,
                  arena_format(c->in->arena, "%" PRId32 " of %" PRId32 " records are refused%s.",
                               c->wrong_records, c->header.record_count,
                               c->wrong_time ? ", some for their timestamp" : ""));
}

/* The reader stopped at a record's length that goes on for more than five bytes: Kafka has no code. */
static bool length_without_end(const struct record_reader *r)
{
    int i = 0;

    while (i < VARINT_BYTES_MAX && i < r->end - r->at && r->at[i] >= 0x80) {
        i++;
    }
    return r->left > 0 && i == VARINT_BYTES_MAX;
}

static bool refuse_records(struct check *c, bool unreadable)
{
    c->out->record_error_count = 0; /* it is not about single records */
    return refuse(c, unreadable ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_INVALID_RECORD,
                  BYTES("The records of the batch do not fit its header."));
}

/* Walks uncompressed records; with a builder, packs them anew. */
static bool walk_records(struct check *c, struct bytes records, struct batch_builder *b)
{
    const struct batch_header *h = &c->header;
    bool compressed = batch_codec(h) != CODEC_NONE;
    struct record_reader r;
    struct record record;
    enum err e, added = OK;

    record_reader_init(&r, records, h->record_count);
    while ((e = record_next(&r, &record)) == OK) {
        int64_t time = record_time(h, record.timestamp_delta);
        if (compressed && record.body_bytes > c->in->rules->record_body_bytes_max) {
            return refuse_records(c, false);
        }
        check_record(c, time, record.key.at != NULL);
        if (b != NULL && c->wrong_records == 0 && added == OK) {
            added = batch_builder_add_record(b, time, &record);
        }
    }
    if (e != ERR_NOT_FOUND) {
        return refuse_records(c, !compressed && length_without_end(&r));
    }
    if (added == ERR_NOMEM) {
        return give_up(c);
    }
    if (!check_listed(c)) {
        return false;
    }
    if (added == ERR_USAGE) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("A record has a negative timestamp."));
    }
    return added == OK || refuse_size(c, batch_builder_size(b));
}

/* How decompression failed. */
static bool refuse_codec(struct check *c, enum err e)
{
    c->out->record_error_count = 0;
    if (e == ERR_NOMEM) {
        return give_up(c);
    }
    if (e == ERR_LIMIT) {
        return refuse(c, KAFKA_INVALID_RECORD, BYTES("The batch decompresses to too many bytes."));
    }
    return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch can not be decompressed."));
}

/* Walks compressed records that may stay as they are. */
static bool walk_stream(struct check *c)
{
    const struct batch_header *h = &c->header;
    const struct batch_rules *rules = c->in->rules;
    bool in_order = true;
    struct record_facts facts;
    struct record_stream s;

    enum err e =
        compression_read_start(c->in->compression, (enum codec)batch_codec(h),
                               batch_records(c->batch), (size_t)rules->decompressed_bytes_max);
    if (e != OK) {
        return refuse_codec(c, e);
    }
    record_stream_init(&s, c->in->compression, h->record_count, rules->record_body_bytes_max);
    while ((e = record_stream_next(&s, &facts)) == OK) {
        in_order = in_order && facts.offset_delta == c->index;
        check_record(c, record_time(h, facts.timestamp_delta), facts.has_key);
    }
    if (s.codec_err != OK) {
        return refuse_codec(c, s.codec_err);
    }
    if (e != ERR_NOT_FOUND) {
        return refuse_records(c, false);
    }
    if (!check_listed(c)) {
        return false;
    }
    return in_order ||
           refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The offsets of the records have gaps."));
}

/* The batch goes to the log as it is, but for timestamp type and largest timestamp. */
static bool keep(struct check *c)
{
    bool stamp = c->in->rules->log_append_time;
    bool stamped = (c->header.attributes & BATCH_LOG_APPEND_TIME) != 0;
    int64_t max_timestamp = stamp ? c->in->now_ms : c->max_timestamp;

    c->out->max_timestamp = max_timestamp;
    c->out->batch = c->batch;
    if (stamp == stamped && max_timestamp == c->header.max_timestamp) {
        return true;
    }
    uint8_t *copy = arena_alloc(c->in->arena, c->batch.len);
    if (copy == NULL) {
        return give_up(c);
    }
    memcpy(copy, c->batch.at, c->batch.len);
    batch_stamp_max_timestamp(copy, c->batch.len, stamp, max_timestamp);
    c->out->batch.at = copy;
    return true;
}

/* Kafka's builder breaks off on these; only a batch that is built meets it. */
static bool check_producer(struct check *c)
{
    const struct batch_header *h = &c->header;
    bool producer = h->producer_id != BATCH_NO_PRODUCER_ID;

    if ((batch_is_transactional(h) && !producer) ||
        (producer && (h->producer_epoch == -1 || h->base_sequence < 0))) {
        return refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                      BYTES("The producer id, epoch and sequence of the batch do not fit."));
    }
    return true;
}

/* Ceiling of a batch compressed anew: what may come out, and room for a codec's worst case. */
static size_t packed_bytes_max(size_t plain)
{
    enum { SLACK_BYTES = 64 << 10, SLACK_SHIFT = 2 };

    return plain + (plain >> SLACK_SHIFT) + SLACK_BYTES;
}

static bool pack(struct check *c, const struct batch_builder *b, struct buf *packed)
{
    const struct batch_rules *rules = c->in->rules;
    int kept = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    struct batch_builder_options o = batch_builder_options_default();

    o.codec = (enum codec)rules->compression;
    o.level = rules->compression_level;
    o.attributes = (uint16_t)((c->header.attributes & kept) |
                              (rules->log_append_time ? BATCH_LOG_APPEND_TIME : 0));
    o.append_time_ms = c->in->now_ms;
    o.producer_id = c->header.producer_id;
    o.producer_epoch = c->header.producer_epoch;
    o.base_sequence = c->header.base_sequence;
    o.compression = c->in->compression;
    enum err e = batch_builder_finish(b, &o, packed);
    if (e == ERR_NOMEM) {
        return give_up(c);
    }
    if (e != OK || (int64_t)packed->len > rules->batch_bytes_max) {
        return refuse_size(c, e == OK ? packed->len : batch_builder_size(b));
    }
    c->out->batch = arena_copy(c->in->arena, buf_view(packed));
    c->out->max_timestamp = rules->log_append_time ? c->in->now_ms : b->max_timestamp;
    c->out->rebuilt = true;
    return c->out->batch.at != NULL || give_up(c);
}

static bool rebuild_with(struct check *c, struct buf *plain, struct batch_builder *b)
{
    struct buf packed;

    enum err e = compression_unpack(c->in->compression, (enum codec)batch_codec(&c->header),
                                    batch_records(c->batch), plain);
    if (e == ERR_MALFORMED) {
        return walk_stream(c); /* it will not pass; but perhaps the records are wrong before that */
    }
    if (e != OK) {
        return refuse_codec(c, e);
    }
    if (!walk_records(c, buf_view(plain), b) || !check_producer(c)) {
        return false;
    }
    buf_init(&packed, packed_bytes_max(batch_builder_size(b)));
    bool packed_well = pack(c, b, &packed);
    buf_deinit(&packed);
    return packed_well;
}

/* Another codec: every record is unpacked, looked at and packed again. */
static bool rebuild(struct check *c)
{
    size_t bytes_max = (size_t)c->in->rules->decompressed_bytes_max;
    struct batch_builder b;
    struct buf plain;

    buf_init(&plain, bytes_max);
    batch_builder_init(&b, bytes_max * 2); /* deltas may need more bytes than before */
    bool rebuilt = rebuild_with(c, &plain, &b);
    batch_builder_deinit(&b);
    buf_deinit(&plain);
    return rebuilt;
}

static bool check_records(struct check *c)
{
    int codec = batch_codec(&c->header);
    int wanted = c->in->rules->compression;
    bool control = batch_is_control(&c->header) && codec == CODEC_NONE;

    if (wanted != BATCH_CODEC_PRODUCER && wanted != codec && !control) {
        return rebuild(c);
    }
    return (codec == CODEC_NONE ? walk_records(c, batch_records(c->batch), NULL)
                                : walk_stream(c)) &&
           keep(c);
}

static bool check_segment(struct check *c)
{
    if ((int64_t)c->out->batch.len > c->in->rules->segment_bytes) {
        return refuse(c, KAFKA_RECORD_LIST_TOO_LARGE,
                      BYTES("The record batch is larger than a segment."));
    }
    return true;
}

enum err batch_validate(const struct batch_submission *in, struct batch_verdict *out)
{
    struct check c = {.in = in, .out = out, .max_timestamp = BATCH_NO_TIMESTAMP};

    ASSERT(in->rules->compression == BATCH_CODEC_PRODUCER || codec_known(in->rules->compression));
    ASSERT(in->rules->decompressed_bytes_max > 0);
    *out = (struct batch_verdict){.error = KAFKA_NONE,
                                  .max_timestamp = BATCH_NO_TIMESTAMP,
                                  .log_append_time_ms = BATCH_NO_TIMESTAMP};
    bool passed = check_frames(&c) && check_bytes(&c) && check_header(&c) && check_records(&c) &&
                  check_segment(&c);
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
