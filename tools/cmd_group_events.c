/* tools/cmd_group_events.c: `weir group events`: who came, who went, and what that cost.
 *
 * FORMAT   Oldest first, the last EVENTS_SHOWN of them or -n. PAUSE is how long the rebalance took, REASON why it was
 *          begun; a broker that does not write them down leaves "-".
 * LIMITS   What compaction has removed from __consumer_offsets cannot be told; the newest state is always there.
 */
#include "tools/cli_internal.h"

#include "tools/group_history.h"
#include "tools/group_log.h"
#include "tools/group_text.h"

enum { EVENTS_SHOWN = 50 };

struct reading {
    struct arena *arena;
    struct group_history history;
};

static enum err take(void *context, const struct group_record *r)
{
    struct reading *in = context;

    return group_history_add(&in->history, in->arena, r);
}

static int print_events(struct cli *c, const struct group_history *h, int64_t shown)
{
    static const struct cli_column columns[] = {
        {"TIME", "time", CLI_TIME},     {"EVENT", "event", CLI_TEXT},
        {"EPOCH", "epoch", CLI_NUMBER}, {"MEMBERS", "members", CLI_NUMBER},
        {"MEMBER", "member", CLI_TEXT}, {"CLIENT", "client", CLI_TEXT},
        {"HOST", "host", CLI_TEXT},     {"PAUSE", "pause_ms", CLI_DURATION},
        {"REASON", "reason", CLI_TEXT}};
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));

    for (int32_t i = (int32_t)MAX(0, h->count - shown); i < h->count; i++) {
        const struct group_event *e = &h->events[i];
        cli_cell_number(t, e->timestamp_ms);
        cli_cell(t, bytes_of(group_event_name(e->kind)));
        group_cell(t, e->epoch);
        cli_cell_number(t, e->member_count);
        group_cell_text(t, e->member.id);
        group_cell_text(t, e->member.client_id);
        group_cell_text(t, e->member.host);
        group_cell(t, e->pause_ms);
        group_cell_text(t, e->reason);
    }
    return cli_table_end(t);
}

int command_group_events(struct cli *c)
{
    struct reading in = {.arena = c->arena};
    struct group_view v;
    int64_t shown;

    if (!cli_number(c, CLI_OPT_COUNT, EVENTS_SHOWN, &shown)) {
        return CLI_USAGE;
    }
    int exit = cli_connect(c);
    if (exit != CLI_OK) {
        return exit;
    }
    group_history_init(&in.history, c->arguments[0]);
    exit = group_log_read(c, c->arguments[0], take, &in);
    if (exit == CLI_OK && in.history.count == 0) {
        exit = group_view_one(c, c->arguments[0], 0, &v); /* it may have offsets only */
    }
    return exit == CLI_OK ? print_events(c, &in.history, MAX(shown, 0)) : exit;
}
