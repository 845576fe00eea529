/* tools/group_undo.c: the file that undoes a seek.
 *
 * WHY      A seek to the wrong place loses where everybody was, and nothing else knows it.
 * FORMAT   tools/group_plan.h. Names that are not known are refused.
 * OWNER    The command's arena.
 * FAILURE  The file is written and synced before anything is committed; if it cannot be, nothing is.
 * LIMITS   UNDO_BYTES_MAX.
 */
#include "tools/group_plan.h"

#include "tools/cli_position.h"

#include <jansson.h>

enum { UNDO_BYTES_MAX = 256 << 20, NAME_BYTES = 100 };

/* ---- writing ---- */

static int add_piece(const char *at, size_t len, void *context)
{
    return buf_add(context, (struct bytes){(const uint8_t *)at, len}) == OK ? 0 : -1;
}

static json_t *json_of(struct bytes text)
{
    return json_stringn(text.at == NULL ? "" : (const char *)text.at, text.len);
}

static enum err add_line(struct buf *out, struct bytes group, const struct group_move *m)
{
    json_t *o = json_object();
    bool good =
        o != NULL && json_object_set_new(o, "group", json_of(group)) == 0 &&
        json_object_set_new(o, "topic", json_of(m->topic)) == 0 &&
        json_object_set_new(o, "partition", json_integer(m->partition)) == 0 &&
        json_object_set_new(o, "offset", m->old < 0 ? json_null() : json_integer(m->old)) == 0 &&
        json_object_set_new(o, "metadata", json_of(m->old_metadata)) == 0 &&
        json_dump_callback(o, add_piece, out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0;

    json_decref(o);
    if (!good) {
        return fail(ERR_NOMEM, "the commit of %.*s[%d] cannot be written as JSON",
                    BYTES_ARG(m->topic), m->partition);
    }
    return buf_add_u8(out, '\n');
}

/* "weir-undo-billing-2026-11-22T08-00-01-500Z.jsonl": what a file name may not hold becomes '_'. */
static struct bytes name_of(struct cli *c, struct bytes group)
{
    char moment[MOMENT_TEXT_BYTES], plain[NAME_BYTES];
    size_t len = MIN(group.len, sizeof(plain));

    moment_text(env_wall_ms(c->env), moment);
    for (char *at = moment; *at != 0; at++) {
        *at = *at == ':' || *at == '.' ? '-' : *at;
    }
    for (size_t i = 0; i < len; i++) {
        char ch = (char)group.at[i];
        bool good = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                    (ch >= '0' && ch <= '9') || ch == '-' || ch == '_' || ch == '.';
        plain[i] = good ? ch : '_';
    }
    return arena_format(c->arena, "weir-undo-%.*s-%s.jsonl", (int)len, plain, moment);
}

static enum err write_file(struct cli *c, struct bytes name, struct bytes content)
{
    struct env_slice slice = {(void *)(uintptr_t)content.at, content.len};
    char path[ENV_PATH_BYTES];
    int file;

    TRY(bytes_to_cstr(name, path, sizeof(path)));
    TRY(env_open(c->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file));
    enum err e = env_write(c->env, file, &slice, 1, 0);
    e = e == OK ? env_sync(c->env, file) : e;
    enum err closed = env_close(c->env, file);
    return e == OK ? closed : e;
}

enum err group_undo_write(struct cli *c, const struct group_plan *p, struct bytes *name)
{
    struct buf text;
    enum err e = OK;

