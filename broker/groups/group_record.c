/* broker/groups/group_record.c: records of __consumer_offsets: in and out, and who is told of each.
 *
 * FORMAT   key:   int16 kind of record (group_records.json and consumer_group_records.json name them), the key
 *          value: int16 version, the value; null: a tombstone, what the key names is gone
 *          One v2 batch per operation, no compression, no producer id. Kafka writes and reads the same.
 * FUTURE   Kinds and value versions that are not known (a newer Kafka, share and streams groups) are passed over.
 * HEADERS  weir.reason, weir.pause_ms: why and how long a rebalance; only people read them.
 */
#include "base/log.h"
#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/groups_internal.h"
#include "broker/groups/offsets.h"

enum {
    KIND_OFFSET_COMMIT_OLD = 0,
    KIND_OFFSET_COMMIT = 1,
    KIND_GROUP_METADATA = 2,
    VERSION_BYTES = 2,
    PAUSE_TEXT_BYTES = 24,
};

/* ---- out ---- */

static struct bytes framed(struct arena *a, const struct message_info *m, int16_t frame,
                           int16_t version, const void *message)
{
    size_t bytes = message_size(m, version, message) + VERSION_BYTES;
    uint8_t *at = arena_alloc(a, bytes);
    struct wire_writer w;

    if (at == NULL) {
        return BYTES_NULL;
    }
    w = wire_writer_of(at, bytes);
    wire_put_i16(&w, frame);
    message_write(&w, m, version, message);
    return (struct bytes){at, bytes};
}

static int32_t headers_of(struct groups *g, const struct group_record *r,
                          struct record_header out[2])
{
    int32_t count = 0;

    if (r->reason.at != NULL) {
        out[count++] = (struct record_header){BYTES("weir.reason"), r->reason};
    }
    if (r->pause_ms != PAUSE_NONE) {
        out[count++] = (struct record_header){BYTES("weir.pause_ms"),
                                              arena_format(&g->scratch, "%" PRId64, r->pause_ms)};
    }
    return count;
}

void groups_put(struct groups *g, struct group *group, const struct group_record *r)
{
    struct record_header headers[2];

    ASSERT(g->running);
    if (g->broken) {
        return;
    }
    struct batch_builder_record record = {
        .timestamp_ms = groups_wall_ms(g),
        .key = framed(&g->scratch, r->key_info, r->key_info->key, 0, r->key),
        .value = r->value == NULL ? BYTES_NULL
                                  : framed(&g->scratch, r->value_info, r->value_version,
                                           r->value_version, r->value),
        .headers = headers,
        .header_count = headers_of(g, r, headers),
    };
    if (g->scratch.exhausted || batch_builder_add(&g->batch, &record) != OK) {
        groups_break(g);
        return;
    }
    if (group != NULL && !list_linked(&group->touched)) {
        list_add_last(&g->touched, &group->touched);
    }
    if (groups_apply(g, r) != OK) {
        groups_break(g);
    }
}

enum err groups_apply(struct groups *g, const struct group_record *r)
{
    bool known;

    switch (r->key_info->key) {
    case KIND_OFFSET_COMMIT_OLD:
    case KIND_OFFSET_COMMIT:
        return offsets_apply(g, r->key, r->value);
    case KIND_GROUP_METADATA:
        return classic_apply(g, r->key, r->value);
    default:
        return consumer_apply(g, r, &known);
    }
}

/* ---- in ---- */

/* Kinds of records that are known, by the number in the key; NULL: passed over. */
static bool infos_of(int16_t kind, struct group_record *out)
{
    static const struct {
        const struct message_info *key, *value;
    } kinds[] = {
        /* The older kind of commit has the same fields. */
        [KIND_OFFSET_COMMIT_OLD] = {&offset_commit_key_message, &offset_commit_value_message},
        [KIND_OFFSET_COMMIT] = {&offset_commit_key_message, &offset_commit_value_message},
        [KIND_GROUP_METADATA] = {&group_metadata_key_message, &group_metadata_value_message},
        [3] = {&consumer_group_metadata_key_message, &consumer_group_metadata_value_message},
        [4] = {&consumer_group_partition_metadata_key_message,
               &consumer_group_partition_metadata_value_message},
        [5] = {&consumer_group_member_metadata_key_message,
               &consumer_group_member_metadata_value_message},
        [6] = {&consumer_group_target_assignment_metadata_key_message,
               &consumer_group_target_assignment_metadata_value_message},
        [7] = {&consumer_group_target_assignment_member_key_message,
               &consumer_group_target_assignment_member_value_message},
        [8] = {&consumer_group_current_member_assignment_key_message,
               &consumer_group_current_member_assignment_value_message},
        [16] = {&consumer_group_regular_expression_key_message,
                &consumer_group_regular_expression_value_message},
    };

    if (kind < 0 || (size_t)kind >= COUNT_OF(kinds) || kinds[kind].key == NULL) {
        return false;
    }
    out->key_info = kinds[kind].key;
    out->value_info = kinds[kind].value;
    return true;
}

/* One framed message after its int16. */
static enum err read_message(struct arena *a, struct bytes from, const struct message_info *m,
                             int16_t version, const void **out)
{
    struct wire_reader r = wire_reader_of(bytes_slice(from, VERSION_BYTES, from.len));
    void *message = arena_alloc(a, m->body->bytes);

    if (message == NULL) {
        return ERR_NOMEM;
    }
    enum err e = message_read(&r, a, m, version, message);
    *out = message;
    return e == ERR_MALFORMED || e == ERR_LIMIT ? fail(ERR_CORRUPT, "%s", m->name) : e;
}

static int16_t number_of(struct bytes b)
{
    return (int16_t)((uint16_t)(b.at[0] << 8) | b.at[1]);
}

enum err group_record_read(struct arena *a, struct bytes key, struct bytes value,
                           struct group_record *out)
{
    *out = (struct group_record){.pause_ms = PAUSE_NONE};
    if (key.len < VERSION_BYTES || (value.at != NULL && value.len < VERSION_BYTES)) {
        return fail(ERR_CORRUPT, "a record of %zu and %zu bytes", key.len, value.len);
    }
    if (!infos_of(number_of(key), out)) {
        return ERR_UNSUPPORTED;
    }
    TRY(read_message(a, key, out->key_info, 0, &out->key));
    if (value.at == NULL) {
        return OK;
    }
    out->value_version = number_of(value);
    return read_message(a, value, out->value_info, out->value_version, &out->value);
}

static enum err load_record(struct groups *g, const struct record *record)
{
    struct group_record r;
    enum err e = group_record_read(&g->scratch, record->key, record->value, &r);

    if (e == OK) {
        e = groups_apply(g, &r);
    }
    arena_reset(&g->scratch);
    return e == ERR_UNSUPPORTED ? OK : e;
}

enum err groups_load(struct groups *g, struct bytes batch)
{
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    enum err e;

    ASSERT(g->state == GROUPS_LOADING);
    TRY(batch_header_read(batch, &header));
    if (batch_is_control(&header)) {
        return OK;
    }
    g->broken = false;
    record_reader_init(&reader, batch_records(batch), header.record_count);
    while ((e = record_next(&reader, &record)) == OK) {
        TRY(load_record(g, &record));
        if (g->broken) {
            return ERR_NOMEM;
        }
    }
    return e == ERR_NOT_FOUND ? OK : fail(ERR_CORRUPT, "a batch at %" PRId64, header.base_offset);
}
