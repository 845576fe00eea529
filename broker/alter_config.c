/* broker/alter_config.c: the rules for changing settings.
 *
 * WHY      Two APIs change settings, one by differences and one by telling all of it, and three kinds of things
 *          have some. What is asked is turned into the set of settings that there would be; that set is checked
 *          as at a creation; what differs from now is written.
 * ORDER    Checks in Kafka's order: keys that stand twice, missing values, the thing itself, then each key.
 * BROKERS  Only what is felt at once, or has no effect at all, may be changed (config_is_dynamic); the rest is
 *          refused in words. Kafka takes keys that it does not know; here they are refused as in a file.
 * LISTS    APPEND and SUBTRACT work on what is set, else on the default; elements never stand twice.
 * LIMITS   ALTERS_MAX keys of one thing.
 * MEMORY   Plans live in the request's arena, which is lent to core 0 meanwhile.
 */
#include "broker/alter_config.h"

#include "broker/config_value.h"
#include "broker/names.h"
#include "broker/topic_plan.h"

/* More settings than there are keys of any kind: whoever names more means harm. */
enum { ALTERS_MAX = 4096 };

struct plan {
    struct config_alteration *a;
    const struct config *config;
    struct config_view view;
    struct arena *arena;
    struct own_configs own;  /* as it is */
    struct image_config *at; /* as it shall be */
    int32_t count;
};

static bool refuse(struct plan *p, enum kafka_error error, struct bytes message)
{
    p->a->error = error;
    p->a->message = message;
    return false;
}

/* ---- what is asked, looked at without the thing ---- */

static bool check_doubles(struct plan *p)
{
    int32_t count = p->a->count;
    if (count > ALTERS_MAX) {
        return refuse(p, KAFKA_INVALID_REQUEST,
                      arena_format(p->arena, "More than %d settings of one thing.", ALTERS_MAX));
    }
    struct name_at *names = ARENA_ARRAY(p->arena, struct name_at, count);
    if (names == NULL) {
        return false; /* the arena is exhausted: nobody is answered */
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = (struct name_at){.name = p->a->alters[i].key, .at = i};
    }
    names_find_doubles(names, count);
    for (int32_t i = 0; i < count; i++) {
        if (names[i].twice) {
            return refuse(
                p, KAFKA_INVALID_REQUEST,
                arena_format(p->arena, "The key %.*s stands twice.", BYTES_ARG(names[i].name)));
        }
    }
    return true;
}

static bool check_alters(struct plan *p)
{
    for (int32_t i = 0; i < p->a->count; i++) {
        const struct config_alter *c = &p->a->alters[i];

        if (c->operation < ALTER_SET || c->operation > ALTER_SUBTRACT) {
            return refuse(p, KAFKA_INVALID_REQUEST,
                          arena_format(p->arena, "There is no operation %d.", c->operation));
        }
        if (c->operation != ALTER_DELETE && c->value.at == NULL) {
            return refuse(p, KAFKA_INVALID_REQUEST,
                          arena_format(p->arena, "The value of %.*s is null.", BYTES_ARG(c->key)));
        }
    }
    return true;
}

/* ---- one key ---- */

static const struct config_info *info_of(const struct plan *p, struct bytes key)
{
    if (p->a->type == RESOURCE_TOPIC) {
        enum topic_config_key k = topic_config_find(key);
        return k == TOPIC_CONFIG_KEY_COUNT ? NULL : topic_config_info(k);
    }
    if (p->a->type == RESOURCE_GROUP) {
        enum group_config_key k = group_config_find(key);
        return k == GROUP_CONFIG_KEY_COUNT ? NULL : group_config_info(k);
    }
    enum config_key k = config_find(key);
    return k == CONFIG_KEY_COUNT ? NULL : config_info(k);
}

static struct bytes default_of(struct plan *p, struct bytes key)
{
    enum config_level from;

    if (p->a->type == RESOURCE_TOPIC) {
        return topic_config_default(&p->view, topic_config_find(key), p->arena, &from);
    }
    if (p->a->type == RESOURCE_GROUP) {
        return group_config_default(&p->view, group_config_find(key), &from);
    }
    return config_view_text(&p->view, config_find(key), &from);
}

