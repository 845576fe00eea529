/* broker/config_view.c: settings that change while the broker runs, laid over those that do not.
 *
 * WHY      A struct config is read by all cores without a lock, so it never changes. What an administrator changes
 *          later is metadata like a topic is: logged, replayed, and seen by everybody with the next image.
 * WHICH    Keys that topics or groups take their defaults from: those are asked for through a view each time,
 *          so a change is felt at once. Keys that have no effect here may be changed as well: they are kept and
 *          shown. The others are read once, at the start; changing them is refused.
 * OWNER    Nobody: a view points into a config and an image.
 */
#include "broker/config_view.h"

#include "broker/config_value.h"

#include <stdio.h>

struct config_view config_view_of(const struct config *c, const struct image *i)
{
    struct config_view v = {.config = c};
    char id[24];

    if (i == NULL || image_resource_count(i) == 0) {
        return v;
    }
    int len = snprintf(id, sizeof(id), "%" PRId64, config_i64(c, CONFIG_NODE_ID));
    ASSERT(len > 0 && (size_t)len < sizeof(id));
    const struct image_resource *broker = image_resource_find(i, RESOURCE_BROKER, bytes_of(id));
    const struct image_resource *cluster = image_resource_find(i, RESOURCE_BROKER, BYTES(""));
    if (broker != NULL) {
        v.broker = (struct own_configs){broker->configs, broker->config_count};
    }
    if (cluster != NULL) {
        v.cluster = (struct own_configs){cluster->configs, cluster->config_count};
    }
    return v;
}

static bool is_group_default(const char *name)
{
    for (int i = 0; i < GROUP_CONFIG_KEY_COUNT; i++) {
        const struct config_info *info = group_config_info((enum group_config_key)i);
        if (info->use == CONFIG_HONOURED && info->broker_keys != NULL &&
            strcmp(info->broker_keys, name) == 0) {
            return true;
        }
    }
    return false;
}

bool config_is_dynamic(enum config_key key)
{
    const struct config_info *info = config_info(key);

    if (info->mode != CONFIG_CLUSTER_WIDE && info->mode != CONFIG_DYNAMIC_ONLY) {
        return false;
    }
    return info->use == CONFIG_STORED || info->topic_key != NULL || is_group_default(info->name);
}

struct bytes own_config(struct own_configs own, struct bytes key)
{
    for (int32_t i = 0; i < own.len; i++) {
        if (bytes_equal(own.at[i].key, key)) {
            return own.at[i].value;
        }
    }
    return BYTES_NULL;
}

struct bytes config_view_at(const struct config_view *v, enum config_key key,
                            enum config_level level)
{
    const struct config_info *info = config_info(key);

    switch (level) {
    case CONFIG_LEVEL_BROKER:
        return own_config(v->broker, bytes_of(info->name));
    case CONFIG_LEVEL_CLUSTER:
        return own_config(v->cluster, bytes_of(info->name));
    case CONFIG_LEVEL_STATIC:
        return config_is_set(v->config, key) ? config_text(v->config, key) : BYTES_NULL;
    case CONFIG_LEVEL_DEFAULT:
        return bytes_of(info->default_text);
    }
    return BYTES_NULL;
}

struct bytes config_view_text(const struct config_view *v, enum config_key key,
                              enum config_level *from)
{
    for (enum config_level level = CONFIG_LEVEL_BROKER; level < CONFIG_LEVEL_DEFAULT; level++) {
        struct bytes value = config_view_at(v, key, level);
        if (value.at != NULL) {
            *from = level;
            return value;
        }
    }
    *from = CONFIG_LEVEL_DEFAULT;
    return config_view_at(v, key, CONFIG_LEVEL_DEFAULT);
}

int64_t config_view_i64(const struct config_view *v, enum config_key key)
{
    enum config_level from;
    int64_t number = 0;
    bool right = config_number(config_info(key)->type, config_view_text(v, key, &from), &number);

    ASSERT(right); /* it was checked before it was taken */
    return number;
}
