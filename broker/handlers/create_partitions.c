/* broker/handlers/create_partitions.c: CreatePartitions (KIP-195): a topic grows to `count` partitions.
 *
 * Every topic of the request gets an answer. The count is the new total; manual assignments have one row for
 * each partition that is added.
 */
#include "schema/create_partitions.h"
#include "broker/handler.h"

#include "broker/names.h"
#include "broker/topic_plan.h"

struct growth {
    struct metadata_change change;
    struct request *rq;
    const struct create_partitions_request *in;
    struct create_partitions_response *out;
};

static void refuse(struct create_partitions_response_result *out, enum kafka_error error,
                   struct bytes message)
{
    out->error_code = error;
    out->error_message = message;
}

/* The rows of a manual assignment; NULL without one. */
static const struct int32_array *rows_of(const struct create_partitions_request_topic *in,
                                         struct arena *arena)
{
    struct int32_array *rows = ARENA_ARRAY(arena, struct int32_array, MAX(in->assignments.len, 0));

    for (int32_t i = 0; rows != NULL && i < in->assignments.len; i++) {
        rows[i] = in->assignments.at[i].broker_ids;
    }
    return in->assignments.len < 0 ? NULL : rows;
}

static bool count_ok(const struct image_topic *topic,
                     const struct create_partitions_request_topic *in,
                     struct create_partitions_response_result *out, struct arena *arena)
{
    if (in->count <= topic->partition_count) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
               arena_format(arena, "The topic has %d partition(s) already; %d is not more.",
                            topic->partition_count, in->count));
    } else if (in->count - topic->partition_count > TOPIC_PARTITIONS_MAX) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
               arena_format(arena, "One request may make at most %d partitions.",
                            TOPIC_PARTITIONS_MAX));
    } else if (in->assignments.len >= 0 &&
               in->assignments.len != in->count - topic->partition_count) {
        refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
               arena_format(arena, "%d partition(s) are added, but %d are assigned.",
                            in->count - topic->partition_count, in->assignments.len));
    }
    return out->error_code == KAFKA_NONE;
}

static void grow_one(struct metadata *m, struct growth *g, int32_t at)
{
    struct create_partitions_response_result *out = &g->out->results.at[at];
    const struct create_partitions_request_topic *in = &g->in->topics.at[at];
    const struct image_topic *topic = image_topic_by_name(metadata_draft(m), in->name);
    struct topic_plan plan = {.error = KAFKA_NONE};

    if (out->error_code != KAFKA_NONE) {
        return;
    }
    if (topic == NULL) {
        refuse(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, BYTES("There is no such topic."));
        return;
    }
    if (!count_ok(topic, in, out, g->rq->arena)) {
        return;
    }
    topic_plan_partitions(
        &plan, metadata_draft(m),
        &(struct partition_plan){.have = topic->partition_count,
                                 .count = in->count,
                                 .replication_factor = topic->partitions[0].replica_count,
                                 .assignments = rows_of(in, g->rq->arena)},
        g->rq->arena);
    refuse(out, plan.error, plan.message);
    if (plan.error == KAFKA_NONE && !g->in->validate_only) {
        metadata_put_partitions(m, topic, plan.topic.partitions, plan.topic.partition_count);
    }
}

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct growth *g = CONTAINER_OF(change, struct growth, change);

    for (int32_t i = 0; i < g->out->results.len; i++) {
        grow_one(m, g, i);
    }
}

static void grown(struct metadata_change *change)
{
    struct growth *g = CONTAINER_OF(change, struct growth, change);

    for (int32_t i = 0; change->err != OK && i < g->out->results.len; i++) {
        if (g->out->results.at[i].error_code == KAFKA_NONE) {
            refuse(&g->out->results.at[i], kafka_error_of(change->err),
                   BYTES("The metadata log did not take it."));
        }
    }
    request_release(g->rq);
}

static bool answers_new(struct growth *g)
{
    int32_t count = g->in->topics.len;
    struct name_at *names = ARENA_ARRAY(g->rq->arena, struct name_at, count);

    g->out->results = create_partitions_response_results_new(g->rq->arena, count);
    if (g->rq->arena->exhausted) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = (struct name_at){.name = g->in->topics.at[i].name, .at = i};
    }
    names_find_doubles(names, count);
    for (int32_t i = 0; i < count; i++) {
        g->out->results.at[i].name = names[i].name;
        if (names[i].twice) {
            refuse(&g->out->results.at[i], KAFKA_INVALID_REQUEST,
                   BYTES("The request names it twice."));
        }
    }
    return true;
}

void handle_create_partitions(struct request *rq, const struct create_partitions_request *in,
                              struct create_partitions_response *out)
{
    struct growth *g = ARENA_NEW(rq->arena, struct growth);

    if (g == NULL) {
        return;
    }
    *g = (struct growth){
        .change = {.decide = decide, .done = grown}, .rq = rq, .in = in, .out = out};
    if (!answers_new(g)) {
        return;
    }
    request_hold(rq);
    metadata_submit(rq->core, &g->change);
}
