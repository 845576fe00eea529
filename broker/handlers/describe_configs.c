/* broker/handlers/describe_configs.c: DescribeConfigs (KIP-133, KIP-226, KIP-569): topics, this broker, groups.
 *
 * Resource 2 is a topic, 4 a broker: its own number, or "" for what was changed for all brokers; 32 a group
 * (KIP-848), which need not exist. The other kinds (loggers, client metrics) are refused: there are none.
 */
#include "schema/describe_configs.h"
#include "broker/handler.h"

#include "broker/describe_config.h"
#include "broker/topic_plan.h"

/* Does the request want this key? null and empty lists want all. */
static bool wanted(const struct describe_configs_request_resource *in, const char *name)
{
    for (int32_t i = 0; i < in->configuration_keys.len; i++) {
        if (bytes_equal(in->configuration_keys.at[i], bytes_of(name))) {
            return true;
        }
    }
    return in->configuration_keys.len <= 0;
}

struct description {
    struct request *rq;
    const struct describe_configs_request *in;
    const struct describe_configs_request_resource *resource;
    struct describe_configs_response_result *out;
    struct config_view view;
};

static void add(const struct description *d, const struct described_config *from)
{
    struct describe_configs_response_config *to = &d->out->configs.at[d->out->configs.len++];

    to->name = from->name;
    to->value = from->value;
    to->read_only = from->read_only;
    to->config_source = from->source;
    to->is_sensitive = from->sensitive;
    to->config_type = from->type;
    to->documentation = d->in->include_documentation ? from->documentation : BYTES_NULL;
    if (!d->in->include_synonyms) {
        return;
    }
    to->synonyms = describe_configs_response_synonyms_new(d->rq->arena, from->synonym_count);
    for (int32_t i = 0; i < to->synonyms.len; i++) {
        to->synonyms.at[i].name = from->synonyms[i].name;
        to->synonyms.at[i].value = from->synonyms[i].value;
        to->synonyms.at[i].source = from->synonyms[i].source;
    }
}

static void refuse(const struct description *d, enum kafka_error error, struct bytes message)
{
    d->out->error_code = error;
    d->out->error_message = message;
}

static void describe_topic(const struct description *d)
{
    struct bytes why = BYTES_NULL;

    if (!topic_name_ok(d->resource->resource_name, d->rq->arena, &why)) {
        refuse(d, KAFKA_INVALID_TOPIC_EXCEPTION, why);
        return;
    }
    const struct image_topic *topic = image_topic_by_name(d->rq->image, d->resource->resource_name);
    if (topic == NULL) {
        refuse(d, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, BYTES_NULL);
        return;
    }
    d->out->configs = describe_configs_response_configs_new(d->rq->arena, TOPIC_CONFIG_KEY_COUNT);
    struct own_configs own = {topic->configs, topic->config_count};
    int32_t room = d->out->configs.len;
    d->out->configs.len = 0;
    for (int32_t i = 0; i < room; i++) {
        struct described_config c;
        if (wanted(d->resource, topic_config_info((enum topic_config_key)i)->name)) {
            describe_topic_config(&d->view, (enum topic_config_key)i, own, d->rq->arena, &c);
            add(d, &c);
        }
    }
}

static void describe_broker(const struct description *d)
{
    struct bytes name = d->resource->resource_name;
    int64_t id = config_i64(d->rq->core->config, CONFIG_NODE_ID), asked;

    if (name.len > 0 && (bytes_to_i64(name, &asked) != OK || asked != id)) {
        refuse(d, KAFKA_INVALID_REQUEST,
               arena_format(d->rq->arena, "This is broker %" PRId64 ", not %.*s: ask that one.", id,
                            BYTES_ARG(name)));
        return;
    }
    d->out->configs = describe_configs_response_configs_new(d->rq->arena, CONFIG_KEY_COUNT);
    int32_t room = d->out->configs.len;
    d->out->configs.len = 0;
    for (int32_t i = 0; i < room; i++) {
        struct described_config c;
        bool told = wanted(d->resource, config_info((enum config_key)i)->name);
        if (told && name.len == 0) {
            told = describe_cluster_config(&d->view, (enum config_key)i, &c);
        } else if (told) {
            describe_broker_config(&d->view, (enum config_key)i, &c);
        }
        if (told) {
            add(d, &c);
        }
    }
}

static void describe_group(const struct description *d)
{
    struct own_configs own;

    if (d->resource->resource_name.len == 0) {
        refuse(d, KAFKA_INVALID_REQUEST, BYTES("A group needs a name."));
        return;
    }
    own.at = image_group_configs(d->rq->image, d->resource->resource_name, &own.len);
    d->out->configs = describe_configs_response_configs_new(d->rq->arena, GROUP_CONFIG_KEY_COUNT);
    int32_t room = d->out->configs.len;
    d->out->configs.len = 0;
    for (int32_t i = 0; i < room; i++) {
        struct described_config c;
        if (wanted(d->resource, group_config_info((enum group_config_key)i)->name) &&
            describe_group_config(&d->view, (enum group_config_key)i, own, &c)) {
            add(d, &c);
        }
    }
}

void handle_describe_configs(struct request *rq, const struct describe_configs_request *in,
                             struct describe_configs_response *out)
{
    out->results = describe_configs_response_results_new(rq->arena, in->resources.len);
    for (int32_t i = 0; i < out->results.len; i++) {
        struct description d = {.rq = rq,
                                .in = in,
                                .resource = &in->resources.at[i],
                                .out = &out->results.at[i],
                                .view = config_view_of(rq->core->config, rq->image)};
        d.out->resource_type = d.resource->resource_type;
        d.out->resource_name = d.resource->resource_name;
        if (d.resource->resource_type == RESOURCE_TOPIC) {
            describe_topic(&d);
        } else if (d.resource->resource_type == RESOURCE_BROKER) {
            describe_broker(&d);
        } else if (d.resource->resource_type == RESOURCE_GROUP) {
            describe_group(&d);
        } else {
            refuse(&d, KAFKA_INVALID_REQUEST,
                   BYTES("Only topics (2), brokers (4) and groups (32) have settings here."));
        }
    }
}
