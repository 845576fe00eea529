/* broker/alter_config.h: changing settings of topics, brokers and groups while the broker runs. For
 * IncrementalAlterConfigs and AlterConfigs.
 *
 * All changes of a request are one metadata change, decided on core 0; things that are refused do not keep the
 * others from being changed, but one thing is changed as a whole or not at all.
 */
#pragma once

#include "broker/config_view.h"
#include "broker/metadata.h"
#include "broker/request.h"
#include "schema/errors.h"

/* The protocol's numbers (AlterConfigOp). */
enum alter_operation { ALTER_SET = 0, ALTER_DELETE = 1, ALTER_APPEND = 2, ALTER_SUBTRACT = 3 };

struct config_alter {
    struct bytes key, value;
    int8_t operation; /* as it came */
};

/* What is asked of one thing, and what comes of it. */
struct config_alteration {
    int8_t type; /* as it came: enum image_resource_type, or one that is refused */
    struct bytes name;
    const struct config_alter *alters;
    int32_t count;
    bool replace; /* what is set and not named is taken away */
    enum kafka_error error;
    struct bytes message; /* null without error */
    /* What is to be written; a null value takes away. */
    const struct image_config *puts;
    int32_t put_count;
};

/* Fills error and message, or puts; in the arena. `image`: the draft. */
void alter_config_plan(struct config_alteration *a, const struct image *image,
                       const struct config *config, struct arena *arena);

struct config_alterations {
    struct request *rq;
    struct config_alteration *items;
    int32_t count;
    bool validate_only;
    void *out; /* the handler's answer */
    /* On the request's core, once, before the request is released. */
    void (*done)(struct config_alterations *all);
    struct metadata_change change; /* the rest is its own */
};

/* All but `change` is set, in the request's arena. Things that stand twice are refused. */
void alter_configs_start(struct config_alterations *all);
