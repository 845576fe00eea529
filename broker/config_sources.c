/* broker/config_sources.c: where settings come from: server.properties, the environment, listeners.
 *
 * WHY      People bring the file and the variables they use with Kafka: the syntax is Java's properties
 *          format and the variable names follow the rule of the apache/kafka image.
 * FORMAT   Properties: one setting a line; the key ends at the first '=' or ':' or blank that no '\'
 *          precedes; a line that ends in an odd number of '\' goes on in the next, whose leading
 *          blanks do not count; '#' and '!' begin a comment line; '\t', '\n', '\:' and the like are escapes.
 * FAILURE  The first bad line ends it: the crumb names its number, the key and what is wrong.
 * LIMITS   CONFIG_LINE_BYTES_MAX a logical line.
 */
#include "broker/config_value.h"

#include "base/mem.h"

enum { CONFIG_LINE_BYTES_MAX = 64 << 10 };

/* Takes one physical line off `text`, without its end. */
static struct bytes take_line(struct bytes *text)
{
    ptrdiff_t end = bytes_find(*text, '\n');
    size_t len = end < 0 ? text->len : (size_t)end;
    struct bytes line = bytes_slice(*text, 0, len);

    *text = bytes_slice(*text, len + 1, text->len);
    while (line.len > 0 && line.at[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static bool goes_on(struct bytes line)
{
    size_t backslashes = 0;

    while (backslashes < line.len && line.at[line.len - 1 - backslashes] == '\\') {
        backslashes++;
    }
    return backslashes % 2 == 1;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static struct bytes without_indent(struct bytes line)
{
    while (line.len > 0 && is_space(line.at[0])) {
        line = bytes_slice(line, 1, line.len);
    }
    return line;
}

/* One logical line into `out`; how many physical lines it took, 0 at the end of the text. */
static enum err take_logical(struct bytes *text, struct buf *out, int *lines)
{
    buf_reset(out);
    *lines = 0;
    while (text->len > 0) {
        struct bytes line = without_indent(take_line(text));
        ++*lines;
        if (*lines == 1 && (line.len == 0 || line.at[0] == '#' || line.at[0] == '!')) {
            return OK;
        }
        bool more = goes_on(line) && text->len > 0;
        if (more) {
            line.len--;
        }
        TRY(buf_add(out, line));
        if (!more) {
            return OK;
        }
    }
    return OK;
}

static uint8_t unescape_one(uint8_t c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'f':
        return '\f';
    default:
        return c;
    }
}

/* In place; returns the new length. */
static size_t unescape(uint8_t *at, size_t len)
{
    size_t to = 0;

    for (size_t from = 0; from < len; from++) {
        if (at[from] == '\\' && from + 1 < len) {
            from++;
            at[to++] = unescape_one(at[from]);
        } else {
            at[to++] = at[from];
        }
    }
    return to;
}

static void split(struct buf *line, struct bytes *key, struct bytes *value)
{
    size_t end = 0;

    while (end < line->len && line->at[end] != '=' && line->at[end] != ':' &&
           !is_space(line->at[end])) {
        end += line->at[end] == '\\' && end + 1 < line->len ? 2 : 1;
    }
    struct bytes rest = without_indent(bytes_slice(buf_view(line), end, line->len));
    if (rest.len > 0 && (rest.at[0] == '=' || rest.at[0] == ':')) {
        rest = without_indent(bytes_slice(rest, 1, rest.len));
    }
    size_t rest_at = line->len - rest.len;
    *key = (struct bytes){line->at, unescape(line->at, end)};
    *value = bytes_trim((struct bytes){line->at + rest_at, unescape(line->at + rest_at, rest.len)});
}

enum err config_parse_properties(struct config *c, struct bytes text)
{
    struct buf line;
    enum err e = OK;
    int at = 1, lines = 0;

    buf_init(&line, CONFIG_LINE_BYTES_MAX);
    while (e == OK && text.len > 0) {
        e = take_logical(&text, &line, &lines);
        if (e == OK && line.len > 0) {
            struct bytes key, value;
            split(&line, &key, &value);
            e = config_set(c, key, value, CONFIG_FROM_FILE);
        }
        if (e != OK) {
            char why[256];
            struct bytes crumb = bytes_of(err_crumb());
            (void)bytes_to_cstr(bytes_slice(crumb, 0, sizeof(why) - 1), why, sizeof(why));
            e = fail(e, "line %d: %s", at, why);
        }
        at += lines;
    }
    buf_deinit(&line);
    return e;
}

/* KAFKA_LOG_DIRS -> log.dirs; false when it is too long for any key. */
static bool environment_key(struct bytes name, struct buf *out)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        size_t run = 0;
        while (c == '_' && run < 3 && i + run < name.len && name.at[i + run] == '_') {
            run++;
        }
        if (run > 0) {
            c = (uint8_t) " ._-"[run];
            i += run - 1;
        } else if (c >= 'A' && c <= 'Z') {
            c = (uint8_t)(c + 32);
        }
        if (buf_add_u8(out, c) != OK) {
            return false;
        }
    }
    return true;
}

enum err config_parse_environment(struct config *c, struct bytes assignment)
{
    struct bytes prefix = BYTES("KAFKA_"), cluster = BYTES("CLUSTER_ID=");
    ptrdiff_t equals = bytes_find(assignment, '=');
    struct buf key;
    enum err e = OK;

