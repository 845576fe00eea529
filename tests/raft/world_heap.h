/* tests/raft/world_heap.h: what will happen, by time; events of the same time in the order they were planned. */
#pragma once

#include "base/base.h"

struct world_event {
    uint64_t at_us, sequence;
    void *message; /* struct host_message, or NULL */
    uint64_t a, b, c;
    uint32_t life; /* of the node; an event of an earlier life is void */
    uint16_t node;
    uint8_t kind;
};

struct world_heap {
    struct world_event *at;
    uint32_t count, capacity;
    uint64_t sequence;
};

void world_heap_deinit(struct world_heap *h);
/* Sets the sequence. */
void world_heap_push(struct world_heap *h, const struct world_event *e);
/* False: nothing is planned. */
bool world_heap_pop(struct world_heap *h, struct world_event *out);
/* After the times of events were changed in place. */
void world_heap_reorder(struct world_heap *h);
