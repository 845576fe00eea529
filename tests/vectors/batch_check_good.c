/* tests/vectors/batch_check_good.c: batches that are well, field by field.
 *
 * WHY      Every field of the header and every record has to be what Kafka's classes see in the same bytes.
 * FORMAT   Keys and values are base64 or null, numbers are JSON integers.
 * FAILURE  The first field that differs ends the line.
 */
#include "base/mem.h"
#include "protocol/batch_builder.h"
#include "protocol/record_stream.h"
#include "protocol/wire.h"
#include "tests/vectors/batch_check_internal.h"

enum { UNPACKED_BYTES_MAX = 64 << 20 };

static bool same_number(struct vector *v, const json_t *in, const char *key, int64_t got)
{
    const json_t *want = json_object_get(in, key);
    int64_t number = json_is_boolean(want) ? json_is_true(want) : json_integer_value(want);

    if (want == NULL || number != got) {
        return vector_differs(v, "%s is %" PRId64 " to Kafka, %" PRId64 " to us", key, number, got);
    }
    return true;
}

static bool same_text(struct vector *v, const json_t *in, const char *key, const char *got)
{
    const char *want = json_string_value(json_object_get(in, key));

    if (want == NULL || strcmp(want, got) != 0) {
        return vector_differs(v, "%s is %s to us", key, got);
    }
    return true;
}

static bool same_blob(struct vector *v, const json_t *in, const char *key, struct bytes got)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const json_t *want = json_object_get(in, key);
    size_t len = (got.len + 2) / 3 * 4;

    if (got.at == NULL || json_is_null(want)) {
        return (got.at == NULL && json_is_null(want)) ||
               vector_differs(v, "%s is null to one of us", key);
    }
    char *text = arena_alloc(v->arena, len + 1);
    ASSERT(text != NULL);
    for (size_t i = 0, o = 0; i < got.len; i += 3, o += 4) {
        size_t have = MIN(got.len - i, (size_t)3);
        uint32_t three = (uint32_t)got.at[i] << 16 | (have > 1 ? (uint32_t)got.at[i + 1] << 8 : 0) |
                         (have > 2 ? got.at[i + 2] : 0u);
        text[o] = digits[three >> 18 & 63];
        text[o + 1] = digits[three >> 12 & 63];
        text[o + 2] = have > 1 ? digits[three >> 6 & 63] : '=';
        text[o + 3] = have > 2 ? digits[three & 63] : '=';
    }
    return same_text(v, in, key, text);
}

static bool same_header(struct vector *v, const json_t *want, const struct batch *b)
{
    const struct batch_header *h = &b->header;
    bool append_time = (h->attributes & BATCH_LOG_APPEND_TIME) != 0;

    return same_number(v, want, "magic", h->magic) &&
           same_number(v, want, "sizeInBytes", (int64_t)batch_size(h)) &&
           same_number(v, want, "crc", h->crc) &&
           same_number(v, want, "baseOffset", h->base_offset) &&
           same_number(v, want, "lastOffset", batch_last_offset(h)) &&
           same_text(v, want, "compression", codec_name((enum codec)batch_codec(h))) &&
           same_text(v, want, "timestampType", append_time ? "LogAppendTime" : "CreateTime") &&
           same_number(v, want, "maxTimestamp", h->max_timestamp) &&
           same_number(v, want, "partitionLeaderEpoch", h->leader_epoch) &&
           same_number(v, want, "attributes", h->attributes) &&
           same_number(v, want, "lastOffsetDelta", h->last_offset_delta) &&
           same_number(v, want, "baseTimestampField", h->base_timestamp) &&
           same_number(v, want, "maxTimestampField", h->max_timestamp) &&
           same_number(v, want, "transactional", batch_is_transactional(h)) &&
           same_number(v, want, "control", batch_is_control(h)) &&
           same_number(v, want, "producerId", h->producer_id) &&
           same_number(v, want, "producerEpoch", h->producer_epoch) &&
           same_number(v, want, "baseSequence", h->base_sequence) &&
           same_number(v, want, "lastSequence", batch_last_sequence(h)) &&
           same_number(v, want, "count", h->record_count) &&
           ((h->attributes & BATCH_DELETE_HORIZON) == 0 ||
            same_number(v, want, "deleteHorizonMs", h->base_timestamp));
}

static bool same_headers(struct vector *v, const json_t *want, const struct record *r)
{
    struct bytes rest = r->headers;
    struct record_header h;
    size_t count = 0;

    while (record_header_next(&rest, &h)) {
        const json_t *one = json_array_get(want, count++);
        const char *key = json_string_value(json_object_get(one, "key"));
        if (key == NULL || !bytes_equal(bytes_of(key), h.key)) {
            return vector_differs(v, "header %zu has another key", count);
        }
        if (!same_blob(v, one, "value", h.value)) {
            return false;
        }
    }
    return (count == json_array_size(want) && count == (size_t)r->header_count) ||
           vector_differs(v, "%zu headers", count);
}

static int64_t time_of(const struct batch_header *h, const struct record *r)
{
    return (h->attributes & BATCH_LOG_APPEND_TIME) != 0 ? h->max_timestamp
                                                        : h->base_timestamp + r->timestamp_delta;
}

