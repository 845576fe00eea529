/* broker/describe_config.h: a setting as the protocol shows it: value, source, synonyms. For CreateTopics and
 * DescribeConfigs. Everything made lives in the arena. */
#pragma once

#include "broker/config.h"

/* Numbers of the protocol (ConfigSource, ConfigType). */
enum described_source {
    DESCRIBED_TOPIC = 1,
    DESCRIBED_STATIC_BROKER = 4,
    DESCRIBED_DEFAULT = 5,
};

enum { DESCRIBED_SYNONYMS_MAX = 4 };

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

/* What is set on a topic itself. */
struct own_configs {
    const struct image_config *at;
    int32_t len;
};

void describe_topic_config(const struct config *c, enum topic_config_key key,
                           struct own_configs own, struct arena *arena,
                           struct described_config *out);
void describe_broker_config(const struct config *c, enum config_key key,
                            struct described_config *out);
