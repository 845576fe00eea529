/* tools/cmd_consume.c: `weir consume`: partitions from position to position.
 *
 * WHY      Looking into a topic is the most common thing done to it.
 * FORMAT   Without -o a value a line, as the Java console consumer prints them, on a terminal and in a pipe alike.
 *          -o json, jsonl: objects (tools/record_json.h); csv: the same columns; a pattern with % for the rest.
 *          Without --from from the start; without --to and -e it goes on with what comes.
 * OWNER    One thread; a record lives until the next.
 * FAILURE  An offset that is no longer there at the beginning is an error that says what is there; later on it is
 *          a warning, and reading goes on where the log begins now.
 * LIMITS   RECORD_BYTES_MAX for what a record needs to be printed.
 */
#include "tools/cli_internal.h"

#include "base/env_linux.h"
#include "tools/cluster.h"
#include "tools/consumer.h"
#include "tools/record_pattern.h"

#include <stdio.h>

enum { RECORD_BYTES_MAX = 1 << 30 };

struct consume {
    struct cli *cli;
    struct metadata_response_topic topic;
    struct cli_position from, to;
    bool has_to; /* --to or -e */
    int64_t count_max, count;
    struct consumer_partition *partitions;
    int32_t partition_count;
    struct consumer *consumer;
    struct arena record; /* of the record at hand */
};

/* ---- which partitions ---- */

static int refuse_partitions(struct cli *c, struct bytes text)
{
    return cli_fail(c, CLI_USAGE, "-p %.*s: numbers of partitions, as 0,2,5-7", BYTES_ARG(text));
}

static int add_partition(struct consume *k, int64_t index)
{
    for (int32_t i = 0; i < k->partition_count; i++) {
        if (k->partitions[i].index == index) {
            return CLI_OK;
        }
    }
    if (index < 0 || index >= k->topic.partitions.len) {
        return cli_fail(k->cli, CLI_NOT_FOUND, "%.*s has no partition %" PRId64 ": it has 0 to %d",
                        BYTES_ARG(k->topic.name), index, k->topic.partitions.len - 1);
    }
    k->partitions[k->partition_count++] = (struct consumer_partition){
        .index = (int32_t)index, .leader = k->topic.partitions.at[index].leader_id};
    return CLI_OK;
}

/* "5", "5-7" */
static int add_range(struct consume *k, struct bytes text)
{
    ptrdiff_t dash = bytes_find(text, '-');
    struct bytes low = dash < 0 ? text : bytes_slice(text, 0, (size_t)dash);
    struct bytes high = dash < 0 ? text : bytes_slice(text, (size_t)dash + 1, text.len);
    int64_t first, last;
    int exit = CLI_OK;

    if (bytes_to_i64(low, &first) != OK || bytes_to_i64(high, &last) != OK || first > last) {
        return refuse_partitions(k->cli, text);
    }
    for (int64_t i = first; i <= last && exit == CLI_OK; i++) {
        exit = add_partition(k, i);
    }
    return exit;
}

static int choose_partitions(struct consume *k)
{
    struct bytes text;
    int exit = CLI_OK;

    k->partitions = ARENA_ARRAY(k->cli->arena, struct consumer_partition, k->topic.partitions.len);
    if (k->partitions == NULL) {
        return cli_fail(k->cli, CLI_REFUSED, "no memory for partitions");
    }
    for (int32_t i = 0; !cli_has(k->cli, CLI_OPT_PARTITIONS) && i < k->topic.partitions.len; i++) {
        (void)add_partition(k, i);
    }
    for (int n = 0; cli_value_at(k->cli, CLI_OPT_PARTITIONS, n, &text); n++) {
        while (text.len > 0 && exit == CLI_OK) {
            ptrdiff_t comma = bytes_find(text, ',');
            size_t len = comma < 0 ? text.len : (size_t)comma;
            exit = add_range(k, bytes_slice(text, 0, len));
            text = bytes_slice(text, len + 1, text.len);
        }
    }
    if (exit == CLI_OK && k->partition_count == 0) {
        exit = refuse_partitions(k->cli, cli_value(k->cli, CLI_OPT_PARTITIONS));
    }
    return exit;
}

/* ---- which offsets ---- */

/* Fills one offset of each partition by `take`. */
static int ask_offsets(struct consume *k, int64_t at,
                       void (*take)(struct consumer_partition *, int64_t))
{
    struct cluster_offset *q =
        ARENA_ARRAY(k->cli->arena, struct cluster_offset, k->partition_count);

    for (int32_t i = 0; q != NULL && i < k->partition_count; i++) {
        q[i] = (struct cluster_offset){
            k->topic.name, k->partitions[i].index, k->partitions[i].leader, at, KAFKA_NONE, -1, -1};
    }
    enum err e = q == NULL ? fail(ERR_NOMEM, "no memory for offsets")
                           : cluster_offsets(k->cli->client, k->cli->arena, q, k->partition_count,
                                             CLUSTER_READ_ALL);
    if (e != OK) {
        return cli_fail_err(k->cli, e, "offsets");
    }
    for (int32_t i = 0; i < k->partition_count; i++) {
        if (q[i].error != KAFKA_NONE) {
            struct bytes what = arena_format(k->cli->arena, "%.*s[%d]", BYTES_ARG(k->topic.name),
                                             k->partitions[i].index);
            return cli_fail_kafka(k->cli, what, q[i].error, BYTES_NULL);
        }
        take(&k->partitions[i], q[i].offset);
    }
    return CLI_OK;
}

