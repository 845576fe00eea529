/* protocol/frame.c: length prefix and headers, read and written by hand.
 *
 * WHY      The headers have schemas (schema/header.json), and the vectors prove those; but every request
 *          passes here, nothing here needs an arena, and which of the versions applies depends on the
 *          message that follows. Twenty lines are faster than the tables and easier to follow.
 * FORMAT   See the header.
 * FAILURE  ERR_MALFORMED for what does not parse; nothing is allocated.
 * LIMITS   TAG_COUNT_MAX tagged fields in a header; all are skipped, for none is defined.
 */
#include "protocol/frame.h"

#include "schema/apis.h"

#include <strings.h>

const struct api_info *api_find(int16_t key)
{
    int low = 0, high = API_COUNT;

    while (low < high) {
        int middle = (low + high) / 2;
        if (apis[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < API_COUNT && apis[low].key == key ? &apis[low] : NULL;
}

const struct api_info *api_find_name(struct bytes name)
{
    for (int i = 0; i < API_COUNT; i++) {
        if (strlen(apis[i].name) == name.len &&
            strncasecmp(apis[i].name, (const char *)name.at, name.len) == 0) {
            return &apis[i];
        }
    }
    return NULL;
}

int api_request_header(const struct api_info *api, int16_t version)
{
    return version >= api->flexible_from ? 2 : 1;
}

int api_response_header(const struct api_info *api, int16_t version)
{
    return version >= api->flexible_from && !api->response_header_zero ? 1 : 0;
}

static void skip_tags(struct wire_reader *r)
{
    uint32_t count = wire_uvarint(r);

    if (count > TAG_COUNT_MAX) {
        wire_fail(r, ERR_LIMIT);
    }
    for (uint32_t i = 0; i < count && r->err == OK; i++) {
        (void)wire_uvarint(r);
        (void)wire_take(r, wire_uvarint(r));
    }
}

static struct bytes rest(const struct wire_reader *r)
{
    return (struct bytes){r->at, wire_left(r)};
}

enum err frame_read_request(struct bytes frame, struct frame_request *out)
{
    struct wire_reader r = wire_reader_of(frame);
    struct frame_request rq = {.key = wire_i16(&r)};

    rq.version = wire_i16(&r);
    rq.correlation_id = wire_i32(&r);
    rq.api = r.err == OK ? api_find(rq.key) : NULL;
    if (rq.api != NULL) {
        int16_t len = wire_i16(&r);
        rq.client_id = len < 0 ? BYTES_NULL : wire_bytes(&r, (size_t)len);
        if (api_request_header(rq.api, rq.version) == 2) {
            skip_tags(&r);
        }
        rq.body = rest(&r);
    }
    if (r.err != OK) {
        return fail(r.err, "a request header does not parse");
    }
    *out = rq;
    return OK;
}

enum {
    REQUEST_FIXED_BYTES = 2 + 2 + 4 + 2, /* key, version, correlation id, length of the client id */
    RESPONSE_FIXED_BYTES = 4,
    NO_TAGS = 0,
};

size_t frame_request_size(const struct frame_request *rq)
{
    size_t tags = api_request_header(rq->api, rq->version) == 2 ? 1 : 0;
    return FRAME_LENGTH_BYTES + REQUEST_FIXED_BYTES + rq->client_id.len + tags;
}

void frame_write_request(struct wire_writer *w, const struct frame_request *rq, size_t body_bytes)
{
    size_t bytes = frame_request_size(rq) - FRAME_LENGTH_BYTES + body_bytes;

    ASSERT(rq->client_id.len <= INT16_MAX && body_bytes <= INT32_MAX && bytes <= INT32_MAX);
    wire_put_i32(w, (int32_t)bytes);
    wire_put_i16(w, rq->key);
    wire_put_i16(w, rq->version);
    wire_put_i32(w, rq->correlation_id);
    wire_put_i16(w, rq->client_id.at == NULL ? -1 : (int16_t)rq->client_id.len);
    wire_put_bytes(w, rq->client_id);
    if (api_request_header(rq->api, rq->version) == 2) {
        wire_put_u8(w, NO_TAGS);
    }
}

enum err frame_read_response(struct bytes frame, const struct api_info *api, int16_t version,
                             struct frame_response *out)
{
    struct wire_reader r = wire_reader_of(frame);
    struct frame_response rs = {.correlation_id = wire_i32(&r)};

    if (api_response_header(api, version) == 1) {
        skip_tags(&r);
    }
    rs.body = rest(&r);
    if (r.err != OK) {
        return fail(r.err, "the header of an answer to %s does not parse", api->name);
    }
    *out = rs;
    return OK;
}

size_t frame_response_size(const struct api_info *api, int16_t version)
{
    size_t tags = api_response_header(api, version) == 1 ? 1 : 0;
    return FRAME_LENGTH_BYTES + RESPONSE_FIXED_BYTES + tags;
}

void frame_write_response(struct wire_writer *w, const struct api_info *api, int16_t version,
                          int32_t correlation_id, size_t body_bytes)
{
    size_t bytes = frame_response_size(api, version) - FRAME_LENGTH_BYTES + body_bytes;

    ASSERT(body_bytes <= INT32_MAX && bytes <= INT32_MAX);
    wire_put_i32(w, (int32_t)bytes);
    wire_put_i32(w, correlation_id);
    if (api_response_header(api, version) == 1) {
        wire_put_u8(w, NO_TAGS);
    }
}
