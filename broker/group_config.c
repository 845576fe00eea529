/* broker/group_config.c: settings of groups (KIP-848, KIP-1043): what one may be set to, and what is in force.
 *
 * WHY      A group may keep its own times, but only within what the brokers allow. Those bounds may be changed after
 *          the group was set up; so they are looked at when a value is taken and again when it is used.
 * RULES    Type and range of the key itself; the bounds of the brokers; a session longer than the interval of the
 *          heartbeats that keep it alive (group_configs_check).
 */
#include "broker/config_value.h"

#include "broker/config_view.h"

struct bytes group_config_default(const struct config_view *v, enum group_config_key key,
                                  enum config_level *from)
{
    const struct config_info *info = group_config_info(key);

    if (info->broker_keys == NULL) {
        *from = CONFIG_LEVEL_DEFAULT;
        return bytes_of(info->default_text);
    }
    enum config_key broker_key = config_find(bytes_of(info->broker_keys));
    ASSERT(broker_key != CONFIG_KEY_COUNT);
    struct bytes value = config_view_text(v, broker_key, from);
    if (config_info(broker_key)->type == CONFIG_LIST && info->type != CONFIG_LIST) {
        ptrdiff_t comma = bytes_find(value, ','); /* the first of several is the default */
        value = bytes_trim(comma < 0 ? value : bytes_slice(value, 0, (size_t)comma));
    }
    return value;
}

/* A broker key that bounds a group's; `none` when there is no such bound. */
static int64_t bound(const struct config_view *v, const char *broker_key, int64_t none)
{
    return broker_key == NULL ? none : config_view_i64(v, config_find(bytes_of(broker_key)));
}

/* Digits, with a fraction if `fraction`, then the unit; false when it is not there. */
static bool take_part(struct bytes *text, uint8_t unit, bool fraction)
{
    size_t at = 0;
    bool digits = false;

    while (at < text->len && ((text->at[at] >= '0' && text->at[at] <= '9') ||
                              (fraction && digits && text->at[at] == '.'))) {
        digits = true;
        at++;
    }
    if (!digits || at == text->len || text->at[at] != unit) {
        return false;
    }
    *text = bytes_slice(*text, at + 1, text->len);
    return true;
}

/* PnDTnHnMn.nS, each part at most once, at least one. */
static bool is_duration(struct bytes text)
{
    if (text.len < 2 || text.at[0] != 'P') {
        return false;
    }
    text = bytes_slice(text, 1, text.len);
    bool any = take_part(&text, 'D', false);
    if (text.len == 0) {
        return any;
    }
    if (text.at[0] != 'T') {
        return false;
    }
    text = bytes_slice(text, 1, text.len);
    any = take_part(&text, 'H', false);
    any = take_part(&text, 'M', false) || any;
    any = take_part(&text, 'S', true) || any;
    return any && text.len == 0;
}

static bool is_reset_policy(struct bytes value)
{
    struct bytes by_duration = BYTES("by_duration:");

    return bytes_equal(value, BYTES("latest")) || bytes_equal(value, BYTES("earliest")) ||
           (bytes_starts_with(value, by_duration) &&
            is_duration(bytes_slice(value, by_duration.len, value.len)));
}

static enum err check_text(const struct config_view *v, enum group_config_key key,
                           struct bytes value, struct arena *arena, struct bytes *why)
{
    enum config_level from;
    struct bytes assignors = config_view_text(v, CONFIG_GROUP_STREAMS_ASSIGNORS, &from);

    if (key == GROUP_CONFIG_SHARE_AUTO_OFFSET_RESET && !is_reset_policy(value)) {
        *why = BYTES("It must be 'earliest', 'latest' or 'by_duration:' and a time like PT1H30M");
        return ERR_USAGE;
    }
    if (key == GROUP_CONFIG_STREAMS_ASSIGNOR_NAME && !config_list_has(assignors, value)) {
        *why = arena_format(arena, "The brokers have these assignors: %.*s", BYTES_ARG(assignors));
        return ERR_USAGE;
    }
    return OK;
}

enum err group_config_check(const struct config_view *v, enum group_config_key key,
                            struct bytes value, struct arena *arena, struct bytes *why)
{
    const struct config_info *info = group_config_info(key);
    int64_t least = bound(v, info->least, INT64_MIN), most = bound(v, info->most, INT64_MAX);
    int64_t number = least;

    TRY(config_check_value(info, value, arena, why));
    TRY(check_text(v, key, bytes_trim(value), arena, why));
    bool right = config_number(info->type, value, &number);
    ASSERT(right);
    if (number < least) {
        *why =
            arena_format(arena, "The brokers want at least %" PRId64 " (%s)", least, info->least);
        return ERR_USAGE;
    }
    if (number > most) {
        *why = arena_format(arena, "The brokers allow no more than %" PRId64 " (%s)", most,
                            info->most);
        return ERR_USAGE;
    }
    return OK;
}

static int64_t value_of(const struct config_view *v, struct own_configs own,
                        enum group_config_key key)
{
    const struct config_info *info = group_config_info(key);
    struct bytes value = own_config(own, bytes_of(info->name));
    enum config_level from;
    int64_t number = 0;

    if (value.at == NULL) {
        value = group_config_default(v, key, &from);
    }
    bool right = config_number(info->type, value, &number);
    ASSERT(right); /* it was checked before it was taken */
    number = MAX(number, bound(v, info->least, INT64_MIN));
    return MIN(number, bound(v, info->most, INT64_MAX));
}

enum err group_configs_check(const struct config_view *v, struct own_configs own,
                             struct arena *arena, struct bytes *why)
{
    static const struct {
        enum group_config_key session, heartbeat;
    } pairs[] = {
        {GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS, GROUP_CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS},
        {GROUP_CONFIG_SHARE_SESSION_TIMEOUT_MS, GROUP_CONFIG_SHARE_HEARTBEAT_INTERVAL_MS},
        {GROUP_CONFIG_STREAMS_SESSION_TIMEOUT_MS, GROUP_CONFIG_STREAMS_HEARTBEAT_INTERVAL_MS}};

    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (value_of(v, own, pairs[i].session) <= value_of(v, own, pairs[i].heartbeat)) {
            *why = arena_format(arena, "%s must be larger than %s",
                                group_config_info(pairs[i].session)->name,
                                group_config_info(pairs[i].heartbeat)->name);
            return ERR_USAGE;
        }
    }
    return OK;
}

int64_t group_config_i64(const struct config *c, const struct image *i, struct bytes group,
                         enum group_config_key key)
{
    struct config_view v = config_view_of(c, i);
    struct own_configs own = {NULL, 0};

    ASSERT(group_config_info(key)->type != CONFIG_STRING &&
           group_config_info(key)->type != CONFIG_LIST);
    if (i != NULL) {
        own.at = image_group_configs(i, group, &own.len);
    }
    return value_of(&v, own, key);
}
