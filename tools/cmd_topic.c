/* tools/cmd_topic.c: topics: list, create, delete, add partitions.
 *
 * WHY      What people do first and most often; one request for all topics named.
 * FAILURE  Each topic fails for itself with a line on standard error; the exit code tells whether all or some did.
 */
#include "tools/cli_internal.h"

#include "broker/config_value.h"
#include "schema/create_partitions.h"
#include "schema/create_topics.h"
#include "schema/delete_topics.h"
#include "tools/cluster.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t timeout_ms(const struct cli *c)
{
    return (int32_t)MIN(client_timeout_ms(c->client), INT32_MAX);
}

/* ---- list ---- */

static bool is_wanted(struct cli *c, const struct metadata_response_topic *t)
{
    bool named = c->argument_count == 0;

    for (int i = 0; i < c->argument_count && !named; i++) {
        struct bytes glob = arena_format(c->arena, "%.*s%c", BYTES_ARG(c->arguments[i]), 0);
        struct bytes name = arena_format(c->arena, "%.*s%c", BYTES_ARG(t->name), 0);
        named = glob.at != NULL && name.at != NULL &&
                fnmatch((const char *)glob.at, (const char *)name.at, 0) == 0;
    }
    return named && (!t->is_internal || cli_has(c, CLI_OPT_INTERNAL));
}

static int by_name(const void *a, const void *b)
{
    const struct metadata_response_topic *x = a, *y = b;

    return bytes_compare(x->name, y->name);
}

/* Records in all partitions, -1 when one does not say. */
static int64_t record_count(struct cli *c, const struct metadata_response_topic *t)
{
    struct cluster_offset *starts = cluster_offsets_of(c->arena, t, CLUSTER_OFFSET_START);
    struct cluster_offset *ends = cluster_offsets_of(c->arena, t, CLUSTER_OFFSET_END);
    int32_t count = t->partitions.len;
    int64_t sum = 0;

    if (starts == NULL || ends == NULL ||
        cluster_offsets(c->client, c->arena, starts, count, CLUSTER_READ_ALL) != OK ||
        cluster_offsets(c->client, c->arena, ends, count, CLUSTER_READ_ALL) != OK) {
        return -1;
    }
    for (int32_t i = 0; i < count; i++) {
        if (starts[i].error != KAFKA_NONE || ends[i].error != KAFKA_NONE) {
            return -1;
        }
        sum += ends[i].offset - starts[i].offset;
    }
    return sum;
}

int command_topic_list(struct cli *c)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITIONS", "partitions", CLI_NUMBER},
                                                {"REPLICAS", "replicas", CLI_NUMBER},
                                                {"ID", "id", CLI_TEXT}};
    struct metadata_response m;
    char id[UUID_TEXT_BYTES + 1];
    int exit = cli_connect(c);

    exit = exit == CLI_OK ? cluster_topics(c, c->arena, NULL, 0, &m) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    if (m.topics.len > 0) {
        qsort(m.topics.at, (size_t)m.topics.len, sizeof(*m.topics.at), by_name);
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    for (int32_t i = 0; i < m.topics.len; i++) {
        const struct metadata_response_topic *topic = &m.topics.at[i];
        if (!is_wanted(c, topic)) {
            continue;
        }
        cli_cell(t, topic->name);
        cli_cell_number(t, topic->partitions.len);
        cli_cell_number(t, cluster_replicas(topic));
        uuid_text(topic->topic_id, id);
        cli_cell(t, uuid_is_zero(topic->topic_id) ? BYTES_NULL : bytes_of(id));
    }
    return cli_table_end(t);
}

/* ---- create ---- */

/* "retention.ms=7d": what has a unit is sent as the number that a broker wants. */
static int take_config(struct cli *c, struct bytes text, struct create_topics_request_config *out)
{
    ptrdiff_t equals = bytes_find(text, '=');

    if (equals <= 0) {
        return cli_fail(c, CLI_USAGE, "-c %.*s: write it as key=value", BYTES_ARG(text));
    }
    out->name = bytes_slice(text, 0, (size_t)equals);
    out->value = bytes_slice(text, (size_t)equals + 1, text.len);
    enum topic_config_key key = topic_config_find(out->name);
    if (key != TOPIC_CONFIG_KEY_COUNT) {
        out->value = config_without_units(topic_config_info(key)->type, out->value, c->arena);
    }
    return CLI_OK;
}

