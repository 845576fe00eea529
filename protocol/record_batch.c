/* protocol/record_batch.c: where things stand in a batch, and the few numbers a broker changes in it.
 *
 * WHY      A batch travels from producer to disk to consumer unchanged. The broker reads 61 bytes of it,
 *          writes 12 of them (offset and epoch) and leaves the rest alone.
 * FORMAT   All numbers big-endian (KIP-98, "message format v2").
 *
 *          | at | bytes | field               |                                                      |
 *          | -- | ----- | ------------------- | ---------------------------------------------------- |
 *          |  0 |     8 | base offset         | stamped by the broker; not in the checksum           |
 *          |  8 |     4 | length              | bytes that follow this field; not in the checksum    |
 *          | 12 |     4 | leader epoch        | stamped by the broker (= Raft term); not in it       |
 *          | 16 |     1 | magic               | 2; not in it                                         |
 *          | 17 |     4 | CRC-32C             | of position 21 to the end                            |
 *          | 21 |     2 | attributes          | 0-2 codec, 3 append time, 4 transactional, 5 control,|
 *          |    |       |                     | 6 base timestamp is a delete horizon                 |
 *          | 23 |     4 | last offset delta   |                                                      |
 *          | 27 |     8 | base timestamp      |                                                      |
 *          | 35 |     8 | largest timestamp   | with bit 3 that of every record                      |
 *          | 43 |     8 | producer id         | -1: none                                             |
 *          | 51 |     2 | producer epoch      |                                                      |
 *          | 53 |     4 | base sequence       |                                                      |
 *          | 57 |     4 | record count        |                                                      |
 *          | 61 |     … | records             | or one compressed block of all of them               |
 *
 *          Valid if and only if: length >= 49, magic 2, all length bytes are there, the checksum fits.
 *          What the checksum leaves out is covered by the checksums of what stores or carries batches.
 *
 *          An internal batch is such a batch with attributes 0x20 (control, no codec), record count 0, last
 *          offset delta -1, no producer, and behind the header exactly one well-formed record that no
 *          client reads, because they read as many as the count says:
 *
 *          | bytes  | field           |                                                              |
 *          | ------ | --------------- | ------------------------------------------------------------ |
 *          | varint | length          | of the rest                                                  |
 *          |      1 | attributes      | 0                                                            |
 *          |      1 | timestamp delta | 0                                                            |
 *          |      1 | offset delta    | -1                                                           |
 *          |  1 + 4 | key             | int16 0, int16 0x5700 + kind: a control type nobody else has |
 *          | v + n  | value           | the payload                                                  |
 *          |      1 | headers         | none                                                         |
 *
 *          A count of 1 would be fatal: a client would move past the true record at that offset.
 *
 *          Payload of a segment header, version 1, 64 bytes:
 *
 *          | at | bytes | field            |
 *          | -- | ----- | ---------------- |
 *          |  0 |     2 | version (1)      |
 *          |  2 |     2 | 0                |
 *          |  4 |     4 | partition        |
 *          |  8 |    16 | topic id         |
 *          | 24 |     8 | base Raft index  |
 *          | 32 |     8 | base term        |
 *          | 40 |     8 | delta            |
 *          | 48 |     8 | log start offset |
 *          | 56 |     8 | created, ms      |
 * FAILURE  Bytes that do not fit this are ERR_MALFORMED; whoever read them from our disk says ERR_CORRUPT.
 * LIMITS   A batch is at most 2^31 - 1 bytes, as its length field says.
 */
#include "protocol/record_batch.h"

#include "base/crc32c.h"
#include "protocol/record.h"
#include "protocol/wire.h"

enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
};
static_assert(AT_RECORD_COUNT + 4 == (int)BATCH_HEADER_BYTES, "the table is whole");
static_assert(AT_ATTRIBUTES == (int)BATCH_CRC_FROM, "the checksum begins at the attributes");

/* Bits that mean something; the others do not survive a change of the attributes, as in Kafka. */
enum { BATCH_KNOWN = 0x7f };

