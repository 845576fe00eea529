/* protocol/message_json.c: the third user of the descriptions, after the reader and the writer.
 *
 * WHY      A dump of a log, a test and a vector want to see messages as text; none of them is in a hurry.
 * HOW      The same walk as message_write.c: a struct becomes an object, an array an array. The way back
 *          starts from the defaults and refuses names it does not know, so that a slip in a hand-written
 *          message is not silently nothing.
 * DEPTH    The description's nesting: at most MESSAGE_DEPTH_MAX.
 * FAILURE  To JSON: only out of memory, NULL. From JSON: ERR_MALFORMED with the field's name, ERR_NOMEM.
 */
#include "protocol/message_json.h"

#include "protocol/message_internal.h"

#include <math.h>

static const char unknown_key[] = "_unknownTaggedFields";

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { GROUP_BYTES = 3, GROUP_DIGITS = 4, DIGIT_BITS = 6, DIGIT_MASK = 63 };

struct bytes base64_encode(struct arena *a, struct bytes b)
{
    size_t groups = b.len / GROUP_BYTES + (b.len % GROUP_BYTES != 0);
    uint8_t *text = arena_array(a, groups, GROUP_DIGITS);

    if (text == NULL) {
        return BYTES_NULL;
    }
    for (size_t g = 0; g < groups; g++) {
        struct bytes part = bytes_slice(b, g * GROUP_BYTES, GROUP_BYTES);
        uint32_t bits = 0;
        for (size_t i = 0; i < GROUP_BYTES; i++) {
            bits = bits << 8 | (i < part.len ? part.at[i] : 0);
        }
        for (size_t i = 0; i < GROUP_DIGITS; i++) {
            size_t shift = DIGIT_BITS * (GROUP_DIGITS - 1 - i);
            text[g * GROUP_DIGITS + i] =
                i <= part.len ? (uint8_t)digits[bits >> shift & DIGIT_MASK] : (uint8_t)'=';
        }
    }
    return (struct bytes){text, groups * GROUP_DIGITS};
}

enum err base64_decode(struct arena *a, struct bytes text, struct bytes *out)
{
    size_t pad = 0;

    while (pad < 2 && pad < text.len && text.at[text.len - 1 - pad] == '=') {
        pad++;
    }
    if (text.len % GROUP_DIGITS != 0) {
        return fail(ERR_MALFORMED, "base64 comes in groups of four characters");
    }
    uint8_t *at = arena_array(a, text.len / GROUP_DIGITS, GROUP_BYTES);
    if (at == NULL) {
        return fail(ERR_NOMEM, "base64");
    }
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = memchr(digits, text.at[i], sizeof(digits) - 1);
        if (digit == NULL && i < text.len - pad) {
            return fail(ERR_MALFORMED, "'%c' is not a character of base64", text.at[i]);
        }
        bits = bits << DIGIT_BITS | (digit == NULL ? 0 : (uint32_t)(digit - digits));
        if (i % GROUP_DIGITS == GROUP_DIGITS - 1) {
            uint8_t *group = at + i / GROUP_DIGITS * GROUP_BYTES;
            group[0] = (uint8_t)(bits >> 16);
            group[1] = (uint8_t)(bits >> 8);
            group[2] = (uint8_t)bits;
        }
    }
    *out = (struct bytes){at, text.len / GROUP_DIGITS * GROUP_BYTES - pad};
    return OK;
}

/* ---- to JSON ---- */

struct to_json {
    struct arena scratch; /* for base64 */
    int16_t version;
};

static json_t *struct_to_json(struct to_json *c, const struct struct_info *s, const void *at);

static json_t *base64_to_json(struct to_json *c, struct bytes b)
{
    struct bytes text = base64_encode(&c->scratch, b);
    json_t *j = text.at == NULL ? NULL : json_stringn((const char *)text.at, text.len);

    arena_reset(&c->scratch);
    return j;
}

static json_t *string_to_json(struct to_json *c, struct bytes b)
{
    json_t *j = json_stringn(b.at == NULL ? "" : (const char *)b.at, b.len);

    return j != NULL ? j : json_pack("{s:o}", "base64", base64_to_json(c, b)); /* it is not UTF-8 */
}

