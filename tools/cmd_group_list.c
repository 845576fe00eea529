/* tools/cmd_group_list.c: `weir group list`: every group of every type, and how it is.
 *
 * FORMAT   STATUS says it in a word:
 *            ok           members read, and are less than a minute behind
 *            behind       the oldest record not consumed is older than that
 *            rebalancing  members agree on who reads what at the moment
 *            unread       there are records, and no members
 *            idle         no members, and nothing to read
 *            no commit    members read, and nothing was committed yet
 *            past end     it committed more than there is: the topic was made anew, or has lost records
 *            unknown      it could not be asked
 * FAILURE  A group whose parts cannot be had is listed with "-", told on standard error, and makes the exit code 6.
 */
#include "tools/cli_internal.h"

#include "tools/group_text.h"

enum { BEHIND_MS = 60000 };

static bool is_rebalancing(struct bytes state)
{
    static const char *const states[] = {"PreparingRebalance", "CompletingRebalance", "Assigning",
                                         "Reconciling"};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (bytes_equal(state, bytes_of(states[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_past_end(const struct group_view_group *g)
{
    for (int32_t i = 0; i < g->offset_count; i++) {
        if (group_is_past_end(&g->offsets[i])) {
            return true;
        }
    }
    return false;
}

static const char *status_of(const struct group_view_group *g, int64_t lag, int64_t lag_time_ms)
{
    if (g->error != KAFKA_NONE) {
        return "unknown";
    }
    if (is_rebalancing(g->state)) {
        return "rebalancing";
    }
    if (is_past_end(g)) {
        return "past end";
    }
    if (g->member_count == 0) {
        return lag > 0 ? "unread" : "idle";
    }
    if (lag < 0) {
        return "no commit";
    }
    return lag_time_ms >= BEHIND_MS ? "behind" : "ok";
}

int command_group_list(struct cli *c)
{
    static const struct cli_column columns[] = {
        {"GROUP", "group", CLI_TEXT},         {"TYPE", "type", CLI_TEXT},
        {"STATE", "state", CLI_TEXT},         {"MEMBERS", "members", CLI_NUMBER},
        {"TOPICS", "topics", CLI_NUMBER},     {"LAG", "lag", CLI_NUMBER},
        {"LAG-TIME", "lag_ms", CLI_DURATION}, {"STATUS", "status", CLI_TEXT}};
    struct group_view v;
    int exit = cli_connect(c), failed;

    exit = exit == CLI_OK
               ? group_view_load(c, GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS | GROUP_VIEW_TIMES, &v)
               : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    for (int32_t i = 0; i < v.count; i++) {
        const struct group_view_group *g = &v.groups[i];
        int64_t lag = group_lag(g), lag_time_ms = group_lag_time_ms(g);
        cli_cell(t, g->name);
        cli_cell(t, bytes_of(group_type_name(g->type)));
        cli_cell(t, g->state.len == 0 ? BYTES_NULL : g->state);
        group_cell(t, g->member_count);
        cli_cell_number(t, group_topic_count(g));
        group_cell(t, lag);
        group_cell(t, lag_time_ms);
        cli_cell(t, bytes_of(status_of(g, lag, lag_time_ms)));
    }
    failed = group_view_tell(c, &v, &exit);
    return cli_table_end_partly(t, v.count, failed, exit);
}
