/* tools/cmd_topic_describe.c: one topic, whole: partitions, leaders, offsets, settings that are not the default.
 *
 * FORMAT   For eyes: a line of summary, the settings with who set them, the partitions. json and jsonl: an object
 *          for each topic. csv and name: the partitions alone.
 * FAILURE  Offsets of a partition without a leader are shown as "-"; settings that may not be seen are left out.
 */
#include "tools/cli_internal.h"

#include "schema/describe_configs.h"
#include "tools/cluster.h"
#include "tools/json_text.h"

#include <stdio.h>

enum { RESOURCE_TOPIC = 2, SOURCE_BUILT_IN = 5 };

struct description {
    struct metadata_response_topic topic;
    const struct cluster_offset *starts, *ends; /* by partition; NULL: unknown */
    struct describe_configs_response_configs configs;
};

static const char *source_name(int8_t source)
{
    static const char *const names[] = {
        "unknown", "topic", "broker", "cluster default", "settings of the broker", "built in"};

    return names[source >= 0 && source < (int)COUNT_OF(names) ? source : 0];
}

/* ---- asking ---- */

/* The settings that somebody set, moved to the front. */
static void keep_set(struct describe_configs_response_configs *configs)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < configs->len; i++) {
        if (configs->at[i].config_source != SOURCE_BUILT_IN) {
            configs->at[kept++] = configs->at[i];
        }
    }
    configs->len = kept;
}

static void ask_configs(struct cli *c, struct description *d)
{
    struct describe_configs_request rq;
    struct describe_configs_response rs;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_DESCRIBE_CONFIGS, .request = &rq, .response = &rs};

    describe_configs_request_init(&rq);
    rq.resources = describe_configs_request_resources_new(c->arena, 1);
    if (rq.resources.len == 1) {
        rq.resources.at[0].resource_type = RESOURCE_TOPIC;
        rq.resources.at[0].resource_name = d->topic.name;
        rq.resources.at[0].configuration_keys.len = -1;
    }
    enum err e = client_do(c->client, &call, c->arena);
    if (e == OK && rs.results.len == 1 && rs.results.at[0].error_code == KAFKA_NONE) {
        d->configs = rs.results.at[0].configs;
        keep_set(&d->configs);
        return;
    }
    (void)fprintf(stderr, "weir: the settings of %.*s cannot be had\n", BYTES_ARG(d->topic.name));
}

static int ask_all(struct cli *c, struct bytes name, struct description *d)
{
    int exit = cluster_topic(c, c->arena, name, &d->topic);

    if (exit != CLI_OK) {
        return exit;
    }
    int32_t count = d->topic.partitions.len;
    struct cluster_offset *starts = cluster_offsets_of(c->arena, &d->topic, CLUSTER_OFFSET_START);
    struct cluster_offset *ends = cluster_offsets_of(c->arena, &d->topic, CLUSTER_OFFSET_END);
    if (starts == NULL || ends == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory for %d partitions", count);
    }
    if (cluster_offsets(c->client, c->arena, starts, count, CLUSTER_READ_ALL) != OK ||
        cluster_offsets(c->client, c->arena, ends, count, CLUSTER_READ_ALL) != OK) {
        (void)fprintf(stderr, "weir: some offsets cannot be had: %s\n", cli_crumb(c));
    }
    d->starts = starts;
    d->ends = ends;
    ask_configs(c, d);
    return CLI_OK;
}

/* ---- for eyes ---- */

static void cell_list(struct cli_table *t, struct cli *c, const struct int32_array *list)
{
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < list->len; i++) {
        text = arena_format(c->arena, "%.*s%s%d", BYTES_ARG(text), i == 0 ? "" : ",", list->at[i]);
    }
    cli_cell(t, text.len == 0 ? BYTES_NULL : text);
}

static void cell_offset(struct cli_table *t, const struct cluster_offset *o)
{
    if (o->error == KAFKA_NONE) {
        cli_cell_number(t, o->offset);
    } else {
        cli_cell_none(t);
    }
}

static void add_rows(struct cli *c, struct cli_table *t, const struct description *d)
{
    for (int32_t i = 0; i < d->topic.partitions.len; i++) {
        const struct metadata_response_partition *p = &d->topic.partitions.at[i];
        cli_cell(t, d->topic.name);
        cli_cell_number(t, p->partition_index);
        if (p->leader_id >= 0) {
            cli_cell_number(t, p->leader_id);
        } else {
            cli_cell_none(t);
        }
        cell_list(t, c, &p->replica_nodes);
        cell_list(t, c, &p->isr_nodes);
        cell_offset(t, &d->starts[i]);
        cell_offset(t, &d->ends[i]);
    }
}