enum { INTERNAL_KEY_BYTES = 4, INTERNAL_TYPE = 0x5700, INTERNAL_TYPE_KIND = 0xff };

enum { SEGMENT_HEADER_VERSION = 1 };

static int32_t load_i32(const uint8_t *at)
{
    return (int32_t)wire_load_u32(at);
}

static int64_t load_i64(const uint8_t *at)
{
    return (int64_t)wire_load_u64(at);
}

static void store_i32(uint8_t *at, int32_t v)
{
    wire_store_u32(at, (uint32_t)v);
}

static void store_i64(uint8_t *at, int64_t v)
{
    wire_store_u64(at, (uint64_t)v);
}

enum err batch_header_read(struct bytes at, struct batch_header *out)
{
    const uint8_t *p = at.at;

    if (at.len < BATCH_HEADER_BYTES) {
        return fail(ERR_MALFORMED, "%zu bytes are less than a batch header", at.len);
    }
    struct batch_header h = {
        .base_offset = load_i64(p + AT_BASE_OFFSET),
        .length = load_i32(p + AT_LENGTH),
        .leader_epoch = load_i32(p + AT_LEADER_EPOCH),
        .magic = (int8_t)p[AT_MAGIC],
        .crc = wire_load_u32(p + AT_CRC),
        .attributes = wire_load_u16(p + AT_ATTRIBUTES),
        .last_offset_delta = load_i32(p + AT_LAST_OFFSET_DELTA),
        .base_timestamp = load_i64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = load_i64(p + AT_MAX_TIMESTAMP),
        .producer_id = load_i64(p + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)wire_load_u16(p + AT_PRODUCER_EPOCH),
        .base_sequence = load_i32(p + AT_BASE_SEQUENCE),
        .record_count = load_i32(p + AT_RECORD_COUNT),
    };
    if (h.magic != BATCH_MAGIC) {
        return fail(ERR_MALFORMED, "a batch of magic %d", h.magic);
    }
    if (h.length < BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES ||
        h.length > INT32_MAX - BATCH_OVERHEAD_BYTES) {
        return fail(ERR_MALFORMED, "a batch of length %" PRId32, h.length);
    }
    *out = h;
    return OK;
}

void batch_header_write(uint8_t *at, const struct batch_header *h)
{
    ASSERT(h->magic == BATCH_MAGIC);
    store_i64(at + AT_BASE_OFFSET, h->base_offset);
    store_i32(at + AT_LENGTH, h->length);
    store_i32(at + AT_LEADER_EPOCH, h->leader_epoch);
    at[AT_MAGIC] = (uint8_t)h->magic;
    wire_store_u32(at + AT_CRC, h->crc);
    wire_store_u16(at + AT_ATTRIBUTES, h->attributes);
    store_i32(at + AT_LAST_OFFSET_DELTA, h->last_offset_delta);
    store_i64(at + AT_BASE_TIMESTAMP, h->base_timestamp);
    store_i64(at + AT_MAX_TIMESTAMP, h->max_timestamp);
    store_i64(at + AT_PRODUCER_ID, h->producer_id);
    wire_store_u16(at + AT_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
    store_i32(at + AT_BASE_SEQUENCE, h->base_sequence);
    store_i32(at + AT_RECORD_COUNT, h->record_count);
}

int32_t batch_sequence_add(int32_t sequence, int32_t increment)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)increment) & INT32_MAX);
}

int32_t batch_last_sequence(const struct batch_header *h)
{
    if (h->base_sequence < 0) {
        return BATCH_NO_SEQUENCE;
    }
    return batch_sequence_add(h->base_sequence, h->last_offset_delta);
}

struct bytes batch_records(struct bytes batch)
{
    ASSERT(batch.len >= BATCH_HEADER_BYTES);
    return bytes_slice(batch, BATCH_HEADER_BYTES, SIZE_MAX);
}

enum err batch_next(struct bytes *rest, struct batch *out)
{
    struct batch b;

