/* tests/vectors/check.c: every message and version against vectors that another implementation made.
 *
 *     weir_vectors [FILE.jsonl[.zst]]...    ends with "N passed, N failed"; exit code 1 if any failed
 *
 * WHY      The schemas were written by hand from facts, and a codec that agrees with itself proves little.
 * VECTOR   A line {"name", "version", "json", "hex"}: the same message in both forms. It passes if
 *            - the bytes read, wholly, and write again byte for byte, also with records left out and put back;
 *            - the struct as JSON equals "json", and "json" makes the same bytes;
 *            - no prefix of the bytes is taken for a message, and nothing behind a prefix is read: it stands
 *              alone in a heap block of its size, for the address sanitizer to watch. All prefixes up to
 *              PREFIX_ALL_BYTES; beyond, PREFIX_SPREAD of them evenly and the last PREFIX_LAST.
 *          A line of type "header-version" says which header versions go with an API's version.
 * LIMITS   The first FAILURES_SHOWN failures are printed.
 */
#include "base/mem.h"
#include "protocol/frame.h"
#include "protocol/message_json.h"
#include "tests/vectors/vector_file.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FAILURES_SHOWN = 20,
    PREFIX_ALL_BYTES = 256,
    PREFIX_SPREAD = 64,
    PREFIX_LAST = 16,
    STRUCT_BYTES_MAX = 1024,
};

struct vector {
    const struct message_info *message;
    int16_t version;
    struct bytes wire;
    json_t *json;
    struct arena *arena;
};

/* Why a vector fails, or NULL. */
typedef const char *(*check_fn)(struct vector *v);

static int hex_digit(uint8_t c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* In a heap block of exactly its size. */
static struct bytes from_hex(const char *text, size_t len)
{
    uint8_t *at = mem_alloc(MAX(len / 2, (size_t)1));

    ASSERT(at != NULL && len % 2 == 0);
    for (size_t i = 0; i < len / 2; i++) {
        at[i] =
            (uint8_t)(hex_digit((uint8_t)text[2 * i]) << 4 | hex_digit((uint8_t)text[2 * i + 1]));
    }
    return (struct bytes){at, len / 2};
}

static enum err read_whole(struct vector *v, struct bytes from, void *out)
{
    struct wire_reader r = wire_reader_of(from);
    enum err e = message_read_all(&r, v->arena, v->message, v->version, out);

    return e == OK && wire_left(&r) > 0 ? fail(ERR_MALFORMED, "%zu bytes are left", wire_left(&r))
                                        : e;
}

static const char *check_bytes(struct vector *v)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX];

    if (read_whole(v, v->wire, in) != OK) {
        return err_crumb();
    }
    if (!bytes_equal(message_bytes(v->arena, v->message, v->version, in), v->wire)) {
        return "written anew, the bytes differ";
    }
    return NULL;
}

/* Writes without the records, then puts them into their gaps. */
static const char *check_gaps(struct vector *v)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX];
    struct message_gaps gaps = {.max = 0};
    struct buf whole;

    if (read_whole(v, v->wire, in) != OK) {
        return err_crumb();
    }
    size_t bytes = message_size_gaps(v->message, v->version, in, &gaps.max);
    gaps.at = ARENA_ARRAY(v->arena, struct message_gap, gaps.max);
    uint8_t *at = arena_alloc(v->arena, bytes);
    struct wire_writer w = wire_writer_of(at, bytes);
    message_write_gaps(&w, v->message, v->version, in, &gaps);

    buf_init(&whole, SIZE_MAX / 2);
    size_t done = 0;
    enum err e = OK;
    for (int32_t i = 0; i < gaps.len && e == OK; i++) {
        e = buf_add(&whole, (struct bytes){at + done, gaps.at[i].position - done});
        e = e == OK ? buf_add(&whole, gaps.at[i].records) : e;
        done = gaps.at[i].position;
    }
    e = e == OK ? buf_add(&whole, (struct bytes){at + done, bytes - done}) : e;
    bool same = e == OK && gaps.len == gaps.max && bytes_equal(buf_view(&whole), v->wire);
    buf_deinit(&whole);
    return same ? NULL : "with gaps for records, the bytes differ";
}

static const char *check_json(struct vector *v)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX];

    if (read_whole(v, v->wire, in) != OK) {
        return err_crumb();
    }
    json_t *got = message_to_json(v->message, v->version, in);
    bool same = json_equal(got, v->json) == 1;
    json_decref(got);
    if (!same) {
        return "as JSON it differs";
    }
    if (message_from_json(v->arena, v->message, v->version, v->json, in) != OK) {
        return err_crumb();
    }
    if (!bytes_equal(message_bytes(v->arena, v->message, v->version, in), v->wire)) {
        return "written from JSON, the bytes differ";
    }
    return NULL;
}

