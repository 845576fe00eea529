/* broker/config.c: the table of keys, and the values of one node.
 *
 * WHY      Kafka has some four hundred keys, and people paste their server.properties: every one of them is
 *          known here, with its type and its limits, and one that has no effect is named at start
 *          instead of being silently believed.
 * FORMAT   A value is kept as text in Kafka's own form (units like 7d are turned into numbers) and, for
 *          numbers and booleans, as a parsed number beside it, so that readers never parse.
 * OWNER    Whoever made it; immutable once the node runs.
 * FAILURE  ERR_NOT_FOUND and ERR_USAGE with a crumb made for people; ERR_NOMEM.
 */
#include "broker/config.h"

#include "base/mem.h"
#include "broker/config_value.h"

#define BOOLEAN      CONFIG_BOOLEAN
#define STRING       CONFIG_STRING
#define INT          CONFIG_INT
#define SHORT        CONFIG_SHORT
#define LONG         CONFIG_LONG
#define DOUBLE       CONFIG_DOUBLE
#define LIST         CONFIG_LIST
#define CLASS        CONFIG_CLASS
#define PASSWORD     CONFIG_PASSWORD
#define READ_ONLY    CONFIG_READ_ONLY
#define CLUSTER_WIDE CONFIG_CLUSTER_WIDE
#define PER_BROKER   CONFIG_PER_BROKER
#define DYNAMIC_ONLY CONFIG_DYNAMIC_ONLY
#define HONOURED     CONFIG_HONOURED
#define STORED       CONFIG_STORED
#define PUBLIC       false
#define INTERNAL     true

static const struct config_info broker_keys[] = {
#define BROKER_KEY(id, key, kind, value, range, importance, update, topic, effect, sentence) \
    {.name = (key),                                                                          \
     .type = (kind),                                                                         \
     .default_text = (value),                                                                \
     .valid = (range),                                                                       \
     .mode = (update),                                                                       \
     .topic_key = (topic),                                                                   \
     .use = (effect),                                                                        \
     .text = (sentence)},
#include "broker/config.def"
};

static const struct config_info topic_keys[] = {
#define TOPIC_KEY(id, key, kind, value, range, importance, broker, effect, sentence) \
    {.name = (key),                                                                  \
     .type = (kind),                                                                 \
     .default_text = (value),                                                        \
     .valid = (range),                                                               \
     .broker_keys = (broker),                                                        \
     .use = (effect),                                                                \
     .text = (sentence)},
#include "broker/config.def"
};

static const struct config_info group_keys[] = {
#define GROUP_KEY(id, key, kind, value, range, hidden, broker, low, high, effect, sentence) \
    {.name = (key),                                                                         \
     .type = (kind),                                                                        \
     .default_text = (value),                                                               \
     .valid = (range),                                                                      \
     .broker_keys = (broker),                                                               \
     .least = (low),                                                                        \
     .most = (high),                                                                        \
     .internal = (hidden),                                                                  \
     .use = (effect),                                                                       \
     .text = (sentence)},
#include "broker/config.def"
};

struct config_value {
    char *text; /* NULL: as the default */
    int64_t number;
    enum config_source from;
};

/* Kafka lets plug-ins and listeners have keys of their own; they cannot be known one by one. */
static const char *const open_prefixes[] = {"listener.name.", "config.providers.", "rsm.config.",
                                            "rlmm.config.", "metrics.context."};

enum { CONFIG_EXTRA_MAX = 256 };

struct config {
    struct config_value values[CONFIG_KEY_COUNT];
    char *extra[CONFIG_EXTRA_MAX]; /* names with such a prefix that were set: without effect */
    int extra_count;
};

const struct config_info *config_info(enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT);
    return &broker_keys[key];
}

const struct config_info *topic_config_info(enum topic_config_key key)
{
    ASSERT(key < TOPIC_CONFIG_KEY_COUNT);
    return &topic_keys[key];
}

const struct config_info *group_config_info(enum group_config_key key)
{
    ASSERT(key < GROUP_CONFIG_KEY_COUNT);
    return &group_keys[key];
}

static size_t find(const struct config_info *infos, size_t count, struct bytes name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = bytes_compare(bytes_of(infos[middle].name), name);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return count;
}

enum config_key config_find(struct bytes name)
{
    return (enum config_key)find(broker_keys, CONFIG_KEY_COUNT, name);
}

enum topic_config_key topic_config_find(struct bytes name)
{
    return (enum topic_config_key)find(topic_keys, TOPIC_CONFIG_KEY_COUNT, name);
}

enum group_config_key group_config_find(struct bytes name)
{
    return (enum group_config_key)find(group_keys, GROUP_CONFIG_KEY_COUNT, name);
}

enum { NEAR_NAME_BYTES = 80 };

