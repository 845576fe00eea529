/* broker/describe_config.c: where the value of a setting comes from, in the protocol's terms.
 *
 * WHY      Clients compare what they set with what they read, tools copy a description back into a creation, and
 *          people want to know why a value is what it is: so the source and the whole chain of synonyms
 *          are told, as Kafka tells them.
 * CHAIN    A topic's or group's setting: the thing itself (1, 8), then the broker keys it follows: changed for
 *          this broker (2) or for all (3), set in the configuration (4), or at their default (5). The first is the
 *          value in force.
 */
#include "broker/describe_config.h"

#include "broker/config_value.h"

static const int8_t type_numbers[] = {
    [CONFIG_BOOLEAN] = 1, [CONFIG_STRING] = 2, [CONFIG_INT] = 3,
    [CONFIG_SHORT] = 4,   [CONFIG_LONG] = 5,   [CONFIG_DOUBLE] = 6,
    [CONFIG_LIST] = 7,    [CONFIG_CLASS] = 8,  [CONFIG_PASSWORD] = 9,
};

static void add_synonym(struct described_config *d, struct bytes name, struct bytes value,
                        int8_t source)
{
    if (d->synonym_count < DESCRIBED_SYNONYMS_MAX) {
        d->synonyms[d->synonym_count++] = (struct described_synonym){name, value, source};
    }
}

static struct bytes documentation(const struct config_info *info)
{
    return info->text[0] != 0 ? bytes_of(info->text)
                              : BYTES("Accepted and kept for compatibility; has no effect here.");
}

static struct described_config description_of(const struct config_info *info)
{
    return (struct described_config){.name = bytes_of(info->name),
                                     .type = type_numbers[info->type],
                                     .documentation = documentation(info)};
}

struct chain {
    const struct config_view *view;
    enum config_level level;
    struct described_config *out;
};

static void add_broker_key(void *context, struct bytes element)
{
    struct chain *c = context;
    ptrdiff_t star = bytes_find(element, '*');
    enum config_key key = config_find(star < 0 ? element : bytes_slice(element, 0, (size_t)star));

    ASSERT(key != CONFIG_KEY_COUNT);
    struct bytes value = config_view_at(c->view, key, c->level);
    if (value.at != NULL) {
        add_synonym(c->out, bytes_of(config_info(key)->name), value, (int8_t)c->level);
    }
}

/* All levels of a list of broker keys. */
static void add_broker_keys(const struct config_view *v, const char *keys,
                            struct described_config *out)
{
    struct chain c = {.view = v, .level = CONFIG_LEVEL_BROKER, .out = out};

    for (; c.level <= CONFIG_LEVEL_DEFAULT; c.level++) {
        config_list_each(bytes_of(keys), add_broker_key, &c);
    }
}

static void set_own(struct described_config *d, struct bytes value, int8_t source)
{
    d->value = value;
    d->source = source;
    add_synonym(d, d->name, value, source);
}

void describe_topic_config(const struct config_view *v, enum topic_config_key key,
                           struct own_configs own, struct arena *arena,
                           struct described_config *out)
{
    const struct config_info *info = topic_config_info(key);
    struct bytes value = own_config(own, bytes_of(info->name));
    enum config_level from;

    *out = description_of(info);
    out->value = topic_config_default(v, key, arena, &from);
    out->source = (int8_t)from;
    if (value.at != NULL) {
        set_own(out, value, DESCRIBED_TOPIC);
    }
    if (info->broker_keys != NULL) {
        add_broker_keys(v, info->broker_keys, out);
    } else {
        add_synonym(out, out->name, bytes_of(info->default_text), DESCRIBED_DEFAULT);
    }
}

bool describe_group_config(const struct config_view *v, enum group_config_key key,
                           struct own_configs own, struct described_config *out)
{
    const struct config_info *info = group_config_info(key);
    struct bytes value = own_config(own, bytes_of(info->name));
    enum config_level from;

    if (info->internal && value.at == NULL) {
        return false;
    }
    *out = description_of(info);
    out->value = group_config_default(v, key, &from);
    out->source = (int8_t)from;
    if (value.at != NULL) {
        set_own(out, value, DESCRIBED_GROUP);
    }
    if (info->broker_keys != NULL) {
        add_broker_keys(v, info->broker_keys, out);
    } else {
        add_synonym(out, out->name, bytes_of(info->default_text), DESCRIBED_DEFAULT);
    }
    return true;
}

void describe_broker_config(const struct config_view *v, enum config_key key,
                            struct described_config *out)
{
    const struct config_info *info = config_info(key);
    enum config_level from;

    *out = description_of(info);
    out->sensitive = info->type == CONFIG_PASSWORD;
    out->read_only = !config_is_dynamic(key);
    struct bytes value = config_view_text(v, key, &from);
    out->value = out->sensitive ? BYTES_NULL : value;
    out->source = (int8_t)from;
    for (enum config_level level = CONFIG_LEVEL_BROKER; level <= CONFIG_LEVEL_DEFAULT; level++) {
        value = config_view_at(v, key, level);
        if (value.at != NULL) {
            add_synonym(out, out->name, out->sensitive ? BYTES_NULL : value, (int8_t)level);
        }
    }
}

bool describe_cluster_config(const struct config_view *v, enum config_key key,
                             struct described_config *out)
{
    const struct config_info *info = config_info(key);
    struct bytes value = own_config(v->cluster, bytes_of(info->name));

    if (value.at == NULL) {
        return false;
    }
    *out = description_of(info);
    out->read_only = !config_is_dynamic(key);
    set_own(out, value, DESCRIBED_CLUSTER);
    return true;
}
