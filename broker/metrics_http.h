/* broker/metrics_http.h: as much of HTTP as asking for a page of metrics takes.
 *
 *     GET /metrics    the page        GET /healthz    "ok": the process turns
 *
 * One request per connection, which ends with the answer.
 */
#pragma once

#include "base/bytes.h"

/* Request line and headers; a longer head is answered HTTP_TOO_LONG. */
enum { HTTP_HEAD_BYTES_MAX = 8 << 10 };

enum http_ask {
    HTTP_INCOMPLETE, /* read on */
    HTTP_METRICS,
    HTTP_HEALTH,
    HTTP_MALFORMED,
    HTTP_UNKNOWN_PATH,
    HTTP_METHOD, /* something else than GET */
    HTTP_TOO_LONG,
    HTTP_UNAVAILABLE, /* never asked for: there was no memory to answer with */
};

/* What the bytes that came so far ask for. A query (?...) behind the path is ignored. */
enum http_ask http_read(struct bytes head);

/* Longest head of an answer, and of the text of those that say all by themselves. */
enum { HTTP_ANSWER_BYTES_MAX = 512 };

/* The answer's head for a body of so many bytes; of all but HTTP_METRICS with the whole body. Returns its length. */
size_t http_answer(enum http_ask ask, size_t body_bytes, char out[HTTP_ANSWER_BYTES_MAX]);
