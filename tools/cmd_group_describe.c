/* tools/cmd_group_describe.c: `weir group describe` and `weir group members`: a group whole, or who is in it.
 *
 * FORMAT   describe, for eyes: a line of summary, the members, the offsets. json and jsonl: an object for each group with
 *          both as arrays. csv and name: the offsets alone.
 *          EPOCH is the member's own; a classic group's generation is not told by the protocol.
 */
#include "tools/cli_internal.h"

#include "tools/group_text.h"
#include "tools/json_text.h"

#include <stdio.h>

/* ---- offsets ---- */

static struct cli_table *offsets_begin(struct cli *c, bool with_group)
{
    static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                                {"TOPIC", "topic", CLI_TEXT},
                                                {"PARTITION", "partition", CLI_NUMBER},
                                                {"COMMITTED", "committed", CLI_NUMBER},
                                                {"END", "end", CLI_NUMBER},
                                                {"LAG", "lag", CLI_NUMBER},
                                                {"LAG-TIME", "lag_ms", CLI_DURATION},
                                                {"METADATA", "metadata", CLI_TEXT},
                                                {"MEMBER", "member", CLI_TEXT}};
    int skip = with_group ? 0 : 1;

    return cli_table_begin(c, columns + skip, (int)COUNT_OF(columns) - skip);
}

static void offsets_add(struct cli_table *t, const struct group_view_group *g, bool with_group)
{
    for (int32_t i = 0; i < g->offset_count; i++) {
        const struct group_offset *o = &g->offsets[i];
        if (with_group) {
            cli_cell(t, g->name);
        }
        cli_cell(t, o->topic);
        cli_cell_number(t, o->partition);
        group_cell(t, o->committed);
        group_cell(t, o->end);
        group_cell(t, o->lag);
        group_cell(t, o->lag_time_ms);
        group_cell_text(t, o->metadata);
        group_cell_text(t, o->member == NULL ? BYTES_NULL : o->member->id);
    }
}

/* ---- for eyes ---- */

static int print_summary(struct cli *c, const struct group_view_group *g)
{
    (void)printf("%.*s: %s, %.*s", BYTES_ARG(cli_plain(c->arena, g->name)),
                 group_type_name(g->type), BYTES_ARG(g->state));
    if (g->member_count >= 0) {
        (void)printf(", %d member%s", g->member_count, g->member_count == 1 ? "" : "s");
    }
    (void)printf(", coordinator %d\n", g->coordinator);
    if (g->protocol_type.len > 0) {
        (void)printf("  protocol %.*s\n", BYTES_ARG(cli_plain(c->arena, g->protocol_type)));
    }
    if (g->assignor.len > 0) {
        (void)printf("  assignor %.*s\n", BYTES_ARG(cli_plain(c->arena, g->assignor)));
    }
    if (g->epoch >= 0) {
        (void)printf("  epoch %d, assignment epoch %d\n", g->epoch, g->assignment_epoch);
    }
    return CLI_OK;
}

static int print_text(struct cli *c, const struct group_view_group *g)
{
    int exit = print_summary(c, g);

    if (g->member_count > 0) {
        struct cli_table *members = group_members_begin(c, false);
        (void)putchar('\n');
        group_members_add(c, members, g, false);
        exit = cli_table_end(members);
    }
    if (exit == CLI_OK && g->offset_count > 0) {
        struct cli_table *offsets = offsets_begin(c, false);
        (void)putchar('\n');
        offsets_add(offsets, g, false);
        exit = cli_table_end(offsets);
    }
    return exit;
}

/* ---- for programs ---- */

static void print_name(const char *name)
{
    (void)printf(",\"%s\":", name);
}

static void print_text_or_null(const char *name, struct bytes text)
{
    print_name(name);
    if (text.len == 0) {
        (void)fputs("null", stdout);
    } else {
        json_text_print(stdout, text);
    }
}

static void print_number_or_null(const char *name, int64_t n)
{
    print_name(name);
    if (n < 0) {
        (void)fputs("null", stdout);
    } else {
        (void)printf("%" PRId64, n);
    }
}

static void print_places(const char *name, const struct group_places *p)
{
    print_name(name);
    for (int32_t i = 0; i < p->len; i++) {
        (void)fputs(i == 0 ? "[{\"topic\":" : ",{\"topic\":", stdout);
        json_text_print(stdout, p->at[i].topic);
        (void)printf(",\"partition\":%d}", p->at[i].partition);
    }
    (void)fputs(p->len == 0 ? "[]" : "]", stdout);
}

static void print_topics(const struct string_array *topics)
{
    print_name("topics");
    for (int32_t i = 0; i < topics->len; i++) {
        (void)putchar(i == 0 ? '[' : ',');
        json_text_print(stdout, topics->at[i]);
    }
    (void)fputs(topics->len <= 0 ? "[]" : "]", stdout);
}

