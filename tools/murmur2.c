/* tools/murmur2.c: the hash of keys (Austin Appleby's MurmurHash2).
 *
 * WHY      A key must land in the same partition whoever sends it, or records of one key lose their order. The
 *          Java producer takes this hash without its sign bit, modulo the partitions there are.
 * FORMAT   Four bytes at a time, little-endian; the last one to three bytes are mixed in at the end.
 */
#include "tools/murmur2.h"

static const uint32_t seed = 0x9747b28c, factor = 0x5bd1e995;

uint32_t murmur2(struct bytes data)
{
    uint32_t h = seed ^ (uint32_t)data.len;
    size_t whole = data.len / 4 * 4;

    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k = (uint32_t)data.at[i] | (uint32_t)data.at[i + 1] << 8 |
                     (uint32_t)data.at[i + 2] << 16 | (uint32_t)data.at[i + 3] << 24;
        k *= factor;
        k ^= k >> 24;
        h = (h * factor) ^ (k * factor);
    }
    if (whole < data.len) {
        for (size_t i = data.len; i > whole; i--) {
            h ^= (uint32_t)data.at[i - 1] << 8 * (i - 1 - whole);
        }
        h *= factor;
    }
    h ^= h >> 13;
    h *= factor;
    return h ^ h >> 15;
}

int32_t murmur2_partition(struct bytes key, int32_t partitions)
{
    ASSERT(partitions > 0);
    return (int32_t)(murmur2(key) & INT32_MAX) % partitions;
}