static int take_configs(struct cli *c, struct create_topics_request_configs *out)
{
    struct bytes text;
    int32_t count = 0;

    while (cli_value_at(c, CLI_OPT_CONFIG, count, &text)) {
        count++;
    }
    *out = create_topics_request_configs_new(c->arena, count);
    for (int32_t i = 0; i < out->len; i++) {
        (void)cli_value_at(c, CLI_OPT_CONFIG, i, &text);
        int exit = take_config(c, text, &out->at[i]);
        if (exit != CLI_OK) {
            return exit;
        }
    }
    return CLI_OK;
}

static int make_create(struct cli *c, struct create_topics_request *rq)
{
    struct create_topics_request_configs configs;
    int64_t partitions, replicas;

    if (!cli_number(c, CLI_OPT_PARTITIONS, -1, &partitions) ||
        !cli_number(c, CLI_OPT_REPLICAS, -1, &replicas)) {
        return CLI_USAGE;
    }
    if (partitions > INT32_MAX || partitions < INT32_MIN || replicas > INT16_MAX ||
        replicas < INT16_MIN) {
        return cli_fail(c, CLI_USAGE, "so many partitions or replicas cannot be asked for");
    }
    int exit = take_configs(c, &configs);
    create_topics_request_init(rq);
    rq->timeout_ms = timeout_ms(c);
    rq->validate_only = cli_has(c, CLI_OPT_DRY_RUN);
    rq->topics = create_topics_request_topics_new(c->arena, c->argument_count);
    for (int32_t i = 0; i < rq->topics.len; i++) {
        rq->topics.at[i].name = c->arguments[i];
        rq->topics.at[i].num_partitions = (int32_t)partitions;
        rq->topics.at[i].replication_factor = (int16_t)replicas;
        rq->topics.at[i].configs = configs;
    }
    return exit;
}

static void print_created(struct cli *c, struct cli_table *t,
                          const struct create_topics_response_topic *topic)
{
    char id[UUID_TEXT_BYTES + 1];

    uuid_text(topic->topic_id, id);
    cli_cell(t, topic->name);
    cli_cell(t, cli_has(c, CLI_OPT_DRY_RUN) ? BYTES("would be created") : BYTES("created"));
    if (topic->num_partitions < 0) {
        cli_cell_none(t);
        cli_cell_none(t);
    } else {
        cli_cell_number(t, topic->num_partitions);
        cli_cell_number(t, topic->replication_factor);
    }
    cli_cell(t, uuid_is_zero(topic->topic_id) ? BYTES_NULL : bytes_of(id));
}

int command_topic_create(struct cli *c)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"RESULT", "result", CLI_TEXT},
                                                {"PARTITIONS", "partitions", CLI_NUMBER},
                                                {"REPLICAS", "replicas", CLI_NUMBER},
                                                {"ID", "id", CLI_TEXT}};
    struct create_topics_request rq;
    struct create_topics_response rs;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_CREATE_TOPICS, .request = &rq, .response = &rs};
    int exit = cli_connect(c), failed = 0;

    exit = exit == CLI_OK ? make_create(c, &rq) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    enum err e = client_do(c->client, &call, c->arena);
    if (e != OK) {
        return cli_fail_err(c, e, "create");
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    for (int32_t i = 0; i < rs.topics.len; i++) {
        const struct create_topics_response_topic *topic = &rs.topics.at[i];
        if (topic->error_code != KAFKA_NONE) {
            exit = cli_fail_kafka(c, topic->name, topic->error_code, topic->error_message);
            failed++;
        } else {
            print_created(c, t, topic);
        }
    }
    return cli_table_end_partly(t, rs.topics.len - failed, failed, exit);
}

/* ---- delete ---- */

/* What would go; also proves that all of it is there. */
static int print_plan(struct cli *c, FILE *to)
{
    for (int i = 0; i < c->argument_count; i++) {
        struct metadata_response_topic t;
        int exit = cluster_topic(c, c->arena, c->arguments[i], &t);
        if (exit != CLI_OK) {
            return exit;
        }
        int64_t records = record_count(c, &t);
        (void)fprintf(to, "%.*s: %d partition%s", BYTES_ARG(t.name), t.partitions.len,
                      t.partitions.len == 1 ? "" : "s");
        if (records >= 0) {
            (void)fprintf(to, ", %" PRId64 " record%s", records, records == 1 ? "" : "s");
        }
        (void)fputc('\n', to);
    }
    return CLI_OK;
}

