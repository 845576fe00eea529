/* tests/raft/check_history.c: what clients saw, against the log and by itself.
 *
 * WHY      All else is about replicas. Users see a register: it must behave as if there were one of it, and each
 *          operation took place at one moment between its begin and its end (linearizability).
 * TWICE    First by the log, operation by operation: it is a total order, so an operation has a place in it, behind all
 *          places that anybody knew of when the operation began. Then, at the end, by values and times alone, as a
 *          client would: a read names how many writes there were and which was the last. Neither trusts the other.
 * OWNER    One checker.
 * FAILURE  history.
 * LIMITS   OPERATION_MAX operations go into the second check; the first knows no limit.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tests/raft/check_internal.h"

enum { SLOT_CAP_FIRST = 256, OPERATION_MAX = 1 << 20 };

/* -- values ---------------------------------------------------------------------------------------------- */

static size_t slot_at(const struct value_table *v, uint64_t value)
{
    size_t at = (size_t)((value * 0x9e3779b97f4a7c15u) >> 20) & (v->cap - 1);

    while (v->slots[at].value != 0 && v->slots[at].value != value) {
        at = (at + 1) & (v->cap - 1);
    }
    return at;
}

static struct value_slot *slot_of(struct check *c, uint64_t value)
{
    struct value_table *v = &c->values;

    if (2 * (v->count + 1) > v->cap) {
        struct value_table old = *v;

        v->cap = old.cap ? 2 * old.cap : SLOT_CAP_FIRST;
        v->slots = (struct value_slot *)mem_zalloc(v->cap, sizeof(struct value_slot));
        ASSERT(v->slots != NULL);
        for (size_t i = 0; i < old.cap; i++) {
            if (old.slots[i].value != 0) {
                v->slots[slot_at(v, old.slots[i].value)] = old.slots[i];
            }
        }
        mem_free(old.slots);
    }
    struct value_slot *slot = &v->slots[slot_at(v, value)];
    v->count += slot->value == 0;
    slot->value = value;
    return slot;
}

static struct operation *operation_at(struct check *c, uint64_t operation)
{
    ASSERT(operation != 0 && operation <= c->operations.len);
    return &((struct operation *)c->operations.at)[operation - 1];
}

void history_committed(struct check *c, struct node *n)
{
    if (n->value == 0) {
        return;
    }
    struct value_slot *slot = slot_of(c, n->value);

    LAW(c, "history", slot->node == NULL,
        "the value %" PRIu64 " is committed twice, at " BOUND " and " BOUND, n->value,
        BOUND_OF(slot->node), BOUND_OF(n));
    LAW(c, "history",
        slot->operation == 0 || operation_at(c, slot->operation)->state != OPERATION_REFUSED,
        "the value %" PRIu64 " was refused, and is committed at " BOUND, n->value, BOUND_OF(n));
    slot->node = n;
    c->unasked_count += slot->operation == 0;
}

/* -- operations, by the log ------------------------------------------------------------------------------ */

uint64_t check_invoke(struct check *c, uint64_t client, uint64_t value, uint64_t now_ms)
{
    struct operation *o = vec_push(&c->operations, sizeof(struct operation));

    c->now_ms = MAX(c->now_ms, now_ms);
    *o = (struct operation){.client = client,
                            .value = value,
                            .began = ++c->event,
                            .ended = UINT64_MAX,
                            .floor = c->known};
    if (value != 0) {
        struct value_slot *slot = slot_of(c, value);

        ASSERT(slot->operation == 0); /* the world's promise: values are unique */
        slot->operation = c->operations.len;
    }
    return c->operations.len;
}

static struct operation *ended(struct check *c, uint64_t operation, enum operation_state state,
                               uint64_t now_ms)
{
    struct operation *o = operation_at(c, operation);

    c->now_ms = MAX(c->now_ms, now_ms);
    ASSERT(o->state == OPERATION_OPEN);
    o->state = state;
    o->ended = ++c->event;
    c->operation_ok_count += state == OPERATION_OK;
    return o;
}

static void know(struct check *c, struct node *n)
{
    if (n->depth > c->known->depth) {
        c->known = n;
    }
}

void check_write_ok(struct check *c, uint64_t operation, uint64_t index, uint64_t now_ms)
{
    const struct operation *o = ended(c, operation, OPERATION_OK, now_ms);
    struct node *n = slot_of(c, o->value)->node;

    if (c->may_lose) {
        return;
    }
    LAW(c, "history", n && n->bound.index == index,
        "client %" PRIu64 " is told that %" PRIu64 " was written at %" PRIu64
        ", committed it is at %" PRIu64,
        o->client, o->value, index, n ? n->bound.index : 0);
    LAW(c, "history", n->depth > o->floor->depth,
        "client %" PRIu64 " wrote %" PRIu64 " at " BOUND ", when it began " BOUND " was known",
        o->client, o->value, BOUND_OF(n), BOUND_OF(o->floor));
    know(c, n);
}

