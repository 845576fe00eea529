/* broker/handlers/list_offsets.c: ListOffsets: the ends of partitions, and offsets by time.
 *
 * SPECIAL  -1 the high watermark (so what is told can be read), -2 the log start, -3 the record with the
 *          largest timestamp, -4 the start of what is on local disks: the log start, -5 and -6 the last offset
 *          that is, and the first that is not yet, in remote storage: -1, there is none. Each has a version from
 *          which on it may be asked; unknown ones are UNSUPPORTED_VERSION.
 * TIME     Else the first visible record whose timestamp is not smaller. Nothing found is no error: time and
 *          offset are -1.
 * DOUBLES  A partition that is named twice is answered once, with INVALID_REQUEST.
 */
#include "schema/list_offsets.h"
#include "broker/handler.h"
#include "schema/dispatch.h"

#include "base/mem.h"
#include "broker/node.h"
#include "broker/partition_doubles.h"

enum {
    AT_LATEST = -1,
    AT_EARLIEST = -2,
    AT_MAX_TIMESTAMP = -3,
    AT_EARLIEST_LOCAL = -4,
    AT_LATEST_TIERED = -5,
    AT_EARLIEST_PENDING_UPLOAD = -6,
};

/* From which version on a special timestamp may be asked, by its negative. */
static const int16_t first_version[] = {0, 1, 1, 7, 8, 9, 11};

/* A search under way; on the owner's heap, because the request may go first when the node stops. */
struct search {
    struct plog_find find;
    struct core *core;
    struct listing *listing;
};

struct listing {
    struct partition_op op;
    struct request *rq;
    const struct list_offsets_request_partition *in;
    struct list_offsets_response_partition *out;
    enum kafka_error error;
    int64_t timestamp, offset;
    int32_t leader_epoch;
};

/* ---- on the owner ---- */

static void found(struct search *s)
{
    struct listing *l = s->listing;
    const struct plog_find *f = &s->find;

    if (f->err == OK) {
        l->timestamp = f->timestamp;
        l->offset = f->offset;
        l->leader_epoch = f->leader_epoch;
    } else if (f->err == ERR_CORRUPT) {
        l->error = KAFKA_CORRUPT_MESSAGE;
    } else if (f->err != ERR_NOT_FOUND) {
        l->error = KAFKA_STORAGE_ERROR;
    }
    mem_free(s);
    partition_op_finish(&l->op);
}

static void find_done(struct plog_find *f)
{
    struct search *s = CONTAINER_OF(f, struct search, find);

    if (s->core->node->closing) {
        mem_free(s);
        return;
    }
    found(s);
}

static void find_by_time(struct listing *l, struct partition *p)
{
    struct search *s = mem_zalloc(1, sizeof(*s));

    if (s == NULL) {
        l->error = KAFKA_STORAGE_ERROR;
        partition_op_finish(&l->op);
        return;
    }
    s->core = p->core;
    s->listing = l;
    s->find = (struct plog_find){
        .log = p->log,
        .kind = l->in->timestamp == AT_MAX_TIMESTAMP ? PLOG_FIND_MAX_TIMESTAMP : PLOG_FIND_TIME,
        .timestamp_ms = l->in->timestamp,
        .offset_end = partition_last_stable(p),
        .done = find_done};
    if (plog_find_start(&s->find)) {
        found(s);
    }
}

