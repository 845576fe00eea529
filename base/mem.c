/* base/mem.c: the door to the allocator.
 *
 * WHY      Out of memory is an error path like any other, so every allocation can be made to fail. One
 *          door also lets the lint forbid malloc elsewhere.
 * OWNER    The countdown is thread-local, so that a test fails its own allocations only.
 * FAILURE  NULL; no caller may treat it as impossible.
 */
#include "base/mem.h"

#include <stdlib.h>

enum { PAGE_BYTES = 4096 };

static _Thread_local uint64_t fail_countdown;

uint64_t mem_fail_nth(uint64_t countdown)
{
    uint64_t left = fail_countdown;

    fail_countdown = countdown;
    return left;
}

static bool must_fail(void)
{
    return fail_countdown > 0 && --fail_countdown == 0;
}

void *mem_alloc(size_t bytes)
{
    ASSERT(bytes > 0);
    return must_fail() ? NULL : malloc(bytes);
}

void *mem_zalloc(size_t count, size_t bytes)
{
    size_t total;

    ASSERT(count > 0 && bytes > 0);
    if (must_fail() || __builtin_mul_overflow(count, bytes, &total)) {
        return NULL;
    }
    return calloc(count, bytes);
}

void *mem_realloc(void *old, size_t bytes)
{
    ASSERT(bytes > 0);
    return must_fail() ? NULL : realloc(old, bytes);
}

void mem_free(void *at)
{
    free(at);
}

void *mem_pages(size_t bytes)
{
    size_t whole;

    ASSERT(bytes > 0);
    if (must_fail() || __builtin_add_overflow(bytes, (size_t)(PAGE_BYTES - 1), &whole)) {
        return NULL;
    }
    return aligned_alloc(PAGE_BYTES, whole & ~(size_t)(PAGE_BYTES - 1));
}