void check_read_ok(struct check *c, uint64_t operation, uint64_t index,
                   const struct check_state *state, uint64_t now_ms)
{
    struct operation *o = ended(c, operation, OPERATION_OK, now_ms);
    struct node *n = tree_at(c->committed, index);

    o->count = state->count;
    o->read_value = state->value;
    if (c->may_lose) {
        return;
    }
    LAW(c, "history", n && n->state.count == state->count && n->state.value == state->value,
        "client %" PRIu64 " read %" PRIu64 " after %" PRIu64 " writes at %" PRIu64
        ", which never was there",
        o->client, state->value, state->count, index);
    LAW(c, "history", n->depth >= o->floor->depth,
        "client %" PRIu64 " read at " BOUND ", when it began " BOUND " was known", o->client,
        BOUND_OF(n), BOUND_OF(o->floor));
    know(c, n);
}

void check_refused(struct check *c, uint64_t operation, uint64_t now_ms)
{
    const struct operation *o = ended(c, operation, OPERATION_REFUSED, now_ms);

    LAW(c, "history", o->value == 0 || !slot_of(c, o->value)->node,
        "client %" PRIu64 " is told that %" PRIu64 " was refused, and it is committed", o->client,
        o->value);
}

/* -- operations, by values ------------------------------------------------------------------------------- */

struct sweep {
    struct operation *all;
    size_t count;
    struct operation **by_end; /* those that ended well, in order of their end */
    size_t ended_count;
    struct operation **by_rank; /* the write that a read saw as number so much */
    uint64_t begun, acknowledged, seen;
    uint64_t unasked;
};

static int by_end(const void *a, const void *b)
{
    const struct operation *x = *(struct operation *const *)a, *y = *(struct operation *const *)b;

    return x->ended < y->ended ? -1 : x->ended > y->ended;
}

/* Every read says which write was number so much. */
static void rank(struct check *c, struct sweep *s, const struct operation *o)
{
    LAW(c, "history", (o->count == 0) == (o->read_value == 0) && o->count <= s->count + s->unasked,
        "client %" PRIu64 " read %" PRIu64 " after %" PRIu64 " writes", o->client, o->read_value,
        o->count);
    if (o->count == 0 || slot_of(c, o->read_value)->operation == 0) {
        return;
    }
    struct operation *w = operation_at(c, slot_of(c, o->read_value)->operation);
    LAW(c, "history", w->began < o->ended && w->state != OPERATION_REFUSED,
        "client %" PRIu64 " read %" PRIu64 " before it was written", o->client, o->read_value);
    LAW(c, "history",
        (w->count == 0 || w->count == o->count) &&
            (!s->by_rank[o->count] || s->by_rank[o->count] == w),
        "client %" PRIu64 " read %" PRIu64 " as write number %" PRIu64 ", others saw otherwise",
        o->client, o->read_value, o->count);
    w->count = o->count;
    s->by_rank[o->count] = w;
}

static void sweep_begin(struct sweep *s, struct operation *o)
{
    s->begun += o->value != 0;
    o->floor_acknowledged = s->acknowledged;
    o->floor_seen = s->seen;
}

static void sweep_end(struct check *c, struct sweep *s, const struct operation *o)
{
    bool write = o->value != 0;

    s->acknowledged += write;
    if (o->count == 0 && write) {
        return; /* no read tells its number */
    }
    LAW(c, "history", o->count >= o->floor_acknowledged + write,
        "client %" PRIu64 " saw %" PRIu64 " writes, %" PRIu64 " were acknowledged before it began",
        o->client, o->count, o->floor_acknowledged);
    LAW(c, "history", o->count >= o->floor_seen + write,
        "client %" PRIu64 " saw %" PRIu64 " writes, somebody had seen %" PRIu64 " before it began",
        o->client, o->count, o->floor_seen);
    LAW(c, "history", o->count <= s->begun + s->unasked,
        "client %" PRIu64 " saw %" PRIu64 " writes, %" PRIu64 " had begun", o->client, o->count,
        s->begun);
    s->seen = MAX(s->seen, o->count);
}

static void sweep_all(struct check *c, struct sweep *s)
{
    size_t end = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (s->all[i].state == OPERATION_OK) {
            s->by_end[s->ended_count++] = &s->all[i];
        }
        if (s->all[i].state == OPERATION_OK && s->all[i].value == 0) {
            rank(c, s, &s->all[i]);
        }
    }
    qsort((void *)s->by_end, s->ended_count, sizeof(struct operation *), by_end);
    for (size_t i = 0; i < s->count; i++) { /* they are in order of their begin */
        for (; end < s->ended_count && s->by_end[end]->ended < s->all[i].began; end++) {
            sweep_end(c, s, s->by_end[end]);
        }
        sweep_begin(s, &s->all[i]);
    }
    for (; end < s->ended_count; end++) {
        sweep_end(c, s, s->by_end[end]);
    }
}

void check_end(struct check *c)
{
    struct sweep s = {.all = c->operations.at,
                      .count = MIN(c->operations.len, OPERATION_MAX),
                      .unasked = c->unasked_count};

    if (c->may_lose || s.count < c->operations.len) {
        return;
    }
    s.by_end = ARENA_ARRAY(&c->arena, struct operation *, s.count + 1);
    s.by_rank = ARENA_ARRAY(&c->arena, struct operation *, s.count + s.unasked + 1);
    ASSERT(s.by_end != NULL && s.by_rank != NULL);
    sweep_all(c, &s);
}