    buf_init(&text, UNDO_BYTES_MAX);
    for (int32_t i = 0; i < p->count && e == OK; i++) {
        e = add_line(&text, p->group, &p->moves[i]);
    }
    *name = name_of(c, p->group);
    e = e == OK ? write_file(c, *name, buf_view(&text)) : e;
    buf_deinit(&text);
    return e;
}

/* ---- reading ---- */

static enum err take_text(struct arena *arena, const char *name, json_t *from, struct bytes *out)
{
    if (!json_is_string(from)) {
        return fail(ERR_MALFORMED, "\"%s\" is no string", name);
    }
    *out = arena_copy(
        arena, (struct bytes){(const uint8_t *)json_string_value(from), json_string_length(from)});
    return out->at == NULL ? fail(ERR_NOMEM, "no memory for a line") : OK;
}

static enum err take_field(struct arena *arena, const char *name, json_t *from, struct bytes *group,
                           struct group_move *m)
{
    if (strcmp(name, "group") == 0) {
        return take_text(arena, name, from, group);
    }
    if (strcmp(name, "topic") == 0) {
        return take_text(arena, name, from, &m->topic);
    }
    if (strcmp(name, "metadata") == 0) {
        return take_text(arena, name, from, &m->to_metadata);
    }
    bool partition = strcmp(name, "partition") == 0;
    if (!partition && strcmp(name, "offset") != 0) {
        return fail(ERR_MALFORMED, "there is no \"%s\"", name);
    }
    if (!partition && json_is_null(from)) {
        m->to = -1;
        return OK;
    }
    json_int_t n = json_integer_value(from);
    if (!json_is_integer(from) || n < 0 || (partition && n > INT32_MAX)) {
        return fail(ERR_MALFORMED, "\"%s\" is not a number that fits", name);
    }
    m->partition = partition ? (int32_t)n : m->partition;
    m->to = partition ? m->to : n;
    return OK;
}

static enum err take_line(struct arena *arena, struct bytes line, struct group_plan *out)
{
    struct group_move m = {.partition = -1,
                           .leader = CLIENT_ANY_BROKER,
                           .old = -1,
                           .to = -1,
                           .start = -1,
                           .end = -1,
                           .to_metadata = BYTES("")};
    struct bytes group = BYTES_NULL;
    json_error_t error;
    json_t *tree = json_loadb((const char *)line.at, line.len, JSON_REJECT_DUPLICATES, &error),
           *value;
    const char *name;
    enum err e = OK;

    if (tree == NULL || !json_is_object(tree)) {
        e = fail(ERR_MALFORMED, "not a JSON object");
    }
    json_object_foreach(tree, name, value)
    {
        e = e == OK ? take_field(arena, name, value, &group, &m) : e;
    }
    json_decref(tree);
    TRY(e);
    if (group.at == NULL || m.topic.at == NULL || m.partition < 0) {
        return fail(ERR_MALFORMED, "group, topic and partition are needed");
    }
    if (out->count > 0 && !bytes_equal(group, out->group)) {
        return fail(ERR_MALFORMED, "there is more than one group");
    }
    out->group = group;
    return group_plan_add(arena, out, &m);
}

static enum err read_file(struct cli *c, struct bytes name, struct bytes *out)
{
    char path[ENV_PATH_BYTES];
    uint64_t size = 0;
    size_t got = 0;
    int file;

    TRY(bytes_to_cstr(name, path, sizeof(path)));
    TRY(env_open(c->env, path, ENV_OPEN_READ, &file));
    enum err e = env_size(c->env, file, &size);
    if (e == OK && size > UNDO_BYTES_MAX) {
        e = fail(ERR_LIMIT, "more than %d bytes", UNDO_BYTES_MAX);
    }
    uint8_t *at = e == OK ? arena_alloc(c->arena, size) : NULL;
    if (e == OK) {
        e = at == NULL ? fail(ERR_NOMEM, "no memory for %" PRIu64 " bytes", size)
                       : env_read(c->env, file, at, size, 0, &got);
    }
    enum err closed = env_close(c->env, file);
    *out = (struct bytes){at, got};
    return e == OK ? closed : e;
}

enum err group_undo_read(struct cli *c, struct bytes name, struct group_plan *out)
{
    struct bytes text;

    TRY(read_file(c, name, &text));
    for (int number = 1; text.len > 0; number++) {
        ptrdiff_t newline = bytes_find(text, '\n');
        size_t len = newline < 0 ? text.len : (size_t)newline;
        struct bytes line = bytes_trim(bytes_slice(text, 0, len));
        enum err e = line.len == 0 ? OK : take_line(c->arena, line, out);
        if (e != OK) {
            struct bytes why = arena_format(c->arena, "%s", cli_crumb(c));
            return fail(e, "line %d: %.*s", number, BYTES_ARG(why));
        }
        text = bytes_slice(text, len + 1, text.len);
    }
    return out->count > 0 ? OK : fail(ERR_MALFORMED, "there is nothing in it");
}
