/* tools/group_rate.h: what two looks at a group say: how fast it is, which way it goes, when it will be done; and
 * whether that meets a condition. Pure functions.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* Of a partition, or of many together. */
struct group_progress {
    int64_t lag, lag_time_ms; /* -1: unknown */
    bool compared;            /* the fields below are known */
    int64_t lag_before;
    int64_t moved;    /* records consumed between the looks */
    uint64_t span_us; /* between the looks */
};

/* Records a second; -1: unknown. */
double group_rate(const struct group_progress *p);
/* "caught up", "catching up", "keeping up", "falling behind", "no commit" (nothing was committed between the looks: it
 * stands still, or commits seldom). NULL: unknown. */
const char *group_trend(const struct group_progress *p);
/* Until the lag is gone at the speed it shrinks; -1: it does not. */
int64_t group_done_in_ms(const struct group_progress *p);
/* A sum of none. */
#define GROUP_PROGRESS_NONE ((struct group_progress){.lag = -1, .lag_time_ms = -1})
/* Adds a partition to a sum: lags and moves add up, the oldest time counts, what is unknown is left out. */
void group_progress_add(struct group_progress *sum, const struct group_progress *p);
/* "total 1 240, 3.1 s behind, catching up, done in ~8 s". BYTES_NULL: no memory. */
struct bytes group_total_text(struct arena *arena, const struct group_progress *sum);

enum group_measure {
    GROUP_MEASURE_LAG,
    GROUP_MEASURE_LAG_TIME, /* milliseconds */
    GROUP_MEASURE_RATE,
};

enum group_relation {
    GROUP_LESS,
    GROUP_AT_MOST,
    GROUP_MORE,
    GROUP_AT_LEAST,
    GROUP_SAME,
    GROUP_OTHER
};

/* lag>1000, lag_time>=60s, lag_seconds>60, rate<1 */
struct group_condition {
    enum group_measure measure;
    enum group_relation relation;
    double value;
};

/* ERR_USAGE: the crumb says what is wrong. */
enum err group_condition_parse(struct bytes text, struct group_condition *out);
/* What is unknown meets none. */
bool group_condition_met(const struct group_condition *c, const struct group_progress *p);
