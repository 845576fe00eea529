/* broker/append.c: what happens to a batch on the core that owns its partition.
 *
 *     submit -> room? --no--> room_waiting --.        cancel, deletion: out of either list
 *                |                           |
 *                +<------- room again -------'
 *                v
 *            producers_check -> duplicate: as if appended, at the old offset
 *                |   wrong: error
 *                v
 *            plog_append --error--> KAFKA_STORAGE_ERROR
 *                |
 *                +-- acks 0, 1 -----------------------------> answer
 *                +-- acks -1 -> acks_waiting --durable------> answer
 *                                            --failed-------> KAFKA_STORAGE_ERROR, it is not in the log
 *
 * WAITING  acks_waiting is in order of arrival, which is the order of offsets but for duplicates; these wait
 *          behind their elders at no loss. Memory comes back when segments are written, of which nobody
 *          tells: every durable event and a timer of ROOM_RETRY_US try again, and only while somebody waits.
 * OWNER    append_submit, append_cancel and done(): the request's core. All else: the partition's.
 * LIMITS   APPENDS_PARKED_MAX; their bytes are in the requests' budget.
 */
#include "broker/append.h"

#include "base/log.h"
#include "broker/config.h"

enum { ROOM_RETRY_US = 2000, PRODUCERS_EXPIRED_PER_APPEND = 2 };

static void answered(struct partition_op *op)
{
    struct append *a = CONTAINER_OF(op, struct append, op);
    struct request *rq = a->rq;

    a->answered = true;
    a->done(a);
    request_release(rq);
}

static void finish(struct append *a, enum kafka_error error)
{
    a->error = error;
    if (error != KAFKA_NONE) {
        a->base_offset = -1;
        a->log_append_time_ms = -1;
    }
    partition_op_finish(&a->op);
}

static void wait_in(struct list *list, struct append *a)
{
    list_add_last(list, &a->link);
    a->waits_in = list;
}

static void unlink_append(struct append *a)
{
    list_remove(a->waits_in, &a->link);
    a->waits_in = NULL;
}

/* It is in the log: answer now, or when it is durable. */
static void appended(struct append *a, struct partition *p)
{
    a->log_start_offset = plog_start(p->log);
    if (a->acks == -1 && a->last_offset >= partition_high_watermark(p)) {
        wait_in(&p->acks_waiting, a);
        return;
    }
    finish(a, KAFKA_NONE);
}

static void forget_idle_producers(struct partition *p)
{
    int64_t idle_ms = config_i64(p->core->config, CONFIG_PRODUCER_ID_EXPIRATION_MS);

    producers_expire(plog_producers(p->log), p->core->wall_ms - idle_ms,
                     PRODUCERS_EXPIRED_PER_APPEND);
}

