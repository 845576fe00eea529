/* broker/groups/subscription_hash.c: XXH3 in 64 bits, and what Kafka feeds to it.
 *
 * WHY      The number is stored in the group's record. Kafka's own one costs no more than one of ours, and a group
 *          that moves between the two keeps its epoch.
 * FORMAT   Of a topic: byte 0; its id as two 64-bit numbers; its name; int32 number of partitions; per partition its
 *          int32 number and, sorted, for each rack int32 length and the rack itself. A text is its UTF-16 code units
 *          and then their int32 count. Everything little-endian (the id's halves, too, which is backwards).
 *          Of a group: the topics' hashes, 8 bytes each.
 * HASH     The algorithm is the published XXH3 with seed 0 and its own secret, in plain C: it runs when metadata
 *          changes, over some hundred bytes. Inputs to 16, to 128, to 240 bytes and beyond are four different
 *          functions; the last one keeps eight sums over stripes of 64 bytes.
 */
#include "broker/groups/subscription_hash.h"

#include "broker/groups/java_string.h"

#define PRIME32_1 0x9E3779B1u
#define PRIME32_2 0x85EBCA77u
#define PRIME32_3 0xC2B2AE3Du
#define PRIME64_1 0x9E3779B185EBCA87u
#define PRIME64_2 0xC2B2AE3D27D4EB4Fu
#define PRIME64_3 0x165667B19E3779F9u
#define PRIME64_4 0x85EBCA77C2B2AE63u
#define PRIME64_5 0x27D4EB2F165667C5u
#define MIX_1     0x165667919E3779F9u
#define MIX_2     0x9FB21C651E98DF25u

enum {
    SUM_COUNT = 8,
    STRIPE_BYTES = 64,
    SECRET_BYTES = 192,
    STRIPES_OF_BLOCK = (SECRET_BYTES - STRIPE_BYTES) / 8,
    BLOCK_BYTES = STRIPES_OF_BLOCK * STRIPE_BYTES,
    SHORT_MAX = 16,
    MIDDLE_MAX = 128,
    LONGER_MAX = 240,
};