static void print_summary(const struct description *d)
{
    char id[UUID_TEXT_BYTES + 1];
    int32_t partitions = d->topic.partitions.len, replicas = cluster_replicas(&d->topic);

    uuid_text(d->topic.topic_id, id);
    (void)printf("%.*s: %d partition%s, %d replica%s", BYTES_ARG(d->topic.name), partitions,
                 partitions == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s");
    if (!uuid_is_zero(d->topic.topic_id)) {
        (void)printf(", id %s", id);
    }
    (void)puts(d->topic.is_internal ? ", internal" : "");
    for (int32_t i = 0; i < d->configs.len; i++) {
        const struct describe_configs_response_config *k = &d->configs.at[i];
        struct bytes value = k->value.at == NULL ? BYTES("-") : k->value;
        (void)printf("  %.*s=%.*s (%s)\n", BYTES_ARG(k->name), BYTES_ARG(value),
                     source_name(k->config_source));
    }
}

/* ---- for programs ---- */

static void print_list(const char *name, const struct int32_array *list)
{
    (void)printf(",\"%s\":[", name);
    for (int32_t i = 0; i < list->len; i++) {
        (void)printf("%s%d", i == 0 ? "" : ",", list->at[i]);
    }
    (void)putchar(']');
}

static void print_offset(const char *name, const struct cluster_offset *o)
{
    if (o->error == KAFKA_NONE) {
        (void)printf(",\"%s\":%" PRId64, name, o->offset);
    } else {
        (void)printf(",\"%s\":null", name);
    }
}

static void print_partition(const struct description *d, int32_t i)
{
    const struct metadata_response_partition *p = &d->topic.partitions.at[i];

    (void)printf("%s{\"partition\":%d", i == 0 ? "" : ",", p->partition_index);
    if (p->leader_id >= 0) {
        (void)printf(",\"leader\":%d", p->leader_id);
    } else {
        (void)fputs(",\"leader\":null", stdout);
    }
    (void)printf(",\"leader_epoch\":%d", p->leader_epoch);
    print_list("replicas", &p->replica_nodes);
    print_list("isr", &p->isr_nodes);
    print_list("offline", &p->offline_replicas);
    print_offset("start", &d->starts[i]);
    print_offset("end", &d->ends[i]);
    (void)putchar('}');
}

static void print_object(const struct description *d)
{
    char id[UUID_TEXT_BYTES + 1];

    uuid_text(d->topic.topic_id, id);
    (void)fputs("{\"topic\":", stdout);
    json_text_print(stdout, d->topic.name);
    (void)printf(",\"id\":\"%s\",\"internal\":%s,\"configs\":[", id,
                 d->topic.is_internal ? "true" : "false");
    for (int32_t i = 0; i < d->configs.len; i++) {
        const struct describe_configs_response_config *k = &d->configs.at[i];
        (void)fputs(i == 0 ? "{\"name\":" : ",{\"name\":", stdout);
        json_text_print(stdout, k->name);
        (void)fputs(",\"value\":", stdout);
        json_text_print(stdout, k->value);
        (void)printf(",\"source\":\"%s\"}", source_name(k->config_source));
    }
    (void)fputs("],\"partitions\":[", stdout);
    for (int32_t i = 0; i < d->topic.partitions.len; i++) {
        print_partition(d, i);
    }
    (void)fputs("]}", stdout);
}

/* ---- the command ---- */

static struct cli_table *begin(struct cli *c)
{
    static const struct cli_column columns[] = {
        {"TOPIC", "topic", CLI_TEXT},     {"PARTITION", "partition", CLI_NUMBER},
        {"LEADER", "leader", CLI_NUMBER}, {"REPLICAS", "replicas", CLI_TEXT},
        {"ISR", "isr", CLI_TEXT},         {"START", "start", CLI_NUMBER},
        {"END", "end", CLI_NUMBER},
    };

    return cli_table_begin(c, columns, COUNT_OF(columns));
}

/* One topic that was found; `at` counts those printed before. */
static int print_one(struct cli *c, const struct description *d, int at)
{
    if (c->format == CLI_JSON || c->format == CLI_JSONL) {
        (void)fputs(c->format == CLI_JSONL ? "" : at == 0 ? "[" : ",\n ", stdout);
        print_object(d);
        (void)fputs(c->format == CLI_JSONL ? "\n" : "", stdout);
        return CLI_OK;
    }
    (void)fputs(at == 0 ? "" : "\n", stdout);
    print_summary(d);
    struct cli_table *t = begin(c);
    add_rows(c, t, d);
    return cli_table_end(t);
}

int command_topic_describe(struct cli *c)
{
    int exit = cli_connect(c), done = 0, last = CLI_OK;

    if (exit != CLI_OK) {
        return exit;
    }
    bool one_table = c->format == CLI_CSV || c->format == CLI_NAME;
    struct cli_table *all = one_table ? begin(c) : NULL;
    for (int i = 0; i < c->argument_count; i++) {
        struct description d = {.configs = {NULL, 0}};
        exit = ask_all(c, c->arguments[i], &d);
        if (exit == CLI_OK && all != NULL) {
            add_rows(c, all, &d);
        } else if (exit == CLI_OK) {
            exit = print_one(c, &d, done);
        }
        done += exit == CLI_OK;
        last = exit == CLI_OK ? last : exit;
    }
    if (all != NULL) {
        return cli_table_end_partly(all, done, c->argument_count - done, last);
    }
    if (c->format == CLI_JSON) {
        (void)puts(done == 0 ? "[]" : "]");
    }
    return last == CLI_OK ? CLI_OK : done > 0 ? CLI_PARTLY : last;
}