/* Letters to insert, drop or change to make one of the other (Levenshtein), one row at a time. */
static size_t distance(struct bytes a, struct bytes b)
{
    size_t row[NEAR_NAME_BYTES + 1];

    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.at[i - 1] == b.at[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

const char *config_nearest(struct bytes name)
{
    const char *best = NULL;
    size_t best_distance = name.len / 4 + 2;

    if (name.len > NEAR_NAME_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct bytes known = bytes_of(broker_keys[i].name);
        if (known.len > NEAR_NAME_BYTES) {
            continue;
        }
        size_t d = distance(name, known);
        if (d < best_distance) {
            best_distance = d;
            best = broker_keys[i].name;
        }
    }
    return best;
}

enum err config_new(struct config **out)
{
    struct config *c = mem_zalloc(1, sizeof(*c));

    if (c == NULL) {
        return fail(ERR_NOMEM, "no memory for the configuration");
    }
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct bytes text = bytes_of(broker_keys[i].default_text);
        if (text.len > 0) {
            (void)config_number(broker_keys[i].type, text, &c->values[i].number);
        }
    }
    *out = c;
    return OK;
}

void config_free(struct config *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        mem_free(c->values[i].text);
    }
    for (int i = 0; i < c->extra_count; i++) {
        mem_free(c->extra[i]);
    }
    mem_free(c);
}

static enum err store(struct config_value *v, struct bytes text, enum config_source from)
{
    char *copy = mem_alloc(text.len + 1);

    if (copy == NULL) {
        return fail(ERR_NOMEM, "no memory for a setting");
    }
    if (text.len > 0) {
        memcpy(copy, text.at, text.len);
    }
    copy[text.len] = 0;
    mem_free(v->text);
    v->text = copy;
    v->from = from;
    return OK;
}

static bool has_open_prefix(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(open_prefixes); i++) {
        if (bytes_starts_with(name, bytes_of(open_prefixes[i]))) {
            return true;
        }
    }
    return false;
}

static enum err note_extra(struct config *c, struct bytes name)
{
    if (c->extra_count == CONFIG_EXTRA_MAX) {
        return fail(ERR_LIMIT, "more than %d settings of plug-ins and listeners", CONFIG_EXTRA_MAX);
    }
    char *copy = mem_alloc(name.len + 1);
    if (copy == NULL) {
        return fail(ERR_NOMEM, "no memory for a setting");
    }
    memcpy(copy, name.at, name.len);
    copy[name.len] = 0;
    c->extra[c->extra_count++] = copy;
    return OK;
}

enum err config_set(struct config *c, struct bytes name, struct bytes value,
                    enum config_source from)
{
    enum config_key key = config_find(name);
    struct arena arena;

    if (key == CONFIG_KEY_COUNT && has_open_prefix(name)) {
        return note_extra(c, name);
    }
    if (key == CONFIG_KEY_COUNT) {
        const char *near = config_nearest(name);
        return near == NULL ? fail(ERR_NOT_FOUND, "there is no setting '%.*s'", BYTES_ARG(name))
                            : fail(ERR_NOT_FOUND, "there is no setting '%.*s': did you mean '%s'?",
                                   BYTES_ARG(name), near);
    }
    arena_init(&arena, CONFIG_ARENA_BYTES);
    struct bytes why, plain = config_without_units(broker_keys[key].type, value, &arena);
    enum err e = config_check_value(&broker_keys[key], plain, &arena, &why);
    if (e != OK) {
        e = fail(ERR_USAGE, "%.*s=%.*s: %.*s", BYTES_ARG(name), BYTES_ARG(value), BYTES_ARG(why));
    } else {
        e = store(&c->values[key], plain, from);
    }
    if (e == OK && !config_number(broker_keys[key].type, plain, &c->values[key].number)) {
        c->values[key].number = 0;
    }
    arena_deinit(&arena);
    return e;
}

const char *config_ignored(const struct config *c, int at)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (c->values[i].text != NULL && broker_keys[i].use == CONFIG_STORED && at-- == 0) {
            return broker_keys[i].name;
        }
    }
    return at < c->extra_count ? c->extra[at] : NULL;
}

struct bytes config_text(const struct config *c, enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT);
    const char *text = c->values[key].text;
    return bytes_of(text != NULL ? text : broker_keys[key].default_text);
}

int64_t config_i64(const struct config *c, enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT);
    return c->values[key].number;
}

bool config_bool(const struct config *c, enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT && broker_keys[key].type == CONFIG_BOOLEAN);
    return c->values[key].number != 0;
}

bool config_is_set(const struct config *c, enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT);
    return c->values[key].text != NULL;
}

enum config_source config_source(const struct config *c, enum config_key key)
{
    ASSERT(key < CONFIG_KEY_COUNT);
    return c->values[key].from;
}