static json_t *float_to_json(double v)
{
    if (isfinite(v)) {
        return json_real(v);
    }
    return json_string(isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

static json_t *uuid_to_json(struct uuid u)
{
    char text[UUID_TEXT_BYTES + 1];

    uuid_text(u, text);
    return json_string(text);
}

/* One value that is not an array, not a pointer and not null. */
static json_t *value_to_json(struct to_json *c, const struct field_info *f, const void *at)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_INT8:
        return json_integer(*(const int8_t *)at);
    case FIELD_INT16:
        return json_integer(*(const int16_t *)at);
    case FIELD_UINT16:
        return json_integer(*(const uint16_t *)at);
    case FIELD_INT32:
    case FIELD_ERROR:
        return json_integer(*(const int32_t *)at);
    case FIELD_UINT32:
        return json_integer(*(const uint32_t *)at);
    case FIELD_INT64:
        return json_integer(*(const int64_t *)at);
    case FIELD_FLOAT64:
        return float_to_json(*(const double *)at);
    case FIELD_UUID:
        return uuid_to_json(*(const struct uuid *)at);
    case FIELD_STRING:
        return string_to_json(c, *(const struct bytes *)at);
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return base64_to_json(c, *(const struct bytes *)at);
    case FIELD_STRUCT:
        return struct_to_json(c, f->of, at);
    }
    return NULL;
}

static json_t *array_to_json(struct to_json *c, const struct field_info *f,
                             const struct message_array *a)
{
    size_t bytes = field_element_bytes(f);
    json_t *j = json_array();

    for (int32_t i = 0; i < a->len; i++) {
        json_t *one = value_to_json(c, f, (const uint8_t *)a->at + (size_t)i * bytes);
        if (json_array_append_new(j, one) != 0) {
            json_decref(j);
            return NULL;
        }
    }
    return j;
}

static json_t *field_to_json(struct to_json *c, const struct field_info *f, const void *at)
{
    bool may_be_null = field_may_be_null(f, c->version);

    if ((f->flags & FIELD_ARRAY) != 0) {
        const struct message_array *a = at;
        return a->len < 0 && may_be_null ? json_null() : array_to_json(c, f, a);
    }
    if ((f->flags & FIELD_POINTER) != 0) {
        const void *to = *(const void *const *)at;
        return to == NULL ? json_null() : struct_to_json(c, f->of, to);
    }
    bool slice = f->kind == FIELD_STRING || f->kind == FIELD_BYTES || f->kind == FIELD_RECORDS;
    if (slice && may_be_null && ((const struct bytes *)at)->at == NULL) {
        return json_null();
    }
    return value_to_json(c, f, at);
}

static json_t *tags_to_json(struct to_json *c, const struct message_tag *t)
{
    json_t *j = json_array();

    for (; t != NULL; t = t->next) {
        json_t *one =
            json_pack("{s:I,s:o}", "tag", (json_int_t)t->tag, "data", base64_to_json(c, t->data));
        if (json_array_append_new(j, one) != 0) {
            json_decref(j);
            return NULL;
        }
    }
    return j;
}

