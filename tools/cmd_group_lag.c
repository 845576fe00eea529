/* tools/cmd_group_lag.c: `weir group lag`: how far behind each partition is, and which way it goes.
 *
 * WHY      The question behind every dashboard of a queue: is it well, and if not, when will it be?
 * FORMAT   Groups named in full are looked at twice, a second apart: that makes RATE (records consumed a second), TREND
 *          and the time until it is done. Patterns, and all groups, are looked at once, so that a thousand are quick;
 *          --interval looks twice there, too, and --interval 0 once anywhere. --watch compares with the round before.
 *          The last line, for eyes only, sums it up.
 * OWNER    A round's memory is an arena of its own, kept until the next round was compared with it.
 * FAILURE  A group whose offsets cannot be had is told, and makes the exit code 6. With --fail-if only rows that meet the
 *          condition are printed, and the exit code is 7 if there are any; --watch ends then.
 */
#include "tools/cli_internal.h"

#include "base/env_linux.h"
#include "tools/group_rate.h"
#include "tools/group_text.h"

#include <stdio.h>

enum {
    EVENTS = 8,
    ROUND_BYTES_MAX = 1 << 30,
    INTERVAL_MS = 1000,
    WATCH_MS = 2000,
    US_PER_MS = 1000
};

struct lag {
    struct cli *cli;
    struct group_condition condition;
    bool has_condition, watches;
    int64_t interval_ms;   /* 0: one look */
    struct arena looks[2]; /* memory of this look and the one before */
    struct group_view views[2];
    int turn;      /* of the newest look */
    bool compared; /* there is one before */
    struct group_progress sum;
    int32_t matched;
};

static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                            {"TOPIC", "topic", CLI_TEXT},
                                            {"PARTITION", "partition", CLI_NUMBER},
                                            {"COMMITTED", "committed", CLI_NUMBER},
                                            {"END", "end", CLI_NUMBER},
                                            {"LAG", "lag", CLI_NUMBER},
                                            {"LAG-TIME", "lag_ms", CLI_DURATION},
                                            {"RATE", "rate", CLI_NUMBER},
                                            {"TREND", "trend", CLI_TEXT},
                                            {"MEMBER", "member", CLI_TEXT},
                                            {"HOST", "host", CLI_TEXT}};

/* ---- comparing ---- */

/* Both are sorted: *at goes along. NULL: it was not there. */
static const struct group_view_group *group_before(const struct group_view *v, struct bytes name,
                                                   int32_t *at)
{
    while (*at < v->count && bytes_compare(v->groups[*at].name, name) < 0) {
        ++*at;
    }
    return *at < v->count && bytes_equal(v->groups[*at].name, name) ? &v->groups[*at] : NULL;
}

static const struct group_offset *offset_before(const struct group_view_group *g,
                                                const struct group_offset *o, int32_t *at)
{
    struct group_place want = {o->topic, o->partition};

    for (; g != NULL && *at < g->offset_count; ++*at) {
        struct group_place there = {g->offsets[*at].topic, g->offsets[*at].partition};
        int order = group_place_compare(&there, &want);
        if (order >= 0) {
            return order == 0 ? &g->offsets[*at] : NULL;
        }
    }
    return NULL;
}

static struct group_progress progress_of(const struct lag *l, const struct group_offset *now,
                                         const struct group_offset *before)
{
    struct group_progress p = {.lag = now->lag, .lag_time_ms = now->lag_time_ms};

    if (before != NULL && before->lag >= 0 && now->lag >= 0) {
        p.compared = true;
        p.lag_before = before->lag;
        p.moved = now->committed - before->committed;
        p.span_us = l->views[l->turn].at_us - l->views[1 - l->turn].at_us;
    }
    return p;
}

/* ---- printing ---- */

