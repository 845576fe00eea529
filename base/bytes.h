/* base/bytes.h: one slice (borrowed), one buffer (owned). There is no third string type.
 *
 * NUL-terminated strings exist only at the system-call boundary and in string literals.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

/* A borrowed run of bytes. at == NULL means "null"; {non-NULL, 0} means "empty". Never freed, never
 * stored beyond the life of what it points into. Passed by value: two words, two registers. */
struct bytes {
    const uint8_t *at;
    size_t len;
};

/* A slice of a string literal: BYTES("orders"). */
#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

#define BYTES_NULL ((struct bytes){NULL, 0})

/* printf("%.*s", BYTES_ARG(b)) */
#define BYTES_ARG(b) (int)(b).len, (const char *)(b).at

struct bytes bytes_of(const char *nul_terminated);
bool bytes_equal(struct bytes a, struct bytes b);
/* memcmp order, a prefix sorts first. */
int bytes_compare(struct bytes a, struct bytes b);
bool bytes_starts_with(struct bytes b, struct bytes prefix);
/* The part from position `from` on, at most `len` long; both are cut to what is there. */
struct bytes bytes_slice(struct bytes b, size_t from, size_t len);
/* Index of the first `c`, or -1. */
ptrdiff_t bytes_find(struct bytes b, uint8_t c);
/* Without leading and trailing blanks (space, tab, CR, LF). */
struct bytes bytes_trim(struct bytes b);
/* Decimal, whole slice, optional sign; ERR_MALFORMED otherwise or on overflow. */
enum err bytes_to_i64(struct bytes b, int64_t *out);
/* A well-mixed 64-bit hash for tables of ours. `seed` makes it unguessable: take it from env_random
 * where a client chooses the keys. */
uint64_t bytes_hash(struct bytes b, uint64_t seed);
/* Copies into a caller's array with a final NUL; ERR_LIMIT if it does not fit, ERR_MALFORMED if the
 * slice itself holds a NUL. For system calls. */
enum err bytes_to_cstr(struct bytes b, char *out, size_t out_bytes);

/* Bytes we own. Cannot be created without a ceiling; grows by doubling up to it. */
struct buf {
    uint8_t *at;
    size_t len, cap, max;
};

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_reset(struct buf *b);
/* Makes room for `more` bytes past len: ERR_LIMIT past max, ERR_NOMEM. */
enum err buf_reserve(struct buf *b, size_t more);
enum err buf_add(struct buf *b, struct bytes more);
enum err buf_add_u8(struct buf *b, uint8_t c);
enum err buf_add_format(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
struct bytes buf_view(const struct buf *b);