/* The epoch of the first record: the smallest that has an end. */
static int32_t first_epoch(const struct partition *p)
{
    int32_t low = 0, high = p->leader_epoch; /* `high` is never too low */
    int32_t epoch;
    int64_t end;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if (plog_epoch_end(p->log, middle, &epoch, &end)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void run(struct partition_op *op, struct partition *p)
{
    struct listing *l = CONTAINER_OF(op, struct listing, op);

    l->error = p == NULL ? KAFKA_NOT_LEADER_OR_FOLLOWER
                         : partition_check_epoch(p, l->in->current_leader_epoch);
    if (l->error != KAFKA_NONE) {
        partition_op_finish(op);
        return;
    }
    switch (l->in->timestamp) {
    case AT_LATEST:
        l->offset = partition_last_stable(p);
        l->leader_epoch = p->leader_epoch;
        break;
    case AT_EARLIEST:
    case AT_EARLIEST_LOCAL:
        l->offset = plog_start(p->log);
        l->leader_epoch = first_epoch(p);
        break;
    case AT_LATEST_TIERED:
    case AT_EARLIEST_PENDING_UPLOAD:
        break;
    default:
        find_by_time(l, p);
        return;
    }
    partition_op_finish(op);
}

/* ---- on the connection's core ---- */

static void done(struct partition_op *op)
{
    struct listing *l = CONTAINER_OF(op, struct listing, op);

    l->out->error_code = l->error;
    if (l->error == KAFKA_NONE) {
        l->out->timestamp = l->timestamp;
        l->out->offset = l->offset;
        /* Versions before 4 have no such field. */
        l->out->leader_epoch = l->rq->version >= 4 ? l->leader_epoch : -1;
    }
    request_release(l->rq);
}

static enum kafka_error refusal(const struct request *rq, const struct image_topic *topic,
                                const struct list_offsets_request_partition *in)
{
    if (in->timestamp < 0 && (in->timestamp < AT_EARLIEST_PENDING_UPLOAD ||
                              rq->version < first_version[-in->timestamp])) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    if (topic == NULL || in->partition_index < 0 || in->partition_index >= topic->partition_count) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KAFKA_NONE;
}

static void list_one(struct request *rq, const struct image_topic *topic,
                     const struct list_offsets_request_partition *in,
                     struct list_offsets_response_partition *out)
{
    struct listing *l;

    out->error_code = refusal(rq, topic, in);
    if (out->error_code != KAFKA_NONE) {
        return;
    }
    l = ARENA_NEW(rq->arena, struct listing);
    if (l == NULL) {
        return;
    }
    *l = (struct listing){
        .op = {.topic_id = topic->id, .partition = in->partition_index, .run = run, .done = done},
        .rq = rq,
        .in = in,
        .out = out,
        .timestamp = -1,
        .offset = -1,
        .leader_epoch = -1,
    };
    request_hold(rq);
    partition_op_submit(rq->core, &l->op);
}

static struct partition_at *find_doubles(struct request *rq, const struct list_offsets_request *in)
{
    struct partition_at *list;
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < in->topics.len; i++) {
        count += in->topics.at[i].partitions.len;
    }
    list = ARENA_ARRAY(rq->arena, struct partition_at, count);
    for (int32_t i = 0; list != NULL && i < in->topics.len; i++) {
        for (int32_t j = 0; j < in->topics.at[i].partitions.len; j++) {
            list[at] = (struct partition_at){.topic = in->topics.at[i].name,
                                             .partition =
                                                 in->topics.at[i].partitions.at[j].partition_index,
                                             .at = at};
            at++;
        }
    }
    if (list != NULL) {
        partition_doubles_find(list, count);
    }
    return list;
}

/* The answers of one topic; `doubles` are its partitions. */
static void list_topic(struct request *rq, const struct list_offsets_request_topic *in,
                       struct list_offsets_response_topic *out, const struct partition_at *doubles)
{
    const struct image_topic *topic =
        rq->image == NULL ? NULL : image_topic_by_name(rq->image, in->name);
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < in->partitions.len; i++) {
        count += doubles[i].repeated ? 0 : 1;
    }
    out->name = in->name;
    out->partitions = list_offsets_response_partitions_new(rq->arena, count);
    for (int32_t i = 0; i < in->partitions.len && at < out->partitions.len; i++) {
        if (doubles[i].repeated) {
            continue;
        }

        struct list_offsets_response_partition *to = &out->partitions.at[at++];

        to->partition_index = in->partitions.at[i].partition_index;
        if (doubles[i].twice) {
            to->error_code = KAFKA_INVALID_REQUEST;
        } else {
            list_one(rq, topic, &in->partitions.at[i], to);
        }
    }
}

void handle_list_offsets(struct request *rq, const struct list_offsets_request *in,
                         struct list_offsets_response *out)
{
    const struct partition_at *doubles = find_doubles(rq, in);
    int32_t at = 0;

    out->topics = list_offsets_response_topics_new(rq->arena, in->topics.len);
    for (int32_t i = 0; doubles != NULL && i < out->topics.len; i++) {
        list_topic(rq, &in->topics.at[i], &out->topics.at[i], &doubles[at]);
        at += in->topics.at[i].partitions.len;
    }
}
