/* base/crc32c.c: the checksum of record batches, as fast as the machine allows.
 *
 * WHY      Every byte that a client sends, and every byte read back from a disk, passes through here once.
 * FORMAT   Reflected CRC-32 with the polynomial 0x1edc6f41 (reflected 0x82f63b78), start and end
 *          inverted. In the reflected form bit 31 - i of a word is the coefficient of x^i.
 * FAST     The crc32 instruction has a latency of three cycles and can start in each, so three
 *          independent streams run side by side, each over one stripe of a block. What a stream began
 *          with must then be moved past the bytes of the later stripes: multiplied by x^(8n), n bytes.
 *          clmul of two reflected words gives their product times x, and the instruction, fed with that as
 *          data, multiplies by x^32 and reduces; so the factor is x^(8n-33), a constant for each stripe.
 *          Large stripes make the joins cheap, small ones serve short batches; the rest goes in words.
 * PORTABLE Eight bytes a step through eight tables: table[n][c] is the checksum of byte c followed by n
 *          zeros. It is linear in c, so 64 powers of x make the tables, at compile time: SPAN8 lists
 *          all sums of its eight arguments.
 * OWNER    No state. __builtin_cpu_supports() reads a word that the C runtime filled before main().
 */
#include "base/crc32c.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie");

/* Copied, then checked while in the first-level cache; one long block. */
enum { COPY_CHUNK_BYTES = 6144 };

#define SPAN1(s, a)                   (s), ((s) ^ (a))
#define SPAN2(s, b, a)                SPAN1(s, a), SPAN1((s) ^ (b), a)
#define SPAN3(s, c, b, a)             SPAN2(s, b, a), SPAN2((s) ^ (c), b, a)
#define SPAN4(s, d, c, b, a)          SPAN3(s, c, b, a), SPAN3((s) ^ (d), c, b, a)
#define SPAN5(s, e, d, c, b, a)       SPAN4(s, d, c, b, a), SPAN4((s) ^ (e), d, c, b, a)
#define SPAN6(s, f, e, d, c, b, a)    SPAN5(s, e, d, c, b, a), SPAN5((s) ^ (f), e, d, c, b, a)
#define SPAN7(s, g, f, e, d, c, b, a) SPAN6(s, f, e, d, c, b, a), SPAN6((s) ^ (g), f, e, d, c, b, a)
#define SPAN8(s, a, b, c, d, e, f, g, h) \
    SPAN7(s, g, f, e, d, c, b, a), SPAN7((s) ^ (h), g, f, e, d, c, b, a)

/* Row n lists x^(39+8n) down to x^(32+8n), reduced: the checksums of the bytes 1, 2, 4 ... 128. */
static const uint32_t tables[8][256] = {
    {SPAN8(0u, 0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu,
           0x417b1dbcu, 0x82f63b78u)},
    {SPAN8(0u, 0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u,
           0xff17c604u, 0xfbc3faf9u)},
    {SPAN8(0u, 0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u,
           0xc76580d9u, 0x8b277743u)},
    {SPAN8(0u, 0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu,
           0xaba65fe7u, 0x52a0c93fu)},
    {SPAN8(0u, 0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u,
           0x37516aaeu, 0x6ea2d55cu)},
    {SPAN8(0u, 0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du,
           0x0e045bebu, 0x1c08b7d6u)},
    {SPAN8(0u, 0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu,
           0x7ab7077au, 0xf56e0ef4u)},
    {SPAN8(0u, 0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u,
           0x1a00cb32u, 0x34019664u)},
};

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

uint32_t crc32c_portable(uint32_t crc, struct bytes data)
{
    uint32_t c = ~crc;

    for (; data.len >= 8; data.at += 8, data.len -= 8) {
        uint64_t w = load_u64(data.at) ^ c;
        c = tables[7][w & 255] ^ tables[6][w >> 8 & 255] ^ tables[5][w >> 16 & 255] ^
            tables[4][w >> 24 & 255] ^ tables[3][w >> 32 & 255] ^ tables[2][w >> 40 & 255] ^
            tables[1][w >> 48 & 255] ^ tables[0][w >> 56];
    }
    for (; data.len > 0; data.at++, data.len--) {
        c = c >> 8 ^ tables[0][(c ^ data.at[0]) & 255];
    }
    return ~c;
}

#if defined(__x86_64__)

#define TARGET_CRC __attribute__((target("sse4.2,pclmul")))

enum { STRIPE_LONG_BYTES = 2048, STRIPE_SHORT_BYTES = 256, STREAMS = 3 };

/* How to move a checksum past one stripe and past two. */
struct stripe {
    size_t bytes;
    uint32_t past_one, past_two; /* x^(8*bytes-33), x^(16*bytes-33) */
};

static const struct stripe stripe_long = {STRIPE_LONG_BYTES, 0xa51b6135u, 0x82f89c77u};
static const struct stripe stripe_short = {STRIPE_SHORT_BYTES, 0xb9e02b86u, 0xdd7e3b0cu};

bool crc32c_has_fast(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

TARGET_CRC static uint32_t move_past(uint32_t c, uint32_t factor)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)c), _mm_cvtsi64_si128((int64_t)factor), 0);

    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* One block of STREAMS stripes. */
TARGET_CRC static uint32_t block(uint32_t crc, const uint8_t *at, const struct stripe *s)
{
    uint64_t a = crc, b = 0, c = 0;

    for (const uint8_t *end = at + s->bytes; at < end; at += 8) {
        a = _mm_crc32_u64(a, load_u64(at));
        b = _mm_crc32_u64(b, load_u64(at + s->bytes));
        c = _mm_crc32_u64(c, load_u64(at + 2 * s->bytes));
    }
    return move_past((uint32_t)a, s->past_two) ^ move_past((uint32_t)b, s->past_one) ^ (uint32_t)c;
}

TARGET_CRC static uint32_t blocks(uint32_t crc, struct bytes *data, const struct stripe *s)
{
    while (data->len >= STREAMS * s->bytes) {
        crc = block(crc, data->at, s);
        data->at += STREAMS * s->bytes;
        data->len -= STREAMS * s->bytes;
    }
    return crc;
}

TARGET_CRC uint32_t crc32c_fast(uint32_t crc, struct bytes data)
{
    uint32_t c = ~crc;

    c = blocks(c, &data, &stripe_long);
    c = blocks(c, &data, &stripe_short);
    for (; data.len >= 8; data.at += 8, data.len -= 8) {
        c = (uint32_t)_mm_crc32_u64(c, load_u64(data.at));
    }
    for (; data.len > 0; data.at++, data.len--) {
        c = _mm_crc32_u8(c, data.at[0]);
    }
    return ~c;
}

#else

bool crc32c_has_fast(void)
{
    return false;
}

uint32_t crc32c_fast(uint32_t crc, struct bytes data)
{
    (void)crc;
    (void)data;
    UNREACHABLE();
}

#endif

uint32_t crc32c(uint32_t crc, struct bytes data)
{
    return crc32c_has_fast() ? crc32c_fast(crc, data) : crc32c_portable(crc, data);
}

/* The checksum is that of the copy, so it holds even if somebody changes the source meanwhile. */
uint32_t crc32c_copy(uint32_t crc, void *to, struct bytes from)
{
    uint8_t *at = to;

    while (from.len > 0) {
        size_t n = MIN(from.len, (size_t)COPY_CHUNK_BYTES);
        memcpy(at, from.at, n);
        crc = crc32c(crc, (struct bytes){at, n});
        at += n;
        from.at += n;
        from.len -= n;
    }
    return crc;
}
