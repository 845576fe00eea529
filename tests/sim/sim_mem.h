/* tests/sim/sim_mem.h: the world's own memory. Not base/mem.h: a test that makes the Nth allocation of the
 * code under test fail must not hit the world around it. Out of memory aborts.
 */
#pragma once

#include "base/base.h"

/* Cleared. bytes may be 0. */
void *sim_alloc(size_t bytes);
/* New bytes are not cleared. */
void *sim_resize(void *old, size_t bytes);
void *sim_copy(const void *from, size_t bytes);
char *sim_copy_text(const char *text);
void sim_release(void *at);
