/* tests/sim/sim_sched.c: virtual time.
 *
 * WHY      Everything that happens is one event of one queue, so a seed decides the whole history, and time
 *          that nobody needs costs nothing.
 * HOW      A binary heap of pointers; an event knows its place, so cancelling is O(log n). It belongs to the
 *          queue from planning until it has run or was cancelled.
 * HASH     Each event folds its time, name and node in when it runs; two runs that differ anywhere differ in
 *          the hash from there on.
 */
#include "tests/sim/sim_sched.h"

#include "tests/sim/sim_mem.h"

#include <stdio.h>

void sim_sched_init(struct sim_sched *q, struct sim_random random)
{
    *q = (struct sim_sched){.random = random, .hash = 0xcbf29ce484222325u};
}

void sim_sched_deinit(struct sim_sched *q)
{
    for (size_t i = 0; i < q->len; i++) {
        sim_release(q->heap[i]);
    }
    sim_release(q->heap);
    *q = (struct sim_sched){0};
}

void sim_sched_fold(struct sim_sched *q, uint64_t value)
{
    q->hash = (q->hash ^ value) * 0x9e3779b97f4a7c15u;
    q->hash ^= q->hash >> 29;
}

void sim_sched_say(struct sim_sched *q, struct sim_what what, uint64_t a, uint64_t b)
{
    sim_sched_fold(q, bytes_hash(bytes_of(what.name), q->now_us));
    sim_sched_fold(q, a);
    sim_sched_fold(q, b + what.node);
    if (!q->trace) {
        return;
    }
    if (what.node == SIM_NODE_NONE) {
        printf("%12" PRIu64 "  world    %s %" PRIu64 " %" PRIu64 "\n", q->now_us, what.name, a, b);
    } else {
        printf("%12" PRIu64 "  node %-3u %s %" PRIu64 " %" PRIu64 "\n", q->now_us, what.node,
               what.name, a, b);
    }
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->time != b->time) {
        return a->time < b->time;
    }
    return a->tie != b->tie ? a->tie < b->tie : a->seq < b->seq;
}

static void place(struct sim_sched *q, size_t at, struct sim_event *e)
{
    q->heap[at] = e;
    e->heap_at = at;
}

static void sift_up(struct sim_sched *q, size_t at, struct sim_event *e)
{
    while (at > 0 && before(e, q->heap[(at - 1) / 2])) {
        place(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(q, at, e);
}

static void sift_down(struct sim_sched *q, size_t at, struct sim_event *e)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < q->len && before(q->heap[child + 1], q->heap[child])) {
            child++;
        }
        if (child >= q->len || before(e, q->heap[child])) {
            break;
        }
        place(q, at, q->heap[child]);
        at = child;
    }
    place(q, at, e);
}

static void take(struct sim_sched *q, struct sim_event *e)
{
    size_t at = e->heap_at;
    struct sim_event *last = q->heap[q->len - 1];

    ASSERT(at < q->len && q->heap[at] == e);
    q->len--;
    q->busy -= !e->what.waiting;
    if (last == e) {
        return;
    }
    if (at > 0 && before(last, q->heap[(at - 1) / 2])) {
        sift_up(q, at, last);
    } else {
        sift_down(q, at, last);
    }
}

struct sim_event *sim_sched_add(struct sim_sched *q, uint64_t time_us, struct sim_what what,
                                void (*fn)(void *), void *context)
{
    struct sim_event *e = sim_alloc(sizeof(*e));

    *e = (struct sim_event){.time = MAX(time_us, q->now_us),
                            .tie = sim_random_next(&q->random),
                            .seq = q->seq++,
                            .fn = fn,
                            .context = context,
                            .what = what};
    if (q->len == q->cap) {
        q->cap = MAX(q->cap * 2, (size_t)64);
        q->heap = sim_resize(q->heap, q->cap * sizeof(struct sim_event *));
    }
    q->busy += !what.waiting;
    sift_up(q, q->len++, e);
    return e;
}

void sim_sched_cancel(struct sim_sched *q, struct sim_event *e)
{
    take(q, e);
    sim_release(e);
}

uint64_t sim_sched_due(const struct sim_sched *q)
{
    return q->len == 0 ? UINT64_MAX : q->heap[0]->time;
}

bool sim_sched_next(struct sim_sched *q)
{
    if (q->len == 0) {
        return false;
    }
    struct sim_event *e = q->heap[0];
    void (*fn)(void *) = e->fn;
    void *context = e->context;

    take(q, e);
    q->now_us = e->time;
    q->done_count++;
    sim_sched_say(q, e->what, e->what.waiting, 0);
    sim_release(e);
    fn(context);
    return true;
}
