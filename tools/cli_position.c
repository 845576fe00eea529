/* tools/cli_position.c: the language of positions: start, end, 123, -100, +5, @time.
 *
 * WHY      "The last hundred", "since eight", "an hour ago" are what people ask for; offsets are what the
 *          protocol wants.
 * FORMAT   Times are UTC and ISO 8601; days are counted by the proleptic Gregorian calendar.
 */
#include "tools/cli_position.h"

#include <stdio.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000 };

/* Days since 1970-01-01. Months are counted from March, so that leap days come last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

/* Takes `count` digits off the front. */
static bool take_number(struct bytes *text, size_t count, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->len == 0 || text->at[0] < '0' || text->at[0] > '9') {
            return false;
        }
        *out = *out * 10 + (text->at[0] - '0');
        *text = bytes_slice(*text, 1, text->len);
    }
    return true;
}

static bool take_character(struct bytes *text, uint8_t c)
{
    if (text->len == 0 || text->at[0] != c) {
        return false;
    }
    *text = bytes_slice(*text, 1, text->len);
    return true;
}

/* ".5" -> 500; digits past the third are read and dropped. */
static int64_t take_fraction_ms(struct bytes *text)
{
    int64_t ms = 0, weight = 100, digit;

    if (!take_character(text, '.')) {
        return 0;
    }
    while (take_number(text, 1, &digit)) {
        ms += digit * weight;
        weight /= 10;
    }
    return ms;
}

static bool parse_iso(struct bytes text, int64_t *out)
{
    int64_t year, month, day, hour = 0, minute = 0, second = 0, ms = 0;

    if (!take_number(&text, 4, &year) || !take_character(&text, '-') ||
        !take_number(&text, 2, &month) || !take_character(&text, '-') ||
        !take_number(&text, 2, &day) || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    if (take_character(&text, 'T') || take_character(&text, ' ')) {
        if (!take_number(&text, 2, &hour) || !take_character(&text, ':') ||
            !take_number(&text, 2, &minute)) {
            return false;
        }
        if (take_character(&text, ':')) {
            if (!take_number(&text, 2, &second)) {
                return false;
            }
            ms = take_fraction_ms(&text);
        }
    }
    (void)take_character(&text, 'Z');
    if (text.len > 0 || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    *out = days_of(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

/* "90m"; a number alone counts `bare` milliseconds each, or is refused when that is 0. */
static bool parse_span(struct bytes text, int64_t bare, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},   {"m", 60000},
                 {"h", 3600000}, {"d", DAY_MS}, {"w", 7 * DAY_MS}};
    size_t digits = 0;
    int64_t n, each = bare;

    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9') {
        digits++;
    }
    if (bytes_to_i64(bytes_slice(text, 0, digits), &n) != OK) {
        return false;
    }
    struct bytes unit = bytes_slice(text, digits, text.len);
    for (size_t i = 0; unit.len > 0 && i < COUNT_OF(units); i++) {
        if (bytes_equal(unit, bytes_of(units[i].name))) {
            each = units[i].ms;
            unit = BYTES("");
        }
    }
    return unit.len == 0 && each > 0 && !__builtin_mul_overflow(n, each, out);
}

/* "-90m": so long before now. */
static bool parse_ago(struct bytes text, int64_t now_ms, int64_t *out)
{
    int64_t span;

    if (!parse_span(bytes_slice(text, 1, text.len), 0, &span)) {
        return false;
    }
    *out = now_ms - span;
    return true;
}

enum err duration_parse(struct bytes text, int64_t *out_ms)
{
    int64_t span;

    if (!parse_span(text, SECOND_MS, &span)) {
        return fail(ERR_MALFORMED, "'%.*s' is not a span of time", BYTES_ARG(text));
    }
    *out_ms = span;
    return OK;
}

enum err moment_parse(struct bytes text, int64_t now_ms, int64_t *out)
{
    if (text.len > 1 && text.at[0] == '-' && parse_ago(text, now_ms, out)) {
        return OK;
    }
    if (parse_iso(text, out) || bytes_to_i64(text, out) == OK) {
        return OK;
    }
    return fail(ERR_MALFORMED, "'%.*s' is not a time", BYTES_ARG(text));
}

enum err position_parse(struct bytes text, int64_t now_ms, struct cli_position *out)
{
    int64_t n;

    if (bytes_equal(text, BYTES("start")) || bytes_equal(text, BYTES("end"))) {
        out->kind = text.at[0] == 's' ? CLI_POSITION_START : CLI_POSITION_END;
        out->value = 0;
        return OK;
    }
    if (text.len > 1 && text.at[0] == '@') {
        out->kind = CLI_POSITION_TIME;
        return moment_parse(bytes_slice(text, 1, text.len), now_ms, &out->value);
    }
    TRY(bytes_to_i64(text, &n));
    out->kind = text.at[0] == '-'   ? CLI_POSITION_FROM_END
                : text.at[0] == '+' ? CLI_POSITION_FROM_START
                                    : CLI_POSITION_OFFSET;
    out->value = n < 0 ? -n : n;
    return OK;
}

bool cli_position(const struct cli *c, struct bytes text, struct cli_position *out)
{
    if (position_parse(text, env_wall_ms(c->env), out) == OK) {
        return true;
    }
    (void)cli_fail(
        c, CLI_USAGE,
        "'%.*s' is not a position: use start, end, 123, -100 (before the end), +5 (after the "
        "start), @2026-11-22T08:00Z or @-1h",
        BYTES_ARG(text));
    return false;
}

void moment_text(int64_t ms, char out[MOMENT_TEXT_BYTES])
{
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0 ? 1 : 0), left = (ms % DAY_MS + DAY_MS) % DAY_MS;
    int64_t year, month, day;

    date_of(days, &year, &month, &day);
    (void)snprintf(out, MOMENT_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year,
                   (int)month, (int)day, (int)(left / 3600000), (int)(left / 60000 % 60),
                   (int)(left / 1000 % 60), (int)(left % 1000));
}

void duration_text(int64_t ms, char out[DURATION_TEXT_BYTES])
{
    static const struct {
        int64_t ms, part_ms;
        char name, part;
    } units[] = {{DAY_MS, HOUR_MS, 'd', 'h'},
                 {HOUR_MS, MINUTE_MS, 'h', 'm'},
                 {MINUTE_MS, SECOND_MS, 'm', 's'}};

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (ms >= units[i].ms) {
            (void)snprintf(out, DURATION_TEXT_BYTES, "%" PRId64 "%c%02" PRId64 "%c",
                           ms / units[i].ms, units[i].name, ms % units[i].ms / units[i].part_ms,
                           units[i].part);
            return;
        }
    }
    if (ms >= SECOND_MS) {
        (void)snprintf(out, DURATION_TEXT_BYTES, "%" PRId64 ".%" PRId64 " s", ms / SECOND_MS,
                       ms % SECOND_MS / 100);
        return;
    }
    (void)snprintf(out, DURATION_TEXT_BYTES, "%" PRId64 " ms", ms);
}
