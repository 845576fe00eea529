/* tests/raft/world_heap.c: a binary heap of events.
 *
 * WHY      Two events of one time must always come in the same order, or a seed has two histories: the sequence of
 *          planning decides.
 * OWNER    The world.
 * FAILURE  Out of memory asserts.
 */
#include "tests/raft/world_heap.h"

#include "base/mem.h"

enum { CAPACITY_MIN = 256 };

static bool earlier(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void world_heap_deinit(struct world_heap *h)
{
    mem_free(h->at);
    memset(h, 0, sizeof(*h));
}

void world_heap_push(struct world_heap *h, const struct world_event *e)
{
    struct world_event event = *e;

    if (h->count == h->capacity) {
        h->capacity = MAX(h->capacity * 2, (uint32_t)CAPACITY_MIN);
        h->at = mem_realloc(h->at, h->capacity * sizeof(*h->at));
        ASSERT(h->at != NULL);
    }
    event.sequence = h->sequence++;
    uint32_t i = h->count++;
    while (i > 0 && earlier(&event, &h->at[(i - 1) / 2])) {
        h->at[i] = h->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->at[i] = event;
}

/* Puts `event` at or below place i. */
static void sink(struct world_heap *h, uint32_t i, struct world_event event)
{
    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child + 1 < h->count && earlier(&h->at[child + 1], &h->at[child])) {
            child++;
        }
        if (child >= h->count || !earlier(&h->at[child], &event)) {
            break;
        }
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = event;
}

bool world_heap_pop(struct world_heap *h, struct world_event *out)
{
    if (h->count == 0) {
        return false;
    }
    *out = h->at[0];
    h->count--;
    if (h->count > 0) {
        sink(h, 0, h->at[h->count]);
    }
    return true;
}

void world_heap_reorder(struct world_heap *h)
{
    for (uint32_t i = h->count / 2; i > 0; i--) {
        sink(h, i - 1, h->at[i - 1]);
    }
}
