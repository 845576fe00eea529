/* broker/config_value.c: parsing and checking one setting.
 *
 * WHY      A topic made through the protocol must be refused for the same values as by Kafka, so the
 *          `valid` texts of the table, which are Kafka's own notation, are what is checked: "[1,...]",
 *          "[0,...,1]", "[a, b, c]", "[1,...,9] or -1". Any other text is a remark and checks nothing.
 *          People who write files get units on top; the protocol does not.
 * FAILURE  ERR_USAGE with the reason in words.
 */
#include "broker/config_value.h"

#include <stdlib.h>

static bool equal_ignoring_case(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.at[i], y = b.at[i];
        x = x >= 'A' && x <= 'Z' ? (uint8_t)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (uint8_t)(y + 32) : y;
        if (x != y) {
            return false;
        }
    }
    return true;
}

static bool in_range(enum config_type type, int64_t n)
{
    if (type == CONFIG_INT) {
        return n >= INT32_MIN && n <= INT32_MAX;
    }
    return type != CONFIG_SHORT || (n >= INT16_MIN && n <= INT16_MAX);
}

bool config_number(enum config_type type, struct bytes text, int64_t *out)
{
    text = bytes_trim(text);
    if (type == CONFIG_BOOLEAN) {
        bool yes = equal_ignoring_case(text, BYTES("true"));
        if (!yes && !equal_ignoring_case(text, BYTES("false"))) {
            return false;
        }
        *out = yes;
        return true;
    }
    if (type != CONFIG_INT && type != CONFIG_SHORT && type != CONFIG_LONG) {
        return true;
    }
    int64_t n;
    if (bytes_to_i64(text, &n) != OK || !in_range(type, n)) {
        return false;
    }
    *out = n;
    return true;
}

static const struct {
    const char *name;
    int64_t factor;
} units[] = {
    {"ms", 1},       {"s", 1000},      {"m", 60000},       {"h", 3600000},
    {"d", 86400000}, {"w", 604800000}, {"k", 1 << 10},     {"KiB", 1 << 10},
    {"M", 1 << 20},  {"MiB", 1 << 20}, {"G", 1 << 30},     {"GiB", 1 << 30},
    {"kB", 1000},    {"MB", 1000000},  {"GB", 1000000000}, {"B", 1},
};

struct bytes config_without_units(enum config_type type, struct bytes text, struct arena *arena)
{
    size_t digits = 0;
    int64_t n;

    text = bytes_trim(text);
    if (type != CONFIG_INT && type != CONFIG_SHORT && type != CONFIG_LONG) {
        return text;
    }
    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9') {
        digits++;
    }
    if (digits == 0 || digits == text.len || bytes_to_i64(bytes_slice(text, 0, digits), &n) != OK) {
        return text;
    }
    struct bytes unit = bytes_trim(bytes_slice(text, digits, text.len));
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (bytes_equal(unit, bytes_of(units[i].name)) &&
            !__builtin_mul_overflow(n, units[i].factor, &n)) {
            return arena_format(arena, "%" PRId64, n);
        }
    }
    return text;
}

void config_list_each(struct bytes list, void (*fn)(void *context, struct bytes element),
                      void *context)
{
    while (list.len > 0) {
        ptrdiff_t comma = bytes_find(list, ',');
        size_t len = comma < 0 ? list.len : (size_t)comma;
        struct bytes element = bytes_trim(bytes_slice(list, 0, len));
        if (element.len > 0) {
            fn(context, element);
        }
        list = bytes_slice(list, len + 1, list.len);
    }
}

struct search {
    struct bytes element;
    bool ignore_case, found;
};

static void search_one(void *context, struct bytes element)
{
    struct search *s = context;

    s->found = s->found || (s->ignore_case ? equal_ignoring_case(element, s->element)
                                           : bytes_equal(element, s->element));
}

bool config_list_has(struct bytes list, struct bytes element)
{
    struct search s = {.element = element};

    config_list_each(list, search_one, &s);
    return s.found;
}

/* "[low,...,high]" or "[low,...]" within `valid`; the bounds that are not written stay as they are. */
static bool parse_bounds(struct bytes valid, double *low, double *high)
{
    char text[64];
    char *end;

    if (bytes_to_cstr(valid, text, sizeof(text)) != OK || text[0] != '[') {
        return false;
    }
    char *dots = strstr(text, ",...");
    if (dots == NULL) {
        return false;
    }
    *low = strtod(text + 1, &end);
    if (end != dots) {
        return false;
    }
    if (dots[4] == ',') {
        *high = strtod(dots + 5, &end);
    }
    return true;
}

static enum err check_bounds(struct bytes valid, struct bytes value, struct arena *arena,
                             struct bytes *why)
{
    double low = 0, high = 1e308, number;
    char text[64];

