/* tests/raft/single_log.c: runs of terms instead of a log.
 *
 * WHY      The core asks a log for terms and bounds alone, and all of that follows from its runs. So tests with hostile
 *          bounds, and measurements of ten thousand groups, need no entries.
 * HOW      A linear scan from the newest run: there are few, and most questions are about the last one.
 * OWNER    Whoever owns the memory of the runs.
 * FAILURE  More runs than there is room for assert: the test is wrong.
 */
#include "tests/raft/single_log.h"

struct raft_bound single_log_last(const struct single_log *l)
{
    return l->count > 0 ? l->runs[l->count - 1] : l->start;
}

/* Number of the first run that ends at or after `index`; count: none. */
static uint32_t find(const struct single_log *l, uint64_t index)
{
    uint32_t at = l->count;

    while (at > 0 && l->runs[at - 1].index >= index) {
        at--;
    }
    return at;
}

uint32_t single_log_term_at(const struct single_log *l, uint64_t index)
{
    if (index <= l->start.index) {
        return index == l->start.index ? l->start.term : 0;
    }
    uint32_t at = find(l, index);

    return at < l->count ? l->runs[at].term : 0;
}

struct raft_bound single_log_run_end(const struct single_log *l, uint32_t term_max)
{
    uint32_t at = l->count;

    while (at > 0 && l->runs[at - 1].term > term_max) {
        at--;
    }
    return at > 0 ? l->runs[at - 1] : l->start;
}

enum raft_read single_log_read(const struct single_log *l, uint64_t prev, uint32_t bytes_max,
                               struct raft_span *out)
{
    struct raft_span span = {0};
    uint64_t at = prev;

    if (prev < l->start.index) {
        return RAFT_READ_GONE;
    }
    if (prev >= single_log_last(l).index) {
        return RAFT_READ_NONE;
    }
    for (uint32_t i = find(l, prev + 1);
         i < l->count && span.run_count < RAFT_RUN_MAX && span.bytes < bytes_max; i++) {
        uint64_t more = MIN(l->runs[i].index - at, bytes_max - span.bytes);

        at += more;
        span.bytes += (uint32_t)more;
        span.runs[span.run_count++] = (struct raft_bound){at, l->runs[i].term};
    }
    *out = span;
    return RAFT_READ_READY;
}

void single_log_reset(struct single_log *l, struct raft_bound start)
{
    l->start = start;
    l->count = 0;
    l->cold = 0;
}

void single_log_cut(struct single_log *l, uint64_t index)
{
    ASSERT(index >= l->start.index && index <= single_log_last(l).index);
    uint32_t at = find(l, index);

    if (index == l->start.index) {
        l->count = 0;
    } else {
        l->runs[at].index = index;
        l->count = at + 1;
    }
    l->cold = MIN(l->cold, index);
}

void single_log_append(struct single_log *l, struct raft_bound end)
{
    struct raft_bound last = single_log_last(l);

    ASSERT(end.index > last.index && end.term >= last.term);
    if (l->count == 0 || end.term > last.term) {
        ASSERT(l->count < l->capacity);
        l->count++;
    }
    l->runs[l->count - 1] = end;
}

void single_log_start_at(struct single_log *l, struct raft_bound start)
{
    ASSERT(start.index >= l->start.index && single_log_term_at(l, start.index) == start.term);
    uint32_t gone = find(l, start.index + 1);

    memmove(l->runs, l->runs + gone, (l->count - gone) * sizeof(*l->runs));
    l->count -= gone;
    l->start = start;
}

/* -- as the core sees it ------------------------------------------------------------------------------- */

static uint32_t term_at(const void *context, uint64_t index)
{
    return single_log_term_at(context, index);
}

static struct raft_bound run_end(const void *context, uint32_t term_max)
{
    return single_log_run_end(context, term_max);
}

static uint64_t internal_index(const void *context)
{
    return single_log_last(context).index + 1;
}

static enum raft_read after(const void *context, uint64_t prev, uint32_t bytes_max,
                            struct raft_span *out)
{
    const struct single_log *l = context;

    if (prev >= l->start.index && prev < l->cold && prev < single_log_last(l).index) {
        return RAFT_READ_COLD;
    }
    return single_log_read(l, prev, bytes_max, out);
}

const struct raft_log *single_log_functions(void)
{
    static const struct raft_log functions = {term_at, run_end, internal_index, after};

    return &functions;
}
