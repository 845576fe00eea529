/* protocol/message_write.c: walks a message's description over its C struct and writes the bytes.
 *
 * WHY      One walk serves for counting and for writing, so that the two cannot disagree: a message is
 *          counted, memory of exactly that size is found, and the same walk fills it.
 * HOW      put_…() either adds to `position` or also stores. A tagged field carries its size before it, so its
 *          value is counted first, then written: tagged structs inside tagged structs are counted once per
 *          level, and there are two such levels at most in any schema.
 * TAGS     In rising order; those at their default are left out; unknown ones that a read kept go between
 *          the known ones where their number puts them.
 * STRINGS  The protocol ends at 32767 bytes. Only texts for people get longer, because they repeat what a request said;
 *          they are cut between two characters.
 * GAPS     Records may stay where they are: their place is noted and their bytes are not copied.
 * DEPTH    write_struct() follows the description's nesting: at most MESSAGE_DEPTH_MAX.
 */
#include "protocol/message_internal.h"

struct writing {
    struct wire_writer *w;     /* NULL: only count */
    struct message_gaps *gaps; /* NULL: records are copied */
    size_t position;           /* bytes written or counted so far, without gaps */
    int32_t gap_count;
    int16_t version;
    bool flexible;
    bool leave_gaps;
};

static void write_struct(struct writing *c, const struct struct_info *s, const void *at);
static void write_value(struct writing *c, const struct field_info *f, const void *at);

static void put_u8(struct writing *c, uint8_t v)
{
    c->position += sizeof(v);
    if (c->w != NULL) {
        wire_put_u8(c->w, v);
    }
}

static void put_u16(struct writing *c, uint16_t v)
{
    c->position += sizeof(v);
    if (c->w != NULL) {
        wire_put_u16(c->w, v);
    }
}

static void put_u32(struct writing *c, uint32_t v)
{
    c->position += sizeof(v);
    if (c->w != NULL) {
        wire_put_u32(c->w, v);
    }
}

static void put_u64(struct writing *c, uint64_t v)
{
    c->position += sizeof(v);
    if (c->w != NULL) {
        wire_put_u64(c->w, v);
    }
}

static void put_uvarint(struct writing *c, uint32_t v)
{
    c->position += wire_uvarint_bytes(v);
    if (c->w != NULL) {
        wire_put_uvarint(c->w, v);
    }
}

static void put_bytes(struct writing *c, struct bytes b)
{
    c->position += b.len;
    if (c->w != NULL) {
        wire_put_bytes(c->w, b);
    }
}

/* A length or count; -1 is null. `narrow`: two bytes in the old form. */
static void put_length(struct writing *c, bool compact, bool narrow, int32_t n)
{
    if (compact) {
        put_uvarint(c, (uint32_t)n + 1);
    } else if (narrow) {
        put_u16(c, (uint16_t)n);
    } else {
        put_u32(c, (uint32_t)n);
    }
}

static void put_gap(struct writing *c, struct bytes records)
{
    if (records.len == 0) {
        return;
    }
    if (c->gaps != NULL) {
        ASSERT(c->gap_count < c->gaps->max);
        c->gaps->at[c->gap_count] = (struct message_gap){c->position, records};
        c->gaps->len = c->gap_count + 1;
    }
    c->gap_count++;
}

/* As much of a string as the protocol can hold. */
static struct bytes fitting(struct bytes text)
{
    size_t len = MIN(text.len, (size_t)INT16_MAX);

    while (len < text.len && len > 0 && (text.at[len] & 0xc0) == 0x80) {
        len--; /* the next byte is the middle of a character */
    }
    return (struct bytes){text.at, len};
}

static void write_bytes(struct writing *c, const struct field_info *f, struct bytes b)
{
    bool null = b.at == NULL && field_may_be_null(f, c->version);
    bool narrow = f->kind == FIELD_STRING;

    b = narrow ? fitting(b) : b;
    ASSERT(b.len < INT32_MAX);
    put_length(c, c->flexible && (f->flags & FIELD_INFLEXIBLE) == 0, narrow,
               null ? -1 : (int32_t)b.len);
    if (f->kind == FIELD_RECORDS && c->leave_gaps) {
        put_gap(c, b);
    } else {
        put_bytes(c, b);
    }
}

static void write_element(struct writing *c, const struct field_info *f, const void *at)
{
    if (f->kind == FIELD_STRUCT) {
        write_struct(c, f->of, at);
    } else if (f->kind == FIELD_STRING) {
        struct bytes b = fitting(*(const struct bytes *)at);
        put_length(c, c->flexible, true, (int32_t)b.len);
        put_bytes(c, b);
    } else {
        write_value(c, f, at);
    }
}

static void write_array(struct writing *c, const struct field_info *f,
                        const struct message_array *a)
{
    size_t bytes = field_element_bytes(f);

    ASSERT(a->len >= 0 || field_may_be_null(f, c->version));
    put_length(c, c->flexible, false, MAX(a->len, -1));
    for (int32_t i = 0; i < a->len; i++) {
        write_element(c, f, (const uint8_t *)a->at + (size_t)i * bytes);
    }
}

static void write_pointer(struct writing *c, const struct field_info *f, const void *to)
{
    if (!field_may_be_null(f, c->version)) {
        ASSERT(to != NULL);
    } else if (f->tag != FIELD_NOT_TAGGED) {
        put_uvarint(c, to != NULL);
    } else {
        put_u8(c, to != NULL ? 1 : UINT8_MAX);
    }
    if (to != NULL) {
        write_struct(c, f->of, to);
    }
}