/* CLI_OK: go on. */
static int ask(struct cli *c)
{
    char answer[8] = "";

    if (cli_has(c, CLI_OPT_YES)) {
        return CLI_OK;
    }
    if (!c->terminal_in) {
        return cli_fail(
            c, CLI_USAGE,
            "topics and everything in them would be deleted: confirm with --yes, or see "
            "what would go with --dry-run");
    }
    int exit = print_plan(c, stderr);
    if (exit != CLI_OK) {
        return exit;
    }
    (void)fprintf(stderr, "Delete with everything in them? [y/N] ");
    if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        return cli_fail(c, CLI_USAGE, "nothing was deleted");
    }
    return CLI_OK;
}

static void make_delete(struct cli *c, struct delete_topics_request *rq)
{
    delete_topics_request_init(rq);
    rq->timeout_ms = timeout_ms(c);
    if (client_version(c->client, CLIENT_ANY_BROKER, API_DELETE_TOPICS) >= 6) {
        rq->topics = delete_topics_request_topics_new(c->arena, c->argument_count);
        for (int32_t i = 0; i < rq->topics.len; i++) {
            rq->topics.at[i].name = c->arguments[i];
        }
        return;
    }
    rq->topic_names = string_array_new(c->arena, c->argument_count);
    for (int32_t i = 0; i < rq->topic_names.len; i++) {
        rq->topic_names.at[i] = c->arguments[i];
    }
}

static int send_delete(struct cli *c)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"RESULT", "result", CLI_TEXT}};
    struct delete_topics_request rq;
    struct delete_topics_response rs;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_DELETE_TOPICS, .request = &rq, .response = &rs};
    int exit = CLI_OK, failed = 0;

    make_delete(c, &rq);
    enum err e = client_do(c->client, &call, c->arena);
    if (e != OK) {
        return cli_fail_err(c, e, "delete");
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    for (int32_t i = 0; i < rs.responses.len; i++) {
        const struct delete_topics_response_topic *topic = &rs.responses.at[i];
        if (topic->error_code != KAFKA_NONE) {
            exit = cli_fail_kafka(c, topic->name, topic->error_code, topic->error_message);
            failed++;
            continue;
        }
        cli_cell(t, topic->name);
        cli_cell(t, BYTES("deleted"));
    }
    return cli_table_end_partly(t, rs.responses.len - failed, failed, exit);
}

int command_topic_delete(struct cli *c)
{
    int exit = cli_connect(c);

    if (exit == CLI_OK && cli_has(c, CLI_OPT_DRY_RUN)) {
        return print_plan(c, stdout);
    }
    exit = exit == CLI_OK ? ask(c) : exit;
    return exit == CLI_OK ? send_delete(c) : exit;
}

/* ---- add-partitions ---- */

int command_topic_add_partitions(struct cli *c)
{
    static const struct cli_column columns[] = {{"TOPIC", "topic", CLI_TEXT},
                                                {"RESULT", "result", CLI_TEXT},
                                                {"PARTITIONS", "partitions", CLI_NUMBER}};
    struct create_partitions_request rq;
    struct create_partitions_response rs;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_CREATE_PARTITIONS, .request = &rq, .response = &rs};
    int64_t count;

    if (bytes_to_i64(c->arguments[1], &count) != OK || count < 1 || count > INT32_MAX) {
        return cli_fail(c, CLI_USAGE, "'%.*s' is not a count of partitions",
                        BYTES_ARG(c->arguments[1]));
    }
    int exit = cli_connect(c);
    if (exit != CLI_OK) {
        return exit;
    }
    create_partitions_request_init(&rq);
    rq.timeout_ms = timeout_ms(c);
    rq.validate_only = cli_has(c, CLI_OPT_DRY_RUN);
    rq.topics = create_partitions_request_topics_new(c->arena, 1);
    if (rq.topics.len == 1) {
        rq.topics.at[0].name = c->arguments[0];
        rq.topics.at[0].count = (int32_t)count;
        rq.topics.at[0].assignments.len = -1;
    }
    enum err e = client_do(c->client, &call, c->arena);
    if (e != OK || rs.results.len != 1) {
        return cli_fail_err(c, e == OK ? ERR_MALFORMED : e, "add-partitions");
    }
    if (rs.results.at[0].error_code != KAFKA_NONE) {
        return cli_fail_kafka(c, c->arguments[0], rs.results.at[0].error_code,
                              rs.results.at[0].error_message);
    }
    struct cli_table *t = cli_table_begin(c, columns, COUNT_OF(columns));
    cli_cell(t, c->arguments[0]);
    cli_cell(t, rq.validate_only ? BYTES("would grow") : BYTES("grown"));
    cli_cell_number(t, count);
    return cli_table_end(t);
}