static void print_member(const struct group_member *m)
{
    (void)fputs("{\"member\":", stdout);
    json_text_print(stdout, m->id);
    print_text_or_null("instance", m->instance);
    print_text_or_null("client", m->client_id);
    print_text_or_null("host", m->host);
    print_number_or_null("epoch", m->epoch);
    print_topics(&m->topics);
    print_text_or_null("pattern", m->pattern);
    print_places("partitions", &m->assigned);
    if (m->has_target) {
        print_places("target", &m->target);
    } else {
        (void)fputs(",\"target\":null", stdout);
    }
    (void)putchar('}');
}

static void print_offset(const struct group_offset *o)
{
    (void)fputs("{\"topic\":", stdout);
    json_text_print(stdout, o->topic);
    (void)printf(",\"partition\":%d", o->partition);
    print_number_or_null("committed", o->committed);
    print_number_or_null("end", o->end);
    print_number_or_null("lag", o->lag);
    print_number_or_null("lag_ms", o->lag_time_ms);
    print_text_or_null("metadata", o->metadata);
    print_text_or_null("member", o->member == NULL ? BYTES_NULL : o->member->id);
    (void)putchar('}');
}

static void print_object(const struct group_view_group *g)
{
    (void)fputs("{\"group\":", stdout);
    json_text_print(stdout, g->name);
    (void)printf(",\"type\":\"%s\"", group_type_name(g->type));
    print_text_or_null("state", g->state);
    print_text_or_null("protocol", g->protocol_type);
    print_text_or_null("assignor", g->assignor);
    print_number_or_null("coordinator", g->coordinator);
    print_number_or_null("epoch", g->epoch);
    print_number_or_null("assignment_epoch", g->assignment_epoch);
    print_number_or_null("lag", group_lag(g));
    print_number_or_null("lag_ms", group_lag_time_ms(g));
    (void)fputs(",\"members\":[", stdout);
    for (int32_t i = 0; i < g->member_count; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        print_member(&g->members[i]);
    }
    (void)fputs("],\"offsets\":[", stdout);
    for (int32_t i = 0; i < g->offset_count; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        print_offset(&g->offsets[i]);
    }
    (void)fputs("]}", stdout);
}

/* ---- the commands ---- */

static int print_all(struct cli *c, const struct group_view *v)
{
    int exit = CLI_OK;

    for (int32_t i = 0; i < v->count && exit == CLI_OK; i++) {
        if (c->format == CLI_JSON || c->format == CLI_JSONL) {
            (void)fputs(c->format == CLI_JSONL ? "" : i == 0 ? "[" : ",\n ", stdout);
            print_object(&v->groups[i]);
            (void)fputs(c->format == CLI_JSONL ? "\n" : "", stdout);
        } else {
            (void)fputs(i == 0 ? "" : "\n", stdout);
            exit = print_text(c, &v->groups[i]);
        }
    }
    if (c->format == CLI_JSON) {
        (void)puts(v->count == 0 ? "[]" : "]");
    }
    return exit;
}

static int print_names(struct cli *c, const struct group_view *v)
{
    for (int32_t i = 0; c->format == CLI_NAME && i < v->count; i++) {
        (void)printf("%.*s\n", BYTES_ARG(v->groups[i].name));
    }
    if (c->format == CLI_NAME) {
        return CLI_OK;
    }
    struct cli_table *t = offsets_begin(c, true);
    for (int32_t i = 0; i < v->count; i++) {
        offsets_add(t, &v->groups[i], true);
    }
    return cli_table_end(t);
}

int command_group_describe(struct cli *c)
{
    struct group_view v;
    int exit = cli_connect(c), end;

    exit = exit == CLI_OK
               ? group_view_load(c, GROUP_VIEW_EMPTY | GROUP_VIEW_OFFSETS | GROUP_VIEW_TIMES, &v)
               : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    int failed = group_view_tell(c, &v, &exit);
    if (v.count == 0 && failed > 0) {
        return exit;
    }
    end = c->format == CLI_CSV || c->format == CLI_NAME ? print_names(c, &v) : print_all(c, &v);
    return end == CLI_OK && failed > 0 ? CLI_PARTLY : end;
}

int command_group_members(struct cli *c)
{
    struct group_view v;
    int exit = cli_connect(c);

    exit = exit == CLI_OK ? group_view_load(c, GROUP_VIEW_MEMBERS, &v) : exit;
    if (exit != CLI_OK) {
        return exit;
    }
    int failed = group_view_tell(c, &v, &exit);
    bool with_group = c->format != CLI_NAME && (v.count > 1 || c->format != CLI_TABLE);
    struct cli_table *t = group_members_begin(c, with_group);
    for (int32_t i = 0; i < v.count; i++) {
        group_members_add(c, t, &v.groups[i], with_group);
    }
    return cli_table_end_partly(t, v.count, failed, exit);
}
