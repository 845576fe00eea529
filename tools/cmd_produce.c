/* tools/cmd_produce.c: `weir produce`: records from arguments, lines or JSON lines.
 *
 * WHY      The shortest way from a text to a record; with jsonl, the other half of `weir consume -o jsonl`.
 * FORMAT   A record's key decides its partition as in the Java producer; records without one share a partition as
 *          long as their batch lasts. -p N sends all of them there; "partition" in a JSON line counts unless -p
 *          says N or "auto".
 * OWNER    One thread. A line's memory goes once it is in a batch.
 * FAILURE  The first record that is refused ends the reading; what was sent before stays sent (exit 6). A Ctrl-C
 *          sends what was read.
 * LIMITS   INPUT_LINE_BYTES_MAX; LINE_BYTES_MAX for what a line becomes.
 */
#include "tools/cli_internal.h"

#include "base/env_linux.h"
#include "protocol/record_batch.h"
#include "tools/cluster.h"
#include "tools/input.h"
#include "tools/producer.h"
#include "tools/record_json.h"

#include <stdio.h>

enum {
    LINE_BYTES_MAX = 256 << 20,
    HEADERS_MAX = 128,
    LINGER_US = 5000,
    PROGRESS_FIRST_US = 1000000,
    PROGRESS_EACH_US = 250000,
    PARTITION_AUTO = -2, /* -p auto: by key, whatever a JSON line says */
};

struct produce {
    struct cli *cli;
    struct metadata_response_topic topic;
    struct producer *producer;
    struct arena line; /* of the record at hand */
    bool json;
    int32_t partition; /* -1: not said */
    struct bytes key;
    struct record_header headers[HEADERS_MAX];
    int32_t header_count;
    int64_t line_count;
    uint64_t began_us, shown_us;
    /* by partition, of what was stored */
    struct stored {
        int64_t count, first, last;
    } * stored;
    int32_t newest; /* partition of the newest batch */
};

/* ---- options ---- */

static int take_partition(struct produce *p)
{
    struct bytes text = cli_value(p->cli, CLI_OPT_PARTITIONS);
    int64_t n = PRODUCER_PARTITION_BY_KEY;

    if (bytes_equal(text, BYTES("auto"))) {
        n = PARTITION_AUTO;
    } else if (text.at != NULL && (bytes_to_i64(text, &n) != OK || n < 0 || n > INT32_MAX)) {
        return cli_fail(p->cli, CLI_USAGE, "-p %.*s: the number of a partition, or auto",
                        BYTES_ARG(text));
    }
    p->partition = (int32_t)n;
    return CLI_OK;
}

static int take_headers(struct produce *p)
{
    struct bytes text;

    for (int i = 0; cli_value_at(p->cli, CLI_OPT_HEADER, i, &text); i++) {
        ptrdiff_t equals = bytes_find(text, '=');
        if (equals < 0) {
            return cli_fail(p->cli, CLI_USAGE, "-H %.*s: write it as name=value", BYTES_ARG(text));
        }
        if (i == HEADERS_MAX) {
            return cli_fail(p->cli, CLI_USAGE, "more than %d headers", HEADERS_MAX);
        }
        p->headers[i].key = bytes_slice(text, 0, (size_t)equals);
        p->headers[i].value = bytes_slice(text, (size_t)equals + 1, text.len);
        p->header_count = i + 1;
    }
    return CLI_OK;
}

static int take_acks(struct cli *c, int16_t *out)
{
    struct bytes acks = cli_value(c, CLI_OPT_ACKS);

    *out = PRODUCER_ACKS_ALL;
    if (bytes_equal(acks, BYTES("1")) || bytes_equal(acks, BYTES("0"))) {
        *out = (int16_t)(acks.at[0] - '0');
        return CLI_OK;
    }
    if (acks.at == NULL || bytes_equal(acks, BYTES("all")) || bytes_equal(acks, BYTES("-1"))) {
        return CLI_OK;
    }
    return cli_fail(c, CLI_USAGE, "--acks %.*s: all, 1 or 0", BYTES_ARG(acks));
}

