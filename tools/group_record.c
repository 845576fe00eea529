/* tools/group_record.c: keys and values of __consumer_offsets.
 *
 * WHY      What happened to a group stands there and nowhere else: the protocol tells how things are, not how they came
 *          to be so.
 * FORMAT   protocol/schema/group_records.json and consumer_group_records.json. Headers are Weir's own, and may lack.
 * OWNER    Everything lives in the arena or in the record's bytes.
 */
#include "tools/group_record.h"

#include "protocol/record.h"
#include "schema/consumer_group_records.h"
#include "schema/group_records.h"
#include "tools/json_text.h"

enum { VERSION_BYTES = 2, JAVA_FACTOR = 31, SUPPLEMENTARY = 0x10000 };

/* The number in front. ERR_MALFORMED. */
static enum err take_number(struct bytes *b, int16_t *out)
{
    if (b->len < VERSION_BYTES) {
        return fail(ERR_MALFORMED, "a key or value of %zu bytes", b->len);
    }
    *out = (int16_t)(uint16_t)(b->at[0] << 8 | b->at[1]);
    *b = bytes_slice(*b, VERSION_BYTES, b->len);
    return OK;
}

/* ---- keys ---- */

static enum err read_offset_key(struct arena *arena, struct bytes key, struct group_record *out)
{
    struct offset_commit_key k;

    TRY(offset_commit_key_read(arena, key, 0, &k)); /* the legacy one has the same fields */
    out->group = k.group;
    return OK;
}

/* Keys that name a group, or a group and a member, look alike whatever they are of. */
static enum err read_group_key(struct arena *arena, struct bytes key, struct group_record *out)
{
    struct consumer_group_metadata_key k;

    TRY(consumer_group_metadata_key_read(arena, key, 0, &k));
    out->group = k.group_id;
    return OK;
}

static enum err read_member_key(struct arena *arena, struct bytes key, struct group_record *out)
{
    struct consumer_group_member_metadata_key k;

    TRY(consumer_group_member_metadata_key_read(arena, key, 0, &k));
    out->group = k.group_id;
    out->member = k.member_id;
    return OK;
}

enum err group_record_key(struct arena *arena, struct bytes key, struct group_record *out)
{
    *out = (struct group_record){.kind = -1, .pause_ms = -1, .epoch = -1, .commit_ms = -1};
    TRY(take_number(&key, &out->kind));
    switch (out->kind) {
    case GROUP_RECORD_LEGACY_OFFSET:
    case GROUP_RECORD_OFFSET:
        return read_offset_key(arena, key, out);
    case GROUP_RECORD_CLASSIC:
    case GROUP_RECORD_CONSUMER:
    case GROUP_RECORD_TARGET:
        return read_group_key(arena, key, out);
    case GROUP_RECORD_MEMBER:
    case GROUP_RECORD_TARGET_MEMBER:
    case GROUP_RECORD_CURRENT:
        return read_member_key(arena, key, out);
    default:
        return fail(ERR_UNSUPPORTED, "a record of kind %d", out->kind);
    }
}

/* ---- values ---- */

static enum err read_offset(struct arena *arena, struct bytes value, int16_t version,
                            struct group_record *out)
{
    struct offset_commit_value v;

    TRY(offset_commit_value_read(arena, value, version, &v));
    out->commit_ms = v.commit_timestamp;
    return OK;
}

static enum err read_classic(struct arena *arena, struct bytes value, int16_t version,
                             struct group_record *out)
{
    struct group_metadata_value v;

    TRY(group_metadata_value_read(arena, value, version, &v));
    out->epoch = v.generation;
    out->protocol_type = v.protocol_type;
    out->members = ARENA_ARRAY(arena, struct group_record_member, v.members.len);
    out->member_count = out->members == NULL ? 0 : v.members.len;
    for (int32_t i = 0; i < out->member_count; i++) {
        const struct group_metadata_value_member *m = &v.members.at[i];
        out->members[i] = (struct group_record_member){m->member_id, m->client_id, m->client_host,
                                                       m->group_instance_id};
    }
    return OK;
}

