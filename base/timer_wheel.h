/* base/timer_wheel.h: many timers, cheap to add and to cancel.
 *
 * A timer is embedded in what it belongs to and fires once, on the core that owns the wheel, at the first
 * millisecond of the wheel at or after its time: never early. Adding and cancelling take constant time.
 * fire() may add and cancel any timer of the wheel, its own included, and may free what holds its own.
 */
#pragma once

#include "base/list.h"

struct timer {
    struct list_link link; /* linked while pending */
    uint64_t due_us;       /* as given to timer_wheel_add() */
    void (*fire)(struct timer *t);
    uint64_t due_tick; /* the wheel's own from here */
    uint32_t slot;
};

enum { TIMER_WHEEL_BITS = 6, TIMER_WHEEL_SPAN = 1 << TIMER_WHEEL_BITS, TIMER_WHEEL_LEVELS = 7 };

struct timer_wheel {
    uint64_t origin_us;                    /* tick 0 */
    uint64_t tick;                         /* everything up to here has been collected */
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* bit i: slot i of the level holds timers */
    struct list slots[TIMER_WHEEL_LEVELS * TIMER_WHEEL_SPAN];
    struct list due; /* collected, not yet fired */
    size_t len;      /* pending timers */
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_us);

/* t->fire is set and t is not pending. A time that has passed fires at the next run. */
void timer_wheel_add(struct timer_wheel *w, struct timer *t, uint64_t due_us);
/* Nothing happens when it is not pending. */
void timer_wheel_cancel(struct timer_wheel *w, struct timer *t);

static inline bool timer_pending(const struct timer *t)
{
    return list_linked(&t->link);
}

/* When to run next: not after the moment the earliest timer fires, but perhaps before (a run then only
 * sorts). UINT64_MAX: never. */
uint64_t timer_wheel_next_us(const struct timer_wheel *w);
/* Fires at most `max` of those due, earliest millisecond first, and returns how many; the rest at the next
 * run. What fire() adds waits for the next run, too, so a run always ends. */
int timer_wheel_run(struct timer_wheel *w, uint64_t now_us, int max);
