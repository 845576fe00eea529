/* broker/budget.h: the memory that all requests of a core may hold at once, and who waits for it.
 *
 * Frames are admitted when their size is known, before their bytes are read. Who does not get it waits in
 * order of arrival, and nobody overtakes: a large request is not starved by small ones. A request larger
 * than the whole budget gets what it needs when at most a quarter of it is taken. What cannot be refused any more (a reply,
 * a decoded request) is charged by force; then nothing is admitted until enough came back.
 */
#pragma once

#include "base/list.h"

struct budget_waiter {
    struct list_link link; /* linked while it waits */
    size_t bytes;
    /* The bytes were taken for it. It must not call budget_wait() again before it returns. */
    void (*granted)(struct budget_waiter *w);
};

struct budget {
    size_t bytes_max, bytes; /* bytes > bytes_max only by force, or for one large taker */
    struct list waiters;
};

void budget_init(struct budget *b, size_t bytes_max);
/* False: wait for it. */
bool budget_take(struct budget *b, size_t bytes);
void budget_force(struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);
/* Queues; w->granted comes from budget_serve(). */
void budget_wait(struct budget *b, struct budget_waiter *w, size_t bytes);
/* Nothing happens when it does not wait. */
void budget_wait_cancel(struct budget *b, struct budget_waiter *w);
/* Could even one byte be taken now? */
bool budget_open(const struct budget *b);
/* Serves the first waiters that fit, at most `max`; returns how many. */
int budget_serve(struct budget *b, int max);
