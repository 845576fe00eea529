/* tools/cmd_offsets.c: `weir offsets`: where partitions begin and end, where a time is in them, how far groups came.
 *
 * FORMAT   START: the first offset there is; STABLE: up to where no transaction is open; END: the offset that the
 *          next record gets. With --at the first record not older than that, "-" when there is none.
 *          With --group a row for each group: COMMITTED is what it will read next; without topics those it committed.
 * FAILURE  A partition that cannot be asked shows "-" and makes the exit code 6.
 */
#include "tools/cli_internal.h"

#include "tools/cluster.h"
#include "tools/group_text.h"

/* What --group names. */
struct committers {
    struct group_view_group *groups;
    int32_t count;
};

static void cell_offset(struct cli_table *t, const struct cluster_offset *o)
{
    if (o->error == KAFKA_NONE && o->offset >= 0) {
        cli_cell_number(t, o->offset);
    } else {
        cli_cell_none(t);
    }
}

/* One question about all partitions; those without an answer are told and counted. NULL: no memory. */
static struct cluster_offset *ask(struct cli *c, const struct metadata_response_topic *topic,
                                  int64_t at, int8_t isolation)
{
    struct cluster_offset *q = cluster_offsets_of(c->arena, topic, at);

    if (q != NULL &&
        cluster_offsets(c->client, c->arena, q, topic->partitions.len, isolation) != OK) {
        (void)cli_fail(c, CLI_PARTLY, "%.*s: %s", BYTES_ARG(topic->name), cli_crumb(c));
    }
    return q;
}

static int count_failed(struct cli *c, const struct cluster_offset *q, int32_t count)
{
    int failed = 0;

    for (int32_t i = 0; i < count; i++) {
        if (q[i].error != KAFKA_NONE) {
            struct bytes what =
                arena_format(c->arena, "%.*s[%d]", BYTES_ARG(q[i].topic), q[i].partition);
            (void)cli_fail_kafka(c, what, q[i].error, BYTES_NULL);
            failed++;
        }
    }
    return failed;
}

static const struct group_offset *committed_at(const struct group_view_group *g, struct bytes topic,
                                               int32_t partition)
{
    for (int32_t i = 0; i < g->offset_count; i++) {
        const struct group_offset *o = &g->offsets[i];
        if (o->partition == partition && bytes_equal(o->topic, topic)) {
            return o;
        }
    }
    return NULL;
}

static void cells_of_group(struct cli_table *t, const struct group_view_group *g,
                           const struct cluster_offset *end)
{
    const struct group_offset *o = committed_at(g, end->topic, end->partition);
    bool known = o != NULL && o->committed >= 0;

    cli_cell(t, g->name);
    group_cell(t, known ? o->committed : -1);
    group_cell(t, known && end->error == KAFKA_NONE ? MAX(0, end->offset - o->committed) : -1);
}

/* Adds the rows of a topic; *failed counts partitions. */
static int add_bounds(struct cli *c, struct cli_table *t,
                      const struct metadata_response_topic *topic, const struct committers *by,
                      int *failed)
{
    const struct cluster_offset *starts = ask(c, topic, CLUSTER_OFFSET_START, CLUSTER_READ_ALL);
    const struct cluster_offset *stable = ask(c, topic, CLUSTER_OFFSET_END, CLUSTER_READ_COMMITTED);
    const struct cluster_offset *ends = ask(c, topic, CLUSTER_OFFSET_END, CLUSTER_READ_ALL);

    if (starts == NULL || stable == NULL || ends == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory for offsets");
    }
    for (int32_t i = 0; i < topic->partitions.len * MAX(by->count, 1); i++) {
        int32_t at = i / MAX(by->count, 1);
        cli_cell(t, topic->name);
        cli_cell_number(t, starts[at].partition);
        cell_offset(t, &starts[at]);
        cell_offset(t, &stable[at]);
        cell_offset(t, &ends[at]);
        if (by->count > 0) {
            cells_of_group(t, &by->groups[i % by->count], &ends[at]);
        }
    }
    *failed += count_failed(c, ends, topic->partitions.len);
    return CLI_OK;
}

static int add_moments(struct cli *c, struct cli_table *t,
                       const struct metadata_response_topic *topic, int64_t at, int *failed)
{
    const struct cluster_offset *q = ask(c, topic, at, CLUSTER_READ_ALL);

    if (q == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory for offsets");
    }
    for (int32_t i = 0; i < topic->partitions.len; i++) {
        cli_cell(t, topic->name);
        cli_cell_number(t, q[i].partition);
        cell_offset(t, &q[i]);
        if (q[i].error == KAFKA_NONE && q[i].offset >= 0) {
            cli_cell_number(t, q[i].timestamp);
        } else {
            cli_cell_none(t);
        }
    }
    *failed += count_failed(c, q, topic->partitions.len);
    return CLI_OK;
}

