/* tests/unit/dispatch_test.c: which requests are refused and how, and what replies look like in bytes. */
#include "tests/harness/test.h"
#include "tests/sim/engine.h"

enum { A_WHILE_US = 20 * 1000, MIB = 1 << 20 };

/* Sends a frame after one that is answered; true: the connection was ended. */
static bool refused(struct engine *e, struct bytes frame)
{
    struct client c = client_connect(e);

    client_send(&c, engine_now(e, 1));
    client_send(&c, frame);
    engine_run(e, A_WHILE_US);
    int replies = client_replies(&c);
    bool closed = c.closed;
    CHECK_EQ(replies, closed ? 1 : 2);
    client_close(&c);
    return closed;
}

TEST(an_api_that_is_not_served_ends_the_connection)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    static const int16_t keys[] = {API_HEARTBEAT, API_JOIN_GROUP, API_VOTE};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        CHECK(refused(&e, engine_frame(arena, keys[i], 0, 2, BYTES(""))));
    }
    static const uint16_t unknown[] = {4, 999, INT16_MAX, 0x8000, UINT16_MAX};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        uint8_t frame[] = {0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff};
        wire_store_u16(frame + 4, unknown[i]);
        CHECK(refused(&e, (struct bytes){frame, sizeof(frame)}));
    }
    engine_stop(&e);
}

TEST(a_version_that_is_not_served_ends_the_connection)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    static const int16_t versions[] = {-1, 0, 1, 2, 14, INT16_MAX, INT16_MIN};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        CHECK(refused(&e, engine_frame(arena, API_PRODUCE, versions[i], 2, BYTES("\0\0\0\0\0\0"))));
    }
    engine_stop(&e);
}

TEST(api_versions_of_an_unknown_version_is_answered_in_version_0)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    static const int16_t versions[] = {6, 99, INT16_MAX, -1};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct client c = client_connect(&e);
        struct api_versions_response out;
        client_send(&c, engine_frame(arena, API_API_VERSIONS, versions[i], 77, BYTES("anything")));
        client_send(&c, engine_now(&e, 78)); /* the connection goes on */
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 2);
        struct bytes body = bytes_slice(client_reply(&c, 0), 4, SIZE_MAX);
        CHECK_OK(api_versions_response_read(arena, body, 0, &out));
        CHECK_EQ(client_id_of(&c, 0), 77);
        CHECK_EQ(out.error_code, KAFKA_UNSUPPORTED_VERSION);
        CHECK_EQ(out.api_keys.len, 1);
        CHECK_EQ(out.api_keys.at[0].api_key, API_API_VERSIONS);
        CHECK_EQ(out.api_keys.at[0].min_version, 0);
        CHECK_EQ(out.api_keys.at[0].max_version, 5);
        CHECK_EQ(body.len, api_versions_response_size(&out, 0));
        client_close(&c);
    }
    engine_stop(&e);
}

/* Cuts a good frame at every byte and corrects its length: nothing but the whole parses. */
TEST(a_request_that_is_too_short_is_refused)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct bytes good = engine_produce_frame(&e, 2, -1, 20);

    for (size_t len = FRAME_LENGTH_BYTES + 8; len <= good.len; len++) {
        struct bytes copy = arena_copy(arena, bytes_slice(good, 0, len));
        uint8_t *at = arena_alloc(arena, len);
        memcpy(at, copy.at, len);
        wire_store_u32(at, (uint32_t)(len - FRAME_LENGTH_BYTES));
        CHECK_EQ(refused(&e, (struct bytes){at, len}), len < good.len);
    }
    engine_stop(&e);
}

TEST(bytes_behind_a_request_are_ignored)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});

    for (size_t more = 1; more <= 8; more++) {
        uint8_t zeros[8] = {0};
        struct bytes body = {zeros, more};
        CHECK(!refused(&e, engine_frame(arena, API_API_VERSIONS, 1, 2, body)));
    }
    engine_stop(&e);
}

TEST(flipped_bits_are_refused_or_answered_and_nothing_breaks)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct bytes good = engine_produce_frame(&e, 2, -1, 20);

    for (size_t bit = 8 * FRAME_LENGTH_BYTES; bit < 8 * good.len; bit++) {
        uint8_t *at = arena_alloc(arena, good.len);
        memcpy(at, good.at, good.len);
        at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct client c = client_connect(&e);
        client_send(&c, (struct bytes){at, good.len});
        engine_run(&e, 3000);
        client_close(&c);
    }
    engine_run(&e, 10 * 1000 * 1000);
    CHECK_EQ(engine_stats(&e).requests_running, 0);
    CHECK_EQ(engine_charged(&e), 0);
    engine_stop(&e);
}

/* A million topics of no bytes in 3 MiB: decoding is bounded, the connection ends, others go on. */
TEST(a_request_that_unfolds_to_too_much_memory_is_refused)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    enum { TOPICS = 900 * 1000 };
    size_t body_bytes = 2 + 2 + 4 + 4 + TOPICS * (2 + 4);
    uint8_t *body = arena_alloc(arena, body_bytes);
    struct wire_writer w = wire_writer_of(body, body_bytes);

    wire_put_i16(&w, -1);
    wire_put_i16(&w, -1);
    wire_put_i32(&w, 0);
    wire_put_i32(&w, TOPICS);
    CHECK(refused(&e, engine_frame(arena, API_PRODUCE, 7, 2, (struct bytes){body, body_bytes})));
    CHECK_EQ(engine_seen()->served, 1); /* the one before */
    CHECK_EQ(engine_charged(&e), 0);
    engine_stop(&e);
}

/* The reply with attached ranges has the bytes it would have if they had been copied in. */
TEST(attached_ranges_stand_where_the_records_belong)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    static const int16_t versions[] = {4, 11, 12};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        int16_t v = versions[i];
        struct fetch_request in;
        struct fetch_response want, got;
        struct client c = client_connect(&e);
        fetch_request_init(&in);
        client_send(&c, engine_frame(arena, API_FETCH, v, 9, fetch_request_bytes(arena, &in, v)));
        client_send(&c, engine_now(&e, 10));
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 2);
        fetch_response_init(&want);
        want.responses = fetch_response_topics_new(arena, 1);
        want.responses.at[0].topic = BYTES("t");
        want.responses.at[0].partitions = fetch_response_partitions_new(arena, 3);
        want.responses.at[0].partitions.at[0].records = BYTES("first");
        want.responses.at[0].partitions.at[1].records = BYTES("");
        want.responses.at[0].partitions.at[2].records = BYTES("second");
        size_t header = frame_response_size(api_find(API_FETCH), v) - FRAME_LENGTH_BYTES;
        struct bytes body = bytes_slice(client_reply(&c, 0), header, SIZE_MAX);
        CHECK_BYTES_EQ(body, fetch_response_bytes(arena, &want, v));
        CHECK_OK(fetch_response_read(arena, body, v, &got));
        CHECK_BYTES_EQ(got.responses.at[0].partitions.at[2].records, BYTES("second"));
        CHECK_EQ(client_id_of(&c, 1), 10);
        client_close(&c);
    }
    CHECK_EQ(engine_seen()->sent, (int)COUNT_OF(versions));
    engine_stop(&e);
}

TEST(every_error_of_ours_has_a_kafka_error)
{
    CHECK_EQ(kafka_error_of(OK), KAFKA_NONE);
    CHECK_EQ(kafka_error_of(ERR_NOSPACE), KAFKA_STORAGE_ERROR);
#define X(name, text) CHECK(name == OK || kafka_error_of(name) != KAFKA_NONE);
    ERR_LIST(X)
#undef X
}
