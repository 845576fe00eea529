/* broker/handlers/describe_cluster.c: DescribeCluster (KIP-700, KIP-919): who is here.
 *
 * WHY      Tools ask this instead of a Metadata request without topics; the answer is the same image.
 */
#include "schema/describe_cluster.h"
#include "broker/handler.h"

#include "broker/cluster_view.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

void handle_describe_cluster(struct request *rq, const struct describe_cluster_request *in,
                             struct describe_cluster_response *out)
{
    out->endpoint_type = ENDPOINT_BROKERS;
    if (in->endpoint_type != ENDPOINT_BROKERS) {
        out->error_code = in->endpoint_type == ENDPOINT_CONTROLLERS
                              ? KAFKA_MISMATCHED_ENDPOINT_TYPE
                              : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        out->error_message = BYTES("This is the address of a broker; ask it for brokers (type 1).");
        return;
    }
    out->cluster_id = image_cluster_id(rq->image);
    out->controller_id = image_controller_id(rq->image);
    out->brokers = describe_cluster_response_brokers_new(rq->arena, image_broker_count(rq->image));
    for (int32_t i = 0; i < out->brokers.len; i++) {
        struct broker_view v = broker_view(rq, image_broker_at(rq->image, i));
        out->brokers.at[i].broker_id = v.id;
        out->brokers.at[i].host = v.host;
        out->brokers.at[i].port = v.port;
        out->brokers.at[i].rack = v.rack;
    }
    if (in->include_cluster_authorized_operations) {
        out->cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
}
