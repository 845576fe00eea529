/* broker/request.c: what handlers do with a request.
 *
 * WHY      Handlers know no sockets and no frames: they hold, release, attach and refuse. What becomes of
 *          the reply is the connection's business (broker/exchange.c), reached by rq->finish only.
 * OWNER    The core of the request's connection.
 * FAILURE  request_attach() without memory exhausts the arena, which closes the connection.
 */
#include "broker/request.h"

void request_hold(struct request *rq)
{
    ASSERT(rq->holds > 0 || rq->finish == NULL);
    rq->holds++;
}

void request_release(struct request *rq)
{
    ASSERT(rq->holds > 0);
    if (--rq->holds == 0 && rq->finish != NULL) {
        rq->finish(rq);
    }
}

void request_no_reply(struct request *rq)
{
    rq->no_reply = true;
}

void request_close(struct request *rq, const char *why)
{
    if (!rq->close) {
        rq->close_why = why;
    }
    rq->close = true;
}

void request_attach(struct request *rq, struct bytes at)
{
    struct reply_range *r = ARENA_NEW(rq->arena, struct reply_range);

    if (r == NULL) {
        return;
    }
    r->at = at;
    if (rq->ranges_last == NULL) {
        rq->ranges_first = r;
    } else {
        rq->ranges_last->next = r;
    }
    rq->ranges_last = r;
}

bool request_abandoned(const struct request *rq)
{
    return rq->abandoned;
}

void request_timer(struct request *rq, struct timer *t, uint64_t delay_us)
{
    core_timer(rq->core, t, delay_us);
}
