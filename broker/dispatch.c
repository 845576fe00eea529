/* broker/dispatch.c: from a frame to a handler, and from its answer to bytes.
 *
 * WHY      Handlers see structs, never bytes and versions; connections see bytes, never messages. This is
 *          the one place that knows both, and which APIs there are (schema/dispatch.h, generated).
 * REFUSED  Unknown API, version that is not served, bytes that do not parse: the connection
 *          ends after the answers to earlier requests, as Kafka does. One exception, so that clients can find
 *          out: ApiVersions of an unknown version is answered in version 0 with UNSUPPORTED_VERSION and the
 *          versions of ApiVersions itself (KIP-511). Bytes behind a request's content are ignored, as Kafka does:
 *          librdkafka sends some when it asks for the metadata of all topics.
 * ENCODING The reply's size is worked out first, so one piece of memory is exactly enough. `records` fields
 *          are left out of it; the reply is a list of slices, alternating between the encoded bytes and the
 *          ranges that the handler attached (or the memory that the field points to).
 * OWNER    The connection's core.
 * FAILURE  An arena that is exhausted, during decoding or afterwards, ends the connection: it means that the
 *          request asked for more memory than any honest one.
 */
#include "broker/dispatch.h"

#include "broker/connection.h"
#include "broker/handler.h"
#include "broker/node.h"
#include "protocol/frame.h"
#include "schema/api_versions.h"
#include "schema/dispatch.h"

enum { FRAME_BODY_BYTES_MAX = INT32_MAX - 64 };

enum kafka_error kafka_error_of(enum err e)
{
    switch (e) {
    case OK:
        return KAFKA_NONE;
    case ERR_MALFORMED:
        return KAFKA_CORRUPT_MESSAGE;
    case ERR_CORRUPT:
    case ERR_IO:
    case ERR_NOSPACE:
        return KAFKA_STORAGE_ERROR;
    case ERR_LIMIT:
    case ERR_AGAIN:
    case ERR_NOMEM:
        return KAFKA_REQUEST_TIMED_OUT;
    case ERR_NOT_FOUND:
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_EXISTS:
        return KAFKA_TOPIC_ALREADY_EXISTS;
    case ERR_UNSUPPORTED:
        return KAFKA_UNSUPPORTED_VERSION;
    case ERR_USAGE:
        return KAFKA_INVALID_REQUEST;
    case ERR_CLOSED:
        return KAFKA_NETWORK_EXCEPTION;
    }
    UNREACHABLE();
}

/* ---- encoding ---- */

struct reply_writer {
    struct exchange *e;
    struct reply_range *range; /* next attached range */
    struct env_slice *slices;
    int count, max;
};

static void slice_add(struct reply_writer *w, const uint8_t *at, size_t len)
{
    if (len > 0) {
        ASSERT(w->count < w->max);
        w->slices[w->count++] = (struct env_slice){(void *)(uintptr_t)at, len};
    }
}

/* The content of one records field. */
static void records_add(struct reply_writer *w, struct bytes records)
{
    size_t left = records.len;

    if (w->e->rq.ranges_first == NULL) {
        slice_add(w, records.at, records.len);
        return;
    }
    while (left > 0) {
        ASSERT(w->range != NULL && w->range->at.len <= left);
        slice_add(w, w->range->at.at, w->range->at.len);
        left -= w->range->at.len;
        w->range = w->range->next;
    }
}

static int range_count(const struct request *rq)
{
    int n = 0;

    for (const struct reply_range *r = rq->ranges_first; r != NULL; r = r->next) {
        n++;
    }
    return n;
}

/* `head` is the encoded part, `gaps` where records go. False: the arena is exhausted. */
static bool slice_reply(struct exchange *e, struct bytes head, const struct message_gaps *gaps)
{
    struct reply_writer w = {
        .e = e, .range = e->rq.ranges_first, .slices = &e->one_slice, .max = 1};
    size_t from = 0;

    if (gaps->len > 0) {
        w.max = 2 * gaps->len + 1 + range_count(&e->rq);
        w.slices = ARENA_ARRAY(&e->arena, struct env_slice, w.max);
        if (w.slices == NULL) {
            return false;
        }
    }
    for (int32_t i = 0; i < gaps->len; i++) {
        slice_add(&w, head.at + from, gaps->at[i].position - from);
        records_add(&w, gaps->at[i].records);
        from = gaps->at[i].position;
    }
    slice_add(&w, head.at + from, head.len - from);
    e->slices = w.slices;
    e->slice_count = w.count;
    return true;
}

/* Positions of gaps count from the message; in the reply they come after size and header. */
static size_t gaps_shift(struct message_gaps *gaps, size_t by)
{
    size_t records = 0;

    for (int32_t i = 0; i < gaps->len; i++) {
        gaps->at[i].position += by;
        records += gaps->at[i].records.len;
    }
    return records;
}

