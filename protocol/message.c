/* protocol/message.c: what every user of the descriptions needs: sizes, defaults, constructors, names.
 *
 * WHY      The C structs are generated, the code is not: it learns from the tables where a field stands and
 *          what it is. Those tables are constant data, so this works from any core.
 * DEFAULT  Each struct_info points to an instance with every field at its default. Making a struct is a copy
 *          of it; asking whether a field is at its default is a comparison with it, field by field, because
 *          two empty strings need not point to the same place.
 * DEPTH    struct_is_normal() follows the description's nesting: at most MESSAGE_DEPTH_MAX.
 */
#include "protocol/message_internal.h"

#include "schema/messages.h"

static const uint8_t value_bytes[] = {
    [FIELD_BOOL] = sizeof(bool),
    [FIELD_INT8] = sizeof(int8_t),
    [FIELD_INT16] = sizeof(int16_t),
    [FIELD_UINT16] = sizeof(uint16_t),
    [FIELD_INT32] = sizeof(int32_t),
    [FIELD_UINT32] = sizeof(uint32_t),
    [FIELD_INT64] = sizeof(int64_t),
    [FIELD_FLOAT64] = sizeof(double),
    [FIELD_UUID] = sizeof(struct uuid),
    [FIELD_ERROR] = sizeof(int32_t),
    [FIELD_STRING] = sizeof(struct bytes),
    [FIELD_BYTES] = sizeof(struct bytes),
    [FIELD_RECORDS] = sizeof(struct bytes),
};

size_t field_element_bytes(const struct field_info *f)
{
    return f->kind == FIELD_STRUCT ? f->of->bytes : value_bytes[f->kind];
}

size_t field_element_wire_min(const struct field_info *f)
{
    if (f->kind == FIELD_STRUCT) {
        return MAX(f->of->wire_bytes_min, (size_t)1);
    }
    return f->kind == FIELD_STRING ? 1 : value_bytes[f->kind];
}

struct message_array message_values_new(struct arena *a, size_t bytes, int32_t len)
{
    void *at = len > 0 ? arena_array(a, (size_t)len, bytes) : NULL;
    return (struct message_array){at, at == NULL && len > 0 ? 0 : len};
}

struct message_array message_structs_new(struct arena *a, const struct struct_info *s, int32_t len)
{
    struct message_array m = message_values_new(a, s->bytes, len);

    for (int32_t i = 0; i < m.len; i++) {
        memcpy((uint8_t *)m.at + (size_t)i * s->bytes, s->normal, s->bytes);
    }
    return m;
}

static bool struct_is_normal(const struct struct_info *s, const uint8_t *at)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        if (!field_is_normal(s, &s->fields[i], at + s->fields[i].offset)) {
            return false;
        }
    }
    return s->unknown_offset < 0 ||
           *(struct message_tag *const *)(const void *)(at + s->unknown_offset) == NULL;
}

bool field_is_normal(const struct struct_info *s, const struct field_info *f, const void *at)
{
    const void *normal = (const uint8_t *)s->normal + f->offset;

    if ((f->flags & FIELD_ARRAY) != 0) {
        return ((const struct message_array *)at)->len ==
               ((const struct message_array *)normal)->len;
    }
    if ((f->flags & FIELD_POINTER) != 0) {
        const uint8_t *to = *(const uint8_t *const *)at;
        bool null = *(const uint8_t *const *)normal == NULL;
        return null || to == NULL ? null == (to == NULL) : struct_is_normal(f->of, to);
    }
    if (f->kind == FIELD_STRUCT) {
        return struct_is_normal(f->of, at);
    }
    if (f->kind == FIELD_STRING || f->kind == FIELD_BYTES || f->kind == FIELD_RECORDS) {
        const struct bytes *b = at;
        bool never_null = f->null_first > f->null_last;
        bool null = ((const struct bytes *)normal)->at == NULL;
        return b->len == 0 && (never_null || null == (b->at == NULL));
    }
    return memcmp(at, normal, value_bytes[f->kind]) == 0;
}

struct bytes message_bytes(struct arena *a, const struct message_info *m, int16_t version,
                           const void *in)
{
    size_t bytes = message_size(m, version, in);
    uint8_t *at = arena_alloc(a, bytes);

    if (at == NULL) {
        return BYTES_NULL;
    }
    struct wire_writer w = wire_writer_of(at, bytes);
    message_write(&w, m, version, in);
    ASSERT(w.at == w.end);
    return (struct bytes){at, bytes};
}

const struct message_info *message_find(struct bytes name)
{
    for (int i = 0; i < MESSAGE_COUNT; i++) {
        if (bytes_equal(name, bytes_of(message_table[i]->name))) {
            return message_table[i];
        }
    }
    return NULL;
}