static bool same_record(struct vector *v, const json_t *want, const struct batch_header *h,
                        const struct record *r)
{
    const json_t *control = json_object_get(want, "controlRecord");
    int32_t sequence = h->base_sequence < 0 ? BATCH_NO_SEQUENCE
                                            : batch_sequence_add(h->base_sequence, r->offset_delta);

    if (control != NULL &&
        (r->key.len < 4 || !same_number(v, control, "typeId", wire_load_u16(r->key.at + 2)))) {
        return vector_differs(v, "another type of control record");
    }
    return same_number(v, want, "offset", h->base_offset + r->offset_delta) &&
           same_number(v, want, "timestamp", time_of(h, r)) &&
           same_number(v, want, "sequence", sequence) &&
           same_number(v, want, "sizeInBytes", (int64_t)record_size(r)) &&
           same_blob(v, want, "key", r->key) && same_blob(v, want, "value", r->value) &&
           same_headers(v, json_object_get(want, "headers"), r);
}

/* The walk that keeps nothing must see the same. */
static bool same_stream(struct vector *v, const struct batch *b, struct bytes plain)
{
    struct record_reader r;
    struct record_stream s;
    struct record_facts facts;
    struct record record;
    enum err e;

    ASSERT(compression_read_start(v->compression, (enum codec)batch_codec(&b->header),
                                  batch_records(b->bytes), UNPACKED_BYTES_MAX) == OK);
    record_stream_init(&s, v->compression, b->header.record_count, INT32_MAX);
    record_reader_init(&r, plain, b->header.record_count);
    while ((e = record_stream_next(&s, &facts)) == OK) {
        if (record_next(&r, &record) != OK || record.timestamp_delta != facts.timestamp_delta ||
            record.offset_delta != facts.offset_delta || (record.key.at != NULL) != facts.has_key) {
            return vector_differs(v, "the streaming walk sees another record");
        }
    }
    return (e == ERR_NOT_FOUND && r.left == 0) ||
           vector_differs(v, "the streaming walk stops early");
}

/* Written again by us, an uncompressed batch without gaps is the same bytes. */
static bool same_bytes_again(struct vector *v, const struct batch *b, struct bytes plain)
{
    const struct batch_header *h = &b->header;
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_builder builder;
    struct record_reader r;
    struct record record;
    struct buf out;

    batch_builder_init(&builder, UNPACKED_BYTES_MAX);
    buf_init(&out, UNPACKED_BYTES_MAX);
    record_reader_init(&r, plain, h->record_count);
    while (record_next(&r, &record) == OK) {
        ASSERT(batch_builder_add_record(&builder, h->base_timestamp + record.timestamp_delta,
                                        &record) == OK);
    }
    o.attributes = h->attributes;
    o.append_time_ms = h->max_timestamp;
    o.base_offset = h->base_offset;
    o.leader_epoch = h->leader_epoch;
    o.producer_id = h->producer_id;
    o.producer_epoch = h->producer_epoch;
    o.base_sequence = h->base_sequence;
    ASSERT(batch_builder_finish(&builder, &o, &out) == OK);
    bool same = bytes_equal(buf_view(&out), b->bytes);
    buf_deinit(&out);
    batch_builder_deinit(&builder);
    return same || vector_differs(v, "written again it is other bytes");
}

static bool can_write_again(const struct batch_header *h)
{
    return batch_codec(h) == CODEC_NONE && h->record_count == h->last_offset_delta + 1 &&
           h->record_count > 0 && (h->attributes & BATCH_DELETE_HORIZON) == 0;
}

static bool same_records(struct vector *v, const json_t *want, const struct batch *b,
                         struct bytes plain)
{
    struct record_reader r;
    struct record record;
    size_t count = 0;
    enum err e;

    record_reader_init(&r, plain, b->header.record_count);
    while ((e = record_next(&r, &record)) == OK) {
        if (!same_record(v, json_array_get(want, count++), &b->header, &record)) {
            return false;
        }
    }
    if (e != ERR_NOT_FOUND || count != json_array_size(want)) {
        return vector_differs(v, "%zu records, %s", count, err_name(e));
    }
    return same_stream(v, b, plain) &&
           (!can_write_again(&b->header) || same_bytes_again(v, b, plain));
}

static bool same_batch(struct vector *v, const json_t *want, const struct batch *b)
{
    struct buf plain;

    if (!batch_crc_ok(b->bytes)) {
        return vector_differs(v, "its checksum is wrong to us");
    }
    if (!same_header(v, want, b)) {
        return false;
    }
    buf_init(&plain, UNPACKED_BYTES_MAX);
    enum err e = compression_unpack(v->compression, (enum codec)batch_codec(&b->header),
                                    batch_records(b->bytes), &plain);
    bool same = e == OK ? same_records(v, json_object_get(want, "records"), b, buf_view(&plain))
                        : vector_differs(v, "cannot be decompressed: %s", err_crumb());
    buf_deinit(&plain);
    return same;
}

bool vector_check_good(struct vector *v)
{
    const json_t *want = json_object_get(v->line, "batches");
    const json_t *magic = json_object_get(json_array_get(want, 0), "magic");
    struct bytes rest = v->bytes;
    struct batch b;
    size_t count = 0;
    enum err e;

    while ((e = batch_next(&rest, &b)) == OK) {
        if (!same_batch(v, json_array_get(want, count++), &b)) {
            return false;
        }
    }
    if (json_integer_value(magic) != BATCH_MAGIC) {
        return e == ERR_MALFORMED || vector_differs(v, "an old message set is taken for a batch");
    }
    return (e == ERR_NOT_FOUND && count == json_array_size(want)) ||
           vector_differs(v, "%zu batches, %s", count, err_name(e));
}
