/* tests/vectors/batch_check.c: the lines of a vector file, one by one.
 *
 * WHY      Our own tests agree with our own reading of the format; these bytes and verdicts were made by
 *          Kafka's classes.
 * FORMAT   See the header. Message sets of magic 0 and 1 are in the files, too: we must refuse those.
 * FAILURE  A line that differs is reported with its name and counted; the rest goes on.
 */
#include "tests/vectors/batch_check.h"

#include "base/arena.h"
#include "base/mem.h"
#include "protocol/batch_builder.h"
#include "protocol/batch_validate.h"
#include "protocol/record_stream.h"
#include "protocol/wire.h"
#include "storage/producers.h"
#include "tests/vectors/batch_check_internal.h"

#include <jansson.h>
#include <stdio.h>

enum { FILE_BYTES_MAX = 256 << 20, ARENA_BYTES_MAX = 256 << 20 };
#define CLOCK_MS INT64_C(1700000000000) /* where the clock of the vectors stands */

bool vector_differs(struct vector *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(v->why, sizeof(v->why), format, args);
    va_end(args);
    return false;
}

static int nibble(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static struct bytes hex_bytes(struct arena *a, const char *hex)
{
    size_t len = strlen(hex) / 2;
    uint8_t *at = arena_alloc(a, len);

    ASSERT(at != NULL);
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return (struct bytes){at, len};
}

static int64_t config_number(const json_t *config, const char *key, int64_t otherwise)
{
    const char *text = json_string_value(json_object_get(config, key));
    int64_t value = otherwise;

    if (text != NULL) {
        ASSERT(bytes_to_i64(bytes_of(text), &value) == OK);
    }
    return value;
}

static struct batch_rules rules_of(const json_t *config)
{
    struct batch_rules r = batch_rules_default();
    const char *type = json_string_value(json_object_get(config, "message.timestamp.type"));
    const char *policy = json_string_value(json_object_get(config, "cleanup.policy"));
    const char *codec = json_string_value(json_object_get(config, "compression.type"));
    enum codec named = CODEC_NONE;

    r.log_append_time = type != NULL && strcmp(type, "LogAppendTime") == 0;
    r.compacted = policy != NULL && strstr(policy, "compact") != NULL;
    r.batch_bytes_max = config_number(config, "max.message.bytes", r.batch_bytes_max);
    r.segment_bytes = config_number(config, "segment.bytes", r.segment_bytes);
    r.record_body_bytes_max =
        config_number(config, "max.decompressed.message.bytes", r.record_body_bytes_max);
    r.timestamp_before_max_ms =
        config_number(config, "message.timestamp.before.max.ms", r.timestamp_before_max_ms);
    r.timestamp_after_max_ms =
        config_number(config, "message.timestamp.after.max.ms", r.timestamp_after_max_ms);
    if (codec != NULL && strcmp(codec, "producer") != 0) {
        if (strcmp(codec, "uncompressed") != 0) {
            ASSERT(codec_of_name(bytes_of(codec), &named) == OK);
        }
        r.compression = (int)named;
        r.compression_level = codec_level_default(named);
    }
    return r;
}

/* What a broker does: the batch itself, then its producer. `end` is the log's end. */
static enum kafka_error judge(struct vector *v, const struct batch_submission *s,
                              struct producers *p, int64_t *end, struct batch_verdict *verdict)
{
    struct producer_duplicate duplicate;

    ASSERT(batch_validate(s, verdict) == OK);
    if (verdict->error != KAFKA_NONE) {
        return verdict->error;
    }
    switch (producers_check(p, &verdict->header, &duplicate)) {
    case PRODUCER_APPEND:
        break;
    case PRODUCER_DUPLICATE:
        verdict->batch.len = 0;
        return KAFKA_NONE;
    case PRODUCER_OUT_OF_ORDER:
        return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case PRODUCER_FENCED:
        return KAFKA_INVALID_PRODUCER_EPOCH;
    }
    verdict->batch = arena_copy(v->arena, verdict->batch);
    ASSERT(verdict->batch.at != NULL);
    verdict->header.base_offset = *end;
    batch_stamp((uint8_t *)(uintptr_t)verdict->batch.at, *end, 0);
    *end += verdict->header.record_count;
    ASSERT(producers_add(p, &verdict->header, CLOCK_MS) == OK);
    return KAFKA_NONE;
}

static bool same_record_errors(struct vector *v, const json_t *want,
                               const struct batch_verdict *got)
{
    if ((int)json_array_size(want) != got->record_error_count) {
        return vector_differs(v, "%d record errors", got->record_error_count);
    }
    for (int i = 0; i < got->record_error_count; i++) {
        if (json_integer_value(json_array_get(want, (size_t)i)) != got->record_errors[i].index) {
            return vector_differs(v, "record error for %d", got->record_errors[i].index);
        }
    }
    return true;
}

static bool same_verdict(struct vector *v, struct producers *p)
{
    const json_t *before = json_object_get(v->line, "before");
    const json_t *kept = json_object_get(v->line, "kept");
    struct batch_rules rules = rules_of(json_object_get(v->line, "topicConfig"));
    struct batch_submission s = {
        .produce_version = (int16_t)json_integer_value(json_object_get(v->line, "produceVersion")),
        .now_ms = CLOCK_MS,
        .rules = &rules,
        .compression = v->compression,
        .arena = v->arena};
    struct batch_verdict verdict;
    int64_t end = 0;

    for (size_t i = 0; i < json_array_size(before); i++) {
        s.records = hex_bytes(v->arena, json_string_value(json_array_get(before, i)));
        ASSERT(judge(v, &s, p, &end, &verdict) == KAFKA_NONE);
    }
    s.records = v->bytes;
    enum kafka_error error = judge(v, &s, p, &end, &verdict);
    if ((int)error != json_integer_value(json_object_get(v->line, "code"))) {
        return vector_differs(v, "we say %d (%.*s)", (int)error, BYTES_ARG(verdict.message));
    }
    if (!same_record_errors(v, json_object_get(v->line, "recordErrors"), &verdict)) {
        return false;
    }
    if (kept != NULL && !bytes_equal(hex_bytes(v->arena, json_string_value(kept)), verdict.batch)) {
        return vector_differs(v, "we keep other bytes (%zu)", verdict.batch.len);
    }
    return true;
}

static bool check_verdict(struct vector *v)
{
    struct producers *p;

    ASSERT(producers_new(16, 1, &p) == OK);
    bool same = same_verdict(v, p);
    producers_free(p);
    return same;
}

static bool check_line(struct vector *v)
{
    const char *kind = json_string_value(json_object_get(v->line, "kind"));
    const char *hex = json_string_value(json_object_get(v->line, "hex"));

    ASSERT(kind != NULL && hex != NULL);
    v->bytes = hex_bytes(v->arena, hex);
    return strcmp(kind, "good") == 0 ? vector_check_good(v) : check_verdict(v);
}

static void check_text(struct vector *v, struct bytes line, struct batch_check_result *out)
{
    json_error_t error;

    arena_reset(v->arena);
    v->line = json_loadb((const char *)line.at, line.len, 0, &error);
    ASSERT(v->line != NULL);
    if (check_line(v)) {
        out->passed++;
    } else {
        out->failed++;
        (void)fprintf(stderr, "differs: %s: %s\n",
                      json_string_value(json_object_get(v->line, "name")), v->why);
    }
    json_decref(v->line);
}

static enum err read_file(const char *path, struct buf *out)
{
    uint8_t piece[4096];
    FILE *f = fopen(path, "rb");
    size_t n;
    enum err e = OK;

    if (f == NULL) {
        return fail(ERR_IO, "cannot open %s", path);
    }
    while (e == OK && (n = fread(piece, 1, sizeof(piece), f)) > 0) {
        e = buf_add(out, (struct bytes){piece, n});
    }
    (void)fclose(f);
    return e;
}

/* The text of the file, unpacked if its name ends in .zst. */
static enum err read_text(struct compression *c, const char *path, struct buf *out)
{
    struct buf packed;
    size_t len = strlen(path);

    if (len < 4 || strcmp(path + len - 4, ".zst") != 0) {
        return read_file(path, out);
    }
    buf_init(&packed, FILE_BYTES_MAX);
    enum err e = read_file(path, &packed);
    if (e == OK) {
        e = compression_unpack(c, CODEC_ZSTD, buf_view(&packed), out);
    }
    buf_deinit(&packed);
    return e;
}

enum err batch_check_file(const char *path, struct batch_check_result *out)
{
    struct arena arena;
    struct buf text;
    struct vector v = {.arena = &arena};

    TRY(compression_new(&v.compression));
    buf_init(&text, FILE_BYTES_MAX);
    arena_init(&arena, ARENA_BYTES_MAX);
    *out = (struct batch_check_result){0};
    enum err e = read_text(v.compression, path, &text);
    struct bytes rest = buf_view(&text);
    while (e == OK && rest.len > 0) {
        ptrdiff_t at = bytes_find(rest, '\n');
        size_t len = at < 0 ? rest.len : (size_t)at;
        check_text(&v, bytes_slice(rest, 0, len), out);
        rest = bytes_slice(rest, len + 1, SIZE_MAX);
    }
    arena_deinit(&arena);
    buf_deinit(&text);
    compression_free(v.compression);
    return e;
}
