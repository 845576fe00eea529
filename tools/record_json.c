/* tools/record_json.c: records as JSON objects, there and back.
 *
 * WHY      What one command prints another can take, so that a pipe copies a topic, whatever bytes are in it.
 * FORMAT   tools/record_json.h. Names that are not known are refused: a mistyped "vlaue" must not lose data.
 * OWNER    The arena; a tree of the JSON library lives only within record_json_parse().
 */
#include "tools/record_json.h"

#include "protocol/message_json.h"
#include "tools/json_text.h"

#include <jansson.h>

enum { JSON_BYTES_MAX = 128 << 20 };

/* ---- printing ---- */

static enum err print_bytes(FILE *to, struct arena *arena, const char *name, struct bytes b)
{
    if (b.at == NULL || json_text_is_utf8(b)) {
        (void)fprintf(to, "\"%s\":", name);
        if (b.at == NULL) {
            (void)fputs("null", to);
        } else {
            json_text_print(to, b);
        }
        return OK;
    }
    struct bytes text = base64_encode(arena, b);
    if (text.at == NULL) {
        return fail(ERR_NOMEM, "no memory for a %s of %zu bytes", name, b.len);
    }
    (void)fprintf(to, "\"%s_base64\":\"%.*s\"", name, BYTES_ARG(text));
    return OK;
}

enum err record_json_print(FILE *to, struct arena *arena, const struct record_json *r)
{
    (void)fputs("{\"topic\":", to);
    json_text_print(to, r->topic);
    (void)fprintf(to, ",\"partition\":%d,\"offset\":%" PRId64 ",\"timestamp\":%" PRId64 ",",
                  r->partition, r->offset, r->timestamp_ms);
    TRY(print_bytes(to, arena, "key", r->key));
    (void)fputc(',', to);
    TRY(print_bytes(to, arena, "value", r->value));
    (void)fputs(",\"headers\":[", to);
    for (int32_t i = 0; i < r->header_count; i++) {
        (void)fputs(i == 0 ? "{" : ",{", to);
        TRY(print_bytes(to, arena, "key", r->headers[i].key));
        (void)fputc(',', to);
        TRY(print_bytes(to, arena, "value", r->headers[i].value));
        (void)fputc('}', to);
    }
    (void)fputs("]}", to);
    return OK;
}

/* ---- parsing ---- */

static int add_piece(const char *at, size_t len, void *context)
{
    return buf_add(context, (struct bytes){(const uint8_t *)at, len}) == OK ? 0 : -1;
}

/* A string as it is, anything else as JSON text, null as null. */
static enum err take_plain(struct arena *arena, json_t *from, struct bytes *out)
{
    struct buf text;

    if (json_is_null(from)) {
        *out = BYTES_NULL;
        return OK;
    }
    if (json_is_string(from)) {
        *out = arena_copy(arena, (struct bytes){(const uint8_t *)json_string_value(from),
                                                json_string_length(from)});
        return out->at == NULL ? fail(ERR_NOMEM, "no memory for a record") : OK;
    }
    buf_init(&text, JSON_BYTES_MAX);
    int failed = json_dump_callback(from, add_piece, &text, JSON_COMPACT | JSON_ENCODE_ANY);
    *out = failed == 0 ? arena_copy(arena, buf_view(&text)) : BYTES_NULL;
    buf_deinit(&text);
    return out->at == NULL ? fail(ERR_NOMEM, "no memory for a record") : OK;
}

static enum err take_base64(struct arena *arena, const char *name, json_t *from, struct bytes *out)
{
    if (!json_is_string(from)) {
        return fail(ERR_MALFORMED, "\"%s\" is no string", name);
    }
    struct bytes text = {(const uint8_t *)json_string_value(from), json_string_length(from)};
    enum err e = base64_decode(arena, text, out);
    return e == ERR_MALFORMED ? fail(e, "\"%s\" is not base64", name) : e;
}

static enum err take_integer(const char *name, json_t *from, int64_t max, int64_t *out)
{
    if (!json_is_integer(from) || json_integer_value(from) < -1 || json_integer_value(from) > max) {
        return fail(ERR_MALFORMED, "\"%s\" is not a number that fits", name);
    }
    *out = json_integer_value(from);
    return OK;
}