static void print_row(struct lag *l, struct cli_table *t, const struct group_offset *o,
                      const struct group_progress *p)
{
    double rate = group_rate(p);
    const char *trend = group_is_past_end(o) ? "past the end" : group_trend(p);

    cli_cell(t, o->topic);
    cli_cell_number(t, o->partition);
    group_cell(t, o->committed);
    group_cell(t, o->end);
    group_cell(t, o->lag);
    group_cell(t, o->lag_time_ms);
    cli_cell(t, p->compared ? arena_format(l->cli->arena, "%.1f", rate) : BYTES_NULL);
    cli_cell(t, trend == NULL ? BYTES_NULL : bytes_of(trend));
    group_cell_text(t, o->member == NULL ? BYTES_NULL : o->member->id);
    group_cell_text(t, o->member == NULL ? BYTES_NULL : o->member->host);
}

static void print_group(struct lag *l, struct cli_table *t, const struct group_view_group *g,
                        const struct group_view_group *before, bool with_group)
{
    bool once = l->cli->format == CLI_NAME; /* a group is named once */
    int32_t at = 0, matched = l->matched;

    for (int32_t i = 0; i < g->offset_count; i++) {
        const struct group_offset *o = &g->offsets[i];
        struct group_progress p = progress_of(l, o, offset_before(before, o, &at));
        group_progress_add(&l->sum, &p);
        if (l->has_condition && !group_condition_met(&l->condition, &p)) {
            continue;
        }
        l->matched++;
        if (once && l->matched - matched > 1) {
            continue;
        }
        if (with_group) {
            cli_cell(t, g->name);
        }
        print_row(l, t, o, &p);
    }
}

static int print_look(struct lag *l)
{
    struct cli *c = l->cli;
    const struct group_view *v = &l->views[l->turn], *before = &l->views[1 - l->turn];
    bool with_group = c->format != CLI_TABLE || v->count > 1;
    struct cli_table *t = cli_table_begin(c, columns + (with_group ? 0 : 1),
                                          (int)COUNT_OF(columns) - (with_group ? 0 : 1));
    int32_t at = 0;
    int exit, failed = group_view_tell(c, v, &exit);

    l->sum = GROUP_PROGRESS_NONE;
    l->matched = 0;
    for (int32_t i = 0; i < v->count; i++) {
        const struct group_view_group *g = &v->groups[i];
        print_group(l, t, g, l->compared ? group_before(before, g->name, &at) : NULL, with_group);
    }
    if (v->count == 0 && failed > 0) {
        (void)cli_table_drop(t);
        return exit;
    }
    bool quiet = l->has_condition && l->matched == 0 && c->format == CLI_TABLE;
    exit = quiet ? cli_table_drop(t) : cli_table_end(t);
    if (c->format == CLI_TABLE && !l->has_condition && v->count > 0) {
        (void)printf("%.*s\n", BYTES_ARG(group_total_text(c->arena, &l->sum)));
    }
    if (exit == CLI_OK && fflush(stdout) != 0) {
        return CLI_REFUSED;
    }
    return exit != CLI_OK                       ? exit
           : failed > 0                         ? CLI_PARTLY
           : l->matched > 0 && l->has_condition ? CLI_CHECK
                                                : CLI_OK;
}

/* ---- looking ---- */

/* The newest look becomes the one before; everything of the look lives in its arena. */
static int look(struct lag *l, uint32_t parts)
{
    l->turn = 1 - l->turn;
    arena_reset(&l->looks[l->turn]);
    l->cli->arena = &l->looks[l->turn];
    return group_view_load(l->cli, parts, &l->views[l->turn]);
}

/* False: told to stop. */
static bool wait_ms(struct lag *l, int64_t ms)
{
    uint64_t now = env_now_us(l->cli->env), until = now + (uint64_t)ms * US_PER_MS;
    struct env_event events[EVENTS];

    while (now < until && !env_linux_stop_asked()) {
        (void)env_poll(l->cli->env, client_poller(l->cli->client), events, COUNT_OF(events),
                       (int64_t)(until - now));
        now = env_now_us(l->cli->env);
    }
    return !env_linux_stop_asked();
}

