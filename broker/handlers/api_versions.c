/* broker/handlers/api_versions.c: ApiVersions: what this broker serves.
 *
 * The list is the dispatch table: an API is in it if and only if its handler is there. From version 3 on the
 * client names its software; from 5 on it may say which cluster and node it believes to talk to, and is told to
 * bootstrap again when it is wrong (KIP-1242). Unknown versions never come here: dispatch answers them
 * itself. Features are left out as long as none of those that Kafka negotiates (groups, transactions, share
 * groups) is served; the others mean nothing to clients.
 */
#include "schema/api_versions.h"
#include "broker/handler.h"

#include "broker/node.h"
#include "protocol/message.h"

enum { SOFTWARE_FROM = 3, IDENTITY_FROM = 5, NO_NODE = -1 };

static bool alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool software_ok(struct bytes s)
{
    if (s.len == 0 || !alphanumeric(s.at[0]) || !alphanumeric(s.at[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!alphanumeric(s.at[i]) && s.at[i] != '-' && s.at[i] != '.') {
            return false;
        }
    }
    return true;
}

static enum kafka_error check(const struct request *rq, const struct api_versions_request *in)
{
    if (rq->version >= SOFTWARE_FROM &&
        (!software_ok(in->client_software_name) || !software_ok(in->client_software_version))) {
        return KAFKA_INVALID_REQUEST;
    }
    if (rq->version < IDENTITY_FROM || (in->cluster_id.at == NULL && in->node_id == NO_NODE)) {
        return KAFKA_NONE;
    }
    if (in->cluster_id.at == NULL || in->node_id == NO_NODE) {
        return KAFKA_INVALID_REQUEST;
    }
    bool ours = rq->image == NULL || bytes_equal(in->cluster_id, image_cluster_id(rq->image));
    return ours && in->node_id == rq->core->node->broker_id ? KAFKA_NONE
                                                            : KAFKA_REBOOTSTRAP_REQUIRED;
}

void handle_api_versions(struct request *rq, const struct api_versions_request *in,
                         struct api_versions_response *out)
{
    out->error_code = check(rq, in);
    if (out->error_code != KAFKA_NONE) {
        return;
    }
    out->api_keys = api_versions_response_api_keys_new(rq->arena, DISPATCH_COUNT);
    for (int32_t i = 0; i < out->api_keys.len; i++) {
        const struct api_info *api = dispatch_rows[i].api;
        out->api_keys.at[i].api_key = api->key;
        out->api_keys.at[i].min_version = api->advertise_from;
        out->api_keys.at[i].max_version = api->last_stable;
    }
}