static const uint8_t secret[SECRET_BYTES] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "numbers are hashed as they lie in memory");

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static uint64_t rotate_left(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

/* Both halves of the product, folded into one. */
static uint64_t multiply_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t finish(uint64_t h)
{
    h = (h ^ h >> 37) * MIX_1;
    return h ^ h >> 32;
}

/* The end of the older XXH64, for the shortest inputs. */
static uint64_t finish_shortest(uint64_t h)
{
    h = (h ^ h >> 33) * PRIME64_2;
    h = (h ^ h >> 29) * PRIME64_3;
    return h ^ h >> 32;
}

static uint64_t hash_to_3(struct bytes b)
{
    if (b.len == 0) {
        return finish_shortest(load_u64(secret + 56) ^ load_u64(secret + 64));
    }
    uint32_t all = (uint32_t)b.at[0] << 16 | (uint32_t)b.at[b.len >> 1] << 24 | b.at[b.len - 1] |
                   (uint32_t)b.len << 8;
    return finish_shortest(all ^ (uint64_t)(load_u32(secret) ^ load_u32(secret + 4)));
}

static uint64_t hash_to_8(struct bytes b)
{
    uint64_t all = load_u32(b.at + b.len - 4) + ((uint64_t)load_u32(b.at) << 32);
    uint64_t h = all ^ load_u64(secret + 8) ^ load_u64(secret + 16);

    h ^= rotate_left(h, 49) ^ rotate_left(h, 24);
    h *= MIX_2;
    h ^= (h >> 35) + b.len;
    h *= MIX_2;
    return h ^ h >> 28;
}

static uint64_t hash_to_16(struct bytes b)
{
    uint64_t low = load_u64(b.at) ^ load_u64(secret + 24) ^ load_u64(secret + 32);
    uint64_t high = load_u64(b.at + b.len - 8) ^ load_u64(secret + 40) ^ load_u64(secret + 48);

    return finish(b.len + __builtin_bswap64(low) + high + multiply_fold(low, high));
}

/* 16 bytes of input with 16 of the secret. */
static uint64_t mix(const uint8_t *at, const uint8_t *key)
{
    return multiply_fold(load_u64(at) ^ load_u64(key), load_u64(at + 8) ^ load_u64(key + 8));
}

/* From both ends towards the middle. */
static uint64_t hash_to_128(struct bytes b)
{
    size_t pairs = (b.len - 1) / 32 + 1;
    uint64_t h = b.len * PRIME64_1;

    for (size_t i = 0; i < pairs; i++) {
        h += mix(b.at + 16 * i, secret + 32 * i);
        h += mix(b.at + b.len - 16 * (i + 1), secret + 32 * i + 16);
    }
    return finish(h);
}

static uint64_t hash_to_240(struct bytes b)
{
    enum { FIRST_ROUNDS = 8, LATER_OFFSET = 3, LAST_KEY = 119 };
    uint64_t h = b.len * PRIME64_1;

    for (size_t i = 0; i < b.len / 16; i++) {
        if (i == FIRST_ROUNDS) {
            h = finish(h);
        }
        h += mix(b.at + 16 * i, i < FIRST_ROUNDS ? secret + 16 * i
                                                 : secret + 16 * (i - FIRST_ROUNDS) + LATER_OFFSET);
    }
    if (b.len / 16 == FIRST_ROUNDS) {
        h = finish(h);
    }
    return finish(h + mix(b.at + b.len - 16, secret + LAST_KEY));
}

static void add_stripe(uint64_t sums[SUM_COUNT], const uint8_t *at, const uint8_t *key)
{
    for (size_t i = 0; i < SUM_COUNT; i++) {
        uint64_t value = load_u64(at + 8 * i);
        uint64_t keyed = value ^ load_u64(key + 8 * i);
        sums[i ^ 1] += value;
        sums[i] += (uint64_t)(uint32_t)keyed * (keyed >> 32);
    }
}

static void scramble(uint64_t sums[SUM_COUNT])
{
    for (size_t i = 0; i < SUM_COUNT; i++) {
        sums[i] ^= sums[i] >> 47;
        sums[i] ^= load_u64(secret + SECRET_BYTES - STRIPE_BYTES + 8 * i);
        sums[i] *= PRIME32_1;
    }
}

static uint64_t hash_long(struct bytes b)
{
    enum { LAST_KEY = SECRET_BYTES - STRIPE_BYTES - 7, MERGE_KEY = 11 };
    uint64_t sums[SUM_COUNT] = {PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3,
                                PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1};
    size_t stripes =
        (b.len - 1) / STRIPE_BYTES; /* the last one may be short: it is taken from the end */

    for (size_t i = 0; i < stripes; i++) {
        add_stripe(sums, b.at + STRIPE_BYTES * i, secret + 8 * (i % STRIPES_OF_BLOCK));
        if (i % STRIPES_OF_BLOCK == STRIPES_OF_BLOCK - 1) {
            scramble(sums);
        }
    }
    add_stripe(sums, b.at + b.len - STRIPE_BYTES, secret + LAST_KEY);
    uint64_t h = b.len * PRIME64_1;
    for (size_t i = 0; i < SUM_COUNT; i += 2) {
        h += multiply_fold(sums[i] ^ load_u64(secret + MERGE_KEY + 8 * i),
                           sums[i + 1] ^ load_u64(secret + MERGE_KEY + 8 * i + 8));
    }
    return finish(h);
}

uint64_t subscription_xxh3(struct bytes b)
{
    if (b.len <= 3) {
        return hash_to_3(b);
    }
    if (b.len <= 8) {
        return hash_to_8(b);
    }
    return b.len <= SHORT_MAX    ? hash_to_16(b)
           : b.len <= MIDDLE_MAX ? hash_to_128(b)
           : b.len <= LONGER_MAX ? hash_to_240(b)
                                 : hash_long(b);
}

/* ---- what is hashed ---- */

struct pen {
    uint8_t *at, *end;
};

static void put(struct pen *p, const void *from, size_t bytes)
{
    ASSERT(bytes <= (size_t)(p->end - p->at));
    memcpy(p->at, from, bytes);
    p->at += bytes;
}

static void put_i32(struct pen *p, int32_t v)
{
    put(p, &v, sizeof(v));
}

/* A text takes at most this. */
static size_t text_bytes(struct bytes utf8)
{
    return sizeof(uint16_t) * utf8.len + sizeof(int32_t);
}

static void put_text(struct pen *p, struct bytes utf8, bool length_first, uint16_t *units)
{
    size_t n = java_string_units(utf8, units);

    if (length_first) {
        put_i32(p, (int32_t)n);
    }
    put(p, units, n * sizeof(*units));
    put_i32(p, (int32_t)n);
}

/* Each partition has a handful. */
static void sort(struct bytes *racks, int32_t count)
{
    for (int32_t i = 1; i < count; i++) {
        struct bytes moved = racks[i];
        int32_t k = i;
        for (; k > 0 && bytes_compare(racks[k - 1], moved) > 0; k--) {
            racks[k] = racks[k - 1];
        }
        racks[k] = moved;
    }
}

/* What one pass over the racks finds out for the next one. */
struct sizes {
    size_t bytes;    /* of all that is hashed, at most */
    size_t text_max; /* the longest text */
    int32_t racks_max;
};

static struct sizes sizes_of(const struct subscription_topic *t)
{
    struct sizes s = {1 + sizeof(t->id) + text_bytes(t->name) +
                          sizeof(int32_t) * ((size_t)t->partition_count + 1),
                      t->name.len, 0};

    for (int32_t p = 0; t->racks && p < t->partition_count; p++) {
        s.racks_max = MAX(s.racks_max, t->racks[p].len);
        for (int32_t i = 0; i < t->racks[p].len; i++) {
            s.bytes += sizeof(int32_t) + text_bytes(t->racks[p].at[i]);
            s.text_max = MAX(s.text_max, t->racks[p].at[i].len);
        }
    }
    return s;
}

enum err subscription_topic_hash(struct arena *a, const struct subscription_topic *t, int64_t *out)
{
    static const uint8_t format = 0;
    struct sizes size = sizes_of(t);
    uint8_t *all = ARENA_ARRAY(a, uint8_t, size.bytes);
    uint16_t *units = ARENA_ARRAY(a, uint16_t, size.text_max);
    struct bytes *racks = ARENA_ARRAY(a, struct bytes, size.racks_max);

    if (!all || !units || !racks) {
        return fail(ERR_NOMEM, "%zu bytes to hash a topic", size.bytes);
    }
    struct pen pen = {all, all + size.bytes};
    put(&pen, &format, sizeof(format));
    for (size_t i = 0; i < sizeof(t->id.at); i++) { /* each half backwards */
        put(&pen, &t->id.at[i ^ 7], 1);
    }
    put_text(&pen, t->name, false, units);
    put_i32(&pen, t->partition_count);
    for (int32_t p = 0; p < t->partition_count; p++) {
        int32_t count = t->racks ? t->racks[p].len : 0;
        put_i32(&pen, p);
        if (count > 0) {
            memcpy(racks, t->racks[p].at, (size_t)count * sizeof(*racks));
            sort(racks, count);
        }
        for (int32_t i = 0; i < count; i++) {
            put_text(&pen, racks[i], true, units);
        }
    }
    *out = (int64_t)subscription_xxh3((struct bytes){all, (size_t)(pen.at - all)});
    return OK;
}

int64_t subscription_hash(const int64_t *topic_hashes, int32_t count)
{
    if (count == 0) {
        return 0;
    }
    return (int64_t)subscription_xxh3(
        (struct bytes){(const uint8_t *)topic_hashes, (size_t)count * sizeof(*topic_hashes)});
}
