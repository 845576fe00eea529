/* base/bytes.c: slices and the one growing buffer.
 *
 * WHY      Every parser, path and message is made of these two; so they are few and checked.
 * OWNER    A slice owns nothing. A buf owns its memory until buf_deinit().
 * LIMITS   A buf never grows past the ceiling it was made with; lengths are added with overflow checks.
 */
#include "base/bytes.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_BYTES = 64 };

struct bytes bytes_of(const char *nul_terminated)
{
    if (nul_terminated == NULL) {
        return BYTES_NULL;
    }
    return (struct bytes){(const uint8_t *)nul_terminated, strlen(nul_terminated)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = MIN(a.len, b.len);
    int order = n == 0 ? 0 : memcmp(a.at, b.at, n);

    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool bytes_starts_with(struct bytes b, struct bytes prefix)
{
    return b.len >= prefix.len && (prefix.len == 0 || memcmp(b.at, prefix.at, prefix.len) == 0);
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t len)
{
    from = MIN(from, b.len);
    return (struct bytes){b.at == NULL ? NULL : b.at + from, MIN(len, b.len - from)};
}

ptrdiff_t bytes_find(struct bytes b, uint8_t c)
{
    const uint8_t *at = b.len == 0 ? NULL : memchr(b.at, c, b.len);

    return at == NULL ? -1 : at - b.at;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.len > 0 && is_blank(b.at[0])) {
        b.at++;
        b.len--;
    }
    while (b.len > 0 && is_blank(b.at[b.len - 1])) {
        b.len--;
    }
    return b;
}

enum err bytes_to_i64(struct bytes b, int64_t *out)
{
    bool negative = b.len > 0 && b.at[0] == '-';
    size_t i = negative || (b.len > 0 && b.at[0] == '+') ? 1 : 0;
    int64_t value = 0;

    if (i == b.len) {
        return fail(ERR_MALFORMED, "'%.*s' is not a number", BYTES_ARG(b));
    }
    for (; i < b.len; i++) {
        int64_t digit = b.at[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) {
            return fail(ERR_MALFORMED, "'%.*s' is not a number", BYTES_ARG(b));
        }
    }
    if (!negative && __builtin_sub_overflow(0, value, &value)) {
        return fail(ERR_MALFORMED, "'%.*s' is too large", BYTES_ARG(b));
    }
    *out = value;
    return OK;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

uint64_t bytes_hash(struct bytes b, uint64_t seed)
{
    uint64_t h = mix(seed ^ (b.len * 0x9e3779b97f4a7c15u));

    while (b.len >= 8) {
        uint64_t word;
        memcpy(&word, b.at, 8);
        h = mix(h ^ word);
        b.at += 8;
        b.len -= 8;
    }
    if (b.len > 0) {
        uint64_t word = 0;
        memcpy(&word, b.at, b.len);
        h = mix(h ^ word);
    }
    return h;
}

enum err bytes_to_cstr(struct bytes b, char *out, size_t out_bytes)
{
    if (b.len >= out_bytes) {
        return fail(ERR_LIMIT, "a name of %zu bytes is too long", b.len);
    }
    if (bytes_find(b, 0) >= 0) {
        return fail(ERR_MALFORMED, "a name holds a NUL byte");
    }
    if (b.len > 0) {
        memcpy(out, b.at, b.len);
    }
    out[b.len] = 0;
    return OK;
}

void buf_init(struct buf *b, size_t max)
{
    ASSERT(max > 0 && max <= SIZE_MAX / 2); /* so that doubling cannot overflow */
    *b = (struct buf){.max = max};
}

void buf_deinit(struct buf *b)
{
    mem_free(b->at);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
}

enum err buf_reserve(struct buf *b, size_t more)
{
    size_t need;

    if (__builtin_add_overflow(b->len, more, &need) || need > b->max) {
        return fail(ERR_LIMIT, "a buffer would pass its ceiling of %zu bytes", b->max);
    }
    if (need <= b->cap) {
        return OK;
    }
    size_t cap = MAX(b->cap, (size_t)BUF_FIRST_BYTES);
    while (cap < need) {
        cap *= 2;
    }
    cap = MIN(cap, b->max);
    uint8_t *at = mem_realloc(b->at, cap);
    if (at == NULL) {
        return fail(ERR_NOMEM, "no memory for a buffer of %zu bytes", cap);
    }
    b->at = at;
    b->cap = cap;
    return OK;
}

enum err buf_add(struct buf *b, struct bytes more)
{
    TRY(buf_reserve(b, more.len));
    if (more.len > 0) {
        memcpy(b->at + b->len, more.at, more.len);
        b->len += more.len;
    }
    return OK;
}

enum err buf_add_u8(struct buf *b, uint8_t c)
{
    return buf_add(b, (struct bytes){&c, 1});
}

enum err buf_add_format(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(n >= 0);
    TRY(buf_reserve(b, (size_t)n + 1));
    va_start(args, format);
    (void)vsnprintf((char *)b->at + b->len, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
    return OK;
}

struct bytes buf_view(const struct buf *b)
{
    static const uint8_t empty[1];

    return (struct bytes){b->at == NULL ? empty : b->at, b->len};
}
