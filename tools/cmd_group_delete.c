/* tools/cmd_group_delete.c: `weir group delete`: groups, or what they committed for one topic.
 *
 * WHY      A group that is deleted begins anew wherever its clients say (auto.offset.reset): that may be everything
 *          again, or nothing. So it is asked for, like the deletion of a topic.
 * FAILURE  A group with members is refused by its coordinator; the answer names where they are.
 */
#include "tools/cli_internal.h"

#include "schema/delete_groups.h"
#include "tools/group_plan.h"
#include "tools/group_text.h"
#include "tools/group_view_internal.h"

#include <stdio.h>

/* ---- the plan ---- */

static bool is_of_topic(const struct cli *c, struct bytes topic)
{
    struct bytes name;

    for (int n = 0; cli_value_at(c, CLI_OPT_TOPIC, n, &name); n++) {
        if (bytes_equal(name, topic)) {
            return true;
        }
    }
    return !cli_has(c, CLI_OPT_TOPIC);
}

static int32_t count_commits(const struct cli *c, const struct group_view_group *g)
{
    int32_t count = 0;

    for (int32_t i = 0; i < g->offset_count; i++) {
        count += g->offsets[i].committed >= 0 && is_of_topic(c, g->offsets[i].topic);
    }
    return count;
}

static void print_plan(const struct cli *c, const struct group_view *v, FILE *to)
{
    for (int32_t i = 0; i < v->count; i++) {
        const struct group_view_group *g = &v->groups[i];
        int32_t commits = count_commits(c, g);
        (void)fprintf(to, "%.*s: %s, %.*s, %d committed offset%s\n",
                      BYTES_ARG(cli_plain(c->arena, g->name)), group_type_name(g->type),
                      BYTES_ARG(g->state), commits, commits == 1 ? "" : "s");
    }
}

static int refuse(struct cli *c, const struct group_view_group *g, enum kafka_error error,
                  struct bytes message)
{
    if (error == KAFKA_NON_EMPTY_GROUP && group_is_active(g)) {
        message = arena_format(c->arena, "%.*s: stop them first",
                               BYTES_ARG(group_hosts_text(c->arena, g)));
    }
    return cli_fail_kafka(c, g->name, error, message);
}

/* ---- whole groups ---- */

struct deletion {
    struct cli_table *table;
    int done, failed, exit;
};

static bool any(const struct group_view_group *g, uint32_t parts)
{
    (void)g;
    (void)parts;
    return true;
}

static enum err ask_delete(struct cli *c, const struct group_batch *b)
{
    struct delete_groups_request rq;
    struct delete_groups_response rs;
    struct client_call call = {
        .broker = b->coordinator, .api = API_DELETE_GROUPS, .request = &rq, .response = &rs};

    delete_groups_request_init(&rq);
    rq.groups_names = string_array_new(c->arena, b->count);
    for (int32_t i = 0; i < rq.groups_names.len; i++) {
        rq.groups_names.at[i] = b->groups[i]->name;
        b->groups[i]->error = KAFKA_UNKNOWN_SERVER_ERROR; /* unless the answer says otherwise */
    }
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.results.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.results.at[i].group_id);
        if (g != NULL) {
            g->error = rs.results.at[i].error_code;
            g->error_message = rs.results.at[i].error_message;
        }
    }
    return OK;
}

int group_delete_all(struct cli *c, struct group_view *v, int failed, int exit)
{
    static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                                {"RESULT", "result", CLI_TEXT}};
    enum err e = group_batches(c, v, any, ask_delete, 0);

    if (e != OK) {
        return cli_fail_err(c, e, "delete");
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    int done = 0;
    for (int32_t i = 0; i < v->count; i++) {
        const struct group_view_group *g = &v->groups[i];
        if (g->error != KAFKA_NONE) {
            exit = refuse(c, g, g->error, g->error_message);
            failed++;
            continue;
        }
        cli_cell(t, g->name);
        cli_cell(t, BYTES("deleted"));
        done++;
    }
    return cli_table_end_partly(t, done, failed, exit);
}

/* ---- what was committed for a topic ---- */

static enum err delete_commits(struct cli *c, const struct group_view_group *g,
                               struct group_plan *p)
{
    *p = (struct group_plan){.group = g->name, .coordinator = g->coordinator};
    for (int32_t i = 0; i < g->offset_count; i++) {
        const struct group_offset *o = &g->offsets[i];
        if (o->committed >= 0 && is_of_topic(c, o->topic)) {
            struct group_move m = {.topic = o->topic, .partition = o->partition, .to = -1};
            TRY(group_plan_add(c->arena, p, &m));
        }
    }
    return group_plan_delete(c, p, true);
}

static void tell_commits(struct cli *c, const struct group_view_group *g,
                         const struct group_plan *p, struct deletion *d)
{
    for (int32_t i = 0; i < p->count; i++) {
        const struct group_move *m = &p->moves[i];
        if (m->error != KAFKA_NONE) {
            struct bytes what = arena_format(c->arena, "%.*s, %.*s[%d]", BYTES_ARG(g->name),
                                             BYTES_ARG(m->topic), m->partition);
            d->exit = cli_fail_kafka(c, what, m->error, BYTES_NULL);
            d->failed++;
            continue;
        }
        cli_cell(d->table, g->name);
        cli_cell(d->table, m->topic);
        cli_cell_number(d->table, m->partition);
        cli_cell(d->table, BYTES("deleted"));
        d->done++;
    }
}

static int delete_topics(struct cli *c, const struct group_view *v, int failed, int exit)
{
    static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                                {"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"RESULT", "result", CLI_TEXT}};
    struct deletion d = {
        .table = cli_table_begin(c, columns, COUNT_OF(columns)), .failed = failed, .exit = exit};

    for (int32_t i = 0; i < v->count; i++) {
        struct group_plan p;
        enum err e = delete_commits(c, &v->groups[i], &p);
        if (e != OK) {
            d.exit = cli_fail_err(c, e, "delete");
            d.failed++;
            continue;
        }
        tell_commits(c, &v->groups[i], &p, &d);
    }
    return cli_table_end_partly(d.table, d.done, d.failed, d.exit);
}

/* ---- the command ---- */

int command_group_delete(struct cli *c)
{
    struct group_view v;
    int exit = cli_connect(c);

    exit = exit == CLI_OK ? group_view_load(c, GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS, &v) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    int failed = group_view_tell(c, &v, &exit);
    if (v.count == 0) {
        return exit;
    }
    if (cli_has(c, CLI_OPT_DRY_RUN)) {
        print_plan(c, &v, stdout);
        return failed > 0 ? CLI_PARTLY : CLI_OK;
    }
    if (!cli_has(c, CLI_OPT_YES) && c->terminal_in) {
        print_plan(c, &v, stderr);
    }
    int confirmed =
        cli_confirm(c, cli_has(c, CLI_OPT_TOPIC) ? "Delete what was committed for the topic"
                                                 : "Delete the groups with all they committed");
    if (confirmed != CLI_OK) {
        return confirmed;
    }
    return cli_has(c, CLI_OPT_TOPIC) ? delete_topics(c, &v, failed, exit)
                                     : group_delete_all(c, &v, failed, exit);
}