static enum err read_epoch(struct arena *arena, struct bytes value, int16_t version,
                           struct group_record *out)
{
    struct consumer_group_metadata_value v;

    TRY(consumer_group_metadata_value_read(arena, value, version, &v));
    out->epoch = v.epoch;
    return OK;
}

static enum err read_target(struct arena *arena, struct bytes value, int16_t version,
                            struct group_record *out)
{
    struct consumer_group_target_assignment_metadata_value v;

    TRY(consumer_group_target_assignment_metadata_value_read(arena, value, version, &v));
    out->epoch = v.assignment_epoch;
    return OK;
}

static enum err read_member(struct arena *arena, struct bytes value, int16_t version,
                            struct group_record *out)
{
    struct consumer_group_member_metadata_value v;

    TRY(consumer_group_member_metadata_value_read(arena, value, version, &v));
    out->members = ARENA_NEW(arena, struct group_record_member);
    out->member_count = out->members == NULL ? 0 : 1;
    if (out->member_count == 1) {
        out->members[0] =
            (struct group_record_member){out->member, v.client_id, v.client_host, v.instance_id};
    }
    return OK;
}

static enum err read_current(struct arena *arena, struct bytes value, int16_t version,
                             struct group_record *out)
{
    struct consumer_group_current_member_assignment_value v;

    TRY(consumer_group_current_member_assignment_value_read(arena, value, version, &v));
    out->epoch = v.member_epoch;
    return OK;
}

static void take_headers(struct bytes headers, struct group_record *out)
{
    struct record_header h;

    while (record_header_next(&headers, &h)) {
        if (bytes_equal(h.key, BYTES("weir.reason"))) {
            out->reason = h.value;
        } else if (bytes_equal(h.key, BYTES("weir.pause_ms"))) {
            int64_t ms;
            out->pause_ms = bytes_to_i64(h.value, &ms) == OK ? ms : -1;
        }
    }
}

enum err group_record_value(struct arena *arena, struct bytes value, struct bytes headers,
                            struct group_record *out)
{
    int16_t version;

    take_headers(headers, out);
    out->gone = value.at == NULL;
    if (out->gone) {
        return OK;
    }
    TRY(take_number(&value, &version));
    switch (out->kind) {
    case GROUP_RECORD_OFFSET:
        return read_offset(arena, value, version, out);
    case GROUP_RECORD_CLASSIC:
        return read_classic(arena, value, version, out);
    case GROUP_RECORD_CONSUMER:
        return read_epoch(arena, value, version, out);
    case GROUP_RECORD_MEMBER:
        return read_member(arena, value, version, out);
    case GROUP_RECORD_TARGET:
        return read_target(arena, value, version, out);
    case GROUP_RECORD_CURRENT:
        return read_current(arena, value, version, out);
    default:
        return OK; /* nothing in it is looked at */
    }
}

/* ---- which partition ---- */

static uint32_t code_point(struct bytes text, size_t len)
{
    uint32_t c = len == 1 ? text.at[0] : text.at[0] & (0x7fu >> len);

    for (size_t i = 1; i < len; i++) {
        c = c << 6 | (text.at[i] & 0x3fu);
    }
    return c;
}

int32_t java_hash(struct bytes text)
{
    uint32_t hash = 0;

    while (text.len > 0) {
        size_t len = MAX(json_text_character(text), 1u);
        uint32_t c = code_point(text, len);
        if (c >= SUPPLEMENTARY) {
            hash = hash * JAVA_FACTOR + (0xd800 + ((c - SUPPLEMENTARY) >> 10));
            c = 0xdc00 + ((c - SUPPLEMENTARY) & 0x3ff);
        }
        hash = hash * JAVA_FACTOR + c;
        text = bytes_slice(text, len, text.len);
    }
    return (int32_t)hash;
}

int32_t group_record_partition(struct bytes group, int32_t partition_count)
{
    int32_t hash = java_hash(group);

    ASSERT(partition_count > 0);
    /* Kafka's absolute value: the sign is taken off the smallest number, too, and 0 stays. */
    return (hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash) % partition_count;
}
