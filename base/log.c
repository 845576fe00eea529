/* base/log.c: lines for people and for their tools.
 *
 * WHY      An operator reads what a node says about itself, mostly after something went wrong; a line that
 *          is lost or torn then is worth nothing, and a node that waits for its log is worth less.
 * FORMAT   2026-11-22T18:00:00.123Z info "segment rolled" topic=orders partition=3
 *          Time (UTC), level, event name, then key=value pairs, in one write(2). Control characters
 *          become '?', so no name that a client chose can begin a line of its own. A line longer than
 *          LOG_LINE_BYTES is cut and ends in "...". `dropped=n` at the end: so many lines could not be
 *          written since the last one. `suppressed=n`: so many of this event were held back.
 * OWNER    Static state: one of the few homes of it. Level, clock and sink are set before threads start.
 *          The rest is under the lock, whose holder never waits: it asks poll(2) whether standard
 *          error takes a line, and drops the line when not. O_NONBLOCK is not an option: it belongs to the
 *          open file, which a terminal shares with the shell. (A pipe that is writable for poll(2) takes
 *          PIPE_BUF bytes at once; a regular file may still wait for its disk, as any file may.)
 * LIMITS   LOG_EVENT_LINES of one event in LOG_WINDOW_MS, except debug lines: what goes wrong once for
 *          each request of a busy client must not fill the disk that holds the log. Needs the clock.
 */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LOG_LINE_BYTES = 2048, LOG_TAIL_BYTES = 96, LOG_EVENT_LINES = 50, LOG_EVENT_COUNT = 64 };
enum { LOG_WINDOW_MS = 10000, MS_PER_DAY = 86400000 };
static_assert((int)LOG_LINE_BYTES <= (int)PIPE_BUF, "a line is written whole or not at all");

/* How often one event came in its current window. */
struct event_rate {
    const char *event; /* identity, not text: each call has its own literal */
    int64_t window_ms; /* began */
    uint64_t lines, held_back;
};

static struct {
    enum log_level least;
    int64_t (*clock)(void *);
    void *clock_context;
    void (*sink)(void *, const char *, size_t);
    void *sink_context;

    pthread_mutex_t lock; /* over the rest, and over writing */
    uint64_t dropped;
    struct event_rate rates[LOG_EVENT_COUNT];
} state = {.least = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

void log_level_set(enum log_level least)
{
    state.least = least;
}

bool log_enabled(enum log_level level)
{
    return level >= state.least;
}

void log_clock(int64_t (*wall_ms)(void *), void *context)
{
    state.clock = wall_ms;
    state.clock_context = context;
}

void log_sink(void (*line)(void *, const char *text, size_t len), void *context)
{
    state.sink = line;
    state.sink_context = context;
}

/* A line under construction. */
struct line {
    char text[LOG_LINE_BYTES];
    size_t len;
};

PRINTF_LIKE(3, 0)
static void add(struct line *l, size_t end, const char *format, va_list args)
{
    ASSERT(l->len < end && end <= sizeof(l->text));
    int n = vsnprintf(l->text + l->len, end - l->len, format, args);

    if (n < 0) {
        n = 0;
    }
    if ((size_t)n >= end - l->len) {
        l->len = end - 1;
        memcpy(l->text + l->len - 3, "...", 3);
    } else {
        l->len += (size_t)n;
    }
}

static void add_text(struct line *l, size_t end, const char *format, ...) PRINTF_LIKE(3, 4);

static void add_text(struct line *l, size_t end, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(l, end, format, args);
    va_end(args);
}

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* By hand, because gmtime_r(3) takes a lock and may read a file. The loops run some hundred times at
 * most: the years are few. */
static void add_time(struct line *l, int64_t wall_ms)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t year_9999_ms = INT64_C(253402300799999);
    int64_t ms = MIN(wall_ms, year_9999_ms);
    int64_t days = ms / MS_PER_DAY, year = 1970;
    int month = 0;

    while (days >= 365 + leap(year)) {
        days -= 365 + leap(year);
        year++;
    }
    while (days >= month_days[month] + (month == 1 && leap(year))) {
        days -= month_days[month] + (month == 1 && leap(year));
        month++;
    }
    ms %= MS_PER_DAY;
    add_text(l, sizeof(l->text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", (int)year, month + 1,
             (int)days + 1, (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
             (int)(ms % 1000));
}

static void hide_control_characters(struct line *l)
{
    for (size_t i = 0; i < l->len; i++) {
        if ((uint8_t)l->text[i] < ' ' || l->text[i] == 0x7f) {
            l->text[i] = '?';
        }
    }
}

/* May this line go out? *held_back: how many of its event did not, up to now. Two events in one slot
 * only forget each other's counts. */
static bool admit(const char *event, int64_t now_ms, uint64_t *held_back)
{
    struct event_rate *r = &state.rates[((uintptr_t)event >> 3) % LOG_EVENT_COUNT];
    bool same = r->event == event;

    *held_back = 0;
    if (!same || now_ms < r->window_ms || now_ms - r->window_ms >= LOG_WINDOW_MS) {
        *held_back = same ? r->held_back : 0;
        *r = (struct event_rate){.event = event, .window_ms = now_ms};
    }
    if (r->lines >= LOG_EVENT_LINES) {
        r->held_back++;
        return false;
    }
    r->lines++;
    return true;
}

/* The caller holds the lock. */
static bool write_out(const struct line *l)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (state.sink != NULL) {
        state.sink(state.sink_context, l->text, l->len);
        return true;
    }
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, l->text, l->len) == (ssize_t)l->len;
}

static void finish(struct line *l, uint64_t held_back)
{
    if (held_back > 0) {
        add_text(l, sizeof(l->text), " suppressed=%" PRIu64, held_back);
    }
    if (state.dropped > 0) {
        add_text(l, sizeof(l->text), " dropped=%" PRIu64, state.dropped);
    }
    add_text(l, sizeof(l->text), "\n");
    if (write_out(l)) {
        state.dropped = 0;
    } else {
        state.dropped++;
    }
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    const size_t text_end = LOG_LINE_BYTES - LOG_TAIL_BYTES;
    struct line l;
    int64_t now_ms = 0;
    uint64_t held_back = 0;
    va_list args;

    ASSERT((size_t)level < COUNT_OF(level_names));
    l.len = 0;
    if (state.clock != NULL) {
        now_ms = MAX(state.clock(state.clock_context), 0);
        add_time(&l, now_ms);
    }
    add_text(&l, text_end, "%s \"%s\"%s", level_names[level], event, format[0] == 0 ? "" : " ");
    va_start(args, format);
    add(&l, text_end, format, args);
    va_end(args);
    hide_control_characters(&l);

    (void)pthread_mutex_lock(&state.lock);
    if (state.clock == NULL || level == LOG_DEBUG || admit(event, now_ms, &held_back)) {
        finish(&l, held_back);
    }
    (void)pthread_mutex_unlock(&state.lock);
}
