/* tools/cmd_group_prune.c: `weir group prune`: deletes groups that nobody will miss.
 *
 * WHY      Every experiment leaves a group behind, and each of them lags in every dashboard for ever.
 * FORMAT   A group goes when it is Empty and either has committed for topics that are all gone, or showed no sign of
 *          life for --older-than: no commit, no member. Signs of life stand in __consumer_offsets only, as times of
 *          commits and records. A group without any record there is left alone.
 * FAILURE  A group that gets a member meanwhile is refused by its coordinator, told, and stays.
 */
#include "tools/cli_internal.h"

#include "tools/group_log.h"
#include "tools/group_text.h"
#include "tools/group_view_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { OLDER_DAYS = 30 };

static const int64_t day_ms = 86400000;

struct prune {
    struct cli *cli;
    struct group_view view;
    int64_t *signs; /* by group: newest sign of life; -1: none */
};

static int name_to_group(const void *key, const void *item)
{
    const struct bytes *name = key;
    const struct group_view_group *g = item;

    return bytes_compare(*name, g->name);
}

static enum err take(void *context, const struct group_record *r)
{
    struct prune *p = context;
    const struct group_view_group *g =
        bsearch(&r->group, p->view.groups, (size_t)p->view.count, sizeof(*g), name_to_group);

    if (g != NULL && !r->gone) {
        int64_t *sign = &p->signs[g - p->view.groups];
        *sign = MAX(*sign, MAX(r->timestamp_ms, r->commit_ms));
    }
    return OK;
}

static bool is_empty(const struct group_view_group *g)
{
    return bytes_equal(g->state, BYTES("Empty")) && g->error == KAFKA_NONE;
}

/* It committed something, and all of that is for topics that are not there any more. */
static bool has_lost_topics(const struct group_view_group *g)
{
    for (int32_t i = 0; i < g->offset_count; i++) {
        if (g->offsets[i].error != KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
            return false;
        }
    }
    return g->offset_count > 0;
}

/* Moves those that go to the front, and forgets the others. */
static int32_t choose(struct prune *p, int64_t older_ms)
{
    int64_t before = env_wall_ms(p->cli->env) - older_ms;
    int32_t kept = 0;

    for (int32_t i = 0; i < p->view.count; i++) {
        const struct group_view_group *g = &p->view.groups[i];
        bool old = p->signs[i] >= 0 && p->signs[i] < before;
        if (is_empty(g) && (old || has_lost_topics(g))) {
            p->signs[kept] = p->signs[i];
            p->view.groups[kept++] = *g;
        }
    }
    p->view.count = kept;
    return kept;
}

static int print_plan(struct prune *p)
{
    static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                                {"TYPE", "type", CLI_TEXT},
                                                {"TOPICS", "topics", CLI_NUMBER},
                                                {"LAST-SIGN", "last_sign", CLI_TIME},
                                                {"WHY", "why", CLI_TEXT}};
    struct cli_table *t = cli_table_begin(p->cli, columns, COUNT_OF(columns));

    for (int32_t i = 0; i < p->view.count; i++) {
        const struct group_view_group *g = &p->view.groups[i];
        cli_cell(t, g->name);
        cli_cell(t, bytes_of(group_type_name(g->type)));
        cli_cell_number(t, group_topic_count(g));
        group_cell(t, p->signs[i]);
        cli_cell(t, has_lost_topics(g) ? BYTES("its topics are gone") : BYTES("no sign of life"));
    }
    return cli_table_end(t);
}

static int load(struct prune *p, int64_t older_ms)
{
    int exit = cli_connect(p->cli);

    exit = exit == CLI_OK
               ? group_view_load(p->cli, GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS, &p->view)
               : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    p->signs = ARENA_ARRAY(p->cli->arena, int64_t, p->view.count);
    if (p->signs == NULL) {
        return cli_fail(p->cli, CLI_REFUSED, "no memory for %d groups", p->view.count);
    }
    for (int32_t i = 0; i < p->view.count; i++) {
        p->signs[i] = -1;
    }
    exit = p->view.count == 0 ? CLI_OK : group_log_read(p->cli, BYTES_NULL, take, p);
    if (exit == CLI_OK) {
        (void)choose(p, older_ms);
    }
    return exit;
}

int command_group_prune(struct cli *c)
{
    struct prune p = {.cli = c};
    int64_t older_ms;

    if (!cli_duration(c, CLI_OPT_OLDER, OLDER_DAYS * day_ms, &older_ms)) {
        return CLI_USAGE;
    }
    int exit = load(&p, older_ms);
    if (exit != CLI_OK) {
        return exit;
    }
    if (cli_has(c, CLI_OPT_DRY_RUN) || p.view.count == 0) {
        return print_plan(&p);
    }
    if (!cli_has(c, CLI_OPT_YES) && c->terminal_in) {
        exit = print_plan(&p);
    }
    exit = exit == CLI_OK ? cli_confirm(c, "Delete these groups with all they committed") : exit;
    return exit == CLI_OK ? group_delete_all(c, &p.view, 0, CLI_OK) : exit;
}
