/* tests/unit/metrics_http_test.c: heads of requests and of answers. */
#include "broker/metrics_http.h"

#include "tests/harness/test.h"

TEST(every_kind_of_request_is_told_apart)
{
    static const struct {
        const char *head;
        enum http_ask ask;
    } cases[] = {
        {"GET /metrics HTTP/1.1\r\n\r\n", HTTP_METRICS},
        {"GET /metrics HTTP/1.0\n\n", HTTP_METRICS},
        {"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\nbody", HTTP_METRICS},
        {"GET /metrics?name=a HTTP/1.1\r\n\r\n", HTTP_METRICS},
        {"GET http://host:9644/metrics HTTP/1.1\r\n\r\n", HTTP_METRICS},
        {"GET /healthz HTTP/1.1\r\n\r\n", HTTP_HEALTH},
        {"GET / HTTP/1.1\r\n\r\n", HTTP_UNKNOWN_PATH},
        {"GET http://host HTTP/1.1\r\n\r\n", HTTP_UNKNOWN_PATH},
        {"GET /metrics/ HTTP/1.1\r\n\r\n", HTTP_UNKNOWN_PATH},
        {"GET metrics HTTP/1.1\r\n\r\n", HTTP_UNKNOWN_PATH},
        {"POST /metrics HTTP/1.1\r\n\r\n", HTTP_METHOD},
        {"HEAD /metrics HTTP/1.1\r\n\r\n", HTTP_METHOD},
        {"get /metrics HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET /metrics HTTP/2.0\r\n\r\n", HTTP_MALFORMED},
        {"GET /metrics\r\n\r\n", HTTP_MALFORMED},
        {"GET  /metrics HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET\r\n\r\n", HTTP_MALFORMED},
        {"\r\n\r\n", HTTP_MALFORMED},
        {"\n\n", HTTP_MALFORMED},
        {"\x16\x03\x01\n\n", HTTP_MALFORMED},
        {"GET /metrics HTTP/1.1\r\nHost: a\r\n", HTTP_INCOMPLETE},
        {"", HTTP_INCOMPLETE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_SAYS(http_read(bytes_of(cases[i].head)) == cases[i].ask, "\"%s\": not %d",
                   cases[i].head, (int)cases[i].ask);
    }
}

TEST(every_prefix_of_a_head_is_incomplete)
{
    struct bytes whole = BYTES("GET /metrics HTTP/1.1\r\nHost: localhost:9644\r\n\r\n");

    for (size_t len = 0; len < whole.len; len++) {
        CHECK_EQ(http_read(bytes_slice(whole, 0, len)), HTTP_INCOMPLETE);
    }
    CHECK_EQ(http_read(whole), HTTP_METRICS);
}

TEST(a_head_without_end_is_too_long)
{
    uint8_t *at = arena_alloc(arena, HTTP_HEAD_BYTES_MAX);

    memset(at, 'a', HTTP_HEAD_BYTES_MAX);
    CHECK_EQ(http_read((struct bytes){at, HTTP_HEAD_BYTES_MAX - 1}), HTTP_INCOMPLETE);
    CHECK_EQ(http_read((struct bytes){at, HTTP_HEAD_BYTES_MAX}), HTTP_TOO_LONG);
}

TEST(an_answer_says_how_long_it_is)
{
    char head[HTTP_ANSWER_BYTES_MAX];
    size_t len = http_answer(HTTP_METRICS, 64 << 20, head);

    CHECK_EQ(strlen(head), len);
    CHECK(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK(strstr(head, "\r\nContent-Length: 67108864\r\n") != NULL);
    CHECK(strcmp(head + len - 4, "\r\n\r\n") == 0);
    len = http_answer(HTTP_HEALTH, 0, head);
    CHECK(strstr(head, "\r\nContent-Length: 3\r\n") != NULL);
    CHECK(strcmp(head + len - 7, "\r\n\r\nok\n") == 0);
}

TEST(errors_have_their_numbers)
{
    static const struct {
        enum http_ask ask;
        const char *status;
    } cases[] = {
        {HTTP_MALFORMED, "HTTP/1.1 400 "},   {HTTP_UNKNOWN_PATH, "HTTP/1.1 404 "},
        {HTTP_METHOD, "HTTP/1.1 405 "},      {HTTP_TOO_LONG, "HTTP/1.1 431 "},
        {HTTP_UNAVAILABLE, "HTTP/1.1 503 "},
    };
    char head[HTTP_ANSWER_BYTES_MAX];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)http_answer(cases[i].ask, 0, head);
        CHECK(strncmp(head, cases[i].status, strlen(cases[i].status)) == 0);
        CHECK_EQ(strstr(head, "\r\nAllow: GET\r\n") != NULL, cases[i].ask == HTTP_METHOD);
    }
}