static int take_options(struct produce *p, struct producer_options *o)
{
    struct bytes input = cli_value(p->cli, CLI_OPT_INPUT);
    struct bytes codec = cli_value(p->cli, CLI_OPT_CODEC);

    p->json = bytes_equal(input, BYTES("jsonl"));
    p->key = cli_value(p->cli, CLI_OPT_KEY);
    if (input.at != NULL && !p->json && !bytes_equal(input, BYTES("lines"))) {
        return cli_fail(p->cli, CLI_USAGE, "--input %.*s: lines or jsonl", BYTES_ARG(input));
    }
    o->codec = CODEC_NONE;
    if (codec.at != NULL && codec_of_name(codec, &o->codec) != OK) {
        return cli_fail(p->cli, CLI_USAGE, "-z %.*s: none, gzip, snappy, lz4 or zstd",
                        BYTES_ARG(codec));
    }
    int exit = take_acks(p->cli, &o->acks);
    exit = exit == CLI_OK ? take_partition(p) : exit;
    return exit == CLI_OK ? take_headers(p) : exit;
}

/* ---- records ---- */

static void on_sent(void *context, int32_t partition, int64_t offset, int32_t count)
{
    struct produce *p = context;
    struct stored *s = &p->stored[partition];

    s->first = s->count == 0 ? offset : s->first;
    s->last = offset < 0 ? -1 : offset + count - 1;
    s->count += count;
    p->newest = partition;
}

static int32_t partition_of(const struct produce *p, const struct record_json *json)
{
    if (p->partition >= 0) {
        return p->partition;
    }
    return p->partition == PARTITION_AUTO || json->partition < 0 ? PRODUCER_PARTITION_BY_KEY
                                                                 : json->partition;
}

/* One value, or one line of JSON. ERR_MALFORMED, and what producer_add() says. */
static enum err add(struct produce *p, struct bytes text)
{
    struct record_json json = {.partition = -1,
                               .timestamp_ms = -1,
                               .key = p->key,
                               .value = text,
                               .headers = p->headers,
                               .header_count = p->header_count};

    if (p->json) {
        arena_reset(&p->line);
        TRY(record_json_parse(&p->line, text, &json));
        json.key = p->key.at == NULL ? json.key : p->key;
        if (json.header_count == 0) {
            json.headers = p->headers;
            json.header_count = p->header_count;
        }
    }
    struct producer_record r = {.timestamp_ms = json.timestamp_ms >= 0 ? json.timestamp_ms
                                                                       : env_wall_ms(p->cli->env),
                                .key = json.key,
                                .value = json.value,
                                .headers = json.headers,
                                .header_count = json.header_count,
                                .partition = partition_of(p, &json)};
    return producer_add(p->producer, &r);
}

/* "orders[2] @ 1042" */
static void print_newest(const struct produce *p)
{
    const struct stored *s = &p->stored[p->newest];

    if (s->last < 0) {
        (void)printf("%.*s[%d] sent\n", BYTES_ARG(p->topic.name), p->newest);
    } else {
        (void)printf("%.*s[%d] @ %" PRId64 "\n", BYTES_ARG(p->topic.name), p->newest, s->last);
    }
}

static double rate(const struct produce *p)
{
    uint64_t us = MAX(env_now_us(p->cli->env) - p->began_us, 1u);

    return (double)producer_outcome(p->producer)->sent * 1e6 / (double)us;
}

static void show_progress(struct produce *p)
{
    uint64_t now = env_now_us(p->cli->env);

    if (p->cli->terminal_err && !p->cli->terminal_in && now - p->began_us > PROGRESS_FIRST_US &&
        now - p->shown_us > PROGRESS_EACH_US) {
        p->shown_us = now;
        (void)fprintf(stderr, "\r%" PRId64 " sent, %.1f/s ", producer_outcome(p->producer)->sent,
                      rate(p));
    }
}

static enum err flush(struct produce *p)
{
    bool any = producer_has_pending(p->producer);
    enum err e = producer_flush(p->producer);

    if (e == OK && any && p->cli->terminal_in && p->cli->argument_count == 1 &&
        producer_outcome(p->producer)->failed == 0) {
        print_newest(p);
    }
    return e;
}

/* Standard input to its end. */
static enum err add_input(struct produce *p, struct input *in)
{
    enum err e = OK;

    while (e == OK && producer_outcome(p->producer)->failed == 0) {
        struct bytes line;
        int64_t wait_us = producer_has_pending(p->producer) ? LINGER_US : -1;
        e = input_line(in, wait_us, env_linux_stop_asked, &line);
        if (e == ERR_AGAIN) {
            e = flush(p);
            continue;
        }
        if (e == OK) {
            p->line_count++;
            e = p->json && bytes_trim(line).len == 0 ? OK : add(p, line);
        }
        show_progress(p);
    }
    return e == ERR_NOT_FOUND || (e == ERR_CLOSED && env_linux_stop_asked()) ? OK : e;
}