static void take_start(struct consumer_partition *p, int64_t offset)
{
    p->start = offset;
}

static void take_end(struct consumer_partition *p, int64_t offset)
{
    p->end = offset;
}

static void take_from(struct consumer_partition *p, int64_t offset)
{
    p->at = offset < 0 ? p->end : offset;
}

static void take_to(struct consumer_partition *p, int64_t offset)
{
    p->to = offset < 0 ? p->end : offset;
}

static int64_t resolve(const struct consumer_partition *p, const struct cli_position *at)
{
    switch (at->kind) {
    case CLI_POSITION_START:
        return p->start;
    case CLI_POSITION_OFFSET:
        return at->value;
    case CLI_POSITION_FROM_END:
        return MAX(p->start, p->end - at->value);
    case CLI_POSITION_FROM_START:
        return MIN(p->end, at->value > INT64_MAX - p->start ? p->end : p->start + at->value);
    case CLI_POSITION_END:
    case CLI_POSITION_TIME:
        return p->end;
    }
    UNREACHABLE();
}

static int choose_offsets(struct consume *k)
{
    int exit = ask_offsets(k, CLUSTER_OFFSET_START, take_start);

    exit = exit == CLI_OK ? ask_offsets(k, CLUSTER_OFFSET_END, take_end) : exit;
    for (int32_t i = 0; exit == CLI_OK && i < k->partition_count; i++) {
        struct consumer_partition *p = &k->partitions[i];
        p->at = resolve(p, &k->from);
        p->to = k->has_to ? resolve(p, &k->to) : INT64_MAX;
    }
    if (exit == CLI_OK && k->from.kind == CLI_POSITION_TIME) {
        exit = ask_offsets(k, k->from.value, take_from);
    }
    if (exit == CLI_OK && k->has_to && k->to.kind == CLI_POSITION_TIME) {
        exit = ask_offsets(k, k->to.value, take_to);
    }
    return exit;
}

/* ---- printing ---- */

static void print_csv(const struct record_json *r)
{
    (void)printf("%.*s,%d,%" PRId64 ",%" PRId64 ",", BYTES_ARG(r->topic), r->partition, r->offset,
                 r->timestamp_ms);
    cli_print_csv_cell(r->key);
    (void)putchar(',');
    cli_print_csv_cell(r->value);
    (void)fputs("\r\n", stdout);
}

static enum err print_record(struct consume *k, const struct record_json *r)
{
    switch (k->cli->format) {
    case CLI_JSON:
        (void)fputs(k->count == 1 ? "" : ",\n ", stdout);
        return record_json_print(stdout, &k->record, r);
    case CLI_JSONL:
        TRY(record_json_print(stdout, &k->record, r));
        (void)putchar('\n');
        return OK;
    case CLI_CSV:
        print_csv(r);
        return OK;
    case CLI_PATTERN:
        return record_pattern_print(stdout, &k->record, k->cli->pattern, r);
    case CLI_TABLE:
    case CLI_NAME:
        (void)fwrite(r->value.at == NULL ? (const uint8_t *)"" : r->value.at, 1, r->value.len,
                     stdout);
        (void)putchar('\n');
        return OK;
    }
    UNREACHABLE();
}

static enum err print_consumed(struct consume *k, const struct consumed *in)
{
    arena_reset(&k->record);
    struct record_header *headers = ARENA_ARRAY(&k->record, struct record_header, in->header_count);
    struct bytes rest = in->headers;
    int32_t count = 0;

    while (headers != NULL && count < in->header_count &&
           record_header_next(&rest, &headers[count])) {
        count++;
    }
    k->count++;
    return print_record(k, &(struct record_json){.topic = k->topic.name,
                                                 .partition = in->partition,
                                                 .offset = in->offset,
                                                 .timestamp_ms = in->timestamp_ms,
                                                 .key = in->key,
                                                 .value = in->value,
                                                 .headers = headers,
                                                 .header_count = count});
}

/* ---- reading ---- */

