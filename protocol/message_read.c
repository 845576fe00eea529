/* protocol/message_read.c: walks a message's description over received bytes and fills its C struct.
 *
 * WHY      One reader for three hundred messages: what is checked is checked for all of them, and the code
 *          stays small enough for the instruction cache.
 * HOW      A struct begins as a copy of its defaults; then each field that the version has is read over its
 *          place, in the order of the table. Tagged fields come last, in any order; each must fill exactly
 *          the size it announces.
 * MEMORY   Arrays are the only way to ask for much with few bytes. A count is refused unless the bytes that
 *          are left can hold that many elements of the smallest possible size, and a budget over all allocations
 *          bounds the rest (a tag that repeats, counts inside counts).
 * DEPTH    read_struct() calls itself through the description's nesting, never through the bytes': at most
 *          MESSAGE_DEPTH_MAX deep, which protocol/generate.py checks.
 * FAILURE  The reader's sticky error. Once it is set, reads yield zeros and loops end.
 */
#include "protocol/message_internal.h"

struct reading {
    struct wire_reader *r;
    struct arena *arena;
    size_t budget; /* bytes of arena that this message may still take */
    int16_t version;
    bool flexible;
    bool keep_unknown;
};

static void read_struct(struct reading *c, const struct struct_info *s, void *at);

/* Cleared memory for `count` things of that size, or NULL and a failed reader. */
static void *claim(struct reading *c, size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total) || total > c->budget) {
        wire_fail(c->r, ERR_LIMIT);
        return NULL;
    }
    c->budget -= total;
    void *at = arena_alloc(c->arena, total);
    if (at == NULL) {
        wire_fail(c->r, ERR_NOMEM);
    }
    return at;
}

/* A length or count: -1 for null. `narrow`: two bytes in the old form. */
static int32_t read_length(struct reading *c, bool compact, bool narrow)
{
    if (compact) {
        uint32_t plus_one = wire_uvarint(c->r);
        if (plus_one > INT32_MAX) {
            wire_fail(c->r, ERR_MALFORMED);
            return -1;
        }
        return (int32_t)plus_one - 1;
    }
    int32_t n = narrow ? wire_i16(c->r) : wire_i32(c->r);
    return MAX(n, -1);
}

/* Is this a null that the version allows? If not, the reader fails. */
static bool null_is_right(struct reading *c, const struct field_info *f)
{
    if (!field_may_be_null(f, c->version)) {
        wire_fail(c->r, ERR_MALFORMED);
        return false;
    }
    return c->r->err == OK;
}

static struct bytes read_bytes(struct reading *c, const struct field_info *f)
{
    bool narrow = f->kind == FIELD_STRING;
    int32_t n = read_length(c, c->flexible && (f->flags & FIELD_INFLEXIBLE) == 0, narrow);

    if (n < 0) {
        (void)null_is_right(c, f);
        return BYTES_NULL;
    }
    if (narrow && n > INT16_MAX) {
        wire_fail(c->r, ERR_MALFORMED);
    }
    return wire_bytes(c->r, (size_t)n);
}

/* A string inside an array of strings: never null. */
static struct bytes read_string_element(struct reading *c)
{
    int32_t n = read_length(c, c->flexible, true);

    if (n < 0 || n > INT16_MAX) {
        wire_fail(c->r, ERR_MALFORMED);
        return BYTES_NULL;
    }
    return wire_bytes(c->r, (size_t)n);
}

static void read_strings(struct reading *c, struct bytes *at, int32_t len)
{
    for (int32_t i = 0; i < len && c->r->err == OK; i++) {
        at[i] = read_string_element(c);
    }
}

/* The numbers of an array whose bytes are known to be there. */
static void read_numbers(struct reading *c, const struct field_info *f, void *at, int32_t len)
{
    size_t width = field_element_bytes(f);
    const uint8_t *from = wire_take(c->r, (size_t)len * width);

    if (from == NULL) {
        return;
    }
    for (int32_t i = 0; i < len; i++, from += width) {
        if (f->kind == FIELD_INT32) {
            ((uint32_t *)at)[i] = wire_load_u32(from);
        } else if (f->kind == FIELD_INT64) {
            ((uint64_t *)at)[i] = wire_load_u64(from);
        } else if (f->kind == FIELD_INT16) {
            ((uint16_t *)at)[i] = wire_load_u16(from);
        } else {
            memcpy((uint8_t *)at + (size_t)i * width, from, width); /* int8, uuid: no byte order */
        }
    }
}

static void read_structs(struct reading *c, const struct struct_info *s, uint8_t *at, int32_t len)
{
    for (int32_t i = 0; i < len && c->r->err == OK; i++) {
        read_struct(c, s, at + (size_t)i * s->bytes);
    }
}

static void read_array(struct reading *c, const struct field_info *f, struct message_array *out)
{
    int32_t len = read_length(c, c->flexible, false);

    *out = (struct message_array){NULL, len};
    if (len < 0) {
        (void)null_is_right(c, f);
        return;
    }
    if (len == 0) {
        return;
    }
    if ((uint64_t)len * field_element_wire_min(f) > wire_left(c->r)) {
        wire_fail(c->r, ERR_MALFORMED);
    } else if (len > ARRAY_COUNT_MAX) {
        wire_fail(c->r, ERR_LIMIT);
    }
    out->at = c->r->err == OK ? claim(c, (size_t)len, field_element_bytes(f)) : NULL;
    if (out->at == NULL) {
        out->len = 0;
        return;
    }
    if (f->kind == FIELD_STRUCT) {
        read_structs(c, f->of, out->at, len);
    } else if (f->kind == FIELD_STRING) {
        read_strings(c, out->at, len);
    } else {
        read_numbers(c, f, out->at, len);
    }
}

