/* tools/cmd_group_seek.c: `weir group seek`: moves what a group committed, after showing what that means.
 *
 * WHY      The most dangerous thing that is done to a group, and often in a hurry: so the plan comes first, a question on
 *          a terminal, and a file that puts everything back.
 * FORMAT   DELTA is negative for records that will be read again, positive for those that will be skipped. A position
 *          outside of the log becomes its start or end.
 * FAILURE  While members are active nothing is done: they would overwrite it, and the coordinator refuses it.
 */
#include "tools/cli_internal.h"

#include "tools/cluster.h"
#include "tools/group_plan.h"
#include "tools/group_text.h"
#include "tools/partition_list.h"

#include <stdio.h>
#include <stdlib.h>

struct seek {
    struct cli *cli;
    struct bytes group, undo;
    struct cli_position to;
    struct partition_list partitions;
    struct group_view view;
    const struct group_view_group *found; /* NULL: there is no such group yet */
    struct group_plan plan;
};

/* ---- which partitions ---- */

static int no_memory(struct seek *s)
{
    return cli_fail(s->cli, CLI_REFUSED, "no memory for the plan");
}

static const struct group_offset *committed_at(const struct seek *s, struct bytes topic,
                                               int32_t partition)
{
    for (int32_t i = 0; s->found != NULL && i < s->found->offset_count; i++) {
        const struct group_offset *o = &s->found->offsets[i];
        if (o->partition == partition && o->committed >= 0 && bytes_equal(o->topic, topic)) {
            return o;
        }
    }
    return NULL;
}

static enum err add_move(struct seek *s, struct bytes topic, int32_t partition, int32_t leader)
{
    const struct group_offset *o = committed_at(s, topic, partition);
    struct group_move m = {.topic = topic,
                           .partition = partition,
                           .leader = leader,
                           .old = o == NULL ? -1 : o->committed,
                           .old_metadata = o == NULL ? BYTES("") : o->metadata,
                           .to = -1,
                           .to_metadata = BYTES(""),
                           .start = -1,
                           .end = -1};

    return group_plan_add(s->cli->arena, &s->plan, &m);
}

/* A topic may be named twice, and is meant once. */
static bool is_planned(const struct seek *s, struct bytes topic)
{
    for (int32_t i = 0; i < s->plan.count; i++) {
        if (bytes_equal(s->plan.moves[i].topic, topic)) {
            return true;
        }
    }
    return false;
}

/* All partitions of the topics that were named. */
static int add_topics(struct seek *s)
{
    struct metadata_response_topic t;
    struct bytes name;

    for (int n = 0; cli_value_at(s->cli, CLI_OPT_TOPIC, n, &name); n++) {
        int exit = cluster_topic(s->cli, s->cli->arena, name, &t);
        if (exit != CLI_OK) {
            return exit;
        }
        bool again = is_planned(s, t.name);
        for (int32_t i = 0; i < t.partitions.len && !again; i++) {
            const struct metadata_response_partition *p = &t.partitions.at[i];
            if (partition_list_has(&s->partitions, p->partition_index) &&
                add_move(s, t.name, p->partition_index, p->leader_id) != OK) {
                return no_memory(s);
            }
        }
    }
    return CLI_OK;
}

/* All that the group committed. */
static int add_committed(struct seek *s)
{
    for (int32_t i = 0; s->found != NULL && i < s->found->offset_count; i++) {
        const struct group_offset *o = &s->found->offsets[i];
        if (o->committed < 0 || !partition_list_has(&s->partitions, o->partition)) {
            continue;
        }
        if (o->leader < 0) {
            (void)cli_fail(s->cli, CLI_PARTLY, "%.*s[%d] is left out: %s", BYTES_ARG(o->topic),
                           o->partition, kafka_error_info(o->error)->name);
        } else if (add_move(s, o->topic, o->partition, o->leader) != OK) {
            return no_memory(s);
        }
    }
    return CLI_OK;
}

/* ---- where to ---- */

static int ask_offsets(struct seek *s, int64_t at, int64_t *out)
{
    struct group_plan *p = &s->plan;
    struct cluster_offset *q = ARENA_ARRAY(s->cli->arena, struct cluster_offset, p->count);

    if (q == NULL) {
        return no_memory(s);
    }
    for (int32_t i = 0; i < p->count; i++) {
        q[i] = (struct cluster_offset){.topic = p->moves[i].topic,
                                       .partition = p->moves[i].partition,
                                       .leader = p->moves[i].leader,
                                       .at = at};
    }
    enum err e = cluster_offsets(s->cli->client, s->cli->arena, q, p->count, CLUSTER_READ_ALL);
    if (e != OK) {
        return cli_fail_err(s->cli, e, "offsets");
    }
    for (int32_t i = 0; i < p->count; i++) {
        if (q[i].error != KAFKA_NONE) {
            struct bytes what =
                arena_format(s->cli->arena, "%.*s[%d]", BYTES_ARG(q[i].topic), q[i].partition);
            return cli_fail_kafka(s->cli, what, q[i].error, BYTES_NULL);
        }
        out[i] = q[i].offset;
    }
    return CLI_OK;
}

