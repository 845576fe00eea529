/* broker/handlers/find_coordinator.c: FindCoordinator (KIP-699): who coordinates a group.
 *
 * WHY      A client with a group id asks this before anything else. A group lives in the partition of
 *          __consumer_offsets that its name hashes to, and where that is led it is coordinated: there is one node,
 *          so it is this one. Before version 4 a request has one key, then any number.
 * FIRST    The topic is made when somebody asks for the first time; COORDINATOR_NOT_AVAILABLE meanwhile makes the
 *          client ask again.
 * FAILURE  Transactions and share groups have no coordinator: COORDINATOR_NOT_AVAILABLE. A kind of key that
 *          does not exist, or a share group's key that is none, is INVALID_REQUEST.
 */
#include "schema/find_coordinator.h"
#include "broker/handler.h"

#include "broker/auto_create.h"
#include "broker/cluster_view.h"
#include "broker/coordinator.h"
#include "broker/node.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2, KEYS_FROM = 4, SHARE_FROM = 6 };

/* The part behind the last colon, which is cut off `key` with its colon; false: there is none. */
static bool cut_last(struct bytes *key, struct bytes *out)
{
    for (size_t i = key->len; i > 0; i--) {
        if (key->at[i - 1] == ':') {
            *out = bytes_slice(*key, i, key->len - i);
            *key = bytes_slice(*key, 0, i - 1);
            return true;
        }
    }
    return false;
}

/* "group:topic id:partition" */
static bool is_share_key(struct bytes key)
{
    struct bytes partition, topic;
    struct uuid id;
    int64_t number;

    return cut_last(&key, &partition) && bytes_to_i64(partition, &number) == OK &&
           cut_last(&key, &topic) && uuid_parse(topic, &id) == OK && key.len > 0;
}

static enum kafka_error error_of(struct request *rq, int8_t key_type, struct bytes key)
{
    switch (key_type) {
    case KEY_GROUP:
        if (image_topic_by_name(rq->image, OFFSETS_TOPIC) != NULL) {
            return KAFKA_NONE;
        }
        offsets_topic_create(rq->core);
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    case KEY_TRANSACTION:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    case KEY_SHARE:
        return rq->version >= SHARE_FROM && is_share_key(key) ? KAFKA_COORDINATOR_NOT_AVAILABLE
                                                              : KAFKA_INVALID_REQUEST;
    default:
        return KAFKA_INVALID_REQUEST;
    }
}

/* Kafka's word for no error is NONE, in the versions with one key only. */
static struct bytes message_of(enum kafka_error error)
{
    return error == KAFKA_NONE ? BYTES("NONE") : bytes_of(kafka_error_info(error)->text);
}

static struct broker_view coordinator_of(struct request *rq, enum kafka_error error)
{
    const struct image_broker *self = image_broker_find(rq->image, rq->core->node->broker_id);

    return error == KAFKA_NONE && self != NULL
               ? broker_view(rq, self)
               : (struct broker_view){.id = -1, .host = BYTES(""), .port = -1};
}

static void answer_one(struct request *rq, const struct find_coordinator_request *in,
                       struct find_coordinator_response *out)
{
    enum kafka_error error = error_of(rq, in->key_type, in->key);
    struct broker_view v = coordinator_of(rq, error);

    out->error_code = error;
    out->error_message = message_of(error);
    out->node_id = v.id;
    out->host = v.host;
    out->port = v.port;
}

static void answer_key(struct request *rq, int8_t key_type, struct bytes key,
                       struct find_coordinator_response_coordinator *out)
{
    enum kafka_error error = error_of(rq, key_type, key);
    struct broker_view v = coordinator_of(rq, error);
    bool nonsense = error == KAFKA_INVALID_REQUEST && key_type != KEY_SHARE;

    out->key = key;
    out->error_code = error;
    out->error_message = nonsense ? message_of(error) : BYTES("");
    out->node_id = v.id;
    out->host = v.host;
    out->port = v.port;
}

void handle_find_coordinator(struct request *rq, const struct find_coordinator_request *in,
                             struct find_coordinator_response *out)
{
    if (rq->version < KEYS_FROM) {
        answer_one(rq, in, out);
    } else {
        out->coordinators =
            find_coordinator_response_coordinators_new(rq->arena, in->coordinator_keys.len);
    }
    for (int32_t i = 0; i < out->coordinators.len; i++) {
        answer_key(rq, in->key_type, in->coordinator_keys.at[i], &out->coordinators.at[i]);
    }
}
