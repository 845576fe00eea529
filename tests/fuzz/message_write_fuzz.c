/* tests/fuzz/message_write_fuzz.c: any content of any message, written.
 *
 * WHY      The read target only meets structs that a read can make; handlers make others.
 * FORMAT   Bytes 0 and 1 choose the message, byte 2 the version; the rest is used up as choices: which fields
 *          are set, how long arrays are, what the values are. When it is used up, everything is zero.
 * PASSES   The content as JSON becomes a struct; the size counted is the size written; read again, it is the
 *          same as JSON. Now and then a value gets a wrong type, which must be refused.
 * LIMITS   ELEMENTS_MAX per array; the nesting is the schemas'.
 */
#include "protocol/message_json.h"

#include "schema/messages.h"

enum { HEAD = 3, STRUCT_BYTES_MAX = 1024, ELEMENTS_MAX = 4, TEXT_MAX = 40, WRONG_ONE_IN = 251 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
    struct wire_reader r;
    struct arena *arena;
    int16_t version;
    bool flexible;
    bool wrong; /* a wrong type stands somewhere */
};

static json_t *make_struct(struct choices *c, const struct struct_info *s);

static json_t *make_text(struct choices *c, enum field_kind kind)
{
    struct bytes b = wire_bytes(&c->r, MIN(wire_left(&c->r), (size_t)wire_u8(&c->r) % TEXT_MAX));
    json_t *plain =
        kind == FIELD_STRING ? json_stringn((const char *)b.at, b.at == NULL ? 0 : b.len) : NULL;

    if (plain != NULL) {
        return plain;
    }
    struct bytes text = base64_encode(c->arena, b);
    json_t *packed = json_stringn((const char *)text.at, text.len);
    return kind == FIELD_STRING ? json_pack("{s:o}", "base64", packed) : packed;
}

static json_t *make_uuid(struct choices *c)
{
    char text[UUID_TEXT_BYTES + 1];

    uuid_text(wire_uuid(&c->r), text);
    return json_string(text);
}

static json_t *make_value(struct choices *c, const struct field_info *f)
{
    if (wire_u8(&c->r) == WRONG_ONE_IN) {
        c->wrong = true;
        return json_pack("[n]");
    }
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        return json_boolean(wire_u8(&c->r) % 2);
    case FIELD_INT8:
        return json_integer(wire_i8(&c->r));
    case FIELD_INT16:
    case FIELD_ERROR:
        return json_integer(wire_i16(&c->r));
    case FIELD_UINT16:
        return json_integer(wire_u16(&c->r));
    case FIELD_INT32:
        return json_integer(wire_i32(&c->r));
    case FIELD_UINT32:
        return json_integer(wire_u32(&c->r));
    case FIELD_INT64:
        return json_integer(wire_i64(&c->r));
    case FIELD_FLOAT64:
        return json_real((double)wire_i64(&c->r) / 3);
    case FIELD_UUID:
        return make_uuid(c);
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return make_text(c, (enum field_kind)f->kind);
    case FIELD_STRUCT:
        return make_struct(c, f->of);
    }
    UNREACHABLE();
}

static json_t *make_field(struct choices *c, const struct field_info *f)
{
    bool may_be_null = c->version >= f->null_first && c->version <= f->null_last;

    if (may_be_null && wire_u8(&c->r) % 4 == 1) {
        return json_null();
    }
    if ((f->flags & FIELD_ARRAY) == 0) {
        return make_value(c, f);
    }
    json_t *array = json_array();
    for (int left = wire_u8(&c->r) % (ELEMENTS_MAX + 1); left > 0; left--) {
        (void)json_array_append_new(array, make_value(c, f));
    }
    return array;
}

static json_t *make_struct(struct choices *c, const struct struct_info *s)
{
    json_t *j = json_object();

    for (uint16_t i = 0; i < s->field_count; i++) {
        const struct field_info *f = &s->fields[i];
        bool skip = f->tag != FIELD_NOT_TAGGED && wire_u8(&c->r) % 2 == 0;
        if (c->version >= f->first && c->version <= f->last && !skip) {
            (void)json_object_set_new(j, f->name, make_field(c, f));
        }
    }
    if (c->flexible && wire_u8(&c->r) % 8 == 1) {
        json_t *data = make_text(c, FIELD_BYTES);
        json_t *tag = json_pack("{s:i,s:o}", "tag", 10000 + wire_u8(&c->r), "data", data);
        (void)json_object_set_new(j, "_unknownTaggedFields", json_pack("[o]", tag));
    }
    return j;
}

static void check_written(struct arena *a, const struct message_info *m, int16_t version,
                          const void *in)
{
    _Alignas(16) uint8_t out[STRUCT_BYTES_MAX];
    struct bytes wire = message_bytes(a, m, version, in);
    struct wire_reader r = wire_reader_of(wire);

    ASSERT(wire.at != NULL && wire.len == message_size(m, version, in));
    ASSERT(message_read_all(&r, a, m, version, out) == OK);
    ASSERT(wire_left(&r) == 0);
    json_t *before = message_to_json(m, version, in), *after = message_to_json(m, version, out);
    ASSERT(before != NULL && after != NULL && json_equal(before, after) == 1);
    json_decref(before);
    json_decref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX];
    struct arena a;

    if (size < HEAD) {
        return 0;
    }
    const struct message_info *m = message_table[wire_load_u16(data) % MESSAGE_COUNT];
    int16_t version = (int16_t)(m->first + data[2] % (m->last - m->first + 1));
    arena_init(&a, SIZE_MAX / 2);
    struct choices c = {.r = wire_reader_of((struct bytes){data + HEAD, size - HEAD}),
                        .arena = &a,
                        .version = version,
                        .flexible = version >= m->flexible_from};
    json_t *j = make_struct(&c, m->body);
    enum err e = message_from_json(&a, m, version, j, in);
    json_decref(j);
    ASSERT((e == OK) == !c.wrong);
    if (e == OK) {
        check_written(&a, m, version, in);
    }
    arena_deinit(&a);
    return 0;
}