/* Writes length, header and message; false: no memory, or too large for a frame. */
static bool encode(struct exchange *e)
{
    const struct api_info *api = e->row->api;
    int16_t version = e->rq.version;
    struct message_gaps gaps = {0};
    size_t body_bytes = message_size_gaps(api->response, version, e->rq.out, &gaps.max);
    size_t head_bytes = frame_response_size(api, version), total = head_bytes + body_bytes;
    uint8_t *at = exchange_reply_alloc(e, total);

    if (gaps.max > 0) {
        gaps.at = ARENA_ARRAY(&e->arena, struct message_gap, gaps.max);
    }
    if (at == NULL || e->arena.exhausted) {
        return false;
    }
    /* The body first: its size with the records is known when the gaps are. */
    struct wire_writer body = wire_writer_of(at + head_bytes, body_bytes);
    message_write_gaps(&body, api->response, version, e->rq.out, &gaps);
    ASSERT(body.at == body.end);
    body_bytes += gaps_shift(&gaps, head_bytes);
    if (body_bytes > FRAME_BODY_BYTES_MAX) {
        return false;
    }
    struct wire_writer head = wire_writer_of(at, head_bytes);
    frame_write_response(&head, api, version, e->rq.correlation_id, body_bytes);
    return slice_reply(e, (struct bytes){at, total}, &gaps);
}

static void finish_as(struct exchange *e, enum exchange_state state)
{
    e->state = state;
    list_remove(&e->home->running, &e->running);
    e->home->core->stats.requests_running--;
    connection_exchange_done(e);
}

static void refuse(struct exchange *e, const char *why)
{
    request_close(&e->rq, why);
    finish_as(e, EXCHANGE_CLOSE);
}

/* The last hold is gone. */
static void finish(struct request *rq)
{
    struct exchange *e = CONTAINER_OF(rq, struct exchange, rq);

    ASSERT_ON_CORE(rq->core);
    if (rq->close || e->connection == NULL) {
        finish_as(e, EXCHANGE_CLOSE);
    } else if (e->arena.exhausted) {
        refuse(e, "the request needs too much memory");
    } else if (rq->no_reply) {
        finish_as(e, EXCHANGE_NOTHING);
    } else if (encode(e)) {
        exchange_trim(e);
        finish_as(e, EXCHANGE_REPLY);
    } else {
        refuse(e, "no memory for the reply");
    }
}

/* ---- decoding ---- */

/* ApiVersions in a version we do not know: the body is not looked at. */
static void answer_api_versions_0(struct exchange *e)
{
    struct api_versions_response *out = ARENA_NEW(&e->arena, struct api_versions_response);

    if (out != NULL) {
        message_init(e->row->api->response, out);
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        out->api_keys = api_versions_response_api_keys_new(&e->arena, 1);
    }
    if (e->arena.exhausted) {
        refuse(e, "no memory for the reply");
        return;
    }
    out->api_keys.at[0].api_key = e->row->api->key;
    out->api_keys.at[0].min_version = e->row->api->advertise_from;
    out->api_keys.at[0].max_version = e->row->api->last_stable;
    e->rq.out = out;
    e->rq.version = 0;
    finish(&e->rq);
}

/* NULL, or why the request cannot be served. */
static const char *decode(struct exchange *e, struct bytes body)
{
    const struct api_info *api = e->row->api;
    struct wire_reader r = wire_reader_of(body);
    struct request *rq = &e->rq;

    rq->in = arena_alloc(&e->arena, e->row->request_bytes);
    rq->out = arena_alloc(&e->arena, e->row->response_bytes);
    if (e->arena.exhausted) {
        return "out of memory for a request";
    }
    message_init(api->response, rq->out);
    enum err err = message_read(&r, &e->arena, api->request, rq->version, rq->in);
    if (err != OK) {
        return err == ERR_NOMEM ? "the request needs too much memory"
                                : "the request does not parse";
    }
    return NULL;
}

static bool served(const struct api_info *api, int16_t version)
{
    return version >= api->first && version <= api->last_stable;
}

static void count(struct core *c, int16_t api_key)
{
    if (api_key >= 0 && api_key < METRICS_API_COUNT) {
        c->stats.requests[api_key]++;
    }
}

void dispatch_request(struct exchange *e, struct bytes frame)
{
    struct request *rq = &e->rq;
    struct frame_request f = {0};

    ASSERT_ON_CORE(rq->core);
    rq->core->stats.requests_running++;
    rq->finish = finish;
    if (frame_read_request(frame, &f) != OK) {
        refuse(e, "the request's header does not parse");
        return;
    }
    rq->api_key = f.key;
    rq->version = f.version;
    rq->correlation_id = f.correlation_id;
    rq->client_id = f.client_id;
    e->row = rq->core->node->options.api_find(f.key);
    if (e->row == NULL) {
        refuse(e, "unknown API key");
        return;
    }
    count(rq->core, rq->api_key);
    if (!served(e->row->api, rq->version)) {
        if (rq->api_key == API_API_VERSIONS) {
            answer_api_versions_0(e);
        } else {
            refuse(e, "version of the API is not served");
        }
        return;
    }
    const char *why = decode(e, f.body);
    if (why != NULL) {
        refuse(e, why);
        return;
    }
    exchange_charge_arena(e);
    exchange_allow_answer(e);
    rq->holds = 1;
    e->row->handle(rq, rq->in, rq->out);
    request_release(rq);
}