static int64_t resolve(const struct cli_position *to, const struct group_move *m, int64_t at_time)
{
    switch (to->kind) {
    case CLI_POSITION_START:
        return m->start;
    case CLI_POSITION_END:
        return m->end;
    case CLI_POSITION_OFFSET:
        return MIN(MAX(to->value, m->start), m->end);
    case CLI_POSITION_FROM_END:
        return MAX(m->start, m->end - to->value);
    case CLI_POSITION_FROM_START:
        return to->value > m->end - m->start ? m->end : m->start + to->value;
    case CLI_POSITION_TIME:
        return at_time < 0 ? m->end : at_time;
    }
    UNREACHABLE();
}

static int resolve_all(struct seek *s)
{
    struct group_plan *p = &s->plan;
    int64_t *starts = ARENA_ARRAY(s->cli->arena, int64_t, p->count);
    int64_t *ends = ARENA_ARRAY(s->cli->arena, int64_t, p->count);
    int64_t *times = ARENA_ARRAY(s->cli->arena, int64_t, p->count);

    if (starts == NULL || ends == NULL || times == NULL) {
        return no_memory(s);
    }
    int exit = ask_offsets(s, CLUSTER_OFFSET_START, starts);
    exit = exit == CLI_OK ? ask_offsets(s, CLUSTER_OFFSET_END, ends) : exit;
    if (exit == CLI_OK && s->to.kind == CLI_POSITION_TIME) {
        exit = ask_offsets(s, s->to.value, times);
    }
    for (int32_t i = 0; exit == CLI_OK && i < p->count; i++) {
        p->moves[i].start = starts[i];
        p->moves[i].end = ends[i];
        p->moves[i].to = resolve(&s->to, &p->moves[i], times[i]);
    }
    return exit;
}

static int plan_position(struct seek *s)
{
    int exit = cli_has(s->cli, CLI_OPT_TOPIC) ? add_topics(s) : add_committed(s);

    if (exit == CLI_OK && s->plan.count == 0) {
        return cli_fail(s->cli, CLI_NOT_FOUND,
                        "%.*s has committed nothing that could be moved\n"
                        "  --topic TOPIC names partitions that it shall begin with",
                        BYTES_ARG(s->group));
    }
    return exit == CLI_OK ? resolve_all(s) : exit;
}

static int plan_undo(struct seek *s)
{
    struct group_plan *p = &s->plan;
    enum err e = group_undo_read(s->cli, s->undo, p);

    if (e != OK) {
        struct bytes doing = arena_format(s->cli->arena, "%.*s%c", BYTES_ARG(s->undo), 0);
        return cli_fail_err(s->cli, e, doing.at == NULL ? "--undo" : (const char *)doing.at);
    }
    if (!bytes_equal(p->group, s->group)) {
        return cli_fail(s->cli, CLI_USAGE, "%.*s is of group %.*s, not of %.*s", BYTES_ARG(s->undo),
                        BYTES_ARG(p->group), BYTES_ARG(s->group));
    }
    for (int32_t i = 0; i < p->count; i++) {
        const struct group_offset *o = committed_at(s, p->moves[i].topic, p->moves[i].partition);
        p->moves[i].old = o == NULL ? -1 : o->committed;
        p->moves[i].old_metadata = o == NULL ? BYTES("") : o->metadata;
    }
    return CLI_OK;
}

/* ---- showing ---- */

static int print_plan(struct seek *s)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"OLD", "old", CLI_NUMBER},
                                                {"NEW", "new", CLI_NUMBER},
                                                {"DELTA", "delta", CLI_NUMBER}};
    struct cli_table *t = cli_table_begin(s->cli, columns, COUNT_OF(columns));

    for (int32_t i = 0; i < s->plan.count; i++) {
        const struct group_move *m = &s->plan.moves[i];
        cli_cell(t, m->topic);
        cli_cell_number(t, m->partition);
        group_cell(t, m->old);
        group_cell(t, m->to);
        if (m->old >= 0 && m->to >= 0) {
            cli_cell_number(t, m->to - m->old);
        } else {
            cli_cell_none(t);
        }
    }
    return cli_table_end(t);
}

static int tell_active(const struct seek *s)
{
    return cli_fail(s->cli, CLI_REFUSED,
                    "%.*s has %.*s: stop them, then seek again\n"
                    "  'weir group members %.*s' shows who they are; nothing was moved",
                    BYTES_ARG(s->group), BYTES_ARG(group_hosts_text(s->cli->arena, s->found)),
                    BYTES_ARG(s->group));
}

