/* broker/fetch_part.c: what a fetch does on the core that owns a partition.
 *
 * ERRORS   In this order, as Kafka: not here (6); the leader epoch is not ours (74, 75); the last fetched
 *          epoch ends before the offset: no error, but where the logs part (KIP-595); the offset is outside
 *          start .. end (1). An offset from the high watermark up to the log's end is right and gives
 *          nothing. Zstd is served to clients of any age, as Kafka 4.4 does.
 * DAMAGE   Bytes that do not match their checksum are never served: CORRUPT_MESSAGE, which a client shows
 *          to its user. A disk that does not answer is KAFKA_STORAGE_ERROR, which it tries again.
 * MEMORY   A read that finds no memory gives nothing, as if there were nothing yet: the client asks again.
 * WAITING  The link is the partition's as long as it is in fetch_waiting. The message that brings the part
 *          back is always sent, never called, so whoever wakes may wake many without being called back.
 */
#include "broker/fetch_part.h"

#include "base/mem.h"
#include "broker/node.h"

/* ---- what was read goes home ---- */

static void release(struct fetch_data *d)
{
    struct partition *p = d->partition;

    plog_read_release(&d->read);
    mem_free(d);
    partition_leave(p);
}

static void release_chain(struct fetch_data *first)
{
    while (first != NULL) {
        struct fetch_data *next = first->next;

        release(first);
        first = next;
    }
}

static void chain_home(struct core *on, struct message *m)
{
    struct fetch_data *first = CONTAINER_OF(m, struct fetch_data, message);

    ASSERT(first->home == on);
    release_chain(first);
}

void fetch_data_return(struct core *from, struct fetch_part *parts, int32_t count)
{
    struct fetch_data *chains[CORE_COUNT_MAX] = {NULL};

    for (int32_t i = 0; i < count; i++) {
        struct fetch_data *d = parts[i].data;

        if (d != NULL) {
            /* What was still on its way here when the node stopped has not been counted. */
            ASSERT(from->fetch_lent >= d->read.bytes || from->node->closing);
            from->fetch_lent -= MIN(d->read.bytes, from->fetch_lent);
            d->next = chains[d->home->index];
            chains[d->home->index] = d;
            parts[i].data = NULL;
        }
    }
    for (int i = 0; i < CORE_COUNT_MAX; i++) {
        if (chains[i] == NULL) {
            continue;
        }
        if (i == from->index || from->node->closing) {
            release_chain(chains[i]);
            continue;
        }
        chains[i]->message.run = chain_home;
        mailbox_send(from, i, &chains[i]->message);
    }
}

/* ---- the visit ---- */

static void finish_visit(struct fetch_part *part)
{
    if (part->error != KAFKA_NONE) {
        part->high_watermark = part->last_stable = part->log_start = -1;
    }
    partition_op_finish(&part->op);
}

static enum kafka_error error_of_read(enum err e)
{
    switch (e) {
    case OK:
    case ERR_LIMIT:
    case ERR_NOMEM:
        return KAFKA_NONE;
    case ERR_NOT_FOUND:
        return KAFKA_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case ERR_IO:
    case ERR_NOSPACE:
    case ERR_MALFORMED:
    case ERR_AGAIN:
    case ERR_CLOSED:
    case ERR_EXISTS:
    case ERR_UNSUPPORTED:
    case ERR_USAGE:
        return KAFKA_STORAGE_ERROR;
    }
    UNREACHABLE();
}

static void read_ended(struct fetch_part *part, struct fetch_data *d)
{
    part->error = error_of_read(d->read.err);
    if (d->read.err == OK && d->read.bytes > 0) {
        part->data = d;
    } else {
        part->more = d->read.err == OK; /* the first batch is larger than the budget */
        release(d);
    }
    finish_visit(part);
}

static void read_done(struct plog_read *r)
{
    struct fetch_data *d = CONTAINER_OF(r, struct fetch_data, read);

    if (d->home->node->closing) {
        /* The request is gone, and perhaps the partition. */
        plog_read_release(r);
        mem_free(d);
        return;
    }
    read_ended(r->context, d);
}

static void read_some(struct fetch_part *part, struct partition *p)
{
    struct fetch_data *d = mem_zalloc(1, sizeof(*d));

    if (d == NULL) {
        finish_visit(part);
        return;
    }
    partition_enter(p);
    d->home = p->core;
    d->partition = p;
    d->read.log = p->log;
    d->read.offset = part->offset;
    d->read.offset_end = part->high_watermark;
    d->read.bytes_max = part->budget;
    d->read.first_whole = part->first_whole;
    d->read.done = read_done;
    d->read.context = part;
    if (plog_read_start(&d->read)) {
        read_ended(part, d);
    }
}