static json_t *struct_to_json(struct to_json *c, const struct struct_info *s, const void *at)
{
    json_t *j = json_object();
    int failed = 0;

    for (uint16_t i = 0; i < s->field_count; i++) {
        const struct field_info *f = &s->fields[i];
        const uint8_t *value = (const uint8_t *)at + f->offset;
        bool left_out = f->tag != FIELD_NOT_TAGGED && field_is_normal(s, f, value);
        if (field_is_in(f, c->version) && !left_out) {
            failed |= json_object_set_new(j, f->name, field_to_json(c, f, value));
        }
    }
    if (s->unknown_offset >= 0) {
        const void *place = (const uint8_t *)at + s->unknown_offset;
        const struct message_tag *t = *(struct message_tag *const *)place;
        failed |= t == NULL ? 0 : json_object_set_new(j, unknown_key, tags_to_json(c, t));
    }
    if (failed != 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

json_t *message_to_json(const struct message_info *m, int16_t version, const void *in)
{
    struct to_json c = {.version = version};

    ASSERT(version >= m->first && version <= m->last);
    arena_init(&c.scratch, SIZE_MAX);
    json_t *j = struct_to_json(&c, m->body, in);
    arena_deinit(&c.scratch);
    return j;
}

/* ---- from JSON ---- */

struct from_json {
    struct arena *arena;
    int16_t version;
};

static enum err struct_from_json(struct from_json *c, const struct struct_info *s, json_t *j,
                                 void *at);

static enum err wrong(const struct field_info *f, const char *wanted)
{
    return fail(ERR_MALFORMED, "%s: %s is wanted here", f->name, wanted);
}

static struct bytes text_of(const json_t *j)
{
    return (struct bytes){(const uint8_t *)json_string_value(j), json_string_length(j)};
}

static enum err copy_of(struct from_json *c, struct bytes b, struct bytes *out)
{
    *out = arena_copy(c->arena, b);
    return out->at == NULL ? fail(ERR_NOMEM, "a string") : OK;
}

static enum err string_from_json(struct from_json *c, const struct field_info *f, json_t *j,
                                 struct bytes *out)
{
    const json_t *raw = json_object_get(j, "base64");

    if (raw != NULL && json_is_string(raw)) {
        TRY(base64_decode(c->arena, text_of(raw), out));
    } else if (json_is_string(j)) {
        TRY(copy_of(c, text_of(j), out));
    } else {
        return wrong(f, "a string");
    }
    return out->len > INT16_MAX ? wrong(f, "a string of at most 32767 bytes") : OK;
}

static enum err float_from_json(const struct field_info *f, json_t *j, double *out)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {
        {"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"-Infinity", -(double)INFINITY}};

    if (json_is_number(j)) {
        *out = json_number_value(j);
        return OK;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (json_is_string(j) && strcmp(json_string_value(j), names[i].name) == 0) {
            *out = names[i].value;
            return OK;
        }
    }
    return wrong(f, "a number");
}

static enum err integer_from_json(const struct field_info *f, json_t *j, void *at)
{
    static const struct {
        int64_t low, high;
    } ranges[] = {
        [FIELD_INT8] = {INT8_MIN, INT8_MAX},    [FIELD_INT16] = {INT16_MIN, INT16_MAX},
        [FIELD_UINT16] = {0, UINT16_MAX},       [FIELD_INT32] = {INT32_MIN, INT32_MAX},
        [FIELD_UINT32] = {0, UINT32_MAX},       [FIELD_INT64] = {INT64_MIN, INT64_MAX},
        [FIELD_ERROR] = {INT16_MIN, INT16_MAX},
    };
    int64_t v = json_integer_value(j);

    if (!json_is_integer(j) || v < ranges[f->kind].low || v > ranges[f->kind].high) {
        return wrong(f, "an integer of its type");
    }
    memcpy(at, &v, field_element_bytes(f)); /* little-endian machines only, as all of wire.h */
    return OK;
}

static enum err value_from_json(struct from_json *c, const struct field_info *f, json_t *j,
                                void *at)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        *(bool *)at = json_is_true(j);
        return json_is_boolean(j) ? OK : wrong(f, "true or false");
    case FIELD_INT8:
    case FIELD_INT16:
    case FIELD_UINT16:
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_ERROR:
        return integer_from_json(f, j, at);
    case FIELD_FLOAT64:
        return float_from_json(f, j, at);
    case FIELD_UUID:
        return json_is_string(j) ? uuid_parse(text_of(j), at) : wrong(f, "a uuid");
    case FIELD_STRING:
        return string_from_json(c, f, j, at);
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return json_is_string(j) ? base64_decode(c->arena, text_of(j), at) : wrong(f, "base64");
    case FIELD_STRUCT:
        return struct_from_json(c, f->of, j, at);
    }
    UNREACHABLE();
}

static enum err array_from_json(struct from_json *c, const struct field_info *f, json_t *j,
                                struct message_array *out)
{
    size_t bytes = field_element_bytes(f);

    if (!json_is_array(j) || json_array_size(j) > ARRAY_COUNT_MAX) {
        return wrong(f, "an array");
    }
    *out = message_values_new(c->arena, bytes, (int32_t)json_array_size(j));
    for (int32_t i = 0; i < out->len; i++) {
        TRY(value_from_json(c, f, json_array_get(j, (size_t)i),
                            (uint8_t *)out->at + (size_t)i * bytes));
    }
    return c->arena->exhausted ? fail(ERR_NOMEM, "an array") : OK;
}

static enum err field_from_json(struct from_json *c, const struct field_info *f, json_t *j,
                                void *at)
{
    if (json_is_null(j)) {
        if (!field_may_be_null(f, c->version)) {
            return wrong(f, "something other than null");
        }
        if ((f->flags & FIELD_ARRAY) != 0) {
            *(struct message_array *)at = (struct message_array){NULL, -1};
        } else if ((f->flags & FIELD_POINTER) != 0) {
            *(const void **)at = NULL;
        } else {
            *(struct bytes *)at = BYTES_NULL;
        }
        return OK;
    }
    if ((f->flags & FIELD_ARRAY) != 0) {
        return array_from_json(c, f, j, at);
    }
    if ((f->flags & FIELD_POINTER) == 0) {
        return value_from_json(c, f, j, at);
    }
    void *to = arena_alloc(c->arena, f->of->bytes);
    if (to == NULL) {
        return fail(ERR_NOMEM, "a struct");
    }
    *(const void **)at = to;
    return struct_from_json(c, f->of, j, to);
}

static enum err tags_from_json(struct from_json *c, json_t *j, struct message_tag **tail)
{
    size_t i;
    json_t *one;

    json_array_foreach(j, i, one)
    {
        const json_t *tag = json_object_get(one, "tag"), *data = json_object_get(one, "data");
        struct message_tag *t = ARENA_NEW(c->arena, struct message_tag);
        if (t == NULL) {
            return fail(ERR_NOMEM, "a tagged field");
        }
        if (!json_is_integer(tag) || !json_is_string(data) || json_integer_value(tag) < 0 ||
            json_integer_value(tag) > INT32_MAX) {
            return fail(ERR_MALFORMED, "%s: tag and data are wanted here", unknown_key);
        }
        t->tag = (uint32_t)json_integer_value(tag);
        TRY(base64_decode(c->arena, text_of(data), &t->data));
        *tail = t;
        tail = &t->next;
    }
    return OK;
}

static const struct field_info *field_named(const struct struct_info *s, int16_t version,
                                            const char *name)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        if (field_is_in(&s->fields[i], version) && strcmp(s->fields[i].name, name) == 0) {
            return &s->fields[i];
        }
    }
    return NULL;
}

