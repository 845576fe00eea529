/* base/mem.h: the only caller of malloc. All of it can be made to fail on purpose.
 *
 * May be called from any core. Hot paths use arenas and pools; this is for those, for start-up and for
 * the control path. NULL means out of memory and is an ordinary answer: callers turn it into ERR_NOMEM.
 */
#pragma once

#include "base/base.h"

/* bytes > 0. The memory is not cleared. */
void *mem_alloc(size_t bytes);
/* Cleared; NULL also when count * bytes overflows. */
void *mem_zalloc(size_t count, size_t bytes);
void *mem_realloc(void *old, size_t bytes);
void mem_free(void *at);

/* Whole pages, aligned to 4096, as O_DIRECT needs; free with mem_free(). `bytes` is rounded up. */
void *mem_pages(size_t bytes);

/* Test builds: the calling thread's allocation number `countdown` (1 = the next) and only that one
 * fails; 0 switches it off. Returns what was left of the last countdown: 0 when it was reached. */
uint64_t mem_fail_nth(uint64_t countdown);