static bool prefix_is_refused(struct vector *v, size_t len)
{
    _Alignas(16) uint8_t out[STRUCT_BYTES_MAX];
    uint8_t *at = mem_alloc(MAX(len, (size_t)1));

    ASSERT(at != NULL);
    memcpy(at, v->wire.at, len);
    arena_reset(v->arena);
    enum err e = read_whole(v, (struct bytes){at, len}, out);
    mem_free(at);
    return e == ERR_MALFORMED || e == ERR_LIMIT;
}

static const char *check_prefixes(struct vector *v)
{
    size_t step = 1;

    for (size_t len = 0; len < v->wire.len; len += step) {
        if (!prefix_is_refused(v, len)) {
            return "a prefix was taken for the whole";
        }
        bool sampled = len >= PREFIX_ALL_BYTES && len + PREFIX_LAST < v->wire.len;
        step = sampled ? MIN(v->wire.len / PREFIX_SPREAD + 1, v->wire.len - PREFIX_LAST - len) : 1;
    }
    return NULL;
}

static const char *check_message(struct arena *a, const json_t *line)
{
    static const check_fn checks[] = {check_bytes, check_gaps, check_json, check_prefixes};
    const json_t *hex = json_object_get(line, "hex");
    const char *name = json_string_value(json_object_get(line, "name"));
    struct vector v = {
        .message = name == NULL ? NULL : message_find(bytes_of(name)),
        .version = (int16_t)json_integer_value(json_object_get(line, "version")),
        .json = json_object_get(line, "json"),
        .arena = a,
    };
    const char *why = NULL;

    if (v.message == NULL || !json_is_string(hex)) {
        return "no message has that name, or there is no hex";
    }
    if (v.message->key != json_integer_value(json_object_get(line, "key"))) {
        return "the key differs";
    }
    ASSERT(v.message->body->bytes <= STRUCT_BYTES_MAX);
    v.wire = from_hex(json_string_value(hex), json_string_length(hex));
    for (size_t i = 0; i < COUNT_OF(checks) && why == NULL; i++) {
        arena_reset(a);
        why = checks[i](&v);
    }
    mem_free((void *)(uintptr_t)v.wire.at);
    return why;
}

static const char *check_header_version(const json_t *line)
{
    const struct api_info *api =
        api_find((int16_t)json_integer_value(json_object_get(line, "key")));
    int16_t version = (int16_t)json_integer_value(json_object_get(line, "version"));

    if (api == NULL || strcmp(api->name, json_string_value(json_object_get(line, "name"))) != 0) {
        return "no API has that key and name";
    }
    if (version < api->first || version > api->last) {
        return "there is no such version";
    }
    if (api_request_header(api, version) !=
            json_integer_value(json_object_get(line, "requestHeader")) ||
        api_response_header(api, version) !=
            json_integer_value(json_object_get(line, "responseHeader"))) {
        return "the header version differs";
    }
    return NULL;
}

static const char *check_line(struct arena *a, const json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    if (type != NULL && strcmp(type, "header-version") == 0) {
        return check_header_version(line);
    }
    return check_message(a, line);
}

struct tally {
    int passed, failed;
};

static void check_file(const char *path, struct bytes text, struct tally *t)
{
    struct arena scratch;
    struct bytes one;

    arena_init(&scratch, SIZE_MAX / 2);
    for (int number = 1; vector_file_line(&text, &one); number++) {
        json_t *line = json_loadb((const char *)one.at, one.len, JSON_ALLOW_NUL, NULL);
        const char *why = line == NULL ? "the line is not JSON" : check_line(&scratch, line);
        if (why == NULL) {
            t->passed++;
        } else if (t->failed++ < FAILURES_SHOWN) {
            const char *name = json_string_value(json_object_get(line, "name"));
            (void)printf("%s:%d: %s version %d: %s\n", path, number, name == NULL ? "?" : name,
                         (int)json_integer_value(json_object_get(line, "version")), why);
        }
        json_decref(line);
    }
    arena_deinit(&scratch);
}

int main(int argc, char **argv)
{
    static char compact[] = WEIR_VECTORS "/messages.jsonl.zst";
    static char *standard[] = {compact};
    char **paths = argc > 1 ? argv + 1 : standard;
    int count = argc > 1 ? argc - 1 : 1;
    struct tally tally = {0};

    for (int i = 0; i < count; i++) {
        struct arena file;
        struct bytes text;
        arena_init(&file, SIZE_MAX / 2);
        if (vector_file_read(&file, paths[i], &text) != OK) {
            (void)fprintf(stderr, "%s\n", err_crumb());
            arena_deinit(&file);
            return 2;
        }
        check_file(paths[i], text, &tally);
        arena_deinit(&file);
    }
    (void)printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