static bool check_broker_key(struct plan *p, struct bytes key, struct bytes value)
{
    enum config_key k = config_find(key);
    const struct config_info *info = config_info(k);
    struct bytes why;

    if (info->mode == CONFIG_READ_ONLY) {
        return refuse(
            p, KAFKA_INVALID_REQUEST,
            arena_format(p->arena, "%s cannot be changed while the broker runs.", info->name));
    }
    if (!config_is_dynamic(k)) {
        return refuse(p, KAFKA_INVALID_REQUEST,
                      arena_format(p->arena,
                                   "%s is read when the broker starts: set it there and restart.",
                                   info->name));
    }
    if (config_check_value(info, value, p->arena, &why) != OK) {
        return refuse(p, KAFKA_INVALID_REQUEST,
                      arena_format(p->arena, "Invalid value %.*s for configuration %s: %.*s",
                                   BYTES_ARG(value), info->name, BYTES_ARG(why)));
    }
    return true;
}

/* Is the new value right by itself? Those of topics are looked at all together. */
static bool check_value(struct plan *p, struct bytes key, struct bytes value)
{
    struct bytes why;

    if (p->a->type == RESOURCE_BROKER) {
        return check_broker_key(p, key, value);
    }
    if (p->a->type == RESOURCE_GROUP &&
        group_config_check(&p->view, group_config_find(key), value, p->arena, &why) != OK) {
        return refuse(p, KAFKA_INVALID_CONFIG,
                      arena_format(p->arena, "Invalid value %.*s for configuration %.*s: %.*s",
                                   BYTES_ARG(value), BYTES_ARG(key), BYTES_ARG(why)));
    }
    return true;
}

struct joining {
    struct buf *out;
    struct bytes without; /* elements to leave out */
    enum err err;
};

/* A list that runs out of memory shows at the end (`err`). */
static void join_one(void *context, struct bytes element)
{
    struct joining *j = context;

    if (j->err != OK || config_list_has(j->without, element) ||
        config_list_has(buf_view(j->out), element)) {
        return;
    }
    if (j->out->len > 0) {
        j->err = buf_add_u8(j->out, ',');
    }
    if (j->err == OK) {
        j->err = buf_add(j->out, element);
    }
}

/* The list with elements added, or taken away. */
static struct bytes list_altered(struct plan *p, struct bytes list, const struct config_alter *c)
{
    struct buf out;
    struct joining j = {.out = &out};
    struct bytes value = BYTES_NULL;

    buf_init(&out, CONFIG_ARENA_BYTES);
    if (c->operation == ALTER_SUBTRACT) {
        j.without = c->value;
    }
    config_list_each(list, join_one, &j);
    if (c->operation == ALTER_APPEND) {
        config_list_each(c->value, join_one, &j);
    }
    if (j.err == OK) {
        value = out.len == 0 ? BYTES("") : arena_copy(p->arena, buf_view(&out));
    }
    buf_deinit(&out);
    return value;
}

static int32_t place_of(const struct plan *p, struct bytes key)
{
    int32_t at = 0;

    while (at < p->count && !bytes_equal(p->at[at].key, key)) {
        at++;
    }
    return at;
}

static bool unknown_key(struct plan *p, struct bytes key)
{
    const char *kind = p->a->type == RESOURCE_TOPIC   ? "topic"
                       : p->a->type == RESOURCE_GROUP ? "group"
                                                      : "broker";

    return refuse(p, KAFKA_INVALID_CONFIG,
                  arena_format(p->arena, "Unknown %s config name: %.*s", kind, BYTES_ARG(key)));
}

static bool apply(struct plan *p, const struct config_alter *c)
{
    int32_t at = place_of(p, c->key);
    const struct config_info *info = info_of(p, c->key);
    struct bytes value = c->value;

    if (c->operation == ALTER_DELETE) {
        if (at < p->count) {
            p->at[at] = p->at[--p->count];
        }
        return true;
    }
    if (info == NULL) {
        return unknown_key(p, c->key);
    }
    if (c->operation != ALTER_SET && info->type != CONFIG_LIST) {
        return refuse(p, KAFKA_INVALID_CONFIG,
                      arena_format(p->arena, "%s is not a list: it can only be set.", info->name));
    }
    if (c->operation != ALTER_SET) {
        value = list_altered(p, at < p->count ? p->at[at].value : default_of(p, c->key), c);
    }
    if (value.at == NULL) {
        return refuse(p, KAFKA_INVALID_CONFIG,
                      arena_format(p->arena, "The list of %s is too long.", info->name));
    }
    value = bytes_trim(value);
    if (!check_value(p, c->key, value)) {
        return false;
    }
    p->at[at] = (struct image_config){c->key, value};
    p->count = MAX(p->count, at + 1);
    return true;
}