    if (!parse_bounds(valid, &low, &high)) {
        return OK;
    }
    TRY(bytes_to_cstr(bytes_trim(value), text, sizeof(text)));
    number = strtod(text, NULL);
    struct bytes or = BYTES("] or -1");
    if (valid.len > or.len && bytes_equal(bytes_slice(valid, valid.len - or.len, or.len), or) &&
                          number >= -1 && number <= -1) {
        return OK;
    }
    if (number < low) {
        *why = arena_format(arena, "Value must be at least %.0f", low);
        return ERR_USAGE;
    }
    if (number > high) {
        *why = arena_format(arena, "Value must be no more than %.0f", high);
        return ERR_USAGE;
    }
    return OK;
}

struct choice {
    struct bytes choices;
    bool ignore_case, all_found;
};

static void check_choice(void *context, struct bytes element)
{
    struct choice *c = context;
    struct search s = {.element = element, .ignore_case = c->ignore_case};

    config_list_each(c->choices, search_one, &s);
    c->all_found = c->all_found && s.found;
}

static enum err check_choices(const struct config_info *info, struct bytes value,
                              struct arena *arena, struct bytes *why)
{
    struct bytes valid = bytes_of(info->valid), any_case = BYTES("(case insensitive) ");
    struct choice c = {.all_found = true};

    if (bytes_starts_with(valid, any_case)) {
        c.ignore_case = true;
        valid = bytes_slice(valid, any_case.len, valid.len);
    }
    if (valid.len < 2 || valid.at[0] != '[' || valid.at[valid.len - 1] != ']' ||
        strstr(info->valid, "...") != NULL) {
        return OK;
    }
    c.choices = bytes_slice(valid, 1, valid.len - 2);
    if (info->type == CONFIG_LIST) {
        config_list_each(value, check_choice, &c);
    } else {
        check_choice(&c, bytes_trim(value));
    }
    if (!c.all_found) {
        *why = arena_format(arena, "String must be one of: %.*s", BYTES_ARG(c.choices));
        return ERR_USAGE;
    }
    return OK;
}

static const char *const type_names[] = {
    [CONFIG_BOOLEAN] = "a boolean, true or false",
    [CONFIG_STRING] = "a string",
    [CONFIG_INT] = "a number of type INT",
    [CONFIG_SHORT] = "a number of type SHORT",
    [CONFIG_LONG] = "a number of type LONG",
    [CONFIG_DOUBLE] = "a number of type DOUBLE",
    [CONFIG_LIST] = "a list",
    [CONFIG_CLASS] = "a class",
    [CONFIG_PASSWORD] = "a password",
};

static bool is_double(struct bytes value)
{
    char text[64], *end;

    if (bytes_to_cstr(bytes_trim(value), text, sizeof(text)) != OK || text[0] == 0) {
        return false;
    }
    (void)strtod(text, &end);
    return *end == 0;
}

static void check_replica(void *context, struct bytes element)
{
    bool *right = context;
    ptrdiff_t colon = bytes_find(element, ':');
    int64_t partition, broker;

    *right = *right && colon > 0 &&
             bytes_to_i64(bytes_slice(element, 0, (size_t)colon), &partition) == OK &&
             bytes_to_i64(bytes_slice(element, (size_t)colon + 1, element.len), &broker) == OK &&
             partition >= 0 && broker >= 0;
}

/* "*", or partition:broker,partition:broker ... */
static enum err check_replicas(const struct config_info *info, struct bytes value,
                               struct bytes *why)
{
    bool right = true;

    if (bytes_starts_with(bytes_of(info->valid), BYTES("[partitionId]:")) &&
        !bytes_equal(bytes_trim(value), BYTES("*"))) {
        config_list_each(value, check_replica, &right);
    }
    *why = right ? *why : BYTES("It must be * or partition:broker,partition:broker and so on");
    return right ? OK : ERR_USAGE;
}

enum err config_check_value(const struct config_info *info, struct bytes value, struct arena *arena,
                            struct bytes *why)
{
    int64_t number = 0;

    *why = BYTES("");
    bool right =
        info->type == CONFIG_DOUBLE ? is_double(value) : config_number(info->type, value, &number);
    if (!right) {
        *why = arena_format(arena, "Not %s", type_names[info->type]);
        return ERR_USAGE;
    }
    if (info->type == CONFIG_STRING || info->type == CONFIG_LIST) {
        TRY(check_replicas(info, value, why));
        return check_choices(info, value, arena, why);
    }
    return info->type == CONFIG_BOOLEAN ? OK
                                        : check_bounds(bytes_of(info->valid), value, arena, why);
}
