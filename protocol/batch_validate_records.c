/* protocol/batch_validate_records.c: the records of a produced batch, and the batch that goes to the log.
 *
 * WHY      Three ways through the records, from cheap to dear: in place where they are not compressed, skipped
 *          over while they are decompressed, or unpacked whole and packed anew for another codec.
 * FORMAT   The questions and their order stand in batch_validate.c.
 * OWNER    As there.
 * FAILURE  A record that is wrong by itself (no key, wrong time) is listed and the walk goes on; bytes that are
 *          no records end it at once, and then nothing is listed.
 * LIMITS   As there.
 */
#include "protocol/batch_builder.h"
#include "protocol/batch_validate_internal.h"
#include "protocol/record.h"
#include "protocol/record_stream.h"
#include "protocol/varint.h"

static int64_t record_time(const struct batch_header *h, int64_t delta)
{
    if ((h->attributes & BATCH_LOG_APPEND_TIME) != 0) {
        return h->max_timestamp;
    }
    return (int64_t)((uint64_t)h->base_timestamp + (uint64_t)delta);
}

static void list_error(struct batch_check *c, struct bytes message)
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
static bool time_in_bounds(const struct batch_check *c, int64_t time)
{
    int64_t age = (int64_t)((uint64_t)c->in->now_ms - (uint64_t)time);
    int64_t ahead = (int64_t)(0 - (uint64_t)age);

    return age <= c->in->rules->timestamp_before_max_ms &&
           ahead <= c->in->rules->timestamp_after_max_ms;
}

/* One record; what is wrong with it is listed. */
static void check_record(struct batch_check *c, int64_t time, bool has_key)
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

static bool check_listed(struct batch_check *c)
{
    if (c->wrong_records == 0) {
        return true;
    }
    return batch_refuse(c, c->wrong_time ? KAFKA_INVALID_TIMESTAMP : KAFKA_INVALID_RECORD,
                        arena_format(c->in->arena,
                                     "%" PRId32 " of %" PRId32 " records are refused%s.",
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

static bool refuse_records(struct batch_check *c, bool unreadable)
{
    c->out->record_error_count = 0; /* it is not about single records */
    return batch_refuse(c, unreadable ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_INVALID_RECORD,
                        BYTES("The records of the batch do not fit its header."));
}

/* Walks uncompressed records; with a builder, packs them anew. */
static bool walk_records(struct batch_check *c, struct bytes records, struct batch_builder *b)
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
        return batch_give_up(c);
    }
    if (!check_listed(c)) {
        return false;
    }
    if (added == ERR_USAGE) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                            BYTES("A record has a negative timestamp."));
    }
    return added == OK || batch_refuse_size(c, batch_builder_size(b));
}

/* How decompression failed. */
static bool refuse_codec(struct batch_check *c, enum err e)
{
    c->out->record_error_count = 0;
    if (e == ERR_NOMEM) {
        return batch_give_up(c);
    }
    if (e == ERR_LIMIT) {
        return batch_refuse(c, KAFKA_INVALID_RECORD,
                            BYTES("The batch decompresses to too many bytes."));
    }
    return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR, BYTES("The batch can not be decompressed."));
}

/* Walks compressed records that may stay as they are. */
static bool walk_stream(struct batch_check *c)
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
    return in_order || batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
                                    BYTES("The offsets of the records have gaps."));
}

/* The batch goes to the log as it is, but for timestamp type and largest timestamp. */
static bool keep(struct batch_check *c)
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
        return batch_give_up(c);
    }
    memcpy(copy, c->batch.at, c->batch.len);
    batch_stamp_max_timestamp(copy, c->batch.len, stamp, max_timestamp);
    c->out->batch.at = copy;
    return true;
}

/* Kafka's builder breaks off on these; only a batch that is built meets it. */
static bool check_producer(struct batch_check *c)
{
    const struct batch_header *h = &c->header;
    bool producer = h->producer_id != BATCH_NO_PRODUCER_ID;

    if ((batch_is_transactional(h) && !producer) ||
        (producer && (h->producer_epoch == -1 || h->base_sequence < 0))) {
        return batch_refuse(c, KAFKA_UNKNOWN_SERVER_ERROR,
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

static bool pack(struct batch_check *c, const struct batch_builder *b, struct buf *packed)
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
        return batch_give_up(c);
    }
    if (e != OK || (int64_t)packed->len > rules->batch_bytes_max) {
        return batch_refuse_size(c, e == OK ? packed->len : batch_builder_size(b));
    }
    c->out->batch = arena_copy(c->in->arena, buf_view(packed));
    c->out->max_timestamp = rules->log_append_time ? c->in->now_ms : b->max_timestamp;
    c->out->rebuilt = true;
    return c->out->batch.at != NULL || batch_give_up(c);
}

static bool rebuild_with(struct batch_check *c, struct buf *plain, struct batch_builder *b)
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
static bool rebuild(struct batch_check *c)
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

bool batch_check_records(struct batch_check *c)
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