/* A struct that may be null stands behind a mark: a byte, or a varint when the field is tagged. */
static void read_pointer(struct reading *c, const struct field_info *f, const void **out)
{
    bool null = false;

    if (field_may_be_null(f, c->version)) {
        null = f->tag == FIELD_NOT_TAGGED ? wire_i8(c->r) < 0 : wire_uvarint(c->r) == 0;
    }
    *out = NULL;
    if (null || c->r->err != OK) {
        return;
    }
    void *at = claim(c, 1, f->of->bytes);
    if (at != NULL) {
        read_struct(c, f->of, at);
    }
    *out = at;
}

static void read_field(struct reading *c, const struct field_info *f, void *at)
{
    if ((f->flags & FIELD_ARRAY) != 0) {
        read_array(c, f, at);
        return;
    }
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        *(bool *)at = wire_u8(c->r) != 0;
        break;
    case FIELD_INT8:
        *(int8_t *)at = wire_i8(c->r);
        break;
    case FIELD_INT16:
    case FIELD_UINT16:
        *(uint16_t *)at = wire_u16(c->r);
        break;
    case FIELD_INT32:
    case FIELD_UINT32:
        *(uint32_t *)at = wire_u32(c->r);
        break;
    case FIELD_INT64:
        *(int64_t *)at = wire_i64(c->r);
        break;
    case FIELD_FLOAT64:
        *(double *)at = wire_f64(c->r);
        break;
    case FIELD_UUID:
        *(struct uuid *)at = wire_uuid(c->r);
        break;
    case FIELD_ERROR:
        *(int32_t *)at = wire_i16(c->r);
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_RECORDS:
        *(struct bytes *)at = read_bytes(c, f);
        break;
    case FIELD_STRUCT:
        if ((f->flags & FIELD_POINTER) != 0) {
            read_pointer(c, f, at);
        } else {
            read_struct(c, f->of, at);
        }
        break;
    }
}

static const struct field_info *find_tag(const struct reading *c, const struct struct_info *s,
                                         uint32_t tag)
{
    const struct field_info *f = s->fields + (s->field_count - s->tagged_count);

    for (uint16_t i = 0; i < s->tagged_count; i++, f++) {
        if ((uint32_t)f->tag == tag && field_is_in(f, c->version)) {
            return f;
        }
    }
    return NULL;
}

/* One tagged field; `tail` is where the next unknown one is linked to. */
static struct message_tag **read_tag(struct reading *c, const struct struct_info *s, uint8_t *at,
                                     struct message_tag **tail)
{
    uint32_t tag = wire_uvarint(c->r);
    uint32_t bytes = wire_uvarint(c->r);
    const struct field_info *f = find_tag(c, s, tag);

    if (bytes > wire_left(c->r)) {
        wire_fail(c->r, ERR_MALFORMED);
    } else if (f != NULL) {
        const uint8_t *outer_end = c->r->end;
        c->r->end = c->r->at + bytes;
        read_field(c, f, at + f->offset);
        if (c->r->at != c->r->end) {
            wire_fail(c->r, ERR_MALFORMED);
        }
        c->r->end = outer_end;
    } else if (!c->keep_unknown) {
        (void)wire_take(c->r, bytes);
    } else if ((*tail = claim(c, 1, sizeof(**tail))) != NULL) {
        **tail = (struct message_tag){.tag = tag, .data = wire_bytes(c->r, bytes)};
        tail = &(*tail)->next;
    }
    return tail;
}

static void read_tags(struct reading *c, const struct struct_info *s, uint8_t *at)
{
    struct message_tag **tail = (struct message_tag **)(void *)(at + s->unknown_offset);
    uint32_t count = wire_uvarint(c->r);

    if (count > TAG_COUNT_MAX) {
        wire_fail(c->r, ERR_LIMIT);
    }
    for (uint32_t i = 0; i < count && c->r->err == OK; i++) {
        tail = read_tag(c, s, at, tail);
    }
}

static void read_struct(struct reading *c, const struct struct_info *s, void *at)
{
    const struct field_info *f = s->fields;
    const struct field_info *end = f + (s->field_count - s->tagged_count);

    memcpy(at, s->normal, s->bytes);
    for (; f < end; f++) {
        if (field_is_in(f, c->version)) {
            read_field(c, f, (uint8_t *)at + f->offset);
        }
    }
    if (c->flexible) {
        read_tags(c, s, at);
    }
}

static enum err read_message(struct reading *c, const struct message_info *m, void *out)
{
    if (c->version < m->first || c->version > m->last) {
        return fail(ERR_UNSUPPORTED, "%s has no version %d", m->name, c->version);
    }
    c->flexible = c->version >= m->flexible_from;
    c->budget = wire_left(c->r) * DECODE_FACTOR + ARENA_SLACK_BYTES;
    read_struct(c, m->body, out);
    if (c->r->err != OK) {
        return fail(c->r->err, "%s version %d does not parse", m->name, c->version);
    }
    return OK;
}

enum err message_read(struct wire_reader *r, struct arena *a, const struct message_info *m,
                      int16_t version, void *out)
{
    struct reading c = {.r = r, .arena = a, .version = version};
    return read_message(&c, m, out);
}

enum err message_read_all(struct wire_reader *r, struct arena *a, const struct message_info *m,
                          int16_t version, void *out)
{
    struct reading c = {.r = r, .arena = a, .version = version, .keep_unknown = true};
    return read_message(&c, m, out);
}
