/* protocol/record_batch.h: the v2 record batch: header, checksum, stamping, walking, internal batches.
 *
 * A batch is stored and served byte for byte as it arrived; only base offset and leader epoch are stamped,
 * which lie outside the checksum. Numbers are as the bytes say: nothing read here may be trusted before
 * batch_crc_ok(), and even then a client chose them (protocol/batch_validate.h judges those).
 * Byte tables stand in record_batch.c. Any thread; no state.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

enum {
    BATCH_HEADER_BYTES = 61,   /* also the smallest batch */
    BATCH_OVERHEAD_BYTES = 12, /* base offset and length: what the length field does not count */
    BATCH_MAGIC = 2,
    BATCH_CRC_FROM = 21, /* the checksum covers this position to the end */
};

/* Bits of the attributes. */
enum {
    BATCH_CODEC_MASK = 0x07, /* enum codec */
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

enum { BATCH_NO_TIMESTAMP = -1, BATCH_NO_PRODUCER_ID = -1, BATCH_NO_SEQUENCE = -1 };

struct batch_header {
    int64_t base_offset;
    int32_t length; /* bytes after this field; >= 49 */
    int32_t leader_epoch;
    int8_t magic; /* 2 */
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp; /* the delete horizon when that bit is set */
    int64_t max_timestamp;  /* the append time when that bit is set */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/* A whole batch and its parsed header. */
struct batch {
    struct batch_header header;
    struct bytes bytes;
};

/* Parses the header at the start of `at`, which may go on or end before the batch does. ERR_MALFORMED:
 * fewer than 61 bytes, a length below 49 or so large that the size overflows, magic other than 2. */
enum err batch_header_read(struct bytes at, struct batch_header *out);
/* Writes all fields, crc included, over the first 61 bytes. */
void batch_header_write(uint8_t *at, const struct batch_header *h);

/* Bytes of the whole batch: length + 12. */
static inline size_t batch_size(const struct batch_header *h)
{
    return (size_t)h->length + BATCH_OVERHEAD_BYTES;
}

/* Offset of its last record; for an internal batch one less than its base offset. Wraps, never traps. */
static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return (int64_t)((uint64_t)h->base_offset + (uint64_t)(int64_t)h->last_offset_delta);
}

/* The offset that follows it: where the next batch begins. */
static inline int64_t batch_next_offset(const struct batch_header *h)
{
    return (int64_t)((uint64_t)batch_last_offset(h) + 1);
}

/* Sequence of its last record; sequences wrap from 2147483647 to 0. -1 without a sequence. */
int32_t batch_last_sequence(const struct batch_header *h);
/* base + increment, with the same wrap. */
int32_t batch_sequence_add(int32_t sequence, int32_t increment);

static inline int batch_codec(const struct batch_header *h)
{
    return h->attributes & BATCH_CODEC_MASK;
}

static inline bool batch_has_producer(const struct batch_header *h)
{
    return h->producer_id > BATCH_NO_PRODUCER_ID;
}

static inline bool batch_is_transactional(const struct batch_header *h)
{
    return (h->attributes & BATCH_TRANSACTIONAL) != 0;
}

static inline bool batch_is_control(const struct batch_header *h)
{
    return (h->attributes & BATCH_CONTROL) != 0;
}

/* The part after the header: records, or one compressed block of them. */
struct bytes batch_records(struct bytes batch);

/* Takes the first batch off `rest`. ERR_NOT_FOUND: nothing is left. ERR_AGAIN: it begins well but ends
 * past `rest` (a torn tail, or more bytes are needed). ERR_MALFORMED: not a batch. */
enum err batch_next(struct bytes *rest, struct batch *out);

/* The checksum over byte 21 to the end of the whole batch. */
uint32_t batch_crc(struct bytes batch);
bool batch_crc_ok(struct bytes batch);

/* Base offset and leader epoch of a batch in memory; outside the checksum. */
void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* Sets timestamp type and largest timestamp of the whole batch of `len` bytes, with a new checksum. */
void batch_stamp_max_timestamp(uint8_t *batch, size_t len, bool log_append_time, int64_t timestamp);
/* The same with the append time bit: all its records have this time now. */
void batch_stamp_append_time(uint8_t *batch, size_t len, int64_t append_time_ms);

/* Internal batches (design D1): entries of ours between the records. One Raft index wide, zero offsets
 * wide: record count 0, last offset delta -1, control bit. Clients never see them. */
enum internal_kind {
    INTERNAL_SEGMENT_HEADER = 1, /* first batch of every segment: struct segment_header */
    INTERNAL_KIND_MAX = 255,     /* readers refuse kinds they do not know */
};

struct internal_batch {
    int kind;            /* enum internal_kind; 1..INTERNAL_KIND_MAX */
    int64_t base_offset; /* = the offset the next record will get */
    int32_t leader_epoch;
    int64_t timestamp_ms;
    struct bytes payload;
};

/* Is it ours? Looks at the header only. A batch that compaction emptied is not: its delta is >= 0. */
static inline bool batch_is_internal(const struct batch_header *h)
{
    return batch_is_control(h) && h->record_count == 0 && h->last_offset_delta == -1;
}

/* Appends the whole batch, checksum included. ERR_LIMIT, ERR_NOMEM. */
enum err internal_batch_build(struct buf *out, const struct internal_batch *in);
/* `payload` is a view into `batch`. ERR_MALFORMED. The checksum is not looked at. */
enum err internal_batch_parse(struct bytes batch, struct internal_batch *out);

/* What stands at the head of a segment, so that nothing beside the segment is needed to know its place. */
struct segment_header {
    int64_t base_raft_index; /* Raft index of the entry after this header */
    int64_t base_term;       /* term of the entry before it; 0 at the start of a log */
    int64_t delta;           /* internal entries before it: raft index - offset */
    int64_t log_start_offset;
    struct uuid topic_id;
    int32_t partition;
    int64_t created_ms; /* wall clock, for people */
};

enum { SEGMENT_HEADER_PAYLOAD_BYTES = 64 };

/* Appends the batch that opens a segment at `base_offset`. ERR_LIMIT, ERR_NOMEM. */
enum err segment_header_build(struct buf *out, int64_t base_offset, int32_t leader_epoch,
                              const struct segment_header *in);
/* From the payload of an internal batch. ERR_MALFORMED: another version or size. */
enum err segment_header_parse(struct bytes payload, struct segment_header *out);
