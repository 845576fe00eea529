/* protocol/record_stream.c: records, read across the seams of pieces.
 *
 * WHY      A batch of 1 MB may hold 500 MB. To judge it, nothing of a key or value is needed but its
 *          length, so they are skipped while the codec produces them, 64 KiB at a time.
 * FORMAT   See record.c.
 * FAILURE  Two kinds, which Kafka answers with different codes: the codec failed, or what came out are no
 *          records. The end of the data inside a record is of the second kind.
 * LIMITS   Every step takes at least a byte; what can come out at all is bounded by the caller's
 *          compression_read_start().
 */
#include "protocol/record_stream.h"

#include "protocol/varint.h"

void record_stream_init(struct record_stream *s, struct compression *c, int32_t count,
                        int64_t body_bytes_max)
{
    *s = (struct record_stream){
        .compression = c, .left = count, .body_bytes_max = body_bytes_max, .codec_err = OK};
}

static uint64_t position(const struct record_stream *s)
{
    return s->before + (uint64_t)(s->at - s->from);
}

/* The next piece. False: the end, or an error. */
static bool refill(struct record_stream *s)
{
    struct bytes piece;

    ASSERT(s->at == s->end);
    s->before = position(s);
    s->from = s->at = s->end = NULL;
    s->codec_err = compression_read(s->compression, &piece);
    if (s->codec_err != OK || piece.len == 0) {
        return false;
    }
    s->from = s->at = piece.at;
    s->end = piece.at + piece.len;
    return true;
}

static bool take_byte(struct record_stream *s, uint8_t *out)
{
    if (s->at == s->end && !refill(s)) {
        return false;
    }
    *out = *s->at++;
    return true;
}

static bool take_slowly(struct record_stream *s, int bytes_max, uint64_t *out)
{
    uint8_t c;

    *out = 0;
    for (int i = 0; i < bytes_max; i++) {
        if (!take_byte(s, &c)) {
            return false;
        }
        *out |= (uint64_t)(c & 0x7f) << (i * VARINT_PAYLOAD_BITS);
        if (c < 0x80) {
            return true;
        }
    }
    return false;
}

static bool take_number(struct record_stream *s, int bytes_max, uint64_t *out)
{
    struct varint_reader v = {s->at, s->end};

    if (s->end - s->at < VARLONG_BYTES_MAX) {
        return take_slowly(s, bytes_max, out);
    }
    bool taken = varint_take_raw(&v, bytes_max, out);
    s->at = v.at;
    return taken;
}

static bool take_i32(struct record_stream *s, int32_t *out)
{
    uint64_t raw;

    if (!take_number(s, VARINT_BYTES_MAX, &raw)) {
        return false;
    }
    *out = zigzag_decode32((uint32_t)raw);
    return true;
}

static bool take_i64(struct record_stream *s, int64_t *out)
{
    uint64_t raw;

    if (!take_number(s, VARLONG_BYTES_MAX, &raw)) {
        return false;
    }
    *out = zigzag_decode64(raw);
    return true;
}

static bool skip(struct record_stream *s, size_t n)
{
    while (n > (size_t)(s->end - s->at)) { /* each turn needs another piece */
        n -= (size_t)(s->end - s->at);
        s->at = s->end;
        if (!refill(s)) {
            return false;
        }
    }
    s->at += n;
    return true;
}

/* A length and so many bytes. */
static bool skip_field(struct record_stream *s, int32_t *len)
{
    return take_i32(s, len) && (*len <= 0 || skip(s, (size_t)*len));
}

static bool skip_headers(struct record_stream *s, uint64_t body_end)
{
    int32_t count, len;

    if (!take_i32(s, &count) || count < 0) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        if (!skip_field(s, &len) || len < 0 || !skip_field(s, &len) || position(s) > body_end) {
            return false;
        }
    }
    return true;
}

static bool take_body(struct record_stream *s, struct record_facts *out)
{
    uint64_t body_end = position(s) + (uint64_t)out->body_bytes;
    uint8_t attributes;
    int32_t key_len, value_len;

    if (!take_byte(s, &attributes) || !take_i64(s, &out->timestamp_delta) ||
        !take_i32(s, &out->offset_delta) || !skip_field(s, &key_len) ||
        !skip_field(s, &value_len) || !skip_headers(s, body_end)) {
        return false;
    }
    out->has_key = key_len >= 0;
    return position(s) == body_end;
}

/* The parse stopped: for which of the two reasons? */
static enum err stopped(const struct record_stream *s)
{
    if (s->codec_err != OK) {
        return s->codec_err;
    }
    return fail(ERR_MALFORMED, "what a batch decompresses to are no records");
}

enum err record_stream_next(struct record_stream *s, struct record_facts *out)
{
    struct record_facts facts;

    if (s->left == 0) {
        bool more = s->at != s->end || refill(s);
        return more || s->codec_err != OK ? stopped(s) : ERR_NOT_FOUND;
    }
    if (s->left < 0 || !take_i32(s, &facts.body_bytes) || facts.body_bytes < 0) {
        return stopped(s);
    }
    if (facts.body_bytes > s->body_bytes_max || !take_body(s, &facts)) {
        return stopped(s);
    }
    s->left--;
    *out = facts;
    return OK;
}