/* Those that are there, and how many are not. */
static int load_groups(struct cli *c, struct committers *out, int *failed)
{
    struct bytes name;
    int count = 0, last = CLI_OK;

    while (cli_value_at(c, CLI_OPT_GROUP, count, &name)) {
        count++;
    }
    *out = (struct committers){.groups = ARENA_ARRAY(c->arena, struct group_view_group, count)};
    for (int n = 0; out->groups != NULL && n < count; n++) {
        struct group_view v;
        (void)cli_value_at(c, CLI_OPT_GROUP, n, &name);
        int exit = group_view_one(c, name, GROUP_VIEW_OFFSETS, &v);
        if (exit == CLI_OK && group_view_tell(c, &v, &exit) == 0) {
            out->groups[out->count++] = v.groups[0];
        } else {
            last = exit;
            ++*failed;
        }
    }
    return out->count == 0 && count > 0 ? last : CLI_OK;
}

/* Without topics on the command line: those that the groups committed, each once. */
static void name_topics(struct cli *c, const struct committers *by)
{
    for (int32_t i = 0; i < by->count; i++) {
        for (int32_t j = 0; j < by->groups[i].offset_count; j++) {
            struct bytes topic = by->groups[i].offsets[j].topic;
            bool named = c->argument_count == CLI_ARGUMENTS_MAX;
            for (int n = 0; n < c->argument_count && !named; n++) {
                named = bytes_equal(c->arguments[n], topic);
            }
            if (!named) {
                c->arguments[c->argument_count++] = topic;
            }
        }
    }
}

static int add_topics(struct cli *c, struct cli_table *t, const struct cli_position *at,
                      const struct committers *by, int failed)
{
    int done = 0, exit = CLI_OK;

    for (int i = 0; i < c->argument_count; i++) {
        struct metadata_response_topic topic;
        int one = cluster_topic(c, c->arena, c->arguments[i], &topic);
        if (one == CLI_OK) {
            one = at != NULL ? add_moments(c, t, &topic, at->value, &failed)
                             : add_bounds(c, t, &topic, by, &failed);
            done += topic.partitions.len;
        } else {
            failed++;
        }
        exit = one != CLI_OK ? one : exit;
    }
    return cli_table_end_partly(t, done, failed, exit);
}

static int show_bounds(struct cli *c)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"START", "start", CLI_NUMBER},
                                                {"STABLE", "stable", CLI_NUMBER},
                                                {"END", "end", CLI_NUMBER},
                                                {"GROUP", "group", CLI_TEXT},
                                                {"COMMITTED", "committed", CLI_NUMBER},
                                                {"LAG", "lag", CLI_NUMBER}};
    enum { OF_GROUPS = 3 };
    struct committers by;
    int failed = 0, exit = load_groups(c, &by, &failed);

    if (exit != CLI_OK) {
        return exit;
    }
    if (c->argument_count == 0) {
        name_topics(c, &by);
    }
    int count = (int)COUNT_OF(columns) - (by.count > 0 ? 0 : OF_GROUPS);
    return add_topics(c, cli_table_begin(c, columns, count), NULL, &by, failed);
}

static int show_moments(struct cli *c, const struct cli_position *at)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"OFFSET", "offset", CLI_NUMBER},
                                                {"TIMESTAMP", "timestamp", CLI_TIME}};

    return add_topics(c, cli_table_begin(c, columns, COUNT_OF(columns)), at, NULL, 0);
}

int command_offsets(struct cli *c)
{
    struct bytes text = cli_value(c, CLI_OPT_AT);
    struct cli_position at;

    if (c->argument_count == 0 && !cli_has(c, CLI_OPT_GROUP)) {
        return cli_fail(c, CLI_USAGE, "usage: weir offsets TOPIC...\n  for example: %s",
                        c->command->example);
    }
    if (text.at != NULL && cli_has(c, CLI_OPT_GROUP)) {
        return cli_fail(c, CLI_USAGE, "--at and --group: one of them at a time");
    }
    if (text.at != NULL && !cli_position(c, text, &at)) {
        return CLI_USAGE;
    }
    if (text.at != NULL && at.kind != CLI_POSITION_TIME) {
        return cli_fail(c, CLI_USAGE, "--at %.*s: a time, as @2026-11-22T08:00Z or @-1h",
                        BYTES_ARG(text));
    }
    int exit = cli_connect(c);
    if (exit != CLI_OK) {
        return exit;
    }
    return text.at != NULL ? show_moments(c, &at) : show_bounds(c);
}
