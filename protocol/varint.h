/* protocol/varint.h: the zig-zag varints of records. Inline, because a batch has five per record.
 *
 * Kafka's reader takes at most 5 bytes for 32 bits and 10 for 64 and drops bits that do not fit; so does
 * this one, so that both judge the same bytes alike.
 */
#pragma once

#include "base/bytes.h"

enum { VARINT_BYTES_MAX = 5, VARLONG_BYTES_MAX = 10, VARINT_PAYLOAD_BITS = 7 };

/* A cursor over bytes that end. */
struct varint_reader {
    const uint8_t *at, *end;
};

static inline int32_t zigzag_decode32(uint32_t v)
{
    return (int32_t)((v >> 1) ^ (~(v & 1) + 1));
}

static inline int64_t zigzag_decode64(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (~(v & 1) + 1));
}

static inline uint64_t zigzag_encode64(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

/* False: the bytes end first, or the number does not end after so many bytes. */
static inline bool varint_take_raw(struct varint_reader *r, int bytes_max, uint64_t *out)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes_max && r->at < r->end; i++) {
        uint8_t c = *r->at++;
        value |= (uint64_t)(c & 0x7f) << (i * VARINT_PAYLOAD_BITS);
        if (c < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static inline bool varint_take(struct varint_reader *r, int32_t *out)
{
    uint64_t raw;

    if (__builtin_expect(r->at < r->end && *r->at < 0x80, 1)) {
        *out = zigzag_decode32(*r->at++);
        return true;
    }
    if (!varint_take_raw(r, VARINT_BYTES_MAX, &raw)) {
        return false;
    }
    *out = zigzag_decode32((uint32_t)raw);
    return true;
}

static inline bool varlong_take(struct varint_reader *r, int64_t *out)
{
    uint64_t raw;

    if (__builtin_expect(r->at < r->end && *r->at < 0x80, 1)) {
        *out = zigzag_decode32(*r->at++);
        return true;
    }
    if (!varint_take_raw(r, VARLONG_BYTES_MAX, &raw)) {
        return false;
    }
    *out = zigzag_decode64(raw);
    return true;
}

/* Bytes that writing it takes. */
static inline size_t varlong_size(int64_t v)
{
    uint64_t raw = zigzag_encode64(v);
    int bits = 64 - __builtin_clzll(raw | 1);

    return (size_t)((bits + VARINT_PAYLOAD_BITS - 1) / VARINT_PAYLOAD_BITS);
}

static inline size_t varint_size(int32_t v)
{
    return varlong_size(v); /* zig-zag gives the same bytes for both widths */
}

/* Writes at `to`, which has room for varlong_size(v) bytes; returns the position after it. */
static inline uint8_t *varlong_put(uint8_t *to, int64_t v)
{
    uint64_t raw = zigzag_encode64(v);

    while (raw >= 0x80) {
        *to++ = (uint8_t)(raw | 0x80);
        raw >>= VARINT_PAYLOAD_BITS;
    }
    *to++ = (uint8_t)raw;
    return to;
}