    if (rest->len == 0) {
        return ERR_NOT_FOUND;
    }
    if (rest->len < BATCH_HEADER_BYTES) {
        return ERR_AGAIN;
    }
    TRY(batch_header_read(*rest, &b.header));
    size_t size = batch_size(&b.header);
    if (size > rest->len) {
        return ERR_AGAIN;
    }
    b.bytes = (struct bytes){rest->at, size};
    *rest = bytes_slice(*rest, size, SIZE_MAX);
    *out = b;
    return OK;
}

uint32_t batch_crc(struct bytes batch)
{
    ASSERT(batch.len >= BATCH_HEADER_BYTES);
    return crc32c(0, bytes_slice(batch, BATCH_CRC_FROM, SIZE_MAX));
}

bool batch_crc_ok(struct bytes batch)
{
    return batch.len >= BATCH_HEADER_BYTES && batch_crc(batch) == wire_load_u32(batch.at + AT_CRC);
}

void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    store_i64(batch + AT_BASE_OFFSET, base_offset);
    store_i32(batch + AT_LEADER_EPOCH, leader_epoch);
}

void batch_stamp_max_timestamp(uint8_t *batch, size_t len, bool log_append_time, int64_t timestamp)
{
    uint32_t attributes = wire_load_u16(batch + AT_ATTRIBUTES);
    uint32_t kept = attributes & BATCH_KNOWN & ~(uint32_t)BATCH_LOG_APPEND_TIME;

    ASSERT(len >= BATCH_HEADER_BYTES);
    wire_store_u16(batch + AT_ATTRIBUTES,
                   (uint16_t)(kept | (log_append_time ? (uint32_t)BATCH_LOG_APPEND_TIME : 0)));
    store_i64(batch + AT_MAX_TIMESTAMP, timestamp);
    wire_store_u32(batch + AT_CRC, batch_crc((struct bytes){batch, len}));
}

void batch_stamp_append_time(uint8_t *batch, size_t len, int64_t append_time_ms)
{
    batch_stamp_max_timestamp(batch, len, true, append_time_ms);
}

enum err internal_batch_build(struct buf *out, const struct internal_batch *in)
{
    uint8_t key[INTERNAL_KEY_BYTES] = {0};
    struct record r = {
        .offset_delta = -1, .key = {key, sizeof(key)}, .value = {in->payload.at, in->payload.len}};
    size_t from = out->len;

    ASSERT(in->kind > 0 && in->kind <= INTERNAL_KIND_MAX);
    ASSERT(in->payload.at != NULL);
    wire_store_u16(key + 2, (uint16_t)(INTERNAL_TYPE + in->kind));
    size_t size = BATCH_HEADER_BYTES + record_size(&r);
    if (size > INT32_MAX) {
        return fail(ERR_LIMIT, "an internal batch of %zu bytes", size);
    }
    TRY(buf_reserve(out, size));
    struct batch_header h = {.base_offset = in->base_offset,
                             .length = (int32_t)(size - BATCH_OVERHEAD_BYTES),
                             .leader_epoch = in->leader_epoch,
                             .magic = BATCH_MAGIC,
                             .attributes = BATCH_CONTROL,
                             .last_offset_delta = -1,
                             .base_timestamp = in->timestamp_ms,
                             .max_timestamp = in->timestamp_ms,
                             .producer_id = BATCH_NO_PRODUCER_ID,
                             .producer_epoch = -1,
                             .base_sequence = BATCH_NO_SEQUENCE};
    out->len += BATCH_HEADER_BYTES;
    TRY(record_write(out, &r)); /* there is room */
    batch_header_write(out->at + from, &h);
    h.crc = batch_crc((struct bytes){out->at + from, size});
    batch_header_write(out->at + from, &h);
    return OK;
}

enum err internal_batch_parse(struct bytes batch, struct internal_batch *out)
{
    struct batch_header h;
    struct record_reader reader;
    struct record r;

