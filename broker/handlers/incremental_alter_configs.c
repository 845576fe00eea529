/* broker/handlers/incremental_alter_configs.c: IncrementalAlterConfigs (KIP-339): settings of topics, brokers and
 * groups, changed by differences: set, delete, append to a list, subtract from one. What may be changed, and how,
 * stands in broker/alter_config.c.
 */
#include "schema/incremental_alter_configs.h"
#include "broker/handler.h"

#include "broker/alter_config.h"

static void answer(struct config_alterations *all)
{
    struct incremental_alter_configs_response *out = all->out;

    out->responses = incremental_alter_configs_response_resources_new(all->rq->arena, all->count);
    for (int32_t i = 0; i < out->responses.len; i++) {
        out->responses.at[i].error_code = all->items[i].error;
        out->responses.at[i].error_message = all->items[i].message;
        out->responses.at[i].resource_type = all->items[i].type;
        out->responses.at[i].resource_name = all->items[i].name;
    }
}

static void take(struct request *rq, const struct incremental_alter_configs_request_resource *in,
                 struct config_alteration *out)
{
    struct config_alter *alters = ARENA_ARRAY(rq->arena, struct config_alter, in->configs.len);

    *out = (struct config_alteration){
        .type = in->resource_type, .name = in->resource_name, .alters = alters};
    for (int32_t i = 0; alters != NULL && i < in->configs.len; i++) {
        alters[i] = (struct config_alter){.key = in->configs.at[i].name,
                                          .value = in->configs.at[i].value,
                                          .operation = in->configs.at[i].config_operation};
        out->count++;
    }
}

void handle_incremental_alter_configs(struct request *rq,
                                      const struct incremental_alter_configs_request *in,
                                      struct incremental_alter_configs_response *out)
{
    struct config_alterations *all = ARENA_NEW(rq->arena, struct config_alterations);
    struct config_alteration *items =
        ARENA_ARRAY(rq->arena, struct config_alteration, in->resources.len);

    if (rq->arena->exhausted) {
        return;
    }
    *all = (struct config_alterations){.rq = rq,
                                       .items = items,
                                       .count = in->resources.len,
                                       .validate_only = in->validate_only,
                                       .out = out,
                                       .done = answer};
    for (int32_t i = 0; i < all->count; i++) {
        take(rq, &in->resources.at[i], &items[i]);
    }
    alter_configs_start(all);
}
