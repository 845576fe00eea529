/* broker/config_view.h: the settings in force: what the node was told at its start, and above that what was
 * changed while it runs (IncrementalAlterConfigs), which the metadata image keeps.
 *
 * Four levels, the first that says something wins; within a level the first of several keys does.
 */
#pragma once

#include "broker/config.h"

/* The protocol's numbers (ConfigSource). */
enum config_level {
    CONFIG_LEVEL_BROKER = 2,  /* changed for this broker */
    CONFIG_LEVEL_CLUSTER = 3, /* changed for all brokers */
    CONFIG_LEVEL_STATIC = 4,  /* file, environment, --set */
    CONFIG_LEVEL_DEFAULT = 5,
};

struct config_view {
    const struct config *config;
    struct own_configs broker, cluster;
};

/* As long as the image; NULL: nothing was changed. */
struct config_view config_view_of(const struct config *c, const struct image *i);

/* May this key of brokers be changed while they run: what comes of it is asked for by a view, or nothing does. */
bool config_is_dynamic(enum config_key key);
/* What is said at one level; BYTES_NULL: nothing. */
struct bytes config_view_at(const struct config_view *v, enum config_key key,
                            enum config_level level);
/* The value in force, and the level it comes from; BYTES_NULL: none. */
struct bytes config_view_text(const struct config_view *v, enum config_key key,
                              enum config_level *from);
int64_t config_view_i64(const struct config_view *v, enum config_key key);

/* The value a topic gets when it sets nothing. Text may be made in the arena. */
struct bytes topic_config_default(const struct config_view *v, enum topic_config_key key,
                                  struct arena *arena, enum config_level *from);
/* All settings of a topic; its own configs (checked already) first. */
void topic_settings_resolve(const struct config_view *v, struct own_configs own,
                            struct topic_settings *out);

/* The value a group gets when it sets nothing. */
struct bytes group_config_default(const struct config_view *v, enum group_config_key key,
                                  enum config_level *from);
/* Is the value allowed for a group: by its type, by itself, and within the bounds that this broker keeps?
 * ERR_USAGE; `why` gets the reason. */
enum err group_config_check(const struct config_view *v, enum group_config_key key,
                            struct bytes value, struct arena *arena, struct bytes *why);
/* Values that are each right, but not together. */
enum err group_configs_check(const struct config_view *v, struct own_configs own,
                             struct arena *arena, struct bytes *why);
/* The number in force for a group: its own within the bounds of this broker, else what brokers say. */
int64_t group_config_i64(const struct config *c, const struct image *i, struct bytes group,
                         enum group_config_key key);