/* ---- doing ---- */

static int apply(struct seek *s)
{
    struct cli *c = s->cli;
    struct bytes name;
    int failed = 0, exit = CLI_OK;

    enum err e = group_undo_write(c, &s->plan, &name);
    if (e != OK) {
        return cli_fail_err(c, e, "the undo file cannot be written, so nothing was moved");
    }
    struct bytes group = cli_plain(c->arena, cli_quoted(c->arena, s->group));
    if (bytes_starts_with(group, BYTES("-"))) {
        (void)fprintf(stderr, "undo with: weir group seek --undo %.*s -- %.*s\n", BYTES_ARG(name),
                      BYTES_ARG(group));
    } else {
        (void)fprintf(stderr, "undo with: weir group seek %.*s --undo %.*s\n", BYTES_ARG(group),
                      BYTES_ARG(name));
    }
    e = group_plan_apply(c, &s->plan);
    if (e != OK) {
        return cli_fail_err(c, e, "seek");
    }
    for (int32_t i = 0; i < s->plan.count; i++) {
        const struct group_move *m = &s->plan.moves[i];
        if (m->error != KAFKA_NONE) {
            struct bytes what =
                arena_format(c->arena, "%.*s[%d]", BYTES_ARG(m->topic), m->partition);
            exit = cli_fail_kafka(c, what, m->error, BYTES_NULL);
            failed++;
        }
    }
    return failed == s->plan.count || failed == 0 ? exit : CLI_PARTLY;
}

static int go(struct seek *s)
{
    bool dry = cli_has(s->cli, CLI_OPT_DRY_RUN);
    int exit = print_plan(s);

    if (exit == CLI_OK && s->found != NULL && group_is_active(s->found)) {
        exit = tell_active(s);
        return dry ? CLI_OK : exit;
    }
    if (exit != CLI_OK || dry) {
        return exit;
    }
    exit = cli_confirm(s->cli, "Move what the group committed");
    return exit == CLI_OK ? apply(s) : exit;
}

/* ---- the command ---- */

static int take_options(struct seek *s)
{
    struct cli *c = s->cli;
    struct bytes to = cli_value(c, CLI_OPT_TO), text;

    s->group = c->arguments[0];
    s->undo = cli_value(c, CLI_OPT_UNDO);
    if ((to.at == NULL) == (s->undo.at == NULL)) {
        return cli_fail(c, CLI_USAGE, "--to POSITION or --undo FILE says where to go");
    }
    if (s->undo.at != NULL && (cli_has(c, CLI_OPT_TOPIC) || cli_has(c, CLI_OPT_PARTITIONS))) {
        return cli_fail(c, CLI_USAGE, "--undo puts back all of its file, without --topic and -p");
    }
    for (int n = 0; cli_value_at(c, CLI_OPT_PARTITIONS, n, &text); n++) {
        if (partition_list_add(&s->partitions, text) != OK) {
            return cli_fail(c, CLI_USAGE, "-p %.*s: %s", BYTES_ARG(text), cli_crumb(c));
        }
    }
    return to.at == NULL || cli_position(c, to, &s->to) ? CLI_OK : CLI_USAGE;
}

/* A group that is not there may be made by committing, if it was said where. */
static int find(struct seek *s)
{
    bool may_be_new = cli_has(s->cli, CLI_OPT_TOPIC) || s->undo.at != NULL;
    int exit = group_view_one(s->cli, s->group,
                              GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS |
                                  (may_be_new ? (uint32_t)GROUP_VIEW_QUIET : 0),
                              &s->view);

    s->plan.group = s->group;
    if (exit == CLI_NOT_FOUND && may_be_new) {
        enum err e = group_find_coordinator(s->cli, s->group, &s->plan.coordinator);
        return e == OK ? CLI_OK : cli_fail_err(s->cli, e, "seek");
    }
    if (exit != CLI_OK) {
        return exit;
    }
    s->found = &s->view.groups[0];
    s->plan.coordinator = s->found->coordinator;
    if (s->found->type == GROUP_SHARE) {
        return cli_fail(s->cli, CLI_USAGE, "%.*s is a share group: it has no committed offsets",
                        BYTES_ARG(s->group));
    }
    return group_view_tell(s->cli, &s->view, &exit) > 0 ? exit : CLI_OK;
}

int command_group_seek(struct cli *c)
{
    struct seek *s = ARENA_NEW(c->arena, struct seek);

    if (s == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory");
    }
    s->cli = c;
    int exit = take_options(s);
    exit = exit == CLI_OK ? cli_connect(c) : exit;
    exit = exit == CLI_OK ? find(s) : exit;
    if (exit == CLI_OK) {
        exit = s->undo.at != NULL ? plan_undo(s) : plan_position(s);
    }
    return exit == CLI_OK ? go(s) : exit;
}
