/* base/arena.c: a bump allocator over a chain of blocks.
 *
 * WHY      A request's structs, strings and arrays all die together; freeing them one by one is work
 *          and a source of bugs.
 * FORMAT   Blocks are linked newest first; the first is ARENA_BLOCK_BYTES, each further one doubles up
 *          to ARENA_BLOCK_BYTES_MAX or is as large as the one allocation that asked for it.
 * FAILURE  Sticky: see the header.
 * LIMITS   bytes_max over all blocks.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { ARENA_BLOCK_BYTES = 2048, ARENA_BLOCK_BYTES_MAX = 256 << 10, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t bytes;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

void arena_init(struct arena *a, size_t bytes_max)
{
    *a = (struct arena){.bytes_max = bytes_max};
}

static void free_blocks(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;
        mem_free(b);
        b = next;
    }
}

void arena_deinit(struct arena *a)
{
    free_blocks(a->blocks);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *first = a->blocks;

    while (first != NULL && first->next != NULL) {
        struct arena_block *next = first->next;
        mem_free(first);
        first = next;
    }
    if (first != NULL && first->bytes > ARENA_BLOCK_BYTES) {
        mem_free(first);
        first = NULL;
    }
    a->blocks = first;
    a->at = first == NULL ? NULL : first->data;
    a->end = first == NULL ? NULL : first->data + first->bytes;
    a->bytes = first == NULL ? 0 : sizeof(*first) + first->bytes;
    a->exhausted = false;
}

static bool grow(struct arena *a, size_t bytes)
{
    size_t size = a->blocks == NULL ? (size_t)ARENA_BLOCK_BYTES : a->blocks->bytes * 2;

    size = MAX(MIN(size, (size_t)ARENA_BLOCK_BYTES_MAX), bytes);
    if (size > a->bytes_max || a->bytes > a->bytes_max - size) {
        size = bytes; /* the ceiling is near: take only what is asked for */
    }
    if (size > a->bytes_max || a->bytes > a->bytes_max - size) {
        return false;
    }
    struct arena_block *b = mem_alloc(sizeof(*b) + size);
    if (b == NULL) {
        return false;
    }
    b->next = a->blocks;
    b->bytes = size;
    a->blocks = b;
    a->at = b->data;
    a->end = b->data + size;
    a->bytes += sizeof(*b) + size;
    return true;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    size_t whole;

    if (__builtin_add_overflow(bytes, (size_t)(ARENA_ALIGN - 1), &whole)) {
        a->exhausted = true;
    }
    whole &= ~(size_t)(ARENA_ALIGN - 1);
    whole = MAX(whole, (size_t)ARENA_ALIGN);
    if (!a->exhausted && (size_t)(a->end - a->at) < whole && !grow(a, whole)) {
        a->exhausted = true;
    }
    if (a->exhausted) {
        return NULL;
    }
    void *out = a->at;
    a->at += whole;
    return memset(out, 0, whole);
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        a->exhausted = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    if (b.at == NULL) {
        return BYTES_NULL;
    }
    uint8_t *at = arena_alloc(a, b.len);
    if (at == NULL) {
        return BYTES_NULL;
    }
    memcpy(at, b.at, b.len);
    return (struct bytes){at, b.len};
}

struct bytes arena_format(struct arena *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(n >= 0);
    char *at = arena_alloc(a, (size_t)n + 1);
    if (at == NULL) {
        return BYTES_NULL;
    }
    va_start(args, format);
    (void)vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    return (struct bytes){(const uint8_t *)at, (size_t)n};
}
