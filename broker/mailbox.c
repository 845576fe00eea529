/* broker/mailbox.c: rings between cores.
 *
 * WHY      Cores share nothing, so that nothing needs a lock; what they have to tell each other goes
 *          through rings that one core writes and one core reads.
 * FORMAT   Each core owns the rings that lead to it, one per other core. `tail` is written by the sender
 *          only, `head` by the receiver only, each on a cache line of its own; both only grow and wrap.
 * ORDER    Once a message had to wait in the overflow list, all later ones to that core follow it there
 *          until the list is empty.
 * WAKING   `sleeping` is changed by read-modify-write operations on both sides, hence in one order that all
 *          agree on: either the sender's comes later and sees the sleeper, or the sleeper's comes later
 *          and sees the message. So no message waits for a core that sleeps, and no fence is needed.
 *          The flag stands from the end of a turn to the end of the next wait.
 * OWNER    A ring: the receiving core's mailbox. A message in it: whoever sent it.
 * FAILURE  None after mailbox_init().
 * LIMITS   MAILBOX_SLOT_COUNT per ring; the overflow list is bounded by what may send: operations in
 *          flight, each of which embeds its one message.
 */
#include "broker/mailbox.h"

#include "base/limits.h"
#include "base/mem.h"
#include "broker/core.h"

#include <stdatomic.h>

enum { CACHE_LINE_BYTES = 64, SLOT_MASK = MAILBOX_SLOT_COUNT - 1 };

static_assert((MAILBOX_SLOT_COUNT & SLOT_MASK) == 0, "positions wrap by a mask");

struct ring {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t tail; /* next slot to fill */
    uint32_t head_seen;                               /* the sender's last look at head */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t head; /* next slot to empty */
    _Alignas(CACHE_LINE_BYTES) struct message *slots[MAILBOX_SLOT_COUNT];
};

/* What this core has for another one. */
struct outbox {
    struct message *first, *last; /* did not fit */
    size_t len;
    bool told; /* sent something since the last flush */
};

struct mailbox_rings {
    _Alignas(CACHE_LINE_BYTES) _Atomic bool sleeping;
    _Atomic bool signalled;
    _Alignas(CACHE_LINE_BYTES) struct core *const *peers;
    int count;
    int drain_first; /* rotates, so that no sender is always served first */
    bool told_any;
    void *memory; /* what mem_zalloc() gave; this struct is its first aligned place */
    struct outbox outboxes[CORE_COUNT_MAX];
    struct ring inbound[]; /* from core i */
};

enum err mailbox_init(struct core *c, struct core *const *peers, int count)
{
    ASSERT(count >= 1 && count <= CORE_COUNT_MAX);
    ASSERT(c->mailbox.rings == NULL);
    size_t bytes = sizeof(struct mailbox_rings) + (size_t)count * sizeof(struct ring);
    uint8_t *memory = mem_zalloc(1, bytes + CACHE_LINE_BYTES);

    if (memory == NULL) {
        return fail(ERR_NOMEM, "mailbox of core %d", c->index);
    }
    size_t past_line = (uintptr_t)memory % CACHE_LINE_BYTES;
    void *aligned = memory + (past_line == 0 ? 0 : CACHE_LINE_BYTES - past_line);
    struct mailbox_rings *r = aligned;
    r->memory = memory;
    r->peers = peers;
    r->count = count;
    atomic_init(&r->sleeping, true);
    c->mailbox = (struct mailbox){.rings = r};
    return OK;
}

void mailbox_deinit(struct core *c)
{
    if (c->mailbox.rings != NULL) {
        mem_free(c->mailbox.rings->memory);
    }
    c->mailbox = (struct mailbox){0};
}

static struct ring *ring_to(const struct core *from, int to)
{
    return &from->mailbox.rings->peers[to]->mailbox.rings->inbound[from->index];
}

/* False: full. */
static bool ring_push(struct ring *r, struct message *m)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    if (tail - r->head_seen == MAILBOX_SLOT_COUNT) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    }
    if (tail - r->head_seen == MAILBOX_SLOT_COUNT) {
        return false;
    }
    r->slots[tail & SLOT_MASK] = m;
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

static bool ring_has(const struct ring *r)
{
    return atomic_load_explicit(&r->tail, memory_order_acquire) !=
           atomic_load_explicit(&r->head, memory_order_relaxed);
}

