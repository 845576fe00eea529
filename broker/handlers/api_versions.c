/* broker/handlers/api_versions.c: ApiVersions: what this broker serves.
 *
 * The list is the dispatch table: an API is in it if and only if its handler is there. From version 3 on the
 * client names its software; from 5 on it may say which cluster and node it believes to talk to, and is told to
 * bootstrap again when it is wrong (KIP-1242). Unknown versions never come here: dispatch answers them
 * itself.
 *
 * FEATURES From version 3 on: what the cluster has agreed to do (KIP-584). A feature is told if and only if the API
 *          that it brings is served, at the one level there is; those that mean nothing to clients are left out.
 *          Version 3 cannot tell a lowest level of 0, so it names only the level that is on (KIP-1022).
 */
#include "schema/api_versions.h"
#include "broker/handler.h"

#include "broker/node.h"
#include "protocol/message.h"

enum {
    SOFTWARE_FROM = 3,
    FEATURES_FROM = 3,
    LEVEL_0_FROM = 4,
    IDENTITY_FROM = 5,
    NO_NODE = -1,
};

static const struct {
    const char *name;
    int16_t level;
    int16_t api_key;
} features[] = {{"group.version", 1, API_CONSUMER_GROUP_HEARTBEAT}};

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

static void fill_features(const struct request *rq, struct api_versions_response *out)
{
    int32_t room = (int32_t)COUNT_OF(features), count = 0;

    out->finalized_features_epoch = image_version(rq->image);
    out->supported_features = api_versions_response_supported_features_new(rq->arena, room);
    out->finalized_features = api_versions_response_finalized_features_new(rq->arena, room);
    if (rq->arena->exhausted) {
        return;
    }
    for (int32_t i = 0; i < room; i++) {
        if (dispatch_find(features[i].api_key) == NULL) {
            continue;
        }
        out->supported_features.at[count].name = bytes_of(features[i].name);
        out->supported_features.at[count].min_version = 0;
        out->supported_features.at[count].max_version = features[i].level;
        out->finalized_features.at[count].name = bytes_of(features[i].name);
        out->finalized_features.at[count].min_version_level = features[i].level;
        out->finalized_features.at[count].max_version_level = features[i].level;
        count++;
    }
    out->finalized_features.len = count;
    out->supported_features.len = rq->version < LEVEL_0_FROM ? 0 : count;
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
    if (rq->version >= FEATURES_FROM && rq->image != NULL) {
        fill_features(rq, out);
    }
}