/* The log was cut at its start while we read: CLI_OK when it was told and reading can go on. */
static int refused(struct consume *k)
{
    const struct consumer_refusal *r = topic_reader_refused(k->consumer);
    struct consumer_partition *p = NULL;

    for (int32_t i = 0; i < k->partition_count; i++) {
        p = k->partitions[i].index == r->partition->index ? &k->partitions[i] : p;
    }
    struct bytes what =
        arena_format(k->cli->arena, "%.*s[%d]", BYTES_ARG(k->topic.name), r->partition->index);
    if (r->error != KAFKA_OFFSET_OUT_OF_RANGE || p == NULL) {
        return cli_fail_kafka(k->cli, what, r->error, BYTES_NULL);
    }
    int64_t asked = p->at;
    int exit = ask_offsets(k, CLUSTER_OFFSET_START, take_start);
    exit = exit == CLI_OK ? ask_offsets(k, CLUSTER_OFFSET_END, take_end) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    if (k->count > 0 && asked < p->start) {
        (void)fprintf(stderr, "weir: %.*s: offsets %" PRId64 " to %" PRId64 " are gone\n",
                      BYTES_ARG(what), asked, p->start - 1);
        p->at = p->start;
        return CLI_OK;
    }
    return cli_fail(k->cli, CLI_REFUSED,
                    "%.*s: offset %" PRId64 " is not there, the log goes from %" PRId64
                    " to %" PRId64 "\n  use --from start, --from end or --from %" PRId64,
                    BYTES_ARG(what), asked, p->start, p->end, asked < p->start ? p->start : p->end);
}

/* After topic_reader_next() gave something else than a record: CLI_OK to go on, with *done to end well. */
static int judge(struct consume *k, enum err e, bool *done)
{
    if (e == ERR_NOT_FOUND) {
        *done = true;
        return CLI_OK;
    }
    if (env_linux_stop_asked()) {
        return CLI_INTERRUPTED;
    }
    if (e == ERR_AGAIN) {
        return fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED;
    }
    return e == ERR_USAGE ? refused(k) : cli_fail_err(k->cli, e, "consume");
}

static int read_all(struct consume *k)
{
    struct consumed record;
    bool done = k->count_max == 0;
    int exit = CLI_OK;

    while (!done && exit == CLI_OK) {
        enum err e = topic_reader_next(k->consumer, &record);
        e = e == OK ? print_consumed(k, &record) : e;
        if (e != OK) {
            exit = judge(k, e, &done);
        }
        done = done || k->count == k->count_max;
        if (ferror(stdout)) {
            exit = CLI_REFUSED;
        }
    }
    return exit;
}

static int read_and_print(struct consume *k)
{
    struct consumer_options o = {.client = k->cli->client,
                                 .topic = k->topic.name,
                                 .topic_id = k->topic.topic_id,
                                 .partitions = k->partitions,
                                 .partition_count = k->partition_count};
    enum err e = topic_reader_new(&o, &k->consumer);

    e = e == OK ? env_linux_on_stop(k->cli->env, client_poller(k->cli->client)) : e;
    if (e != OK) {
        return cli_fail_err(k->cli, e, "consume");
    }
    if (k->cli->format == CLI_CSV) {
        (void)fputs("topic,partition,offset,timestamp,key,value\r\n", stdout);
    }
    (void)fputs(k->cli->format == CLI_JSON ? "[" : "", stdout);
    arena_init(&k->record, RECORD_BYTES_MAX);
    int exit = read_all(k);
    (void)fputs(k->cli->format == CLI_JSON ? "]\n" : "", stdout);
    arena_deinit(&k->record);
    topic_reader_free(k->consumer);
    return fflush(stdout) == 0 || exit != CLI_OK ? exit : CLI_REFUSED;
}

/* ---- the command ---- */

static int take_options(struct consume *k)
{
    struct cli *c = k->cli;
    struct bytes from = cli_value(c, CLI_OPT_FROM), to = cli_value(c, CLI_OPT_TO);

    k->from.kind = CLI_POSITION_START;
    k->to.kind = CLI_POSITION_END;
    k->has_to = to.at != NULL || cli_has(c, CLI_OPT_END);
    if (!cli_number(c, CLI_OPT_COUNT, -1, &k->count_max) ||
        (from.at != NULL && !cli_position(c, from, &k->from)) ||
        (to.at != NULL && !cli_position(c, to, &k->to))) {
        return CLI_USAGE;
    }
    if (to.at != NULL && cli_has(c, CLI_OPT_END)) {
        return cli_fail(c, CLI_USAGE, "--to and -e: one of them says where to stop");
    }
    if (c->format == CLI_NAME || (c->format == CLI_TABLE && cli_has(c, CLI_OPT_OUTPUT))) {
        return cli_fail(
            c, CLI_USAGE,
            "records are printed as json, jsonl, csv or by a pattern like '%%o %%v\\n'");
    }
    if (c->format == CLI_PATTERN && record_pattern_check(c->pattern) != OK) {
        return cli_fail(c, CLI_USAGE, "-o %.*s: %s", BYTES_ARG(c->pattern), cli_crumb(c));
    }
    return CLI_OK;
}

int command_consume(struct cli *c)
{
    struct consume *k = ARENA_NEW(c->arena, struct consume);

    if (k == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory");
    }
    k->cli = c;
    int exit = take_options(k);
    exit = exit == CLI_OK ? cli_connect(c) : exit;
    exit = exit == CLI_OK ? cluster_topic(c, c->arena, c->arguments[0], &k->topic) : exit;
    exit = exit == CLI_OK ? choose_partitions(k) : exit;
    exit = exit == CLI_OK ? choose_offsets(k) : exit;
    return exit == CLI_OK ? read_and_print(k) : exit;
}
