/* tools/group_rate.c: rate, trend and conditions, from numbers that were asked for before.
 *
 * WHY      "1240 behind" is neither good nor bad. Whether it shrinks, and for how long yet, is.
 * FORMAT   The lag shrinks or grows by what was consumed less what was produced between two looks; so the time until it
 *          is gone is the lag over that difference. A consumer that commits every few seconds does not move between
 *          looks that are closer together: that is told as "no commit", not as standing still.
 */
#include "tools/group_rate.h"

#include "tools/cli_position.h"

#include <stdio.h>
#include <stdlib.h>

enum { US_PER_MS = 1000, THOUSAND = 1000, NUMBER_BYTES = 48 };

static const double us_per_second = 1e6;

double group_rate(const struct group_progress *p)
{
    return p->compared && p->span_us > 0 ? (double)p->moved * us_per_second / (double)p->span_us
                                         : -1;
}

const char *group_trend(const struct group_progress *p)
{
    if (p->lag == 0) {
        return "caught up";
    }
    if (!p->compared || p->lag < 0) {
        return NULL;
    }
    if (p->moved == 0) {
        return "no commit";
    }
    return p->lag < p->lag_before   ? "catching up"
           : p->lag > p->lag_before ? "falling behind"
                                    : "keeping up";
}

int64_t group_done_in_ms(const struct group_progress *p)
{
    if (!p->compared || p->lag <= 0 || p->lag >= p->lag_before) {
        return -1;
    }
    double ms = (double)p->lag * (double)p->span_us / (double)(p->lag_before - p->lag) / US_PER_MS;
    return ms < (double)(INT64_MAX / 2) ? (int64_t)ms : -1;
}

void group_progress_add(struct group_progress *sum, const struct group_progress *p)
{
    if (p->lag < 0) {
        return;
    }
    sum->lag = MAX(sum->lag, 0) + p->lag;
    sum->lag_time_ms = MAX(sum->lag_time_ms, p->lag_time_ms);
    sum->lag_before += p->compared ? p->lag_before : p->lag;
    if (p->compared) {
        sum->compared = true;
        sum->moved += p->moved;
        sum->span_us = MAX(sum->span_us, p->span_us);
    }
}

/* "1 240" */
static void spaced(int64_t n, char out[NUMBER_BYTES])
{
    char digits[NUMBER_BYTES];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    size_t at = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ' ';
        }
        out[at++] = digits[i];
    }
    out[at] = 0;
}

struct bytes group_total_text(struct arena *arena, const struct group_progress *sum)
{
    char number[NUMBER_BYTES], span[DURATION_TEXT_BYTES];
    const char *trend = group_trend(sum);
    int64_t done_in_ms = group_done_in_ms(sum);

    if (sum->lag < 0) {
        return arena_format(arena, "total unknown, nothing was committed");
    }
    spaced(sum->lag, number);
    struct bytes text = arena_format(arena, "total %s", number);
    if (sum->lag > 0 && sum->lag_time_ms >= 0) {
        duration_text(sum->lag_time_ms, span);
        text = arena_format(arena, "%.*s, %s behind", BYTES_ARG(text), span);
    }
    if (trend != NULL) {
        text = arena_format(arena, "%.*s, %s", BYTES_ARG(text), trend);
    }
    if (done_in_ms >= THOUSAND && done_in_ms < 60 * THOUSAND) {
        text = arena_format(arena, "%.*s, done in ~%" PRId64 " s", BYTES_ARG(text),
                            (done_in_ms + THOUSAND / 2) / THOUSAND);
    } else if (done_in_ms >= 0) {
        duration_text(done_in_ms, span);
        text = arena_format(arena, "%.*s, done in ~%s", BYTES_ARG(text), span);
    }
    return text;
}

/* ---- conditions ---- */

static const struct {
    const char *name;
    enum group_measure measure;
    double scale;
} measures[] = {{"lag", GROUP_MEASURE_LAG, 1},
                {"lag_time", GROUP_MEASURE_LAG_TIME, 1}, /* its value has a unit */
                {"lag_seconds", GROUP_MEASURE_LAG_TIME, 1000},
                {"rate", GROUP_MEASURE_RATE, 1}};

static const struct {
    const char *sign;
    enum group_relation relation;
} relations[] = {{"<=", GROUP_AT_MOST}, {">=", GROUP_AT_LEAST}, {"!=", GROUP_OTHER},
                 {"==", GROUP_SAME},    {"<", GROUP_LESS},      {">", GROUP_MORE},
                 {"=", GROUP_SAME}};

static enum err parse_number(struct bytes text, double *out)
{
    char copy[NUMBER_BYTES], *end;

    if (bytes_to_cstr(text, copy, sizeof(copy)) != OK || copy[0] < '0' || copy[0] > '9') {
        return fail(ERR_USAGE, "'%.*s' is not a number", BYTES_ARG(text));
    }
    double value = strtod(copy, &end);
    if (*end != 0) {
        return fail(ERR_USAGE, "'%.*s' is not a number", BYTES_ARG(text));
    }
    *out = value;
    return OK;
}

static enum err parse_value(struct bytes text, size_t measure, double *out)
{
    int64_t ms;

    if (strcmp(measures[measure].name, "lag_time") == 0) {
        if (duration_parse(text, &ms) != OK) {
            return fail(ERR_USAGE, "'%.*s' is not a time, as 60s or 5m", BYTES_ARG(text));
        }
        *out = (double)ms;
        return OK;
    }
    TRY(parse_number(text, out));
    *out *= measures[measure].scale;
    return OK;
}

enum err group_condition_parse(struct bytes text, struct group_condition *out)
{
    struct bytes name = bytes_trim(text), rest = BYTES("");

    for (size_t i = 0; i < text.len; i++) {
        if (bytes_find(BYTES("<>=!"), text.at[i]) >= 0) {
            name = bytes_trim(bytes_slice(text, 0, i));
            rest = bytes_slice(text, i, text.len);
            break;
        }
    }
    for (size_t m = 0; m < COUNT_OF(measures); m++) {
        for (size_t r = 0; bytes_equal(name, bytes_of(measures[m].name)) && r < COUNT_OF(relations);
             r++) {
            struct bytes sign = bytes_of(relations[r].sign);
            if (bytes_starts_with(rest, sign)) {
                out->measure = measures[m].measure;
                out->relation = relations[r].relation;
                return parse_value(bytes_trim(bytes_slice(rest, sign.len, rest.len)), m,
                                   &out->value);
            }
        }
    }
    return fail(ERR_USAGE,
                "'%.*s' is no condition: lag>1000, lag_time>60s, lag_seconds>60 or rate<1",
                BYTES_ARG(text));
}

static bool holds(double a, enum group_relation relation, double b)
{
    switch (relation) {
    case GROUP_LESS:
        return a < b;
    case GROUP_AT_MOST:
        return a <= b;
    case GROUP_MORE:
        return a > b;
    case GROUP_AT_LEAST:
        return a >= b;
    case GROUP_SAME:
        return !(a < b) && !(a > b);
    case GROUP_OTHER:
        return a < b || a > b;
    }
    UNREACHABLE();
}

bool group_condition_met(const struct group_condition *c, const struct group_progress *p)
{
    double value = -1;

    switch (c->measure) {
    case GROUP_MEASURE_LAG:
        value = (double)p->lag;
        break;
    case GROUP_MEASURE_LAG_TIME:
        value = (double)p->lag_time_ms;
        break;
    case GROUP_MEASURE_RATE:
        value = group_rate(p);
        break;
    }
    return value >= 0 && holds(value, c->relation, c->value);
}
