/* broker/metrics_text.h: numbers as Prometheus reads them (text format 0.0.4).
 *
 *     metrics_text_family(&t, "kafka_consumergroup_members", "Members of a group.", METRIC_GAUGE);
 *     metrics_text_label(&t, "consumergroup", id);
 *     metrics_text_series(&t, METRICS_NO_PARTITION, 3);        {consumergroup="id"} 3
 *
 * What passes METRICS_SERIES_MAX or METRICS_TEXT_BYTES_MAX is counted and left out; metrics_text_end() says so in a
 * comment. Without memory nothing more is written, and `nomem` is set.
 */
#pragma once

#include "base/bytes.h"
#include "broker/metrics.h"

/* Lines with numbers on one page, its bytes, and the bytes of one label: who scrapes has limits, too. */
enum {
    METRICS_SERIES_MAX = 200 * 1000,
    METRICS_TEXT_BYTES_MAX = 64 << 20,
    METRICS_LABEL_BYTES_MAX = 1024,
};

enum { METRICS_NO_PARTITION = -1 };

struct metrics_text {
    struct buf text;
    struct buf labels;  /* those of the series to come */
    const char *family; /* the one that series belong to */
    size_t series, left_out;
    size_t series_max;
    bool labels_failed; /* the next series lacks a label: it is left out */
    bool nomem;
};

/* Normally METRICS_SERIES_MAX and METRICS_TEXT_BYTES_MAX. */
void metrics_text_init(struct metrics_text *t, size_t series_max, size_t bytes_max);
void metrics_text_deinit(struct metrics_text *t);
/* The series that follow belong to it. `name` is kept; a counter's ends with _total. */
void metrics_text_family(struct metrics_text *t, const char *name, const char *help,
                         enum metric_kind kind);
/* For the series to come, until metrics_text_unlabel(). Bytes that are no UTF-8 are replaced; a value that is too
 * long leaves those series out. */
void metrics_text_label(struct metrics_text *t, const char *name, struct bytes value);
void metrics_text_unlabel(struct metrics_text *t);
/* One line; `partition` is a further label, or METRICS_NO_PARTITION. */
void metrics_text_series(struct metrics_text *t, int32_t partition, int64_t value);
/* Series that nobody could even name. */
void metrics_text_leave_out(struct metrics_text *t, size_t series);
/* Says what was left out. */
void metrics_text_end(struct metrics_text *t);