/* {"key": ..., "value": ...} */
static enum err take_header(struct arena *arena, json_t *from, struct record_header *out)
{
    const char *name;
    json_t *value;

    *out = (struct record_header){BYTES_NULL, BYTES_NULL};
    json_object_foreach(from, name, value)
    {
        enum err e;
        if (strcmp(name, "key") == 0) {
            e = take_plain(arena, value, &out->key);
        } else if (strcmp(name, "value") == 0) {
            e = take_plain(arena, value, &out->value);
        } else if (strcmp(name, "key_base64") == 0) {
            e = take_base64(arena, name, value, &out->key);
        } else if (strcmp(name, "value_base64") == 0) {
            e = take_base64(arena, name, value, &out->value);
        } else {
            e = fail(ERR_MALFORMED, "a header has no \"%s\"", name);
        }
        TRY(e);
    }
    return out->key.at != NULL ? OK : fail(ERR_MALFORMED, "a header needs a \"key\"");
}

/* {"trace": "abc", ...} */
static enum err take_header_object(struct arena *arena, json_t *from, struct record_header *headers)
{
    const char *name;
    json_t *value;
    int32_t i = 0;

    json_object_foreach(from, name, value)
    {
        headers[i].key = arena_copy(arena, bytes_of(name));
        TRY(take_plain(arena, value, &headers[i].value));
        i++;
    }
    return OK;
}

static enum err take_headers(struct arena *arena, json_t *from, struct record_json *out)
{
    size_t count = json_is_object(from) ? json_object_size(from) : json_array_size(from);
    struct record_header *headers = ARENA_ARRAY(arena, struct record_header, count);

    if (headers == NULL) {
        return fail(ERR_NOMEM, "no memory for %zu headers", count);
    }
    out->headers = headers;
    out->header_count = (int32_t)count;
    if (json_is_object(from)) {
        return take_header_object(arena, from, headers);
    }
    if (!json_is_array(from)) {
        return fail(ERR_MALFORMED, "\"headers\" is neither an array nor an object");
    }
    for (size_t i = 0; i < count; i++) {
        json_t *header = json_array_get(from, i);
        if (!json_is_object(header)) {
            return fail(ERR_MALFORMED, "a header is an object with \"key\" and \"value\"");
        }
        TRY(take_header(arena, header, &headers[i]));
    }
    return OK;
}

static enum err take_field(struct arena *arena, const char *name, json_t *value,
                           struct record_json *out)
{
    int64_t number;

    if (strcmp(name, "key") == 0) {
        return take_plain(arena, value, &out->key);
    }
    if (strcmp(name, "value") == 0) {
        return take_plain(arena, value, &out->value);
    }
    if (strcmp(name, "key_base64") == 0) {
        return take_base64(arena, name, value, &out->key);
    }
    if (strcmp(name, "value_base64") == 0) {
        return take_base64(arena, name, value, &out->value);
    }
    if (strcmp(name, "headers") == 0) {
        return take_headers(arena, value, out);
    }
    if (strcmp(name, "partition") == 0) {
        TRY(take_integer(name, value, INT32_MAX, &number));
        out->partition = (int32_t)number;
        return OK;
    }
    if (strcmp(name, "timestamp") == 0) {
        return take_integer(name, value, INT64_MAX, &out->timestamp_ms);
    }
    if (strcmp(name, "topic") == 0 || strcmp(name, "offset") == 0) {
        return OK;
    }
    return fail(ERR_MALFORMED, "a record has no \"%s\"", name);
}

enum err record_json_parse(struct arena *arena, struct bytes line, struct record_json *out)
{
    json_error_t error;
    json_t *tree = json_loadb((const char *)line.at, line.len,
                              JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    const char *name;
    json_t *value;
    enum err e = OK;

    if (tree == NULL) {
        return fail(ERR_MALFORMED, "not JSON: %s", error.text);
    }
    *out = (struct record_json){.partition = -1, .offset = -1, .timestamp_ms = -1};
    if (!json_is_object(tree)) {
        e = fail(ERR_MALFORMED, "not a JSON object");
    }
    json_object_foreach(tree, name, value)
    {
        e = e == OK ? take_field(arena, name, value, out) : e;
    }
    json_decref(tree);
    return e;
}