/* False: there is no room, nothing happened. Otherwise the append is answered or waits for the disk. */
static bool try_append(struct append *a, struct partition *p)
{
    struct producer_duplicate old;
    struct plog_appended at;

    switch (producers_check(plog_producers(p->log), &a->header, &old)) {
    case PRODUCER_APPEND:
        break;
    case PRODUCER_DUPLICATE:
        a->base_offset = old.base_offset;
        a->last_offset = old.last_offset;
        a->log_append_time_ms = old.timestamp;
        appended(a, p);
        return true;
    case PRODUCER_OUT_OF_ORDER:
        a->log_start_offset = plog_start(p->log);
        finish(a, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        return true;
    case PRODUCER_FENCED:
        a->log_start_offset = plog_start(p->log);
        finish(a, KAFKA_INVALID_PRODUCER_EPOCH);
        return true;
    }
    forget_idle_producers(p);

    enum err e = plog_append(p->log, a->batch, p->leader_epoch, p->core->wall_ms, &at);

    if (e == ERR_LIMIT) {
        return false;
    }
    if (e != OK) {
        finish(a, KAFKA_STORAGE_ERROR);
        return true;
    }
    a->base_offset = at.base_offset;
    a->last_offset = at.last_offset;
    partition_appended(p, a->batch.len);
    appended(a, p);
    return true;
}

/* ---- no room ---- */

static void retry_parked(struct partition *p);

static void room_timer_fired(struct timer *t)
{
    struct partition *p = CONTAINER_OF(t, struct partition, room_timer);

    partition_enter(p);
    retry_parked(p);
    partition_leave(p);
}

static void park(struct append *a, struct partition *p)
{
    if (p->room_waiting.len >= APPENDS_PARKED_MAX) {
        finish(a, KAFKA_REQUEST_TIMED_OUT);
        return;
    }
    wait_in(&p->room_waiting, a);
    if (!timer_pending(&p->room_timer)) {
        p->room_timer.fire = room_timer_fired;
        core_timer(p->core, &p->room_timer, ROOM_RETRY_US);
    }
}

static void retry_parked(struct partition *p)
{
    while (!list_empty(&p->room_waiting)) {
        struct append *a = CONTAINER_OF(list_first(&p->room_waiting), struct append, link);

        if (!plog_has_room(p->log, a->batch.len) && plog_state(p->log) == OK) {
            break;
        }
        unlink_append(a);
        if (!try_append(a, p)) {
            list_add_first(&p->room_waiting, &a->link);
            a->waits_in = &p->room_waiting;
            break;
        }
    }
    if (!list_empty(&p->room_waiting) && !timer_pending(&p->room_timer)) {
        core_timer(p->core, &p->room_timer, ROOM_RETRY_US);
    }
}

/* ---- the owner's events ---- */

static void run(struct partition_op *op, struct partition *p)
{
    struct append *a = CONTAINER_OF(op, struct append, op);

    if (p == NULL) {
        finish(a, KAFKA_NOT_LEADER_OR_FOLLOWER);
    } else if (!list_empty(&p->room_waiting) || !try_append(a, p)) {
        park(a, p);
    }
}

/* Answers everything in `list`, which belongs to the caller alone. */
static void finish_all(struct list *list, enum kafka_error error)
{
    while (!list_empty(list)) {
        struct append *a = CONTAINER_OF(list_first(list), struct append, link);

        unlink_append(a);
        finish(a, error);
    }
}

static void fail_lost(struct partition *p)
{
    struct list lost;
    int64_t end = partition_high_watermark(p);

    list_init(&lost);
    list_for_each (&p->acks_waiting, link) {
        struct append *a = CONTAINER_OF(link, struct append, link);

        if (a->last_offset >= end) {
            unlink_append(a);
            wait_in(&lost, a);
        }
    }
    finish_all(&lost, KAFKA_STORAGE_ERROR);
}

void appends_advance(struct partition *p, enum err e)
{
    if (e != OK) {
        fail_lost(p);
    }
    while (!list_empty(&p->acks_waiting)) {
        struct append *a = CONTAINER_OF(list_first(&p->acks_waiting), struct append, link);

        if (a->last_offset >= partition_high_watermark(p)) {
            break;
        }
        unlink_append(a);
        finish(a, KAFKA_NONE);
    }
    retry_parked(p);
}

void appends_drop(struct partition *p)
{
    finish_all(&p->acks_waiting, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    finish_all(&p->room_waiting, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

/* ---- the request's side ---- */

void append_submit(struct request *rq, struct append *a)
{
    a->rq = rq;
    a->op.run = run;
    a->op.done = answered;
    a->base_offset = -1;
    a->log_start_offset = -1;
    request_hold(rq);
    partition_op_submit(rq->core, &a->op);
}

static void cancel_came_back(struct core *on, struct message *m)
{
    struct append *a = CONTAINER_OF(m, struct append, cancel);

    ASSERT(on == a->rq->core);
    request_release(a->rq);
}

static void cancel_on_owner(struct core *on, struct message *m)
{
    struct append *a = CONTAINER_OF(m, struct append, cancel);

    if (a->waits_in != NULL) {
        unlink_append(a);
        finish(a, KAFKA_REQUEST_TIMED_OUT);
    }
    m->run = cancel_came_back;
    mailbox_send(on, a->rq->core->index, m);
}

void append_cancel(struct append *a)
{
    struct core *from = a->rq->core;

    ASSERT(!a->answered);
    request_hold(a->rq);
    a->cancel.run = cancel_on_owner;
    mailbox_send(from, core_of_partition(from->node, &a->op.topic_id, a->op.partition), &a->cancel);
}