static int watch(struct lag *l)
{
    const uint32_t parts = GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS | GROUP_VIEW_TIMES;
    int exit = CLI_OK;

    do {
        exit = look(l, parts);
        if (exit != CLI_OK) {
            return exit;
        }
        if (l->cli->terminal_out && l->cli->format == CLI_TABLE) {
            (void)fputs("\033[H\033[J", stdout);
        } else if (l->compared && l->cli->format == CLI_TABLE) {
            (void)putchar('\n');
        }
        exit = print_look(l);
        l->compared = true;
    } while ((exit == CLI_OK || exit == CLI_PARTLY) && wait_ms(l, l->interval_ms));
    return env_linux_stop_asked() ? CLI_INTERRUPTED : exit;
}

static int show(struct lag *l)
{
    const uint32_t parts = GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS;
    int exit = CLI_OK;

    if (l->watches) {
        return watch(l);
    }
    if (l->interval_ms > 0) {
        exit = look(l, GROUP_VIEW_OFFSETS | GROUP_VIEW_QUIET);
        if (exit == CLI_OK && l->views[l->turn].count > 0) {
            l->compared = true;
            if (!wait_ms(l, l->interval_ms)) {
                return CLI_INTERRUPTED;
            }
        }
    }
    exit = exit == CLI_OK ? look(l, parts | GROUP_VIEW_TIMES) : exit;
    return exit == CLI_OK ? print_look(l) : exit;
}

/* ---- the command ---- */

/* Only groups named in full are few for sure. */
static bool is_named(const struct cli *c)
{
    bool named = c->argument_count > 0 && !cli_has(c, CLI_OPT_REGEX);

    for (int i = 0; i < c->argument_count; i++) {
        named = named && bytes_find(c->arguments[i], '*') < 0 &&
                bytes_find(c->arguments[i], '?') < 0 && bytes_find(c->arguments[i], '[') < 0;
    }
    return named;
}

static int take_options(struct lag *l)
{
    struct cli *c = l->cli;
    struct bytes condition = cli_value(c, CLI_OPT_FAIL_IF), second;

    if (cli_value_at(c, CLI_OPT_FAIL_IF, 1, &second)) {
        return cli_fail(c, CLI_USAGE, "--fail-if: one condition at a time");
    }
    l->watches = cli_has(c, CLI_OPT_WATCH);
    l->has_condition = condition.at != NULL;
    if (l->has_condition && group_condition_parse(condition, &l->condition) != OK) {
        return cli_fail(c, CLI_USAGE, "--fail-if: %s", cli_crumb(c));
    }
    bool needs_two = l->has_condition ? l->condition.measure == GROUP_MEASURE_RATE : is_named(c);
    if (l->watches && cli_has(c, CLI_OPT_INTERVAL)) {
        return cli_fail(c, CLI_USAGE, "--watch and --interval: --watch=2s says both");
    }
    if (l->watches && (c->format == CLI_JSON || c->format == CLI_CSV)) {
        return cli_fail(c, CLI_USAGE, "--watch goes on and on: use a table or -o jsonl");
    }
    bool good = l->watches ? cli_duration(c, CLI_OPT_WATCH, WATCH_MS, &l->interval_ms)
                           : cli_duration(c, CLI_OPT_INTERVAL, needs_two ? INTERVAL_MS : 0,
                                          &l->interval_ms);
    return good ? CLI_OK : CLI_USAGE;
}

int command_group_lag(struct cli *c)
{
    struct lag l = {.cli = c};
    struct arena *whole = c->arena;
    int exit = take_options(&l);

    exit = exit == CLI_OK ? cli_connect(c) : exit;
    if (exit == CLI_OK && env_linux_on_stop(c->env, client_poller(c->client)) != OK) {
        exit = cli_fail(c, CLI_REFUSED, "stop signals cannot be caught: %s", cli_crumb(c));
    }
    if (exit != CLI_OK) {
        return exit;
    }
    for (size_t i = 0; i < COUNT_OF(l.looks); i++) {
        arena_init(&l.looks[i], ROUND_BYTES_MAX);
    }
    exit = show(&l);
    c->arena = whole;
    for (size_t i = 0; i < COUNT_OF(l.looks); i++) {
        arena_deinit(&l.looks[i]);
    }
    return exit;
}
