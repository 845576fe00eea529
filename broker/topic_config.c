/* broker/topic_config.c: what a topic's settings are once topic, broker and default are put together.
 *
 * WHY      DescribeConfigs shows where each value comes from, and the log acts on the same answer: so both
 *          ask here. The broker keys that a topic key follows stand in config.def, first one that is set
 *          first: "log.retention.ms,log.retention.minutes*60000,log.retention.hours*3600000".
 * OWNER    Nobody: values live in the config or in the caller's arena.
 */
#include "broker/config_value.h"

#include "broker/config_view.h"
#include "protocol/compression.h"

#include <stdio.h>

enum err topic_config_check(enum topic_config_key key, struct bytes value, struct arena *arena,
                            struct bytes *why)
{
    return config_check_value(topic_config_info(key), value, arena, why);
}

/* One element of broker_keys: its key, and the factor after '*'. */
static enum config_key parse_synonym(struct bytes element, int64_t *factor)
{
    ptrdiff_t star = bytes_find(element, '*');

    *factor = 1;
    if (star >= 0) {
        enum err e = bytes_to_i64(bytes_slice(element, (size_t)star + 1, element.len), factor);
        ASSERT(e == OK);
        element = bytes_slice(element, 0, (size_t)star);
    }
    return config_find(element);
}

/* Where a number is written that was multiplied. */
enum { NUMBER_BYTES = 24 };

struct synonyms {
    const struct config_view *view;
    char *room; /* NUMBER_BYTES */
    enum config_level level;
    bool found;
    struct bytes value;
};

static void use_if_set(void *context, struct bytes element)
{
    struct synonyms *s = context;
    int64_t factor, number = 0;
    enum config_key key = parse_synonym(element, &factor);

    if (s->found || key == CONFIG_KEY_COUNT) {
        return;
    }
    struct bytes value = config_view_at(s->view, key, s->level);
    if (value.at == NULL) {
        return;
    }
    s->found = true;
    s->value = value;
    if (factor != 1 && config_number(config_info(key)->type, value, &number) &&
        !__builtin_mul_overflow(number, factor, &number)) {
        int len = snprintf(s->room, NUMBER_BYTES, "%" PRId64, number < 0 ? -1 : number);
        ASSERT(len > 0 && len < NUMBER_BYTES);
        s->value = bytes_of(s->room);
    }
}

/* The value may be written in the room. */
static struct bytes find_default(const struct config_view *v, enum topic_config_key key,
                                 char room[NUMBER_BYTES], enum config_level *from)
{
    const struct config_info *info = topic_config_info(key);
    struct synonyms s = {.view = v, .room = room, .level = CONFIG_LEVEL_BROKER};

    for (; s.level < CONFIG_LEVEL_DEFAULT; s.level++) {
        config_list_each(bytes_of(info->broker_keys), use_if_set, &s);
        if (s.found) {
            *from = s.level;
            return s.value;
        }
    }
    *from = CONFIG_LEVEL_DEFAULT;
    return bytes_of(info->default_text);
}

struct bytes topic_config_default(const struct config_view *v, enum topic_config_key key,
                                  struct arena *arena, enum config_level *from)
{
    char room[NUMBER_BYTES];
    struct bytes value = find_default(v, key, room, from);

    return (const char *)value.at == room ? arena_copy(arena, value) : value;
}

struct resolver {
    const struct config_view *view;
    struct own_configs own;
    char room[NUMBER_BYTES]; /* of the value that is being looked at */
};

static struct bytes resolve(struct resolver *r, enum topic_config_key key)
{
    struct bytes value = own_config(r->own, bytes_of(topic_config_info(key)->name));
    enum config_level from;

    return value.at != NULL ? value : find_default(r->view, key, r->room, &from);
}

static int64_t resolve_i64(struct resolver *r, enum topic_config_key key)
{
    int64_t number = 0;
    bool right = config_number(topic_config_info(key)->type, resolve(r, key), &number);

    ASSERT(right); /* it was checked before it was taken */
    return number;
}

static uint32_t resolve_cleanup(struct resolver *r)
{
    struct bytes list = resolve(r, TOPIC_CONFIG_CLEANUP_POLICY);

    return (config_list_has(list, BYTES("delete")) ? CLEANUP_DELETE : 0u) |
           (config_list_has(list, BYTES("compact")) ? CLEANUP_COMPACT : 0u);
}

static int8_t resolve_compression(struct resolver *r)
{
    static const struct {
        const char *name;
        int8_t codec;
    } names[] = {{"producer", -1},         {"uncompressed", CODEC_NONE}, {"gzip", CODEC_GZIP},
                 {"snappy", CODEC_SNAPPY}, {"lz4", CODEC_LZ4},           {"zstd", CODEC_ZSTD}};
    struct bytes value = bytes_trim(resolve(r, TOPIC_CONFIG_COMPRESSION_TYPE));

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal(value, bytes_of(names[i].name))) {
            return names[i].codec;
        }
    }
    return -1;
}

void topic_settings_resolve(const struct config_view *v, struct own_configs own,
                            struct topic_settings *out)
{
    struct resolver r = {.view = v, .own = own};

    *out = (struct topic_settings){
        .cleanup = resolve_cleanup(&r),
        .segment_bytes = resolve_i64(&r, TOPIC_CONFIG_SEGMENT_BYTES),
        .segment_ms = resolve_i64(&r, TOPIC_CONFIG_SEGMENT_MS),
        .retention_ms = resolve_i64(&r, TOPIC_CONFIG_RETENTION_MS),
        .retention_bytes = resolve_i64(&r, TOPIC_CONFIG_RETENTION_BYTES),
        .max_message_bytes = (int32_t)resolve_i64(&r, TOPIC_CONFIG_MAX_MESSAGE_BYTES),
        .index_interval_bytes = (int32_t)resolve_i64(&r, TOPIC_CONFIG_INDEX_INTERVAL_BYTES),
        .min_insync_replicas = (int32_t)resolve_i64(&r, TOPIC_CONFIG_MIN_INSYNC_REPLICAS),
        .compression = resolve_compression(&r),
        .gzip_level = (int32_t)resolve_i64(&r, TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL),
        .lz4_level = (int32_t)resolve_i64(&r, TOPIC_CONFIG_COMPRESSION_LZ4_LEVEL),
        .zstd_level = (int32_t)resolve_i64(&r, TOPIC_CONFIG_COMPRESSION_ZSTD_LEVEL),
        .max_decompressed_bytes =
            (int32_t)resolve_i64(&r, TOPIC_CONFIG_MAX_DECOMPRESSED_MESSAGE_BYTES),
        .log_append_time = bytes_equal(bytes_trim(resolve(&r, TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE)),
                                       BYTES("LogAppendTime")),
        .timestamp_before_max_ms = resolve_i64(&r, TOPIC_CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
        .timestamp_after_max_ms = resolve_i64(&r, TOPIC_CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
        .relaxed =
            bytes_equal(bytes_trim(resolve(&r, TOPIC_CONFIG_WEIR_DURABILITY)), BYTES("relaxed")),
    };
}
