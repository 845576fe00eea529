/* tests/raft/host_log.c: a log in memory.
 *
 * WHY      The core asks for terms and spans by bounds; the simulator asks for entries. Both are a binary search in
 *          one array of entries, which compaction keeps short.
 * HOW      A window of an array: deleting the prefix moves `first`; when the array is full and half of it is
 *          deleted, the entries move to its beginning.
 * OWNER    One host, or the disk image of one.
 * FAILURE  Out of memory asserts: it is a test.
 */
#include "tests/raft/host_log.h"

#include "base/mem.h"

enum { CAPACITY_MIN = 64 };

void host_log_init(struct host_log *l, const struct host_snapshot *base)
{
    memset(l, 0, sizeof(*l));
    l->base = base;
}

void host_log_deinit(struct host_log *l)
{
    mem_free(l->entries);
    memset(l, 0, sizeof(*l));
}

void host_log_reset(struct host_log *l, const struct host_snapshot *base)
{
    l->base = base;
    l->first = l->count = 0;
    l->cold = 0;
}

const struct host_entry *host_log_at(const struct host_log *l, uint32_t at)
{
    ASSERT(at < l->count);
    return &l->entries[l->first + at];
}

struct raft_bound host_log_last(const struct host_log *l)
{
    return l->count > 0 ? host_log_at(l, l->count - 1)->bound : l->base->raft.bound;
}

uint64_t host_log_delta(const struct host_log *l)
{
    return l->count > 0 ? host_log_at(l, l->count - 1)->delta : l->base->raft.delta;
}

uint32_t host_log_find(const struct host_log *l, uint64_t index)
{
    uint32_t low = 0, high = l->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (host_log_at(l, middle)->bound.index > index) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool host_log_is_bound(const struct host_log *l, uint64_t index)
{
    uint32_t after = host_log_find(l, index);

    return after == 0 ? index == l->base->raft.bound.index
                      : host_log_at(l, after - 1)->bound.index == index;
}

void host_log_cut(struct host_log *l, uint64_t index)
{
    ASSERT(host_log_is_bound(l, index)); /* H6 */
    l->count = host_log_find(l, index);
    l->cold = MIN(l->cold, index);
}

/* Room for `more` entries at the end. */
static void reserve(struct host_log *l, uint32_t more)
{
    if (l->first + l->count + more <= l->capacity) {
        return;
    }
    if (l->first > l->capacity / 2 && l->count + more <= l->capacity) {
        memmove(l->entries, l->entries + l->first, l->count * sizeof(*l->entries));
        l->first = 0;
        return;
    }
    l->capacity = MAX((l->first + l->count + more) * 2, (uint32_t)CAPACITY_MIN);
    l->entries = mem_realloc(l->entries, l->capacity * sizeof(*l->entries));
    ASSERT(l->entries != NULL);
}

void host_log_append(struct host_log *l, const struct host_entry *entries, uint32_t count)
{
    uint64_t delta = host_log_delta(l);
    struct raft_bound last = host_log_last(l);

    reserve(l, count);
    for (uint32_t i = 0; i < count; i++) {
        struct host_entry *to = &l->entries[l->first + l->count];

        *to = entries[i];
        ASSERT(to->prev == last.index && to->bound.index > last.index);
        ASSERT(to->bound.term >= last.term);
        ASSERT(to->value != 0 || to->bound.index == to->prev + 1);
        delta += to->value == 0 ? 1 : 0;
        to->delta = delta;
        last = to->bound;
        l->count++;
    }
}

void host_log_start_at(struct host_log *l, const struct host_snapshot *base)
{
    ASSERT(host_log_is_bound(l, base->raft.bound.index)); /* H6 */
    uint32_t gone = host_log_find(l, base->raft.bound.index);

    ASSERT(gone == 0 || host_log_at(l, gone - 1)->delta == base->raft.delta); /* I8 */
    l->first += gone;
    l->count -= gone;
    l->base = base;
    l->cold = MAX(l->cold, base->raft.bound.index);
}

const struct raft_configuration *host_log_configuration(const struct host_log *l, uint64_t index,
                                                        uint64_t *out_index)
{
    for (uint32_t at = host_log_find(l, index); at > 0; at--) {
        const struct host_entry *e = host_log_at(l, at - 1);

        if (e->configuration != NULL) {
            *out_index = e->bound.index;
            return e->configuration;
        }
    }
    *out_index = l->base->raft.configuration_index;
    return &l->base->raft.configuration;
}

/* Takes the entry into the span; false: it has no room for it. */
static bool span_add(struct raft_span *span, const struct host_entry *e, uint32_t bytes_max)
{
    bool same = span->run_count > 0 && span->runs[span->run_count - 1].term == e->bound.term;

    if (span->run_count > 0 &&
        (span->bytes + e->bytes > bytes_max || (!same && span->run_count == RAFT_RUN_MAX))) {
        return false;
    }
    span->run_count += same ? 0 : 1;
    span->runs[span->run_count - 1] = e->bound;
    span->bytes += e->bytes;
    return true;
}

enum raft_read host_log_read(const struct host_log *l, uint64_t prev, uint32_t bytes_max, bool cold,
                             struct raft_span *out)
{
    struct raft_span span = {0};

    if (prev < l->base->raft.bound.index) {
        return RAFT_READ_GONE;
    }
    ASSERT(host_log_is_bound(l, prev));
    uint32_t at = host_log_find(l, prev);
    if (at == l->count) {
        return RAFT_READ_NONE;
    }
    if (!cold && prev < l->cold) {
        return RAFT_READ_COLD;
    }
    while (at < l->count && span_add(&span, host_log_at(l, at), bytes_max)) {
        at++;
    }
    *out = span;
    return RAFT_READ_READY;
}

uint32_t host_log_term_at(const struct host_log *l, uint64_t index)
{
    if (index <= l->base->raft.bound.index) {
        return index == l->base->raft.bound.index ? l->base->raft.bound.term : 0;
    }
    uint32_t at = host_log_find(l, index - 1);

    return at < l->count ? host_log_at(l, at)->bound.term : 0;
}

struct raft_bound host_log_run_end(const struct host_log *l, uint32_t term_max)
{
    uint32_t low = 0, high = l->count; /* the first entry of a larger term */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (host_log_at(l, middle)->bound.term > term_max) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low > 0 ? host_log_at(l, low - 1)->bound : l->base->raft.bound;
}
