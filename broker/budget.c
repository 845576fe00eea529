/* broker/budget.c: counting, and a queue.
 *
 * WHY      The size of a request is known after four bytes, its memory is needed only afterwards: refusing
 *          there costs nothing and needs no error answer, because TCP tells the client to wait.
 * ORDER    First come, first served. budget_take() fails while anybody waits.
 * OWNER    A core.
 * FAILURE  None: counting cannot fail, and queues are intrusive.
 * LIMITS   bytes_max, passed only as the header says.
 */
#include "broker/budget.h"

/* While no more than this part is taken, one taker gets whatever it asks for. Not "nothing is taken": somebody
 * who waits for news always holds a little, and a large request would wait for ever. */
enum { ALONE_PART = 4 };

void budget_init(struct budget *b, size_t bytes_max)
{
    ASSERT(bytes_max > 0);
    *b = (struct budget){.bytes_max = bytes_max};
}

static bool fits(const struct budget *b, size_t bytes)
{
    return b->bytes <= b->bytes_max / ALONE_PART ||
           (b->bytes < b->bytes_max && bytes <= b->bytes_max - b->bytes);
}

bool budget_open(const struct budget *b)
{
    return list_empty(&b->waiters) && b->bytes < b->bytes_max;
}

bool budget_take(struct budget *b, size_t bytes)
{
    if (!list_empty(&b->waiters) || !fits(b, bytes)) {
        return false;
    }
    b->bytes += bytes;
    return true;
}

void budget_force(struct budget *b, size_t bytes)
{
    b->bytes += bytes;
}

void budget_give(struct budget *b, size_t bytes)
{
    ASSERT(bytes <= b->bytes);
    b->bytes -= bytes;
}

void budget_wait(struct budget *b, struct budget_waiter *w, size_t bytes)
{
    ASSERT(w->granted != NULL);
    w->bytes = bytes;
    list_add_last(&b->waiters, &w->link);
}

void budget_wait_cancel(struct budget *b, struct budget_waiter *w)
{
    if (list_linked(&w->link)) {
        list_remove(&b->waiters, &w->link);
    }
}

int budget_serve(struct budget *b, int max)
{
    int n = 0;

    for (; n < max && !list_empty(&b->waiters); n++) {
        struct budget_waiter *w = CONTAINER_OF(list_first(&b->waiters), struct budget_waiter, link);
        if (!fits(b, w->bytes)) {
            break;
        }
        list_remove(&b->waiters, &w->link);
        b->bytes += w->bytes;
        w->granted(w);
    }
    return n;
}
