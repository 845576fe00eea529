/* broker/config.h: what a node was told: Kafka's keys and ours, with where each value came from.
 *
 * One table (config.def) makes everything: parsing, checks, DescribeConfigs, help. The order is defaults <
 * file < environment (KAFKA_*) < --set; a struct config never changes once the node runs, so every core
 * may read it. What is changed while it runs lies above it: broker/config_view.h.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "broker/image.h"

enum config_type {
    CONFIG_BOOLEAN,
    CONFIG_STRING,
    CONFIG_INT,
    CONFIG_SHORT,
    CONFIG_LONG,
    CONFIG_DOUBLE,
    CONFIG_LIST,
    CONFIG_CLASS,
    CONFIG_PASSWORD,
};

enum config_mode { CONFIG_READ_ONLY, CONFIG_CLUSTER_WIDE, CONFIG_PER_BROKER, CONFIG_DYNAMIC_ONLY };
enum config_use { CONFIG_HONOURED, CONFIG_STORED };
enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_SET
};

#define BROKER_KEY(id, ...) CONFIG_##id,
enum config_key {
#include "broker/config.def"
    CONFIG_KEY_COUNT
};

#define TOPIC_KEY(id, ...) TOPIC_CONFIG_##id,
enum topic_config_key {
#include "broker/config.def"
    TOPIC_CONFIG_KEY_COUNT
};

#define GROUP_KEY(id, ...) GROUP_CONFIG_##id,
enum group_config_key {
#include "broker/config.def"
    GROUP_CONFIG_KEY_COUNT
};

struct config_info {
    const char *name;
    enum config_type type;
    const char *default_text; /* NULL: none */
    const char *valid;
    enum config_mode mode;    /* broker keys */
    const char *topic_key;    /* broker keys: the topic key it is the default of, or NULL */
    const char *broker_keys;  /* topic and group keys: see config.def, or NULL */
    const char *least, *most; /* group keys: broker keys that bound it, or NULL */
    bool internal;            /* group keys: told only where it is set */
    enum config_use use;
    const char *text; /* one sentence, "" when it has no effect */
};

/* By enum; index < CONFIG_KEY_COUNT, < TOPIC_CONFIG_KEY_COUNT, < GROUP_CONFIG_KEY_COUNT. The tables are in order of
 * name. */
const struct config_info *config_info(enum config_key key);
const struct config_info *topic_config_info(enum topic_config_key key);
const struct config_info *group_config_info(enum group_config_key key);
/* CONFIG_KEY_COUNT, TOPIC_CONFIG_KEY_COUNT, GROUP_CONFIG_KEY_COUNT when there is no such key. */
enum config_key config_find(struct bytes name);
enum topic_config_key topic_config_find(struct bytes name);
enum group_config_key group_config_find(struct bytes name);
/* The known key most like a mistyped one, NULL when none is near. */
const char *config_nearest(struct bytes name);

struct config;

enum err config_new(struct config **out);
void config_free(struct config *c);

/* Sets one key. Keys of plug-ins and listeners ("listener.name.…", "rsm.config.…") are taken without effect.
 * ERR_NOT_FOUND: no such key (the crumb says "did you mean"); ERR_USAGE: a bad value (the
 * crumb says what is allowed). Units are taken: "7d", "512MiB". Start-up only. */
enum err config_set(struct config *c, struct bytes name, struct bytes value,
                    enum config_source from);
/* server.properties: "key=value" or "key: value" lines, # and ! comments, \ at a line's end goes on. */
enum err config_parse_properties(struct config *c, struct bytes text);
/* One variable of the environment, "KAFKA_LOG_DIRS=/data"; others are skipped. Kafka's rule:
 * _ is a dot, __ an underscore, ___ a dash. An unknown KAFKA_ name is not an error: images set many. */
enum err config_parse_environment(struct config *c, struct bytes assignment);
/* What belongs together fits together (one log directory, listeners parse ...). */
enum err config_check(const struct config *c);
/* Names of keys that were set but have no effect here, one after the other; NULL at the end. */
const char *config_ignored(const struct config *c, int at);

/* BYTES_NULL: no value. */
struct bytes config_text(const struct config *c, enum config_key key);
int64_t config_i64(const struct config *c, enum config_key key);
bool config_bool(const struct config *c, enum config_key key);
bool config_is_set(const struct config *c, enum config_key key);
enum config_source config_source(const struct config *c, enum config_key key);

/* Is the value allowed for a topic key, as Kafka checks it (no units)? `why` gets the reason. */
enum err topic_config_check(enum topic_config_key key, struct bytes value, struct arena *arena,
                            struct bytes *why);
/* What is set on one thing itself. */
struct own_configs {
    const struct image_config *at;
    int32_t len;
};
/* BYTES_NULL: not set. */
struct bytes own_config(struct own_configs own, struct bytes key);

struct listener_config {
    struct bytes name, host; /* host "": all addresses */
    uint16_t port;
};

enum { LISTENER_COUNT_MAX = 8 };

/* "NAME://host:port,..." of listeners or advertised.listeners; ERR_USAGE. */
enum err config_listeners(struct bytes text, struct listener_config out[LISTENER_COUNT_MAX],
                          int *count);
