/* protocol/frame.h: what stands around a message: the length, the request header, the response header.
 *
 *   request   int32 length | int16 api key | int16 version | int32 correlation id | string? client id
 *             (int16 length, also in flexible versions) | header 2 only: tagged fields | message
 *   response  int32 length | int32 correlation id | header 1 only: tagged fields | message
 *
 * A flexible version of an API goes with request header 2 and response header 1, the others with 1 and 0;
 * ApiVersions answers with header 0 always, because who asks does not know yet what we speak. `frame` below is
 * always what follows the length.
 */
#pragma once

#include "protocol/message.h"

enum { FRAME_LENGTH_BYTES = 4 };

/* The API of that key, or NULL. */
const struct api_info *api_find(int16_t key);
/* The API of that name in any case ("produce"), or NULL. */
const struct api_info *api_find_name(struct bytes name);

/* Also right for versions above the last, whose header a server must read to refuse them. */
int api_request_header(const struct api_info *api, int16_t version);
int api_response_header(const struct api_info *api, int16_t version);

struct frame_request {
    const struct api_info *api; /* NULL: no API has that key; client_id and body are null then */
    int16_t key, version;
    int32_t correlation_id;
    struct bytes client_id; /* may be null */
    struct bytes body;      /* the message */
};

/* ERR_MALFORMED, ERR_LIMIT: the header does not parse. The version may be one that does not exist. */
enum err frame_read_request(struct bytes frame, struct frame_request *out);

/* Bytes before the message, with the length; `rq->body` need not be set. */
size_t frame_request_size(const struct frame_request *rq);
/* Length and header; `body_bytes` of message must follow. */
void frame_write_request(struct wire_writer *w, const struct frame_request *rq, size_t body_bytes);

struct frame_response {
    int32_t correlation_id;
    struct bytes body;
};

enum err frame_read_response(struct bytes frame, const struct api_info *api, int16_t version,
                             struct frame_response *out);

size_t frame_response_size(const struct api_info *api, int16_t version);
/* Length and header; `body_bytes` of message must follow. Its length must fit: body_bytes < INT32_MAX - 8. */
void frame_write_response(struct wire_writer *w, const struct api_info *api, int16_t version,
                          int32_t correlation_id, size_t body_bytes);
