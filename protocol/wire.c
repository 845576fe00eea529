/* protocol/wire.c: the one place that moves a cursor over foreign bytes.
 *
 * WHY      A length field of a peer is a number an attacker chose. Every access to message bytes goes through
 *          wire_take(), which compares before it moves, so bounds are checked once, here, and not in each
 *          of three hundred messages.
 * FORMAT   Numbers big-endian. Varints carry 7 bits per byte, lowest first, bit 7 set on all but the last.
 * FAILURE  Sticky, see the header. A failed reader also gives up its rest (at = end), so a loop that asks
 *          "is there more?" ends.
 * LIMITS   5 bytes for a 32-bit varint, 10 for a 64-bit one.
 */
#include "protocol/wire.h"

enum { VARINT_BITS = 7, VARINT_MORE = 0x80, VARINT_MASK = 0x7f };

void wire_fail(struct wire_reader *r, enum err why)
{
    ASSERT(why != OK);
    if (r->err == OK) {
        r->err = why;
    }
    r->at = r->end;
}

struct bytes wire_bytes(struct wire_reader *r, size_t n)
{
    const uint8_t *p = wire_take(r, n);
    return p == NULL ? BYTES_NULL : (struct bytes){p, n};
}

double wire_f64(struct wire_reader *r)
{
    uint64_t bits = wire_u64(r);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

struct uuid wire_uuid(struct wire_reader *r)
{
    struct uuid u = {0};
    const uint8_t *p = wire_take(r, sizeof(u.at));

    if (p != NULL) {
        memcpy(u.at, p, sizeof(u.at));
    }
    return u;
}

/* Seven bits at a time, until a byte without the mark; `bits` is the width of the type. */
static uint64_t uvarint_of(struct wire_reader *r, int bits)
{
    uint64_t v = 0;

    for (int shift = 0; shift < bits; shift += VARINT_BITS) {
        uint8_t b = wire_u8(r);
        uint64_t part = b & VARINT_MASK;
        if (bits - shift < VARINT_BITS && part >> (bits - shift) != 0) {
            break;
        }
        v |= part << shift;
        if ((b & VARINT_MORE) == 0) {
            return r->err == OK ? v : 0;
        }
    }
    wire_fail(r, ERR_MALFORMED);
    return 0;
}

uint32_t wire_uvarint_long(struct wire_reader *r)
{
    return (uint32_t)uvarint_of(r, 32);
}

int64_t wire_varlong(struct wire_reader *r)
{
    uint64_t v = uvarint_of(r, 64);
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

void wire_put_f64(struct wire_writer *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    wire_put_u64(w, bits);
}

void wire_put_uuid(struct wire_writer *w, struct uuid v)
{
    memcpy(wire_room(w, sizeof(v.at)), v.at, sizeof(v.at));
}

void wire_put_bytes(struct wire_writer *w, struct bytes b)
{
    if (b.len > 0) {
        memcpy(wire_room(w, b.len), b.at, b.len);
    }
}

static void put_uvarint(struct wire_writer *w, uint64_t v)
{
    while (v >= VARINT_MORE) {
        wire_put_u8(w, (uint8_t)(v | VARINT_MORE));
        v >>= VARINT_BITS;
    }
    wire_put_u8(w, (uint8_t)v);
}

void wire_put_uvarint(struct wire_writer *w, uint32_t v)
{
    put_uvarint(w, v);
}

void wire_put_varint(struct wire_writer *w, int32_t v)
{
    put_uvarint(w, ((uint32_t)v << 1) ^ (uint32_t)(v >> 31));
}

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

void wire_put_varlong(struct wire_writer *w, int64_t v)
{
    put_uvarint(w, zigzag(v));
}

size_t wire_varlong_bytes(int64_t v)
{
    return (size_t)(70 - __builtin_clzll(zigzag(v) | 1)) / VARINT_BITS;
}
