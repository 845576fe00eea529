/* tools/group_text.c: members and their partitions in words.
 *
 * FORMAT   Partitions of a topic stand in brackets, as in "orders[2]" everywhere else; runs of them as "0-2".
 */
#include "tools/group_text.h"

#include "tools/cli_internal.h"

/* How many places from `i` on are of one topic, with numbers that follow each other. */
static int32_t run_of(const struct group_places *p, int32_t i)
{
    int32_t end = i + 1;

    while (end < p->len && bytes_equal(p->at[end].topic, p->at[i].topic) &&
           p->at[end].partition == p->at[end - 1].partition + 1) {
        end++;
    }
    return end;
}

static enum err add_places(struct buf *out, const struct group_places *p)
{
    for (int32_t i = 0, end; i < p->len; i = end) {
        bool first = i == 0 || !bytes_equal(p->at[i].topic, p->at[i - 1].topic);
        end = run_of(p, i);
        if (first) {
            TRY(buf_add_format(out, "%s%.*s[", i == 0 ? "" : " ", BYTES_ARG(p->at[i].topic)));
        } else {
            TRY(buf_add_u8(out, ','));
        }
        TRY(buf_add_format(out, "%d", p->at[i].partition));
        if (end - i > 1) {
            TRY(buf_add_format(out, "-%d", p->at[end - 1].partition));
        }
        if (end == p->len || !bytes_equal(p->at[end].topic, p->at[i].topic)) {
            TRY(buf_add_u8(out, ']'));
        }
    }
    return OK;
}

struct bytes group_places_text(struct arena *arena, const struct group_places *p)
{
    enum { TEXT_BYTES_MAX = 64 << 20 };
    struct bytes text = BYTES_NULL;
    struct buf b;

    buf_init(&b, TEXT_BYTES_MAX);
    if (p->len > 0 && add_places(&b, p) == OK) {
        text = arena_copy(arena, buf_view(&b));
    }
    buf_deinit(&b);
    return text;
}

static int32_t members_on(const struct group_view_group *g, struct bytes host)
{
    int32_t count = 0;

    for (int32_t i = 0; i < g->member_count; i++) {
        count += bytes_equal(g->members[i].host, host);
    }
    return count;
}

/* Kafka writes addresses as Java does: "/10.0.0.1". */
static struct bytes without_slash(struct bytes host)
{
    return bytes_starts_with(host, BYTES("/")) ? bytes_slice(host, 1, host.len) : host;
}

struct bytes group_hosts_text(struct arena *arena, const struct group_view_group *g)
{
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < g->member_count; i++) {
        struct bytes host = g->members[i].host;
        bool told = false;
        for (int32_t j = 0; j < i && !told; j++) {
            told = bytes_equal(g->members[j].host, host);
        }
        if (!told) {
            int32_t count = members_on(g, host);
            text = arena_format(arena, "%.*s%s%d%s on %.*s", BYTES_ARG(text),
                                text.len == 0 ? "" : ", ", count,
                                text.len > 0 ? ""
                                : count == 1 ? " active member"
                                             : " active members",
                                BYTES_ARG(without_slash(host)));
        }
    }
    return text;
}

void group_cell(struct cli_table *t, int64_t n)
{
    if (n >= 0) {
        cli_cell_number(t, n);
    } else {
        cli_cell_none(t);
    }
}

void group_cell_text(struct cli_table *t, struct bytes text)
{
    cli_cell(t, text.len == 0 ? BYTES_NULL : text);
}

struct cli_table *group_members_begin(struct cli *c, bool with_group)
{
    static const struct cli_column columns[] = {{"GROUP", "group", CLI_TEXT},
                                                {"MEMBER", "member", CLI_TEXT},
                                                {"INSTANCE", "instance", CLI_TEXT},
                                                {"CLIENT", "client", CLI_TEXT},
                                                {"HOST", "host", CLI_TEXT},
                                                {"EPOCH", "epoch", CLI_NUMBER},
                                                {"PARTITIONS", "partitions", CLI_TEXT},
                                                {"TARGET", "target", CLI_TEXT}};
    int skip = with_group ? 0 : 1;

    return cli_table_begin(c, columns + skip, (int)COUNT_OF(columns) - skip);
}

void group_members_add(struct cli *c, struct cli_table *t, const struct group_view_group *g,
                       bool with_group)
{
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct group_member *m = &g->members[i];
        if (with_group) {
            cli_cell(t, g->name);
        }
        cli_cell(t, m->id);
        group_cell_text(t, m->instance);
        group_cell_text(t, m->client_id);
        group_cell_text(t, m->host);
        group_cell(t, m->epoch);
        cli_cell(t, group_places_text(c->arena, &m->assigned));
        cli_cell(t, m->has_target ? group_places_text(c->arena, &m->target) : BYTES_NULL);
    }
}