static enum err struct_from_json(struct from_json *c, const struct struct_info *s, json_t *j,
                                 void *at)
{
    const char *name;
    json_t *value;

    memcpy(at, s->normal, s->bytes);
    if (!json_is_object(j)) {
        return fail(ERR_MALFORMED, "%s: an object is wanted here", s->name);
    }
    json_object_foreach(j, name, value)
    {
        const struct field_info *f = field_named(s, c->version, name);
        if (f != NULL) {
            TRY(field_from_json(c, f, value, (uint8_t *)at + f->offset));
        } else if (s->unknown_offset >= 0 && strcmp(name, unknown_key) == 0) {
            TRY(tags_from_json(c, value,
                               (struct message_tag **)(void *)((uint8_t *)at + s->unknown_offset)));
        } else {
            return fail(ERR_MALFORMED, "%s has no %s in version %d", s->name, name, c->version);
        }
    }
    return OK;
}

enum err message_from_json(struct arena *a, const struct message_info *m, int16_t version,
                           json_t *from, void *out)
{
    struct from_json c = {.arena = a, .version = version};

    if (version < m->first || version > m->last) {
        return fail(ERR_UNSUPPORTED, "%s has no version %d", m->name, version);
    }
    return struct_from_json(&c, m->body, from, out);
}
