/* tools/cmd_offsets.c: `weir offsets`: where partitions begin and end, or where a time is in them.
 *
 * FORMAT   START: the first offset there is; STABLE: up to where no transaction is open; END: the offset that the
 *          next record gets. With --at the first record not older than that, "-" when there is none.
 * FAILURE  A partition that cannot be asked shows "-" and makes the exit code 6.
 */
#include "tools/cli_internal.h"

#include "tools/cluster.h"

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

/* Adds the rows of a topic; *done and *failed count partitions. */
static int add_bounds(struct cli *c, struct cli_table *t,
                      const struct metadata_response_topic *topic, int *failed)
{
    const struct cluster_offset *starts = ask(c, topic, CLUSTER_OFFSET_START, CLUSTER_READ_ALL);
    const struct cluster_offset *stable = ask(c, topic, CLUSTER_OFFSET_END, CLUSTER_READ_COMMITTED);
    const struct cluster_offset *ends = ask(c, topic, CLUSTER_OFFSET_END, CLUSTER_READ_ALL);

    if (starts == NULL || stable == NULL || ends == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory for offsets");
    }
    for (int32_t i = 0; i < topic->partitions.len; i++) {
        cli_cell(t, topic->name);
        cli_cell_number(t, starts[i].partition);
        cell_offset(t, &starts[i]);
        cell_offset(t, &stable[i]);
        cell_offset(t, &ends[i]);
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

static int add_topics(struct cli *c, struct cli_table *t, const struct cli_position *at)
{
    int failed = 0, done = 0, exit = CLI_OK;

    for (int i = 0; i < c->argument_count; i++) {
        struct metadata_response_topic topic;
        int one = cluster_topic(c, c->arena, c->arguments[i], &topic);
        if (one == CLI_OK) {
            one = at != NULL ? add_moments(c, t, &topic, at->value, &failed)
                             : add_bounds(c, t, &topic, &failed);
            done += topic.partitions.len;
        } else {
            failed++;
        }
        exit = one != CLI_OK ? one : exit;
    }
    return cli_table_end_partly(t, done, failed, exit);
}

int command_offsets(struct cli *c)
{
    static const struct cli_column bounds[] = {{"TOPIC", "topic", CLI_TEXT},
                                               {"PARTITION", "partition", CLI_NUMBER},
                                               {"START", "start", CLI_NUMBER},
                                               {"STABLE", "stable", CLI_NUMBER},
                                               {"END", "end", CLI_NUMBER}};
    static const struct cli_column moments[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"OFFSET", "offset", CLI_NUMBER},
                                                {"TIMESTAMP", "timestamp", CLI_TIME}};
    struct bytes text = cli_value(c, CLI_OPT_AT);
    struct cli_position at;

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
    return text.at != NULL ? add_topics(c, cli_table_begin(c, moments, COUNT_OF(moments)), &at)
                           : add_topics(c, cli_table_begin(c, bounds, COUNT_OF(bounds)), NULL);
}
