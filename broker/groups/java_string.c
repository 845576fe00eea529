/* broker/groups/java_string.c: a UTF-8 decoder with the manners of Java's.
 *
 * WHY      A group's partition is chosen by a hash over UTF-16, so the hash of an id with a character beyond ASCII,
 *          or with broken bytes, has to walk the same units as Java's.
 * FORMAT   A broken sequence is given up at the first byte that cannot belong to it, and counts as one U+FFFD;
 *          decoding goes on with that byte. Unlike Unicode's advice, a surrogate written in three bytes is one
 *          U+FFFD, not three.
 */
#include "broker/groups/java_string.h"

enum {
    REPLACEMENT = 0xfffd,
    SURROGATE_FIRST = 0xd800,
    SURROGATE_LAST = 0xdfff,
    SURROGATE_LOW = 0xdc00,
    SUPPLEMENTARY = 0x10000,
    SURROGATE_BITS = 10,
    SEQUENCE_BITS = 6,
    SEQUENCE_MASK = 0x3f,
};

/* Bytes in the sequence that begins so; 0: nothing begins so. */
static size_t sequence_bytes(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

/* May `next` be the second byte behind `first`? Excludes longer forms than needed and what is past U+10FFFF. */
static bool is_second(uint8_t first, uint8_t next)
{
    uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t most = first == 0xf4 ? 0x8f : 0xbf;

    return next >= least && next <= most;
}

static bool is_later(uint8_t next)
{
    return next >= 0x80 && next <= 0xbf;
}

/* Takes one character, or as many bytes as count for one that is broken. utf8 is not empty. */
static uint32_t take_character(struct bytes *utf8)
{
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint8_t first = utf8->at[0];
    size_t want = sequence_bytes(first), got = 1;
    uint32_t c = first & lead_mask[want];

    while (got < want && got < utf8->len &&
           (got == 1 ? is_second(first, utf8->at[1]) : is_later(utf8->at[got]))) {
        c = c << SEQUENCE_BITS | (utf8->at[got++] & SEQUENCE_MASK);
    }
    *utf8 = bytes_slice(*utf8, got, utf8->len);
    return got != want || (c >= SURROGATE_FIRST && c <= SURROGATE_LAST) ? REPLACEMENT : c;
}

/* The units of the next character: one or two. */
static size_t take_units(struct bytes *utf8, uint16_t out[2])
{
    uint32_t c = take_character(utf8);

    if (c < SUPPLEMENTARY) {
        out[0] = (uint16_t)c;
        return 1;
    }
    c -= SUPPLEMENTARY;
    out[0] = (uint16_t)(SURROGATE_FIRST + (c >> SURROGATE_BITS));
    out[1] = (uint16_t)(SURROGATE_LOW + (c & ((1u << SURROGATE_BITS) - 1)));
    return 2;
}

size_t java_string_units(struct bytes utf8, uint16_t *out)
{
    size_t n = 0;

    while (utf8.len > 0) {
        uint16_t units[2];
        size_t count = take_units(&utf8, units);
        for (size_t i = 0; i < count; i++) {
            out[n++] = units[i];
        }
    }
    return n;
}

int32_t java_string_hash(struct bytes utf8)
{
    uint32_t h = 0;

    while (utf8.len > 0) {
        uint16_t units[2];
        size_t count = take_units(&utf8, units);
        for (size_t i = 0; i < count; i++) {
            h = h * 31 + units[i];
        }
    }
    return (int32_t)h;
}