    if (bytes_starts_with(assignment, cluster)) {
        return config_set(c, BYTES("cluster.id"),
                          bytes_slice(assignment, cluster.len, assignment.len),
                          CONFIG_FROM_ENVIRONMENT);
    }
    if (equals < 0 || !bytes_starts_with(assignment, prefix)) {
        return OK;
    }
    buf_init(&key, CONFIG_LINE_BYTES_MAX);
    struct bytes name = bytes_slice(assignment, prefix.len, (size_t)equals - prefix.len);
    if (environment_key(name, &key) && config_find(buf_view(&key)) != CONFIG_KEY_COUNT) {
        e = config_set(c, buf_view(&key),
                       bytes_slice(assignment, (size_t)equals + 1, assignment.len),
                       CONFIG_FROM_ENVIRONMENT);
    }
    buf_deinit(&key);
    return e;
}

static enum err parse_listener(struct bytes text, struct listener_config *out)
{
    struct bytes all = text;
    ptrdiff_t colon = bytes_find(text, ':');
    int64_t port;

    if (colon <= 0 || !bytes_starts_with(bytes_slice(text, (size_t)colon, 3), BYTES("://"))) {
        return fail(ERR_USAGE, "'%.*s' is not NAME://host:port", BYTES_ARG(all));
    }
    out->name = bytes_slice(text, 0, (size_t)colon);
    text = bytes_slice(text, (size_t)colon + 3, text.len);
    size_t at = text.len;
    while (at > 0 && text.at[at - 1] != ':') {
        at--;
    }
    if (at == 0 || bytes_to_i64(bytes_slice(text, at, text.len), &port) != OK || port < 0 ||
        port > UINT16_MAX) {
        return fail(ERR_USAGE, "'%.*s' has no port", BYTES_ARG(all));
    }
    out->port = (uint16_t)port;
    out->host = bytes_slice(text, 0, at - 1);
    if (out->host.len >= 2 && out->host.at[0] == '[' && out->host.at[out->host.len - 1] == ']') {
        out->host = bytes_slice(out->host, 1, out->host.len - 2);
    }
    return OK;
}

struct listeners {
    struct listener_config *out;
    int count;
    enum err err;
};

static void add_listener(void *context, struct bytes element)
{
    struct listeners *l = context;

    if (l->err != OK) {
        return;
    }
    if (l->count == LISTENER_COUNT_MAX) {
        l->err = fail(ERR_USAGE, "more than %d listeners", LISTENER_COUNT_MAX);
        return;
    }
    l->err = parse_listener(element, &l->out[l->count]);
    l->count += l->err == OK;
}

enum err config_listeners(struct bytes text, struct listener_config out[LISTENER_COUNT_MAX],
                          int *count)
{
    struct listeners l = {.out = out};

    config_list_each(text, add_listener, &l);
    if (l.err == OK) {
        *count = l.count;
    }
    return l.err;
}

/* Is this listener one we can speak on? Named ones may be anything mapped to PLAINTEXT. */
static bool is_plaintext(const struct config *c, struct bytes name)
{
    char entry[128];

    if (bytes_equal(name, BYTES("PLAINTEXT"))) {
        return true;
    }
    if (name.len > 64) {
        return false;
    }
    (void)bytes_to_cstr(name, entry, sizeof(entry));
    memcpy(entry + name.len, ":PLAINTEXT", sizeof(":PLAINTEXT"));
    return config_list_has(config_text(c, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP), bytes_of(entry));
}

enum err config_check(const struct config *c)
{
    struct listener_config listeners[LISTENER_COUNT_MAX];
    int count = 0;

    TRY(config_listeners(config_text(c, CONFIG_LISTENERS), listeners, &count));
    if (count == 0) {
        return fail(ERR_USAGE, "listeners is empty: nobody could connect");
    }
    for (int i = 0; i < count; i++) {
        if (!is_plaintext(c, listeners[i].name)) {
            return fail(
                ERR_USAGE,
                "listener %.*s is not mapped to PLAINTEXT in listener.security.protocol.map: "
                "there is no other protocol yet",
                BYTES_ARG(listeners[i].name));
        }
    }
    TRY(config_listeners(config_text(c, CONFIG_ADVERTISED_LISTENERS), listeners, &count));
    if (bytes_find(config_text(c, CONFIG_LOG_DIRS), ',') >= 0) {
        return fail(ERR_USAGE, "log.dirs names several directories: give one");
    }
    return OK;
}
