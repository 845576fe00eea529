/* protocol/record.c: records, one after the other.
 *
 * WHY      The bytes of a record stay where they are; a reader gives views and checks every length
 *          against the record and the region, so that no caller has to.
 * FORMAT   varint length of the rest · int8 attributes · varlong timestamp delta · varint offset delta ·
 *          varint key length (-1 null), key · varint value length (-1 null), value · varint header
 *          count { varint key length, key · varint value length (-1 null), value }. Any negative
 *          length of a key or value means null; that of a header's key and a header count may not be negative.
 * FAILURE  ERR_MALFORMED for whatever does not come out even: also a record that is longer than its
 *          fields, and bytes after the last record.
 * LIMITS   Every loop consumes at least one byte of the region, and a header count is checked against
 *          the bytes there are.
 */
#include "protocol/record.h"

#include "protocol/varint.h"

void record_reader_init(struct record_reader *r, struct bytes records, int32_t count)
{
    *r = (struct record_reader){.at = records.at, .end = records.at + records.len, .left = count};
}

static inline bool take_field(struct varint_reader *r, struct bytes *out)
{
    int32_t len;

    if (!varint_take(r, &len)) {
        return false;
    }
    if (len < 0) {
        *out = BYTES_NULL;
        return true;
    }
    if (len > r->end - r->at) {
        return false;
    }
    *out = (struct bytes){r->at, (size_t)len};
    r->at += len;
    return true;
}

static bool take_header(struct varint_reader *r, struct record_header *out)
{
    return take_field(r, &out->key) && out->key.at != NULL && take_field(r, &out->value);
}

static inline bool take_headers(struct varint_reader *r, struct record *out)
{
    struct record_header h;

    if (!varint_take(r, &out->header_count) || out->header_count < 0 ||
        out->header_count > r->end - r->at) {
        return false;
    }
    out->headers.at = r->at;
    for (int32_t i = 0; i < out->header_count; i++) {
        if (!take_header(r, &h)) {
            return false;
        }
    }
    out->headers.len = (size_t)(r->at - out->headers.at);
    return true;
}

static inline bool take_body(struct varint_reader *r, struct record *out)
{
    if (r->at == r->end) {
        return false;
    }
    out->attributes = (int8_t)*r->at++;
    return varlong_take(r, &out->timestamp_delta) && varint_take(r, &out->offset_delta) &&
           take_field(r, &out->key) && take_field(r, &out->value) && take_headers(r, out) &&
           r->at == r->end;
}

enum err record_next(struct record_reader *r, struct record *out)
{
    struct varint_reader v = {r->at, r->end};
    int32_t len;

    if (r->left == 0) {
        return r->at == r->end ? ERR_NOT_FOUND : fail(ERR_MALFORMED, "bytes after the last record");
    }
    if (r->left < 0 || !varint_take(&v, &len) || len < 0 || len > v.end - v.at) {
        return fail(ERR_MALFORMED, "a record does not fit in its batch");
    }
    v.end = v.at + len;
    if (!take_body(&v, out)) {
        return fail(ERR_MALFORMED, "the fields of a record do not fit its length");
    }
    out->body_bytes = len;
    r->at = v.end;
    r->left--;
    return OK;
}

bool record_header_next(struct bytes *rest, struct record_header *out)
{
    struct varint_reader v = {rest->at, rest->at + rest->len};
    struct record_header h;

    if (rest->len == 0 || !take_header(&v, &h)) {
        return false;
    }
    *rest = bytes_slice(*rest, (size_t)(v.at - rest->at), SIZE_MAX);
    *out = h;
    return true;
}

static size_t field_size(struct bytes b)
{
    return b.at == NULL ? 1 : varlong_size((int64_t)b.len) + b.len;
}

static size_t body_size(const struct record *r)
{
    return 1 + varlong_size(r->timestamp_delta) + varint_size(r->offset_delta) +
           field_size(r->key) + field_size(r->value) + varint_size(r->header_count) +
           r->headers.len;
}

size_t record_size(const struct record *r)
{
    size_t body = body_size(r);

    return varlong_size((int64_t)body) + body;
}

static uint8_t *put_raw(uint8_t *to, struct bytes b)
{
    if (b.len > 0) {
        memcpy(to, b.at, b.len);
    }
    return to + b.len;
}

static uint8_t *put_field(uint8_t *to, struct bytes b)
{
    if (b.at == NULL) {
        return varlong_put(to, -1);
    }
    return put_raw(varlong_put(to, (int64_t)b.len), b);
}

enum err record_write(struct buf *out, const struct record *r)
{
    size_t body = body_size(r);
    size_t size = varlong_size((int64_t)body) + body;

    ASSERT(r->header_count >= 0);
    if (r->key.len > INT32_MAX || r->value.len > INT32_MAX || size > INT32_MAX) {
        return fail(ERR_LIMIT, "a record of %zu bytes", size);
    }
    TRY(buf_reserve(out, size));
    uint8_t *to = varlong_put(out->at + out->len, (int64_t)body);
    *to++ = (uint8_t)r->attributes;
    to = varlong_put(to, r->timestamp_delta);
    to = varlong_put(to, r->offset_delta);
    to = put_field(to, r->key);
    to = put_field(to, r->value);
    to = varlong_put(to, r->header_count);
    to = put_raw(to, r->headers);
    ASSERT(to == out->at + out->len + size);
    out->len += size;
    return OK;
}

enum err record_headers_write(struct buf *out, const struct record_header *headers, int32_t count)
{
    size_t size = 0;

    for (int32_t i = 0; i < count; i++) {
        ASSERT(headers[i].key.at != NULL);
        if (headers[i].key.len > INT32_MAX || headers[i].value.len > INT32_MAX) {
            return fail(ERR_LIMIT, "a header of more than 2 GiB");
        }
        size += field_size(headers[i].key) + field_size(headers[i].value);
    }
    if (size == 0) {
        return OK;
    }
    TRY(buf_reserve(out, size));
    uint8_t *to = out->at + out->len;
    for (int32_t i = 0; i < count; i++) {
        to = put_field(put_field(to, headers[i].key), headers[i].value);
    }
    ASSERT(to == out->at + out->len + size);
    out->len += size;
    return OK;
}