static enum err add_all(struct produce *p)
{
    struct input *in;
    enum err e = OK;

    if (p->cli->argument_count > 1) {
        for (int i = 1; i < p->cli->argument_count && e == OK; i++) {
            p->line_count++;
            e = add(p, p->cli->arguments[i]);
        }
        return e;
    }
    TRY(env_linux_on_stop(p->cli->env, client_poller(p->cli->client)));
    TRY(input_new(p->cli->env, client_poller(p->cli->client), &in));
    e = add_input(p, in);
    input_free(in);
    return e;
}

/* ---- the end ---- */

static int print_table(struct produce *p)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"FIRST", "first", CLI_NUMBER},
                                                {"LAST", "last", CLI_NUMBER},
                                                {"RECORDS", "records", CLI_NUMBER}};
    struct cli_table *t = cli_table_begin(p->cli, columns, COUNT_OF(columns));

    for (int32_t i = 0; i < p->topic.partitions.len; i++) {
        const struct stored *s = &p->stored[i];
        if (s->count == 0) {
            continue;
        }
        cli_cell(t, p->topic.name);
        cli_cell_number(t, i);
        if (s->first < 0 || s->last < 0) {
            cli_cell_none(t);
            cli_cell_none(t);
        } else {
            cli_cell_number(t, s->first);
            cli_cell_number(t, s->last);
        }
        cli_cell_number(t, s->count);
    }
    return cli_table_end(t);
}

static int print_end(struct produce *p)
{
    const struct producer_outcome *o = producer_outcome(p->producer);
    bool typed = p->cli->terminal_in && p->cli->argument_count == 1; /* told line by line */

    if (p->shown_us > 0) {
        (void)fputc('\r', stderr);
    }
    if (cli_has(p->cli, CLI_OPT_OUTPUT)) {
        return print_table(p);
    }
    if (o->sent + o->failed == 1 && o->sent == 1 && !typed) {
        print_newest(p);
    } else if (!typed) {
        (void)printf("%" PRId64 " sent, %" PRId64 " failed, %.1f/s\n", o->sent, o->failed, rate(p));
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED;
}

/* What went wrong, if anything: `e` of sending, `exit` of reading. */
static int judge(struct produce *p, enum err e, int exit)
{
    const struct producer_outcome *o = producer_outcome(p->producer);

    if (o->failed > 0) {
        struct bytes what =
            arena_format(p->cli->arena, "%.*s[%d]", BYTES_ARG(p->topic.name), o->partition);
        exit = cli_fail_kafka(p->cli, what, o->error, bytes_of(o->message));
        exit = e == ERR_CLOSED ? CLI_NO_SERVER : exit;
    } else if (e != OK) {
        exit = cli_fail_err(p->cli, e, "produce");
    }
    return exit != CLI_OK && o->sent > 0 ? CLI_PARTLY : exit;
}

static int run(struct produce *p)
{
    enum err e = add_all(p);
    int exit = CLI_OK;

    if (e == ERR_MALFORMED || e == ERR_USAGE || e == ERR_LIMIT) {
        exit =
            cli_fail(p->cli, CLI_USAGE, "record %" PRId64 ": %s", p->line_count, cli_crumb(p->cli));
        e = OK; /* those before it are sent */
    }
    e = e == OK ? flush(p) : e;
    exit = judge(p, e, exit);
    int end = print_end(p);
    exit = exit == CLI_OK ? end : exit;
    return exit == CLI_OK && env_linux_stop_asked() ? CLI_INTERRUPTED : exit;
}

int command_produce(struct cli *c)
{
    struct producer_options o = {.env = c->env, .on_sent = on_sent};
    struct produce *p = ARENA_NEW(c->arena, struct produce);

    if (p == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory");
    }
    p->cli = c;
    int exit = take_options(p, &o);
    exit = exit == CLI_OK ? cli_connect(c) : exit;
    exit = exit == CLI_OK ? cluster_topic(c, c->arena, c->arguments[0], &p->topic) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    o.client = c->client;
    o.topic = &p->topic;
    o.context = p;
    p->stored = ARENA_ARRAY(c->arena, struct stored, p->topic.partitions.len);
    enum err e = p->stored == NULL ? fail(ERR_NOMEM, "no memory") : producer_new(&o, &p->producer);
    if (e != OK) {
        return cli_fail_err(c, e, "produce");
    }
    p->began_us = env_now_us(c->env);
    arena_init(&p->line, LINE_BYTES_MAX);
    exit = run(p);
    arena_deinit(&p->line);
    producer_free(p->producer);
    return exit;
}
