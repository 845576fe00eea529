/* base/log.h: log lines. One line, an event name that can be grepped, then key=value:
 *
 *     log_info("segment rolled", "topic=%.*s partition=%d base_offset=%" PRId64, ...);
 *
 * Only edges log (dispatch, the core loop, start-up, storage's host); what lies below returns enum err
 * and breadcrumbs. error: an operator must act. warn: we carry on, and the line says how. info: at most a
 * few times a minute. debug: anything. Any thread; never blocks: a line that cannot be written at once is
 * dropped and counted, and the next line says how many.
 */
#pragma once

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Before any thread starts. Default: LOG_INFO to standard error. In simulation the clock of lines is
 * set by log_clock(); without one, lines carry no time. */
void log_level_set(enum log_level least);
bool log_enabled(enum log_level level);
/* The wall clock for the time stamp of lines, milliseconds since 1970; NULL for none. */
void log_clock(int64_t (*wall_ms)(void *), void *context);
/* Where lines go instead of standard error; NULL for standard error. For tests. */
void log_sink(void (*line)(void *, const char *text, size_t len), void *context);

void log_line(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_at_(level, ...)                 \
    do {                                    \
        if (log_enabled(level)) {           \
            log_line((level), __VA_ARGS__); \
        }                                   \
    } while (0)
#define log_error(...) log_at_(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at_(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at_(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at_(LOG_DEBUG, __VA_ARGS__)
