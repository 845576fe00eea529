/* tests/unit/log_test.c: log lines, and what happens when nobody reads them. */
#include "base/log.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct kept {
    char text[8192];
    size_t len;
    int lines;
};

static void keep(void *context, const char *text, size_t len)
{
    struct kept *k = context;

    CHECK(len > 0 && text[len - 1] == '\n');
    CHECK(memchr(text, '\n', len) == text + len - 1);
    k->lines++;
    k->len = MIN(len, sizeof(k->text) - 1);
    memcpy(k->text, text, k->len);
    k->text[k->len] = 0;
}

static int64_t clock_of(void *context)
{
    return *(int64_t *)context;
}

TEST(a_line_is_time_level_event_and_pairs)
{
    struct kept k = {0};
    int64_t now_ms = 1795370400123; /* 2026-11-22 */

    log_sink(keep, &k);
    log_info("segment rolled", "topic=%s partition=%d", "orders", 3);
    CHECK_STR_EQ(k.text, "info \"segment rolled\" topic=orders partition=3\n");
    log_clock(clock_of, &now_ms);
    log_error("disk failed", "");
    CHECK_STR_EQ(k.text, "2026-11-22T18:00:00.123Z error \"disk failed\"\n");
    now_ms = 951782399999; /* the last millisecond of 2000-02-28; the year has a 29th */
    log_warn("x", "");
    CHECK_STR_EQ(k.text, "2000-02-28T23:59:59.999Z warn \"x\"\n");
    now_ms++;
    log_warn("x", "");
    CHECK_STR_EQ(k.text, "2000-02-29T00:00:00.000Z warn \"x\"\n");
    now_ms = -5;
    log_warn("x", "");
    CHECK_STR_EQ(k.text, "1970-01-01T00:00:00.000Z warn \"x\"\n");
    now_ms = INT64_MAX;
    log_warn("x", "");
    CHECK_STR_EQ(k.text, "9999-12-31T23:59:59.999Z warn \"x\"\n");
}

TEST(lines_below_the_level_are_not_made)
{
    struct kept k = {0};

    log_sink(keep, &k);
    log_debug("no", "");
    CHECK_EQ(k.lines, 0);
    log_level_set(LOG_WARN);
    log_info("no", "");
    CHECK_EQ(k.lines, 0);
    log_warn("yes", "");
    CHECK_EQ(k.lines, 1);
    log_level_set(LOG_DEBUG);
    log_debug("yes", "");
    CHECK_EQ(k.lines, 2);
    log_level_set(LOG_OFF);
    log_error("no", "");
    CHECK_EQ(k.lines, 2);
}

TEST(a_value_cannot_begin_a_line_of_its_own)
{
    struct kept k = {0};

    log_sink(keep, &k);
    log_info("x", "client=%s", "a\nerror \"fake\"\x1b[2J");
    CHECK_STR_EQ(k.text, "info \"x\" client=a?error \"fake\"?[2J\n");
}

TEST(a_long_line_is_cut_and_says_so)
{
    struct kept k = {0};

    log_sink(keep, &k);
    log_info("x", "v=%05000d", 1);
    CHECK_EQ(k.lines, 1);
    CHECK(k.len > 1900 && k.len <= 2048);
    CHECK_STR_EQ(k.text + k.len - 5, "0...\n");
}

TEST(a_flood_of_one_event_is_held_back_and_counted)
{
    struct kept k = {0};
    int64_t now_ms = 1000000;

    log_sink(keep, &k);
    log_clock(clock_of, &now_ms);
    for (int i = 0; i < 1000; i++) {
        log_warn(i % 1000 == 999 ? "other event" : "bad request", "i=%d", i);
    }
    CHECK(k.lines > 10 && k.lines < 100);
    CHECK(strstr(k.text, "other event") != NULL);
    int before = k.lines;
    now_ms += 10000;
    log_warn("unrelated", "");
    CHECK_EQ(k.lines, before + 1);
}

/* The same literal at one place, so that it is one event. */
static void one_event(int i)
{
    log_warn("held", "i=%d", i);
}

TEST(after_a_flood_the_event_says_how_many_were_held_back)
{
    struct kept k = {0};
    int64_t now_ms = 1000000;
    char want[64];

    log_sink(keep, &k);
    log_clock(clock_of, &now_ms);
    for (int i = 0; i < 200; i++) {
        one_event(i);
    }
    int held = 200 - k.lines;
    now_ms += 10000;
    one_event(200);
    (void)snprintf(want, sizeof(want), "i=200 suppressed=%d\n", held);
    CHECK(strstr(k.text, want) != NULL);
    one_event(201);
    CHECK(strstr(k.text, "suppressed") == NULL);
}

/* Standard error becomes a pipe that nobody reads: it fills, and no call may wait. */
TEST(a_full_pipe_drops_lines_and_the_next_line_counts_them)
{
    int ends[2], saved = dup(2);
    const size_t text_bytes = 1 << 16;
    char *text = arena_alloc(arena, text_bytes);
    int lines = 0;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK(dup2(ends[1], 2) == 2);
    for (int i = 0; i < 100000; i++) {
        log_info("fill", "i=%06d padding=%0100d", i, 0);
    }
    CHECK_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ssize_t got;
    while ((got = read(ends[0], text, text_bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            lines += text[i] == '\n';
        }
    }
    CHECK(lines > 0 && lines < 100000);
    log_info("room again", "");
    got = read(ends[0], text, text_bytes - 1);
    CHECK(dup2(saved, 2) == 2);
    CHECK(got > 0);
    text[got] = 0;
    int dropped = 0;
    CHECK_EQ(sscanf(text, "info \"room again\" dropped=%d\n", &dropped), 1);
    CHECK_EQ(dropped + lines, 100000);
}

static void *log_many(void *context)
{
    for (int i = 0; i < 500; i++) {
        log_info("thread", "name=%s i=%d", (const char *)context, i);
    }
    return NULL;
}

TEST(lines_of_several_threads_stay_whole)
{
    struct kept k = {0};
    pthread_t threads[4];

    log_sink(keep, &k); /* it checks that each line is whole */
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, log_many, (void *)(uintptr_t) "t"), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(k.lines, 2000);
}

/* In a child, because it ends there. */
TEST(a_failed_assertion_says_what_was_false_and_what_came_before)
{
    int ends[2], status = 0;
    char text[4096];
    size_t len = 0;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], 2);
        (void)fail(ERR_IO, "the older crumb");
        (void)fail(ERR_IO, "the newer crumb");
        ASSERT(text == NULL);
    }
    (void)close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    text[len] = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    const char *newer = strstr(text, "before: the newer crumb (tests/unit/log_test.c:");
    const char *older = strstr(text, "before: the older crumb");
    CHECK(strncmp(text, "assertion failed: text == NULL (tests/unit/log_test.c:", 54) == 0);
    CHECK(newer != NULL && older != NULL && newer < older);
}
