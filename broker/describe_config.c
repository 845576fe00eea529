/* broker/describe_config.c: where the value of a setting comes from, in the protocol's terms.
 *
 * WHY      Clients compare what they set with what they read, tools copy a description back into a creation, and
 *          people want to know why a value is what it is: so the source and the whole chain of synonyms
 *          are told, as Kafka tells them.
 * CHAIN    A topic's setting: the topic itself (1), then each broker key it follows, set in the
 *          configuration (4) or at its default (5). The first is the value in force.
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

struct chain {
    const struct config *config;
    struct described_config *out;
};

static void add_broker_key(void *context, struct bytes element)
{
    struct chain *c = context;
    ptrdiff_t star = bytes_find(element, '*');
    enum config_key key = config_find(star < 0 ? element : bytes_slice(element, 0, (size_t)star));

    ASSERT(key != CONFIG_KEY_COUNT);
    struct bytes name = bytes_of(config_info(key)->name);
    struct bytes value = config_text(c->config, key);
    if (config_is_set(c->config, key)) {
        add_synonym(c->out, name, value, DESCRIBED_STATIC_BROKER);
    } else if (value.at != NULL) {
        add_synonym(c->out, name, value, DESCRIBED_DEFAULT);
    }
}

void describe_topic_config(const struct config *c, enum topic_config_key key,
                           struct own_configs own, struct arena *arena,
                           struct described_config *out)
{
    const struct config_info *info = topic_config_info(key);
    struct bytes name = bytes_of(info->name);
    struct chain chain = {.config = c, .out = out};
    enum config_key from;

    *out = (struct described_config){
        .name = name, .type = type_numbers[info->type], .documentation = documentation(info)};
    out->value = topic_config_default(c, key, arena, &from);
    out->source = from == CONFIG_KEY_COUNT ? DESCRIBED_DEFAULT : DESCRIBED_STATIC_BROKER;
    for (int32_t i = 0; i < own.len; i++) {
        if (bytes_equal(own.at[i].key, name)) {
            out->value = own.at[i].value;
            out->source = DESCRIBED_TOPIC;
            add_synonym(out, name, out->value, DESCRIBED_TOPIC);
        }
    }
    config_list_each(bytes_of(info->broker_keys), add_broker_key, &chain);
    if (info->broker_keys == NULL) {
        add_synonym(out, name, bytes_of(info->default_text), DESCRIBED_DEFAULT);
    }
}

void describe_broker_config(const struct config *c, enum config_key key,
                            struct described_config *out)
{
    const struct config_info *info = config_info(key);

    *out = (struct described_config){
        .name = bytes_of(info->name),
        .sensitive = info->type == CONFIG_PASSWORD,
        .read_only = true, /* nothing can be changed while the broker runs */
        .source = config_is_set(c, key) ? DESCRIBED_STATIC_BROKER : DESCRIBED_DEFAULT,
        .type = type_numbers[info->type],
        .documentation = documentation(info),
    };
    if (!out->sensitive) {
        out->value = config_text(c, key);
    }
    if (config_is_set(c, key)) {
        add_synonym(out, out->name, out->value, DESCRIBED_STATIC_BROKER);
    }
    if (info->default_text != NULL) {
        add_synonym(out, out->name, out->sensitive ? BYTES_NULL : bytes_of(info->default_text),
                    DESCRIBED_DEFAULT);
    }
}