static void send_local(struct mailbox *b, struct message *m)
{
    if (b->local_last == NULL) {
        b->local_first = m;
    } else {
        b->local_last->next = m;
    }
    b->local_last = m;
}

void mailbox_send(struct core *from, int to, struct message *m)
{
    struct mailbox_rings *r = from->mailbox.rings;

    ASSERT(m->run != NULL);
    ASSERT(to >= 0 && to < r->count);
    m->next = NULL;
    if (to == from->index) {
        send_local(&from->mailbox, m);
        return;
    }
    struct outbox *o = &r->outboxes[to];
    o->told = true;
    r->told_any = true;
    if (o->first == NULL && ring_push(ring_to(from, to), m)) {
        return;
    }
    if (o->last == NULL) {
        o->first = m;
    } else {
        o->last->next = m;
    }
    o->last = m;
    o->len++;
}

size_t mailbox_backlog(const struct core *from, int to)
{
    return from->mailbox.rings->outboxes[to].len;
}

static void push_overflow(struct outbox *o, struct ring *ring)
{
    while (o->first != NULL) {
        struct message *next = o->first->next; /* once pushed, it is the receiver's */

        if (!ring_push(ring, o->first)) {
            return;
        }
        o->first = next;
        o->len--;
    }
    o->last = NULL;
}

bool mailbox_flush(struct core *c)
{
    struct mailbox_rings *r = c->mailbox.rings;
    bool all = true;

    if (!r->told_any) {
        return true;
    }
    for (int i = 0; i < r->count; i++) {
        struct outbox *o = &r->outboxes[i];
        if (!o->told) {
            continue;
        }
        push_overflow(o, ring_to(c, i));
        o->told = o->first != NULL;
        all = all && !o->told;
        struct core *peer = r->peers[i];
        if (atomic_exchange_explicit(&peer->mailbox.rings->sleeping, false, memory_order_acq_rel)) {
            env_wake(c->env, peer->poller);
        }
    }
    r->told_any = !all;
    return all;
}

static int drain_ring(struct core *c, struct ring *r, int max)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    int n = 0;

    for (; n < max && head != tail; n++) {
        struct message *m = r->slots[head & SLOT_MASK];
        head++;
        m->run(c, m);
    }
    if (n > 0) {
        atomic_store_explicit(&r->head, head, memory_order_release);
    }
    return n;
}

int mailbox_drain(struct core *c, int max)
{
    struct mailbox_rings *r = c->mailbox.rings;
    int n = 0;

    for (int i = 0; i < r->count && n < max; i++) {
        n += drain_ring(c, &r->inbound[(r->drain_first + i) % r->count], max - n);
    }
    r->drain_first = (r->drain_first + 1) % r->count;
    return n;
}

int mailbox_run_local(struct core *c)
{
    struct message *m = c->mailbox.local_first;
    int n = 0;

    c->mailbox.local_first = c->mailbox.local_last = NULL;
    for (; m != NULL; n++) {
        struct message *next = m->next;
        m->run(c, m);
        m = next;
    }
    return n;
}

bool mailbox_pending(const struct core *c)
{
    const struct mailbox_rings *r = c->mailbox.rings;

    if (c->mailbox.local_first != NULL) {
        return true;
    }
    for (int i = 0; i < r->count; i++) {
        if (ring_has(&r->inbound[i])) {
            return true;
        }
    }
    return false;
}

bool mailbox_sleep(struct core *c)
{
    (void)atomic_exchange_explicit(&c->mailbox.rings->sleeping, true, memory_order_acq_rel);
    return !mailbox_pending(c);
}

void mailbox_awake(struct core *c)
{
    (void)atomic_exchange_explicit(&c->mailbox.rings->sleeping, false, memory_order_acq_rel);
}

void mailbox_signal(struct core *c)
{
    atomic_store_explicit(&c->mailbox.rings->signalled, true, memory_order_release);
    env_wake(c->env, c->poller);
}

bool mailbox_signalled(struct core *c)
{
    return atomic_load_explicit(&c->mailbox.rings->signalled, memory_order_relaxed) &&
           atomic_exchange_explicit(&c->mailbox.rings->signalled, false, memory_order_acquire);
}