/* The checks that need no reading. */
static enum kafka_error look(struct fetch_part *part, struct partition *p)
{
    enum kafka_error error = partition_check_epoch(p, part->current_leader_epoch);

    if (error != KAFKA_NONE) {
        return error;
    }
    if (part->offset < part->log_start || part->offset > plog_end(p->log)) {
        /* A diverging client is told where the logs part rather than that it is past the end. */
        error = KAFKA_OFFSET_OUT_OF_RANGE;
    }
    if (part->last_fetched_epoch >= 0 && part->offset >= part->log_start) {
        int32_t epoch;
        int64_t end;

        partition_epoch_end(p, part->last_fetched_epoch, &epoch, &end);
        if (end == -1) {
            return KAFKA_OFFSET_OUT_OF_RANGE;
        }
        if (epoch < part->last_fetched_epoch || end < part->offset) {
            part->diverging_epoch = epoch;
            part->diverging_end = end;
            error = KAFKA_NONE;
        }
    }
    return error;
}

static void visit(struct partition_op *op, struct partition *p)
{
    struct fetch_part *part = CONTAINER_OF(op, struct fetch_part, op);

    part->ended_wait = list_linked(&part->waiting);
    part->diverging_epoch = -1;
    part->diverging_end = -1;
    part->more = false;
    if (p == NULL) {
        ASSERT(!part->ended_wait);
        part->error = KAFKA_NOT_LEADER_OR_FOLLOWER;
        finish_visit(part);
        return;
    }
    if (part->ended_wait) {
        list_remove(&p->fetch_waiting, &part->waiting);
    }
    part->high_watermark = partition_high_watermark(p);
    part->last_stable = partition_last_stable(p);
    part->log_start = plog_start(p->log);
    part->seen_bytes = p->visible_bytes;
    part->seen_epoch = p->leader_epoch;
    part->error = look(part, p);

    bool readable = part->error == KAFKA_NONE && part->diverging_epoch == -1 &&
                    part->offset < part->high_watermark;

    if (readable && (part->budget > 0 || part->first_whole)) {
        read_some(part, p);
        return;
    }
    part->more = readable;
    finish_visit(part);
}

static void visited(struct partition_op *op)
{
    struct fetch_part *part = CONTAINER_OF(op, struct fetch_part, op);

    op->from->fetch_lent += fetch_part_bytes(part);
    part->visited(part);
}

void fetch_part_visit(struct core *from, struct fetch_part *part)
{
    ASSERT(part->data == NULL);
    part->op.run = visit;
    part->op.done = visited;
    partition_op_submit(from, &part->op);
}

/* ---- the wait ---- */

static void back_from_wait(struct core *on, struct message *m)
{
    struct fetch_part *part = CONTAINER_OF(m, struct fetch_part, wait);

    ASSERT(on == part->wait_from);
    part->woken(part);
}

static bool has_reason(struct fetch_part *part, const struct partition *p)
{
    part->changed = p == NULL || p->deleted || p->leader_epoch != part->seen_epoch;
    part->gained = p == NULL ? 0 : p->visible_bytes - part->seen_bytes;
    return part->changed || part->gained >= part->wanted;
}

static void send_back(struct core *on, struct fetch_part *part)
{
    part->seen_bytes += part->gained;
    part->wait.run = back_from_wait;
    mailbox_send(on, part->wait_from->index, &part->wait);
}

static void wait_on_owner(struct core *on, struct message *m)
{
    struct fetch_part *part = CONTAINER_OF(m, struct fetch_part, wait);
    struct partition *p = partition_find(on, &part->op.topic_id, part->op.partition);

    if (has_reason(part, p)) {
        send_back(on, part);
    } else {
        list_add_last(&p->fetch_waiting, &part->waiting);
    }
}

void fetch_part_wait(struct core *from, struct fetch_part *part)
{
    int owner = core_of_partition(from->node, &part->op.topic_id, part->op.partition);

    ASSERT(part->data == NULL && part->wanted > 0);
    part->wait_from = from;
    if (owner == from->index) {
        wait_on_owner(from, &part->wait);
        return;
    }
    part->wait.run = wait_on_owner;
    mailbox_send(from, owner, &part->wait);
}

void fetches_wake(struct partition *p)
{
    list_for_each (&p->fetch_waiting, link) {
        struct fetch_part *part = CONTAINER_OF(link, struct fetch_part, waiting);

        if (has_reason(part, p)) {
            list_remove(&p->fetch_waiting, link);
            send_back(p->core, part);
        }
    }
}
