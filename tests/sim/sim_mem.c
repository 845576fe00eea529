/* tests/sim/sim_mem.c: the world's own memory.
 *
 * WHY      The allocator of base/mem.h counts down to a failure on purpose. The simulated kernel allocates
 *          inside calls of the code under test; were it to use the same door, the Nth failure would land in
 *          the kernel and its place would depend on how the kernel is written.
 * FAILURE  Out of memory is the machine's that runs the tests: abort.
 */
#include "tests/sim/sim_mem.h"

#include <stdlib.h>

void *sim_alloc(size_t bytes)
{
    void *at = calloc(1, MAX(bytes, (size_t)1));

    ASSERT(at != NULL);
    return at;
}

void *sim_resize(void *old, size_t bytes)
{
    void *at = realloc(old, MAX(bytes, (size_t)1));

    ASSERT(at != NULL);
    return at;
}

void *sim_copy(const void *from, size_t bytes)
{
    void *at = malloc(MAX(bytes, (size_t)1));

    ASSERT(at != NULL);
    if (bytes > 0) {
        memcpy(at, from, bytes);
    }
    return at;
}

char *sim_copy_text(const char *text)
{
    return sim_copy(text, strlen(text) + 1);
}

void sim_release(void *at)
{
    free(at);
}
