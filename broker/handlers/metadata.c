/* broker/handlers/metadata.c: Metadata: brokers, topics, partitions, leaders.
 *
 * Version 0 without topics means all; from 1 on null means all and an empty list none. From 12 on topics may be
 * named by id; before, a request with an id is refused as a whole, although 10 and 11 carry the field. One id in a
 * request makes it one by ids: names in it mean nothing, and topics without an id are not answered (Kafka; Java's
 * clients send an id and an empty name). A topic that is missing and may be made on first use
 * (auto.create.topics.enable and the request's flag) is created in the background; this answer says
 * UNKNOWN_TOPIC_OR_PARTITION, clients ask again. The addresses are those of the listener that the client came in by.
 */
#include "schema/metadata.h"
#include "broker/handler.h"

#include "broker/auto_create.h"
#include "broker/cluster_view.h"
#include "broker/topic_plan.h"

enum { EMPTY_MEANS_ALL_BEFORE = 1, IDS_FROM = 12 };

static void fill_brokers(struct request *rq, struct metadata_response *out)
{
    out->brokers = metadata_response_brokers_new(rq->arena, image_broker_count(rq->image));
    for (int32_t i = 0; i < out->brokers.len; i++) {
        struct broker_view v = broker_view(rq, image_broker_at(rq->image, i));
        out->brokers.at[i].node_id = v.id;
        out->brokers.at[i].host = v.host;
        out->brokers.at[i].port = v.port;
        out->brokers.at[i].rack = v.rack;
    }
    out->cluster_id = image_cluster_id(rq->image);
    out->controller_id = image_controller_id(rq->image);
}

static void fill_topic(struct request *rq, const struct metadata_request *in,
                       const struct image_topic *topic, struct metadata_response_topic *out)
{
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    if (in->include_topic_authorized_operations) {
        out->topic_authorized_operations = TOPIC_OPERATIONS;
    }
    out->partitions = metadata_response_partitions_new(rq->arena, topic->partition_count);
    for (int32_t i = 0; i < out->partitions.len; i++) {
        const struct image_partition *from = &topic->partitions[i];
        struct metadata_response_partition *to = &out->partitions.at[i];
        to->partition_index = i;
        to->leader_id = from->leader;
        to->leader_epoch = from->leader_epoch;
        to->replica_nodes.at = (int32_t *)(uintptr_t)from->replicas; /* only read */
        to->replica_nodes.len = from->replica_count;
        to->isr_nodes = to->replica_nodes;
    }
}

static void fill_missing(struct request *rq, const struct metadata_request *in, struct bytes name,
                         struct metadata_response_topic *out)
{
    struct bytes why;

    out->name = name;
    out->is_internal = topic_name_is_internal(name);
    if (!topic_name_ok(name, rq->arena, &why)) {
        out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return;
    }
    out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (in->allow_auto_topic_creation &&
        config_bool(rq->core->config, CONFIG_AUTO_CREATE_TOPICS_ENABLE)) {
        topic_auto_create(rq->core, name);
    }
}

static void fill_by_id(struct request *rq, const struct metadata_request *in, struct uuid id,
                       struct metadata_response_topic *out)
{
    const struct image_topic *topic = image_topic_by_id(rq->image, id);

    if (topic != NULL) {
        fill_topic(rq, in, topic, out);
        return;
    }
    out->name = BYTES_NULL;
    out->topic_id = id;
    out->error_code = KAFKA_UNKNOWN_TOPIC_ID;
}

static void fill_by_name(struct request *rq, const struct metadata_request *in, struct bytes name,
                         struct metadata_response_topic *out)
{
    const struct image_topic *topic = image_topic_by_name(rq->image, name);

    if (topic != NULL) {
        fill_topic(rq, in, topic, out);
    } else {
        fill_missing(rq, in, name, out);
    }
}

static bool has_id(const struct metadata_request *in)
{
    for (int32_t i = 0; i < in->topics.len; i++) {
        if (!uuid_is_zero(in->topics.at[i].topic_id)) {
            return true;
        }
    }
    return false;
}

static void fill_asked(struct request *rq, const struct metadata_request *in,
                       struct metadata_response *out)
{
    bool by_ids = rq->version >= IDS_FROM && has_id(in);
    int32_t count = 0;

    out->topics = metadata_response_topics_new(rq->arena, in->topics.len);
    if (out->topics.len < in->topics.len) { /* no memory */
        return;
    }
    for (int32_t i = 0; i < in->topics.len; i++) {
        const struct metadata_request_topic *asked = &in->topics.at[i];

        if (by_ids && uuid_is_zero(asked->topic_id)) {
            continue;
        }
        if (by_ids || asked->name.at == NULL) {
            fill_by_id(rq, in, asked->topic_id, &out->topics.at[count++]);
        } else {
            fill_by_name(rq, in, asked->name, &out->topics.at[count++]);
        }
    }
    out->topics.len = count;
}

static void fill_all(struct request *rq, const struct metadata_request *in,
                     struct metadata_response *out)
{
    out->topics = metadata_response_topics_new(rq->arena, image_topic_count(rq->image));
    for (int32_t i = 0; i < out->topics.len; i++) {
        fill_topic(rq, in, image_topic_at(rq->image, i), &out->topics.at[i]);
    }
}

static bool asks_by_id_too_early(const struct request *rq, const struct metadata_request *in)
{
    for (int32_t i = 0; rq->version < IDS_FROM && i < in->topics.len; i++) {
        if (in->topics.at[i].name.at == NULL || !uuid_is_zero(in->topics.at[i].topic_id)) {
            return true;
        }
    }
    return false;
}

static void refuse_all(struct request *rq, const struct metadata_request *in,
                       struct metadata_response *out)
{
    out->controller_id = -1;
    out->topics = metadata_response_topics_new(rq->arena, in->topics.len);
    for (int32_t i = 0; i < out->topics.len; i++) {
        const struct bytes *name = &in->topics.at[i].name;
        out->topics.at[i].name = name->at == NULL ? BYTES("") : *name;
        out->topics.at[i].topic_id = in->topics.at[i].topic_id;
        out->topics.at[i].error_code = KAFKA_INVALID_REQUEST;
    }
}

void handle_metadata(struct request *rq, const struct metadata_request *in,
                     struct metadata_response *out)
{
    bool all = in->topics.len < 0 || (rq->version < EMPTY_MEANS_ALL_BEFORE && in->topics.len == 0);

    if (asks_by_id_too_early(rq, in)) {
        refuse_all(rq, in, out);
        return;
    }
    fill_brokers(rq, out);
    if (in->include_cluster_authorized_operations) {
        out->cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    if (all) {
        fill_all(rq, in, out);
        return;
    }
    fill_asked(rq, in, out);
}
