/* broker/handlers/list_config_resources.c: ListConfigResources (KIP-1142): what has settings that can be told.
 *
 * Version 0 asks for client metrics, of which there are none. From version 1 on it names types, or none for all:
 * groups that have settings of their own, brokers, topics. Loggers and client metrics are known types with nothing
 * in them.
 */
#include "schema/list_config_resources.h"
#include "broker/handler.h"

enum { TYPES_FROM = 1, TYPE_LOGGER = 8, TYPE_CLIENT_METRICS = 16 };

static bool wanted(const struct list_config_resources_request *in, int8_t type)
{
    for (int32_t i = 0; i < in->resource_types.len; i++) {
        if (in->resource_types.at[i] == type) {
            return true;
        }
    }
    return in->resource_types.len <= 0;
}

static bool types_known(const struct list_config_resources_request *in)
{
    for (int32_t i = 0; i < in->resource_types.len; i++) {
        int8_t type = in->resource_types.at[i];
        if (type != RESOURCE_TOPIC && type != RESOURCE_BROKER && type != RESOURCE_GROUP &&
            type != TYPE_LOGGER && type != TYPE_CLIENT_METRICS) {
            return false;
        }
    }
    return true;
}

static void add(struct list_config_resources_response *out, int8_t type, struct bytes name)
{
    struct list_config_resources_response_config_resource *r =
        &out->config_resources.at[out->config_resources.len++];

    r->resource_type = type;
    r->resource_name = name;
}

static void list_groups(const struct image *image, struct list_config_resources_response *out)
{
    for (int32_t i = 0; i < image_resource_count(image); i++) {
        const struct image_resource *r = image_resource_at(image, i);
        if (r->type == RESOURCE_GROUP) {
            add(out, r->type, r->name);
        }
    }
}

void handle_list_config_resources(struct request *rq,
                                  const struct list_config_resources_request *in,
                                  struct list_config_resources_response *out)
{
    const struct image *image = rq->image;
    int32_t room =
        image_resource_count(image) + image_broker_count(image) + image_topic_count(image);

    if (rq->version < TYPES_FROM) {
        return;
    }
    if (!types_known(in)) {
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        return;
    }
    out->config_resources = list_config_resources_response_config_resources_new(rq->arena, room);
    if (rq->arena->exhausted) {
        return;
    }
    out->config_resources.len = 0;
    if (wanted(in, RESOURCE_GROUP)) {
        list_groups(image, out);
    }
    for (int32_t i = 0; wanted(in, RESOURCE_BROKER) && i < image_broker_count(image); i++) {
        add(out, RESOURCE_BROKER,
            arena_format(rq->arena, "%" PRId32, image_broker_at(image, i)->id));
    }
    for (int32_t i = 0; wanted(in, RESOURCE_TOPIC) && i < image_topic_count(image); i++) {
        add(out, RESOURCE_TOPIC, image_topic_at(image, i)->name);
    }
}