/* The settings that there would be. Keys that nobody knows are refused, so there are few. */
static bool apply_all(struct plan *p)
{
    p->at = ARENA_ARRAY(p->arena, struct image_config, p->own.len + p->a->count);
    if (p->at == NULL) {
        return false;
    }
    for (int32_t i = 0; !p->a->replace && i < p->own.len; i++) {
        p->at[p->count++] = p->own.at[i];
    }
    for (int32_t i = 0; i < p->a->count; i++) {
        if (!apply(p, &p->a->alters[i])) {
            return false;
        }
    }
    return true;
}

/* What differs from what is. */
static void write_puts(struct plan *p)
{
    struct own_configs next = {p->at, p->count};
    struct image_config *puts = ARENA_ARRAY(p->arena, struct image_config, p->own.len + p->count);
    int32_t count = 0;

    for (int32_t i = 0; puts != NULL && i < p->count; i++) {
        struct bytes now = own_config(p->own, p->at[i].key);
        if (now.at == NULL || !bytes_equal(now, p->at[i].value)) {
            puts[count++] = p->at[i];
        }
    }
    for (int32_t i = 0; puts != NULL && i < p->own.len; i++) {
        if (own_config(next, p->own.at[i].key).at == NULL) {
            puts[count++] = (struct image_config){p->own.at[i].key, BYTES_NULL};
        }
    }
    p->a->puts = puts;
    p->a->put_count = count;
}

/* ---- the things ---- */

static bool plan_topic(struct plan *p, const struct image *image)
{
    struct bytes why = BYTES_NULL;

    if (p->a->name.len == 0) {
        return refuse(p, KAFKA_INVALID_REQUEST, BYTES("A topic needs a name."));
    }
    if (!topic_name_ok(p->a->name, p->arena, &why)) {
        return refuse(p, KAFKA_INVALID_TOPIC_EXCEPTION, why);
    }
    const struct image_topic *topic = image_topic_by_name(image, p->a->name);
    if (topic == NULL) {
        return refuse(p, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                      arena_format(p->arena, "There is no topic '%.*s'.", BYTES_ARG(p->a->name)));
    }
    p->own = (struct own_configs){topic->configs, topic->config_count};
    if (!apply_all(p)) {
        return false;
    }
    p->a->error = topic_configs_check(&p->view, (struct own_configs){p->at, p->count}, p->arena,
                                      &p->a->message);
    return p->a->error == KAFKA_NONE;
}

static bool plan_broker(struct plan *p)
{
    int64_t id = config_i64(p->config, CONFIG_NODE_ID), asked;

    if (p->a->name.len > 0 && (bytes_to_i64(p->a->name, &asked) != OK || asked != id)) {
        return refuse(p, KAFKA_INVALID_REQUEST,
                      arena_format(p->arena, "This is broker %" PRId64 ", not %.*s.", id,
                                   BYTES_ARG(p->a->name)));
    }
    p->own = p->a->name.len > 0 ? p->view.broker : p->view.cluster;
    return apply_all(p);
}

static bool plan_group(struct plan *p, const struct image *image)
{
    struct bytes why;

    if (p->a->name.len == 0) {
        return refuse(p, KAFKA_INVALID_REQUEST, BYTES("A group needs a name."));
    }
    p->own.at = image_group_configs(image, p->a->name, &p->own.len);
    if (!apply_all(p)) {
        return false;
    }
    if (group_configs_check(&p->view, (struct own_configs){p->at, p->count}, p->arena, &why) !=
        OK) {
        return refuse(p, KAFKA_INVALID_CONFIG, why);
    }
    return true;
}

static bool plan_thing(struct plan *p, const struct image *image)
{
    switch (p->a->type) {
    case RESOURCE_TOPIC:
        return plan_topic(p, image);
    case RESOURCE_BROKER:
        return plan_broker(p);
    case RESOURCE_GROUP:
        return plan_group(p, image);
    default:
        return refuse(
            p, KAFKA_INVALID_REQUEST,
            arena_format(p->arena,
                         "Settings of type %d cannot be changed here: only those of topics "
                         "(2), brokers (4) and groups (32).",
                         p->a->type));
    }
}

void alter_config_plan(struct config_alteration *a, const struct image *image,
                       const struct config *config, struct arena *arena)
{
    struct plan p = {
        .a = a, .config = config, .view = config_view_of(config, image), .arena = arena};

    if (check_doubles(&p) && check_alters(&p) && plan_thing(&p, image)) {
        write_puts(&p);
    }
}
