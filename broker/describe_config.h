/* broker/describe_config.h: a setting as the protocol shows it: value, source, synonyms. For CreateTopics and
 * DescribeConfigs. Everything made lives in the arena. */
#pragma once

#include "broker/config_view.h"

/* Numbers of the protocol (ConfigSource); those of brokers are enum config_level. */
enum described_source {
    DESCRIBED_TOPIC = 1,
    DESCRIBED_BROKER = CONFIG_LEVEL_BROKER,
    DESCRIBED_CLUSTER = CONFIG_LEVEL_CLUSTER,
    DESCRIBED_STATIC_BROKER = CONFIG_LEVEL_STATIC,
    DESCRIBED_DEFAULT = CONFIG_LEVEL_DEFAULT,
    DESCRIBED_GROUP = 8,
};

/* A topic's own value, and four levels of three broker keys. */
enum { DESCRIBED_SYNONYMS_MAX = 13 };

struct described_synonym {
    struct bytes name, value;
    int8_t source;
};

struct described_config {
    struct bytes name, value; /* value null: none, or not to be shown */
    bool read_only, sensitive;
    int8_t source, type;
    struct described_synonym synonyms[DESCRIBED_SYNONYMS_MAX];
    int32_t synonym_count;
    struct bytes documentation;
};

void describe_topic_config(const struct config_view *v, enum topic_config_key key,
                           struct own_configs own, struct arena *arena,
                           struct described_config *out);
void describe_broker_config(const struct config_view *v, enum config_key key,
                            struct described_config *out);
/* What was changed for all brokers; false: not this key. */
bool describe_cluster_config(const struct config_view *v, enum config_key key,
                             struct described_config *out);
/* False: an internal key that is not set. */
bool describe_group_config(const struct config_view *v, enum group_config_key key,
                           struct own_configs own, struct described_config *out);
