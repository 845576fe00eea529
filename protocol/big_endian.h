/* protocol/big_endian.h: fixed-width numbers as Kafka writes them, at any address. */
#pragma once

#include "base/base.h"

static inline uint16_t be_u16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t be_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint64_t be_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap64(v);
}

static inline int32_t be_i32(const uint8_t *at)
{
    return (int32_t)be_u32(at);
}

static inline int64_t be_i64(const uint8_t *at)
{
    return (int64_t)be_u64(at);
}

static inline void be_put_u16(uint8_t *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, sizeof(v));
}

static inline void be_put_u32(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void be_put_u64(uint8_t *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, sizeof(v));
}

static inline void be_put_i32(uint8_t *at, int32_t v)
{
    be_put_u32(at, (uint32_t)v);
}

static inline void be_put_i64(uint8_t *at, int64_t v)
{
    be_put_u64(at, (uint64_t)v);
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bswap is right on little-endian only");
