/* broker/handlers/find_coordinator.c: FindCoordinator (KIP-699): who coordinates a group.
 *
 * WHY      A client with a group id asks this before anything else. A group lives in the partition of
 *          __consumer_offsets that its name hashes to, and where that is led it is coordinated: there is one node,
 *          so it is this one. Before version 4 a request has one key, then any number.
 * FIRST    The topic is made when somebody asks for the first time; COORDINATOR_NOT_AVAILABLE meanwhile makes the
 *          client ask again.
 * FAILURE  Transactions and share groups have no coordinator: COORDINATOR_NOT_AVAILABLE. A kind of key that
 *          does not exist is INVALID_REQUEST.
 */
#include "schema/find_coordinator.h"
#include "broker/handler.h"

#include "broker/auto_create.h"
#include "broker/cluster_view.h"
#include "broker/coordinator.h"
#include "broker/node.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2, KEYS_FROM = 4, SHARE_FROM = 6 };

static enum kafka_error error_of(const struct request *rq, int8_t key_type)
{
    if (key_type == KEY_GROUP) {
        return image_topic_by_name(rq->image, OFFSETS_TOPIC) == NULL
                   ? KAFKA_COORDINATOR_NOT_AVAILABLE
                   : KAFKA_NONE;
    }
    return key_type == KEY_TRANSACTION || (key_type == KEY_SHARE && rq->version >= SHARE_FROM)
               ? KAFKA_COORDINATOR_NOT_AVAILABLE
               : KAFKA_INVALID_REQUEST;
}

/* Kafka's word for no error is NONE, in the versions with one key only. */
static struct bytes message_of(enum kafka_error error)
{
    return error == KAFKA_NONE ? BYTES("NONE") : bytes_of(kafka_error_info(error)->text);
}

void handle_find_coordinator(struct request *rq, const struct find_coordinator_request *in,
                             struct find_coordinator_response *out)
{
    enum kafka_error error = error_of(rq, in->key_type);
    const struct image_broker *self = image_broker_find(rq->image, rq->core->node->broker_id);
    struct broker_view v = {.id = -1, .host = BYTES(""), .port = -1};

    if (error == KAFKA_NONE && self != NULL) {
        v = broker_view(rq, self);
    }
    if (rq->version < KEYS_FROM) {
        out->error_code = error;
        out->error_message = message_of(error);
        out->node_id = v.id;
        out->host = v.host;
        out->port = v.port;
    } else {
        out->coordinators =
            find_coordinator_response_coordinators_new(rq->arena, in->coordinator_keys.len);
    }
    for (int32_t i = 0; i < out->coordinators.len; i++) {
        out->coordinators.at[i].key = in->coordinator_keys.at[i];
        out->coordinators.at[i].error_code = error;
        out->coordinators.at[i].error_message =
            error == KAFKA_INVALID_REQUEST ? message_of(error) : BYTES("");
        out->coordinators.at[i].node_id = v.id;
        out->coordinators.at[i].host = v.host;
        out->coordinators.at[i].port = v.port;
    }
    if (in->key_type == KEY_GROUP && error != KAFKA_NONE) {
        offsets_topic_create(rq->core);
    }
}
