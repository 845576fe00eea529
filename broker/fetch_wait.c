/* broker/fetch_wait.c: how a fetch goes round its partitions, shares its bytes out, and waits.
 *
 * ROUND    Parts are visited in order, many at once: each visit takes what it may read from the budget and
 *          brings the unused rest back. With the budget given out, the next part waits for a rest; with the
 *          budget used up, the others are visited without reading. So memory is bounded by bytes_max, whatever
 *          the number of partitions, and one core's partitions are served without a pause.
 *          KIP-74: a part that is visited while nothing is read and nobody is reading may give one batch past
 *          every limit. If a whole round found bytes but read none, the first part that has some is visited
 *          once more, alone.
 * WAIT     Not enough and time left: what was read is given back (it is in memory and will be read again),
 *          and every part waits at its partition. One part alone waits for all the bytes that lack; of
 *          several, each tells of any, and their sum counts. The next round ends the waits that are left.
 *          A reply never leaves while a part is away: `waiting` counts until the last message is back.
 * MEMORY   All replies of a core that are not sent together may point to as many log bytes as its requests may
 *          hold. Past that a fetch still gets its one batch, so everybody moves on.
 * TIME     One timer: the deadline, or sooner to see whether the client has gone or the node stops.
 * OWNER    The request's core.
 */
#include "broker/fetch_wait.h"

#include "broker/connection.h"

enum { LOOK_UP_US = 1000 * 1000 };

static void decide(struct fetch *f);
static void pump(struct fetch *f);

/* ---- a round ---- */

/* What may still be lent: clients that take their replies slowly pin what these point to. */
static size_t room_of(const struct core *c)
{
    size_t most = c->connections == NULL ? SIZE_MAX : c->connections->limits.budget_bytes;

    return most > c->fetch_lent ? most - c->fetch_lent : 0;
}

static void start_round(struct fetch *f)
{
    timer_wheel_cancel(&f->rq->core->timers, &f->timer);
    f->state = FETCH_VISITING;
    f->budget = MIN(f->bytes_max, room_of(f->rq->core));
    f->reserved = 0;
    f->bytes = 0;
    f->next = 0;
    f->forced = false;
    f->urgent = false;
    pump(f);
}

static void send_visit(struct fetch *f, struct fetch_part *part, bool first_whole)
{
    size_t room = part->bytes_max > 0 ? (size_t)part->bytes_max : 0;

    part->budget = MIN(room, f->budget);
    part->first_whole = first_whole;
    f->budget -= part->budget;
    f->reserved += part->budget;
    f->visiting++;
    fetch_part_visit(f->rq->core, part);
}

static void visited(struct fetch_part *part)
{
    struct fetch *f = part->context;
    size_t bytes = fetch_part_bytes(part);

    f->visiting--;
    f->reserved -= part->budget;
    f->budget += part->budget;
    f->budget -= MIN(bytes, f->budget);
    f->bytes += bytes;
    f->urgent = f->urgent || part->error != KAFKA_NONE || part->diverging_epoch != -1;
    if (part->ended_wait) {
        f->waiting--;
    }
    pump(f);
}

/* The first part that has bytes although the round read none. */
static struct fetch_part *starved(struct fetch *f)
{
    for (int32_t i = 0; i < f->count; i++) {
        if (!f->parts[i].settled && f->parts[i].more) {
            return &f->parts[i];
        }
    }
    return NULL;
}

/* Visits what can be visited now; at the end of the round, decides. A visit may come back within the call. */
static void pump(struct fetch *f)
{
    if (f->pumping) {
        return;
    }
    f->pumping = true;
    while (f->next < f->count && (f->budget > 0 || f->reserved == 0)) {
        struct fetch_part *part = &f->parts[f->next++];

        if (!part->settled) {
            send_visit(f, part, f->bytes == 0 && f->visiting == 0);
        }
    }
    if (f->next == f->count && f->visiting == 0 && f->bytes == 0 && !f->urgent && !f->forced) {
        struct fetch_part *part = starved(f);

        f->forced = true;
        if (part != NULL) {
            send_visit(f, part, true);
        }
    }
    f->pumping = false;
    if (f->next == f->count && f->visiting == 0) {
        decide(f);
    }
}

/* ---- waits ---- */

static void woken(struct fetch_part *part)
{
    struct fetch *f = part->context;

    f->waiting--;
    if (f->state == FETCH_WAITING) {
        f->gained += part->gained;
        if (part->changed || f->gained >= f->bytes_min) {
            start_round(f);
        } else {
            f->waiting++;
            fetch_part_wait(f->rq->core, part);
        }
    } else if (f->state == FETCH_VISITING && f->next == f->count && f->visiting == 0) {
        decide(f);
    }
}

static void set_timer(struct fetch *f)
{
    uint64_t now = f->rq->core->now_us;

    request_timer(f->rq, &f->timer, MIN(f->deadline_us - now, LOOK_UP_US));
}

static void timer_fired(struct timer *t)
{
    struct fetch *f = CONTAINER_OF(t, struct fetch, timer);

    ASSERT(f->state == FETCH_WAITING);
    if (f->rq->core->now_us >= f->deadline_us || request_abandoned(f->rq) ||
        f->rq->core->stopping) {
        f->deadline_us = 0;
        start_round(f);
    } else {
        set_timer(f);
    }
}

static void start_wait(struct fetch *f)
{
    f->gained = f->bytes;
    fetch_data_return(f->rq->core, f->parts, f->count);
    f->state = FETCH_WAITING;
    f->timer.fire = timer_fired;
    set_timer(f);
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_part *part = &f->parts[i];

        if (!part->settled) {
            part->wanted = f->live == 1 ? f->bytes_min - f->gained : 1;
            f->waiting++;
            fetch_part_wait(f->rq->core, part);
        }
    }
}

/* All parts are back from their visits. */
static void decide(struct fetch *f)
{
    struct request *rq = f->rq;

    if (f->waiting > 0) {
        return; /* a message is on its way; woken() comes here again */
    }
    if (!f->urgent && f->live > 0 && f->bytes < f->bytes_min && rq->core->now_us < f->deadline_us) {
        start_wait(f);
        return;
    }
    f->state = FETCH_DONE;
    f->done(f);
    request_release(rq);
}

void fetch_start(struct fetch *f)
{
    f->deadline_us = f->rq->core->now_us + f->wait_us;
    f->live = 0;
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_part *part = &f->parts[i];

        part->visited = visited;
        part->woken = woken;
        part->context = f;
        f->live += part->settled ? 0 : 1;
    }
    request_hold(f->rq);
    start_round(f);
}

void fetch_end(struct fetch *f)
{
    timer_wheel_cancel(&f->rq->core->timers, &f->timer);
    fetch_data_return(f->rq->core, f->parts, f->count);
}