/* One value that is not an array. */
static void write_value(struct writing *c, const struct field_info *f, const void *at)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        put_u8(c, *(const bool *)at);
        break;
    case FIELD_INT8:
        put_u8(c, *(const uint8_t *)at);
        break;
    case FIELD_INT16:
    case FIELD_UINT16:
        put_u16(c, *(const uint16_t *)at);
        break;
    case FIELD_INT32:
    case FIELD_UINT32:
        put_u32(c, *(const uint32_t *)at);
        break;
    case FIELD_INT64:
    case FIELD_FLOAT64: /* its bits, as they are */
        put_u64(c, *(const uint64_t *)at);
        break;
    case FIELD_UUID:
        put_bytes(c, (struct bytes){at, sizeof(struct uuid)});
        break;
    case FIELD_ERROR:
        put_u16(c, (uint16_t)((const int32_t *)at)[0]);
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_RECORDS:
        write_bytes(c, f, *(const struct bytes *)at);
        break;
    case FIELD_STRUCT:
        if ((f->flags & FIELD_POINTER) != 0) {
            write_pointer(c, f, *(const void *const *)at);
        } else {
            write_struct(c, f->of, at);
        }
        break;
    }
}

static void write_field(struct writing *c, const struct field_info *f, const void *at)
{
    if ((f->flags & FIELD_ARRAY) != 0) {
        write_array(c, f, at);
    } else {
        write_value(c, f, at);
    }
}

static void write_known_tag(struct writing *c, const struct field_info *f, const void *at)
{
    struct writing counted = *c;

    counted.w = NULL;
    counted.gaps = NULL;
    counted.position = 0;
    write_field(&counted, f, at);
    put_uvarint(c, (uint32_t)f->tag);
    put_uvarint(c, (uint32_t)counted.position);
    write_field(c, f, at);
}

/* The kept unknown fields whose tags are below `limit`; returns the rest. */
static const struct message_tag *write_unknown_tags(struct writing *c, const struct message_tag *t,
                                                    int64_t limit)
{
    for (; t != NULL && t->tag < limit; t = t->next) {
        put_uvarint(c, t->tag);
        put_uvarint(c, (uint32_t)t->data.len);
        put_bytes(c, t->data);
    }
    return t;
}

static bool tag_is_sent(const struct writing *c, const struct struct_info *s,
                        const struct field_info *f, const uint8_t *at)
{
    return field_is_in(f, c->version) && !field_is_normal(s, f, at + f->offset);
}

static void write_tags(struct writing *c, const struct struct_info *s, const uint8_t *at)
{
    const struct message_tag *unknown =
        *(struct message_tag *const *)(const void *)(at + s->unknown_offset);
    const struct field_info *first = s->fields + (s->field_count - s->tagged_count);
    const struct field_info *end = s->fields + s->field_count;
    uint32_t count = 0;

    for (const struct field_info *f = first; f < end; f++) {
        count += tag_is_sent(c, s, f, at);
    }
    for (const struct message_tag *t = unknown; t != NULL; t = t->next) {
        count++;
    }
    put_uvarint(c, count);
    for (const struct field_info *f = first; f < end && count > 0; f++) {
        if (tag_is_sent(c, s, f, at)) {
            unknown = write_unknown_tags(c, unknown, f->tag);
            write_known_tag(c, f, at + f->offset);
        }
    }
    (void)write_unknown_tags(c, unknown, INT64_MAX);
}

static void write_struct(struct writing *c, const struct struct_info *s, const void *at)
{
    const struct field_info *untagged_end = s->fields + (s->field_count - s->tagged_count);

    for (const struct field_info *f = s->fields; f < s->fields + s->field_count; f++) {
        const uint8_t *value = (const uint8_t *)at + f->offset;
        if (!field_is_in(f, c->version)) {
            /* What the version cannot say must not have been said. */
            ASSERT((f->flags & FIELD_IGNORABLE) != 0 || field_is_normal(s, f, value));
        } else if (f < untagged_end) {
            write_field(c, f, value);
        }
    }
    if (c->flexible) {
        write_tags(c, s, at);
    }
}

static struct writing begin(const struct message_info *m, int16_t version)
{
    ASSERT(version >= m->first && version <= m->last);
    return (struct writing){.version = version, .flexible = version >= m->flexible_from};
}

size_t message_size(const struct message_info *m, int16_t version, const void *in)
{
    struct writing c = begin(m, version);

    write_struct(&c, m->body, in);
    return c.position;
}

void message_write(struct wire_writer *w, const struct message_info *m, int16_t version,
                   const void *in)
{
    struct writing c = begin(m, version);

    c.w = w;
    write_struct(&c, m->body, in);
}

size_t message_size_gaps(const struct message_info *m, int16_t version, const void *in,
                         int32_t *gap_count)
{
    struct writing c = begin(m, version);

    c.leave_gaps = true;
    write_struct(&c, m->body, in);
    *gap_count = c.gap_count;
    return c.position;
}

void message_write_gaps(struct wire_writer *w, const struct message_info *m, int16_t version,
                        const void *in, struct message_gaps *gaps)
{
    struct writing c = begin(m, version);

    c.w = w;
    c.leave_gaps = true;
    c.gaps = gaps;
    gaps->len = 0;
    write_struct(&c, m->body, in);
}
