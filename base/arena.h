/* base/arena.h: memory that dies with a request.
 *
 * A bump allocator over blocks that double in size. Nothing is freed singly: handlers never free. An
 * exhausted arena is sticky: every later allocation gives NULL (an array helper gives length 0), loops
 * run zero times, and whoever owns the arena looks once at the end (arena->exhausted) and gives up the
 * request. One owner at a time; hand it over with the request it serves.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    uint8_t *at, *end;          /* free part of the newest block */
    size_t bytes, bytes_max;    /* taken from mem so far; ceiling */
    bool exhausted;
};

void arena_init(struct arena *a, size_t bytes_max);
void arena_deinit(struct arena *a);
/* Everything handed out is gone; keeps one small block for the next user. */
void arena_reset(struct arena *a);
/* Cleared memory, aligned to 16; NULL (and exhausted) past the ceiling or out of memory. bytes may be
 * 0: a non-NULL pointer. */
void *arena_alloc(struct arena *a, size_t bytes);
/* The same for an array; an overflow of count * bytes exhausts the arena. */
void *arena_array(struct arena *a, size_t count, size_t bytes);
/* A copy that lives as long as the arena; null stays null. BYTES_NULL when exhausted. */
struct bytes arena_copy(struct arena *a, struct bytes b);
/* printf into the arena. */
struct bytes arena_format(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) \
    ((type *)arena_array((arena), (size_t)(count), sizeof(type)))
