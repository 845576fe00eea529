/* tools/record_text.c: control records, metadata records and internal batches in words.
 *
 * WHY      A dump of __cluster_metadata in hexadecimal helps nobody; the schemas know what every record says.
 * FORMAT   A metadata record is a frame version (1), a type and a version as unsigned varints, then the message
 *          (KIP-631). A control record's key is a version and a type, 16 bits each (KIP-98, KIP-595).
 * OWNER    The arena. No state.
 * FAILURE  What does not parse is shown as it stands: a dump must never fail because of what it shows.
 */
#include "tools/record_text.h"

#include "protocol/message_json.h"
#include "schema/messages.h"
#include "tools/cli_position.h"
#include "tools/json_text.h"

enum { TEXT_BYTES_MAX = 512 << 20, METADATA_FRAME_VERSION = 1, CONTROL_KEY_BYTES = 4 };

static enum err no_memory(void)
{
    return fail(ERR_NOMEM, "no memory for the text of a record");
}

static enum err keep(struct arena *arena, const struct buf *text, struct bytes *out)
{
    *out = arena_copy(arena, text->at == NULL ? BYTES("") : buf_view(text));
    return out->at == NULL ? no_memory() : OK;
}

/* ---- any bytes ---- */

static enum err add_escaped(struct buf *to, struct bytes b)
{
    while (b.len > 0) {
        size_t len = json_text_character(b);
        if (len == 0 || b.at[0] < ' ' || b.at[0] == 0x7f) {
            TRY(buf_add_format(to, "\\x%02x", b.at[0]));
            len = 1;
        } else {
            TRY(buf_add(to, bytes_slice(b, 0, len)));
        }
        b = bytes_slice(b, len, b.len);
    }
    return OK;
}

enum err record_text_escape(struct arena *arena, struct bytes b, struct bytes *out)
{
    struct buf text;

    *out = BYTES_NULL;
    if (b.at == NULL) {
        return OK;
    }
    buf_init(&text, TEXT_BYTES_MAX);
    enum err e = add_escaped(&text, b);
    e = e == OK ? keep(arena, &text, out) : e;
    buf_deinit(&text);
    return e;
}

/* ---- metadata ---- */

bool record_text_is_metadata(struct bytes path)
{
    struct bytes name = BYTES("__cluster_metadata");

    for (size_t i = 0; i + name.len <= path.len; i++) {
        if (bytes_starts_with(bytes_slice(path, i, path.len), name)) {
            return true;
        }
    }
    return false;
}

static const struct message_info *metadata_message(uint32_t type)
{
    for (int i = 0; i < MESSAGE_COUNT; i++) {
        const struct message_info *m = message_table[i];
        /* Those of __remote_log_metadata have numbers of their own. */
        if (m->kind == MESSAGE_METADATA && m->key == (int64_t)type &&
            strncmp(m->name, "Remote", strlen("Remote")) != 0) {
            return m;
        }
    }
    return NULL;
}

static int add_piece(const char *at, size_t len, void *context)
{
    return buf_add(context, (struct bytes){(const uint8_t *)at, len}) == OK ? 0 : -1;
}

static enum err message_text(struct arena *arena, const struct message_info *m, int16_t version,
                             const void *message, struct bytes *out)
{
    json_t *tree = message_to_json(m, version, message);
    struct buf text;

    if (tree == NULL) {
        return no_memory();
    }
    buf_init(&text, TEXT_BYTES_MAX);
    int failed = json_dump_callback(tree, add_piece, &text, JSON_COMPACT);
    json_decref(tree);
    enum err e = failed == 0 ? keep(arena, &text, out) : no_memory();
    buf_deinit(&text);
    return e;
}

/* ERR_MALFORMED: not a metadata record that is known here. */
static enum err metadata_text(struct arena *arena, struct bytes value, struct record_text *out)
{
    struct wire_reader r = wire_reader_of(value);
    uint32_t frame = wire_uvarint(&r), type = wire_uvarint(&r), version = wire_uvarint(&r);
    const struct message_info *m = r.err == OK ? metadata_message(type) : NULL;

    if (m == NULL || frame != METADATA_FRAME_VERSION || version > INT16_MAX) {
        return ERR_MALFORMED;
    }
    void *message = arena_alloc(arena, m->body->bytes);
    if (message == NULL) {
        return no_memory();
    }
    if (message_read_all(&r, arena, m, (int16_t)version, message) != OK) {
        return arena->exhausted ? no_memory() : ERR_MALFORMED;
    }
    out->type = bytes_of(m->name);
    return message_text(arena, m, (int16_t)version, message, &out->value);
}

/* ---- control records and others ---- */

static struct bytes control_name(struct bytes key)
{
    static const char *const names[] = {"ABORT",           "COMMIT",          "LEADER_CHANGE",
                                        "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION",
                                        "KRAFT_VOTERS"};
    uint16_t type = key.len >= CONTROL_KEY_BYTES ? wire_load_u16(key.at + 2) : UINT16_MAX;

    return type < COUNT_OF(names) ? bytes_of(names[type]) : BYTES("control");
}

enum err record_text(struct arena *arena, const struct batch_header *h, const struct record *r,
                     bool metadata, struct record_text *out)
{
    bool control = batch_is_control(h);

    *out = (struct record_text){.type = control ? control_name(r->key) : BYTES("record")};
    if (metadata && !control) {
        enum err e = metadata_text(arena, r->value, out);
        if (e != ERR_MALFORMED) {
            return e;
        }
    }
    TRY(record_text_escape(arena, control ? BYTES_NULL : r->key, &out->key));
    return record_text_escape(arena, r->value, &out->value);
}

/* ---- ours ---- */

enum err record_text_internal(struct arena *arena, struct bytes batch, struct record_text *out)
{
    struct internal_batch in;
    struct segment_header h;
    char id[UUID_TEXT_BYTES + 1], created[MOMENT_TEXT_BYTES];

    *out = (struct record_text){.type = BYTES("internal")};
    if (internal_batch_parse(batch, &in) != OK) {
        return record_text_escape(arena, batch_records(batch), &out->value);
    }
    if (in.kind != INTERNAL_SEGMENT_HEADER || segment_header_parse(in.payload, &h) != OK) {
        out->type = arena_format(arena, "internal %d", in.kind);
        return record_text_escape(arena, in.payload, &out->value);
    }
    out->type = BYTES("segment header");
    uuid_text(h.topic_id, id);
    moment_text(h.created_ms, created);
    out->value =
        arena_format(arena,
                     "topic id %s, partition %d, log start %" PRId64 ", raft index %" PRId64
                     " after term %" PRId64 ", created %s",
                     id, h.partition, h.log_start_offset, h.base_raft_index, h.base_term, created);
    return out->value.at == NULL ? no_memory() : OK;
}
