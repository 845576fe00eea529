/* broker/handlers/offset_for_leader_epoch.c: OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch ended, so
 * that a client whose records were cut off learns from where on.
 *
 * The newest epoch ends at the log's end, an epoch nobody heard of at -1.
 */
#include "schema/offset_for_leader_epoch.h"
#include "broker/handler.h"
#include "schema/dispatch.h"

struct asking {
    struct partition_op op;
    struct request *rq;
    const struct offset_for_leader_epoch_request_partition *in;
    struct offset_for_leader_epoch_response_partition *out;
    enum kafka_error error;
    int32_t epoch;
    int64_t end_offset;
};

static void run(struct partition_op *op, struct partition *p)
{
    struct asking *a = CONTAINER_OF(op, struct asking, op);

    a->error = p == NULL ? KAFKA_NOT_LEADER_OR_FOLLOWER
                         : partition_check_epoch(p, a->in->current_leader_epoch);
    if (a->error == KAFKA_NONE) {
        partition_epoch_end(p, a->in->leader_epoch, &a->epoch, &a->end_offset);
    }
    partition_op_finish(op);
}

static void done(struct partition_op *op)
{
    struct asking *a = CONTAINER_OF(op, struct asking, op);

    a->out->error_code = a->error;
    a->out->leader_epoch = a->epoch;
    a->out->end_offset = a->end_offset;
    request_release(a->rq);
}

static void ask(struct request *rq, const struct image_topic *topic,
                const struct offset_for_leader_epoch_request_partition *in,
                struct offset_for_leader_epoch_response_partition *out)
{
    struct asking *a = ARENA_NEW(rq->arena, struct asking);

    out->partition = in->partition;
    if (topic == NULL || in->partition < 0 || in->partition >= topic->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (a == NULL) {
        return;
    }
    *a = (struct asking){
        .op = {.topic_id = topic->id, .partition = in->partition, .run = run, .done = done},
        .rq = rq,
        .in = in,
        .out = out,
        .epoch = -1,
        .end_offset = -1,
    };
    request_hold(rq);
    partition_op_submit(rq->core, &a->op);
}

void handle_offset_for_leader_epoch(struct request *rq,
                                    const struct offset_for_leader_epoch_request *in,
                                    struct offset_for_leader_epoch_response *out)
{
    out->topics = offset_for_leader_epoch_response_topics_new(rq->arena, in->topics.len);
    for (int32_t i = 0; i < out->topics.len; i++) {
        const struct offset_for_leader_epoch_request_topic *from = &in->topics.at[i];
        struct offset_for_leader_epoch_response_topic *to = &out->topics.at[i];
        const struct image_topic *topic =
            rq->image == NULL ? NULL : image_topic_by_name(rq->image, from->topic);

        to->topic = from->topic;
        to->partitions =
            offset_for_leader_epoch_response_partitions_new(rq->arena, from->partitions.len);
        for (int32_t j = 0; j < to->partitions.len; j++) {
            ask(rq, topic, &from->partitions.at[j], &to->partitions.at[j]);
        }
    }
}
