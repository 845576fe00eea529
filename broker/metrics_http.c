/* broker/metrics_http.c: the head of a request, judged; the head of an answer, written.
 *
 * WHY      Scrapers, probes and curl send a request line and headers that do not matter here. So the line is judged
 *          strictly, and of the headers only where they end.
 * FORMAT   RFC 9112: method SP target SP HTTP/1.x, lines end with CRLF (a lone LF is taken as well), the head with an
 *          empty one. A target may be a whole address (http://host/path), as proxies send it.
 * OWNER    Nobody: functions of their arguments.
 * LIMITS   HTTP_HEAD_BYTES_MAX.
 */
#include "broker/metrics_http.h"

#include <stdio.h>

/* Is there an empty line in it? */
static bool is_whole(struct bytes head)
{
    for (size_t i = 1; i < head.len; i++) {
        if (head.at[i] == '\n' && (head.at[i - 1] == '\n' ||
                                   (i >= 3 && head.at[i - 1] == '\r' && head.at[i - 2] == '\n'))) {
            return true;
        }
    }
    return false;
}

/* Cuts the part before `c` off *rest, which begins behind it; null when there is no `c`. */
static struct bytes cut(struct bytes *rest, uint8_t c)
{
    ptrdiff_t at = bytes_find(*rest, c);

    if (at < 0) {
        return BYTES_NULL;
    }
    struct bytes part = bytes_slice(*rest, 0, (size_t)at);
    *rest = bytes_slice(*rest, (size_t)at + 1, rest->len);
    return part;
}

static bool is_method(struct bytes word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < 'A' || word.at[i] > 'Z') {
            return false;
        }
    }
    return word.len > 0;
}

static bool is_version(struct bytes word)
{
    return bytes_equal(word, BYTES("HTTP/1.1")) || bytes_equal(word, BYTES("HTTP/1.0"));
}

/* The path of a target, without address and query. */
static struct bytes path_of(struct bytes target)
{
    struct bytes scheme = BYTES("http://");

    if (bytes_starts_with(target, scheme)) {
        target = bytes_slice(target, scheme.len, target.len);
        ptrdiff_t slash = bytes_find(target, '/');
        target = slash < 0 ? BYTES("/") : bytes_slice(target, (size_t)slash, target.len);
    }
    ptrdiff_t query = bytes_find(target, '?');
    return query < 0 ? target : bytes_slice(target, 0, (size_t)query);
}

enum http_ask http_read(struct bytes head)
{
    struct bytes rest = head;

    if (!is_whole(head)) {
        return head.len >= HTTP_HEAD_BYTES_MAX ? HTTP_TOO_LONG : HTTP_INCOMPLETE;
    }
    struct bytes line = bytes_trim(cut(&rest, '\n'));
    struct bytes method = cut(&line, ' ');
    struct bytes target = cut(&line, ' ');
    if (!is_method(method) || target.len == 0 || !is_version(line)) {
        return HTTP_MALFORMED;
    }
    if (!bytes_equal(method, BYTES("GET"))) {
        return HTTP_METHOD;
    }
    struct bytes path = path_of(target);
    if (bytes_equal(path, BYTES("/metrics"))) {
        return HTTP_METRICS;
    }
    return bytes_equal(path, BYTES("/healthz")) ? HTTP_HEALTH : HTTP_UNKNOWN_PATH;
}

static const char *status_of(enum http_ask ask)
{
    switch (ask) {
    case HTTP_METRICS:
    case HTTP_HEALTH:
        return "200 OK";
    case HTTP_UNKNOWN_PATH:
        return "404 Not Found";
    case HTTP_METHOD:
        return "405 Method Not Allowed";
    case HTTP_TOO_LONG:
        return "431 Request Header Fields Too Large";
    case HTTP_UNAVAILABLE:
        return "503 Service Unavailable";
    case HTTP_INCOMPLETE:
    case HTTP_MALFORMED:
        break;
    }
    return "400 Bad Request";
}

static const char *body_of(enum http_ask ask)
{
    switch (ask) {
    case HTTP_METRICS:
        return "";
    case HTTP_HEALTH:
        return "ok\n";
    case HTTP_UNKNOWN_PATH:
        return "there are /metrics and /healthz\n";
    case HTTP_METHOD:
        return "there is only GET\n";
    case HTTP_TOO_LONG:
        return "the head of the request is too long\n";
    case HTTP_UNAVAILABLE:
        return "there is no memory for the answer\n";
    case HTTP_INCOMPLETE:
    case HTTP_MALFORMED:
        break;
    }
    return "this is no request of HTTP/1\n";
}

size_t http_answer(enum http_ask ask, size_t body_bytes, char out[HTTP_ANSWER_BYTES_MAX])
{
    const char *body = body_of(ask);
    size_t len = ask == HTTP_METRICS ? body_bytes : strlen(body);
    const char *type = ask == HTTP_METRICS ? "text/plain; version=0.0.4; charset=utf-8"
                                           : "text/plain; charset=utf-8";
    int n = snprintf(out, HTTP_ANSWER_BYTES_MAX,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
                     status_of(ask), type, len, ask == HTTP_METHOD ? "Allow: GET\r\n" : "", body);

    ASSERT(n > 0 && n < HTTP_ANSWER_BYTES_MAX);
    return (size_t)n;
}