    TRY(batch_header_read(batch, &h));
    if (batch_size(&h) != batch.len || !batch_is_internal(&h) || batch_codec(&h) != 0) {
        return fail(ERR_MALFORMED, "not an internal batch");
    }
    record_reader_init(&reader, batch_records(batch), 1);
    TRY(record_next(&reader, &r));
    if (record_next(&reader, &(struct record){0}) != ERR_NOT_FOUND || r.offset_delta != -1 ||
        r.key.len != INTERNAL_KEY_BYTES || r.value.at == NULL) {
        return fail(ERR_MALFORMED, "an internal batch without its one record");
    }
    int type = wire_load_u16(r.key.at + 2);
    if (wire_load_u16(r.key.at) != 0 || (type & ~INTERNAL_TYPE_KIND) != INTERNAL_TYPE ||
        type == INTERNAL_TYPE) {
        return fail(ERR_MALFORMED, "an internal batch of type %d", type);
    }
    *out = (struct internal_batch){.kind = type & INTERNAL_TYPE_KIND,
                                   .base_offset = h.base_offset,
                                   .leader_epoch = h.leader_epoch,
                                   .timestamp_ms = h.base_timestamp,
                                   .payload = r.value};
    return OK;
}

enum {
    SEGMENT_AT_VERSION = 0,
    SEGMENT_AT_PARTITION = 4,
    SEGMENT_AT_TOPIC_ID = 8,
    SEGMENT_AT_RAFT_INDEX = 24,
    SEGMENT_AT_TERM = 32,
    SEGMENT_AT_DELTA = 40,
    SEGMENT_AT_LOG_START = 48,
    SEGMENT_AT_CREATED = 56,
};
static_assert(SEGMENT_AT_CREATED + 8 == (int)SEGMENT_HEADER_PAYLOAD_BYTES, "the table is whole");

enum err segment_header_build(struct buf *out, int64_t base_offset, int32_t leader_epoch,
                              const struct segment_header *in)
{
    uint8_t payload[SEGMENT_HEADER_PAYLOAD_BYTES] = {0};

    wire_store_u16(payload + SEGMENT_AT_VERSION, SEGMENT_HEADER_VERSION);
    store_i32(payload + SEGMENT_AT_PARTITION, in->partition);
    memcpy(payload + SEGMENT_AT_TOPIC_ID, in->topic_id.at, sizeof(in->topic_id.at));
    store_i64(payload + SEGMENT_AT_RAFT_INDEX, in->base_raft_index);
    store_i64(payload + SEGMENT_AT_TERM, in->base_term);
    store_i64(payload + SEGMENT_AT_DELTA, in->delta);
    store_i64(payload + SEGMENT_AT_LOG_START, in->log_start_offset);
    store_i64(payload + SEGMENT_AT_CREATED, in->created_ms);
    return internal_batch_build(out,
                                &(struct internal_batch){.kind = INTERNAL_SEGMENT_HEADER,
                                                         .base_offset = base_offset,
                                                         .leader_epoch = leader_epoch,
                                                         .timestamp_ms = in->created_ms,
                                                         .payload = {payload, sizeof(payload)}});
}

enum err segment_header_parse(struct bytes payload, struct segment_header *out)
{
    const uint8_t *p = payload.at;

    if (payload.len != SEGMENT_HEADER_PAYLOAD_BYTES ||
        wire_load_u16(p + SEGMENT_AT_VERSION) != SEGMENT_HEADER_VERSION) {
        return fail(ERR_MALFORMED, "a segment header of another version or size");
    }
    struct segment_header h = {
        .base_raft_index = load_i64(p + SEGMENT_AT_RAFT_INDEX),
        .base_term = load_i64(p + SEGMENT_AT_TERM),
        .delta = load_i64(p + SEGMENT_AT_DELTA),
        .log_start_offset = load_i64(p + SEGMENT_AT_LOG_START),
        .partition = load_i32(p + SEGMENT_AT_PARTITION),
        .created_ms = load_i64(p + SEGMENT_AT_CREATED),
    };
    memcpy(h.topic_id.at, p + SEGMENT_AT_TOPIC_ID, sizeof(h.topic_id.at));
    *out = h;
    return OK;
}
