/* protocol/wire.h: the cursor over foreign bytes, and the pen for our own.
 *
 * READER   The error is sticky: after the first failure every read yields zero (a slice: null) and does not
 *          move, so code that reads is straight-line and looks at r->err once, at the end. No read goes past
 *          `end`, whatever the bytes say.
 * WRITER   Writes into memory whose size the caller worked out before (message_size, wire_*_bytes): running
 *          over its end is a bug of ours and asserts.
 * NUMBERS  Big-endian, as Kafka sends them. `uvarint` is 7 bits per byte, low bits first; `varint` and
 *          `varlong` are the same over the zigzag form (0, -1, 1, -2 …), 32 and 64 bits wide. An encoding that
 *          is longer than its type can need, or whose value does not fit, is ERR_MALFORMED.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

struct wire_reader {
    const uint8_t *at, *end;
    enum err err;
};

struct wire_writer {
    uint8_t *at, *end;
};

/* The longest encodings. */
enum { WIRE_UVARINT_BYTES_MAX = 5, WIRE_VARLONG_BYTES_MAX = 10 };

static inline uint16_t wire_load_u16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t wire_load_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint64_t wire_load_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap64(v);
}

static inline void wire_store_u16(uint8_t *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, sizeof(v));
}

static inline void wire_store_u32(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void wire_store_u64(uint8_t *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, sizeof(v));
}

/* ---- reading ---- */

static inline struct wire_reader wire_reader_of(struct bytes b)
{
    return (struct wire_reader){b.at, b.at == NULL ? NULL : b.at + b.len, OK};
}

static inline size_t wire_left(const struct wire_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Stops the reader; the first reason stays. */
void wire_fail(struct wire_reader *r, enum err why);

/* The next n bytes, or NULL after a failure: what every read below stands on. */
static inline const uint8_t *wire_take(struct wire_reader *r, size_t n)
{
    if (__builtin_expect(r->err != OK || n > wire_left(r), 0)) {
        wire_fail(r, ERR_MALFORMED);
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

/* A view of the next n bytes; BYTES_NULL after a failure. Non-NULL when n is 0. */
struct bytes wire_bytes(struct wire_reader *r, size_t n);

static inline uint8_t wire_u8(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, 1);
    return p == NULL ? 0 : *p;
}

static inline int8_t wire_i8(struct wire_reader *r)
{
    return (int8_t)wire_u8(r);
}

static inline uint16_t wire_u16(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, sizeof(uint16_t));
    return p == NULL ? 0 : wire_load_u16(p);
}

static inline int16_t wire_i16(struct wire_reader *r)
{
    return (int16_t)wire_u16(r);
}

static inline uint32_t wire_u32(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, sizeof(uint32_t));
    return p == NULL ? 0 : wire_load_u32(p);
}

static inline int32_t wire_i32(struct wire_reader *r)
{
    return (int32_t)wire_u32(r);
}

static inline uint64_t wire_u64(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, sizeof(uint64_t));
    return p == NULL ? 0 : wire_load_u64(p);
}

static inline int64_t wire_i64(struct wire_reader *r)
{
    return (int64_t)wire_u64(r);
}

double wire_f64(struct wire_reader *r);
struct uuid wire_uuid(struct wire_reader *r);

/* The parts of the three below for encodings of more than one byte. */
uint32_t wire_uvarint_long(struct wire_reader *r);
int64_t wire_varlong(struct wire_reader *r);

static inline uint32_t wire_uvarint(struct wire_reader *r)
{
    if (__builtin_expect(r->err == OK && r->at < r->end && *r->at < 0x80, 1)) {
        return *r->at++;
    }
    return wire_uvarint_long(r);
}

static inline int32_t wire_varint(struct wire_reader *r)
{
    uint32_t v = wire_uvarint(r);
    return (int32_t)((v >> 1) ^ (0U - (v & 1U)));
}

/* ---- writing ---- */

static inline struct wire_writer wire_writer_of(uint8_t *at, size_t len)
{
    return (struct wire_writer){at, at + len};
}

/* Room for n bytes, which the caller fills. */
static inline uint8_t *wire_room(struct wire_writer *w, size_t n)
{
    ASSERT(n <= (size_t)(w->end - w->at));
    uint8_t *p = w->at;
    w->at += n;
    return p;
}

static inline void wire_put_u8(struct wire_writer *w, uint8_t v)
{
    *wire_room(w, 1) = v;
}

static inline void wire_put_i8(struct wire_writer *w, int8_t v)
{
    wire_put_u8(w, (uint8_t)v);
}

static inline void wire_put_u16(struct wire_writer *w, uint16_t v)
{
    wire_store_u16(wire_room(w, sizeof(v)), v);
}

static inline void wire_put_i16(struct wire_writer *w, int16_t v)
{
    wire_put_u16(w, (uint16_t)v);
}

static inline void wire_put_u32(struct wire_writer *w, uint32_t v)
{
    wire_store_u32(wire_room(w, sizeof(v)), v);
}

static inline void wire_put_i32(struct wire_writer *w, int32_t v)
{
    wire_put_u32(w, (uint32_t)v);
}

static inline void wire_put_u64(struct wire_writer *w, uint64_t v)
{
    wire_store_u64(wire_room(w, sizeof(v)), v);
}

void wire_put_f64(struct wire_writer *w, double v);
void wire_put_uuid(struct wire_writer *w, struct uuid v);
/* The bytes themselves, without a length. Null writes nothing. */
void wire_put_bytes(struct wire_writer *w, struct bytes b);
void wire_put_uvarint(struct wire_writer *w, uint32_t v);
void wire_put_varint(struct wire_writer *w, int32_t v);
void wire_put_varlong(struct wire_writer *w, int64_t v);

/* How many bytes those three take. */
static inline size_t wire_uvarint_bytes(uint32_t v)
{
    return (size_t)(38 - __builtin_clz(v | 1)) / 7;
}

static inline size_t wire_varint_bytes(int32_t v)
{
    return wire_uvarint_bytes(((uint32_t)v << 1) ^ (uint32_t)(v >> 31));
}

size_t wire_varlong_bytes(int64_t v);
