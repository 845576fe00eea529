/* base/timer_wheel.c: a hierarchy of wheels of 64 slots, ticking in milliseconds.
 *
 * WHY      Almost every request and connection has a time-out, and almost none of them fires: so adding and
 *          cancelling must cost nothing, and an idle core must not be woken to look.
 * FORMAT   Ticks count milliseconds from origin_us; times round up, so nothing is early. Write tick numbers
 *          in base 64: a timer stands on the level of the highest digit in which its tick differs
 *          from the wheel's, in the slot of that digit.
 *
 *              wheel  3.17.05     level 0: 3.17.09 in slot  9   fires at its tick
 *                                 level 1: 3.20.44 in slot 20   moves down when the wheel is at 3.20.00
 *                                 level 2: 7.00.01 in slot  7   moves down when the wheel is at 7.00.00
 *
 *          So the slots of a level lie ahead of the wheel's digit there (on level 0 also on it), never
 *          around the corner; and whatever stands on a level comes before all of the next level.
 *          One word of bits for each level finds the next occupied slot without looking at empty ones.
 * OWNER    The core that owns the wheel.
 * LIMITS   TIMER_WHEEL_LEVELS digits: 139 years from origin_us; later times are cut to that.
 */
#include "base/timer_wheel.h"

enum {
    TICK_US = 1000,
    SLOT_DUE = TIMER_WHEEL_LEVELS * TIMER_WHEEL_SPAN,
    DIGIT_MASK = TIMER_WHEEL_SPAN - 1
};

static const uint64_t tick_max = (UINT64_C(1) << (TIMER_WHEEL_LEVELS * TIMER_WHEEL_BITS)) - 1;

void timer_wheel_init(struct timer_wheel *w, uint64_t now_us)
{
    *w = (struct timer_wheel){.origin_us = now_us};
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * TIMER_WHEEL_BITS)) & DIGIT_MASK;
}

/* Puts a timer where its due_tick belongs, seen from w->tick. */
static void place(struct timer_wheel *w, struct timer *t)
{
    uint64_t at = MAX(t->due_tick, w->tick);
    uint64_t differ = (at ^ w->tick) | 1;
    unsigned level = (63 - (unsigned)__builtin_clzll(differ)) / TIMER_WHEEL_BITS;
    unsigned slot = digit(at, level);

    ASSERT(level < TIMER_WHEEL_LEVELS);
    ASSERT(level == 0 || slot > digit(w->tick, level));
    t->slot = level * TIMER_WHEEL_SPAN + slot;
    list_add_last(&w->slots[t->slot], &t->link);
    w->occupied[level] |= UINT64_C(1) << slot;
}

void timer_wheel_add(struct timer_wheel *w, struct timer *t, uint64_t due_us)
{
    uint64_t ahead_us = due_us > w->origin_us ? due_us - w->origin_us : 0;

    ASSERT(t->fire != NULL && !timer_pending(t));
    t->due_us = due_us;
    t->due_tick = MIN(ahead_us / TICK_US + (ahead_us % TICK_US > 0), tick_max);
    place(w, t);
    w->len++;
}

/* Takes a timer out of its slot. */
static void take(struct timer_wheel *w, struct timer *t)
{
    if (t->slot == SLOT_DUE) {
        list_remove(&w->due, &t->link);
        return;
    }
    struct list *slot = &w->slots[t->slot];
    list_remove(slot, &t->link);
    if (list_empty(slot)) {
        w->occupied[t->slot / TIMER_WHEEL_SPAN] &= ~(UINT64_C(1) << t->slot % TIMER_WHEEL_SPAN);
    }
}

void timer_wheel_cancel(struct timer_wheel *w, struct timer *t)
{
    if (timer_pending(t)) {
        take(w, t);
        w->len--;
    }
}

/* The first tick of the next occupied slot, and its level; UINT64_MAX when all are empty. */
static uint64_t next_slot(const struct timer_wheel *w, unsigned *level)
{
    for (unsigned i = 0; i < TIMER_WHEEL_LEVELS; i++) {
        if (w->occupied[i] != 0) {
            unsigned shift = i * TIMER_WHEEL_BITS;
            uint64_t slot = (unsigned)__builtin_ctzll(w->occupied[i]);
            uint64_t above = w->tick >> shift >> TIMER_WHEEL_BITS << TIMER_WHEEL_BITS;
            *level = i;
            return (above | slot) << shift;
        }
    }
    return UINT64_MAX;
}

uint64_t timer_wheel_next_us(const struct timer_wheel *w)
{
    unsigned level;
    uint64_t tick = list_empty(&w->due) ? next_slot(w, &level) : w->tick;

    return tick == UINT64_MAX ? UINT64_MAX : w->origin_us + tick * TICK_US;
}

/* Empties a slot whose first tick is w->tick: level 0 is due, others move down. */
static void empty_slot(struct timer_wheel *w, unsigned level)
{
    unsigned at = level * TIMER_WHEEL_SPAN + digit(w->tick, level);
    struct list *slot = &w->slots[at];

    for (size_t left = slot->len; left > 0; left--) {
        struct timer *t = CONTAINER_OF(list_first(slot), struct timer, link);
        take(w, t);
        if (level == 0) {
            t->slot = SLOT_DUE;
            list_add_last(&w->due, &t->link);
        } else {
            place(w, t);
        }
    }
}

/* Moves the wheel to `tick`, collecting what is due on the way. */
static void collect(struct timer_wheel *w, uint64_t tick)
{
    unsigned level = 0;
    uint64_t next = next_slot(w, &level);

    while (next <= tick) {
        ASSERT(next >= w->tick);
        w->tick = next;
        empty_slot(w, level);
        next = next_slot(w, &level);
    }
    w->tick = MAX(w->tick, tick);
}

int timer_wheel_run(struct timer_wheel *w, uint64_t now_us, int max)
{
    uint64_t ahead_us = now_us > w->origin_us ? now_us - w->origin_us : 0;
    int fired = 0;

    collect(w, MIN(ahead_us / TICK_US, tick_max));
    for (size_t left = MIN(w->due.len, (size_t)MAX(max, 0)); left > 0 && w->due.len > 0; left--) {
        struct timer *t = CONTAINER_OF(list_first(&w->due), struct timer, link);
        take(w, t);
        w->len--;
        t->fire(t);
        fired++;
    }
    return fired;
}
