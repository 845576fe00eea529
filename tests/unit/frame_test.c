/* tests/unit/frame_test.c: which header goes with what, byte by byte, and bad headers. */
#include "protocol/frame.h"

#include "schema/apis.h"
#include "schema/errors.h"
#include "schema/header.h"
#include "tests/harness/test.h"

enum { ROOM = 128, BODY_BYTES = 5 };

/* A frame with a body of BODY_BYTES, without the length in front. */
static struct bytes request_frame(uint8_t at[ROOM], const struct frame_request *rq)
{
    struct wire_writer w = wire_writer_of(at, ROOM);

    frame_write_request(&w, rq, BODY_BYTES);
    CHECK_EQ((size_t)(w.at - at), frame_request_size(rq));
    wire_put_bytes(&w, (struct bytes){(const uint8_t *)"hello", BODY_BYTES});
    size_t len = (size_t)(w.at - at) - FRAME_LENGTH_BYTES;
    CHECK_EQ(wire_load_u32(at), len);
    return (struct bytes){at + FRAME_LENGTH_BYTES, len};
}

static struct frame_request request_of(const struct api_info *api, int16_t version)
{
    return (struct frame_request){.api = api,
                                  .key = api->key,
                                  .version = version,
                                  .correlation_id = 77,
                                  .client_id = BYTES("me")};
}

TEST(every_request_header_comes_back)
{
    for (int i = 0; i < API_COUNT; i++) {
        for (int16_t version = apis[i].first; version <= apis[i].last; version++) {
            uint8_t at[ROOM];
            struct frame_request rq = request_of(&apis[i], version), got;
            CHECK_OK(frame_read_request(request_frame(at, &rq), &got));
            CHECK(got.api == &apis[i]);
            CHECK_EQ(got.version, version);
            CHECK_EQ(got.correlation_id, 77);
            CHECK_BYTES_EQ(got.client_id, rq.client_id);
            CHECK_BYTES_EQ(got.body, BYTES("hello"));
        }
    }
}

TEST(a_request_header_is_what_its_schema_says)
{
    for (int16_t version = apis[0].first; version <= apis[0].last; version++) {
        uint8_t at[ROOM];
        struct frame_request rq = request_of(&apis[0], version);
        struct bytes frame = request_frame(at, &rq);
        int header = api_request_header(&apis[0], version);
        struct request_header by_schema;
        struct wire_reader r = wire_reader_of(frame);
        CHECK_OK(message_read(&r, arena, &request_header_message, (int16_t)header, &by_schema));
        CHECK_EQ(wire_left(&r), BODY_BYTES);
        CHECK_EQ(by_schema.request_api_version, version);
        CHECK_BYTES_EQ(by_schema.client_id, rq.client_id);
    }
}

TEST(a_client_may_have_no_id)
{
    uint8_t at[ROOM];
    struct frame_request rq = request_of(&apis[0], apis[0].last), got;

    rq.client_id = BYTES_NULL;
    CHECK_OK(frame_read_request(request_frame(at, &rq), &got));
    CHECK(got.client_id.at == NULL);
    CHECK_BYTES_EQ(got.body, BYTES("hello"));
}

TEST(an_unknown_api_key_is_told_without_an_api)
{
    static const uint8_t frame[] = {0x03, 0xe8, 0, 1, 0, 0, 0, 9, 0, 0};
    struct frame_request got;

    CHECK_OK(frame_read_request((struct bytes){frame, sizeof(frame)}, &got));
    CHECK(got.api == NULL);
    CHECK_EQ(got.key, 1000);
    CHECK_EQ(got.correlation_id, 9);
}

TEST(keys_that_lost_all_versions_are_unknown)
{
    for (int16_t key = 4; key <= 7; key++) {
        CHECK(api_find(key) == NULL);
    }
    CHECK(api_find(-1) == NULL);
    CHECK(api_find(INT16_MAX) == NULL);
    CHECK_EQ(api_find(API_FETCH)->key, API_FETCH);
}

TEST(a_cut_off_request_header_is_malformed)
{
    uint8_t at[ROOM];
    struct frame_request rq = request_of(&apis[0], apis[0].last), got;
    struct bytes whole = request_frame(at, &rq);

    for (size_t len = 0; len < whole.len - BODY_BYTES; len++) {
        CHECK_ERR(frame_read_request(bytes_slice(whole, 0, len), &got), ERR_MALFORMED);
    }
}

TEST(tagged_fields_of_a_header_are_skipped)
{
    static const uint8_t frame[] = {0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 2, 5, 2, 9, 9, 7, 0, 'x'};
    static const uint8_t too_many[] = {0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x03, 0};
    struct frame_request got;

    CHECK_OK(frame_read_request((struct bytes){frame, sizeof(frame)}, &got));
    CHECK_BYTES_EQ(got.body, BYTES("x"));
    CHECK_ERR(frame_read_request((struct bytes){too_many, sizeof(too_many)}, &got), ERR_LIMIT);
}

TEST(api_versions_answers_with_header_zero_always)
{
    const struct api_info *api = api_find(API_API_VERSIONS);

    for (int16_t version = 0; version <= api->last + 1; version++) {
        CHECK_EQ(api_response_header(api, version), 0);
        CHECK_EQ(frame_response_size(api, version), 8);
    }
    CHECK_EQ(api_request_header(api, INT16_MAX), 2);
}

TEST(every_response_header_comes_back)
{
    for (int i = 0; i < API_COUNT; i++) {
        for (int16_t version = apis[i].first; version <= apis[i].last; version++) {
            uint8_t at[ROOM];
            struct wire_writer w = wire_writer_of(at, sizeof(at));
            struct frame_response got;
            frame_write_response(&w, &apis[i], version, -5, BODY_BYTES);
            CHECK_EQ((size_t)(w.at - at), frame_response_size(&apis[i], version));
            wire_put_bytes(&w, BYTES("hello"));
            struct bytes frame = {at + FRAME_LENGTH_BYTES,
                                  (size_t)(w.at - at) - FRAME_LENGTH_BYTES};
            CHECK_EQ(wire_load_u32(at), frame.len);
            CHECK_OK(frame_read_response(frame, &apis[i], version, &got));
            CHECK_EQ(got.correlation_id, -5);
            CHECK_BYTES_EQ(got.body, BYTES("hello"));
            CHECK_ERR(frame_read_response(bytes_slice(frame, 0, 3), &apis[i], version, &got),
                      ERR_MALFORMED);
        }
    }
}

TEST(an_api_is_found_by_name_in_any_case)
{
    CHECK_EQ(api_find_name(BYTES("createtopics"))->key, API_CREATE_TOPICS);
    CHECK(api_find_name(BYTES("Creat")) == NULL);
    CHECK(api_find_name(BYTES("")) == NULL);
}

TEST(produce_is_advertised_below_its_first_version_and_init_producer_id_not_to_its_last)
{
    CHECK_EQ(api_find(API_PRODUCE)->advertise_from, 0);
    CHECK_EQ(api_find(API_PRODUCE)->first, 3);
    CHECK_EQ(api_find(API_INIT_PRODUCER_ID)->last_stable, 5);
    CHECK_EQ(api_find(API_INIT_PRODUCER_ID)->last, 6);
}

TEST(an_error_code_has_a_name_and_unknown_ones_are_unknown_server_errors)
{
    CHECK_STR_EQ(kafka_error_info(KAFKA_NONE)->name, "NONE");
    CHECK_STR_EQ(kafka_error_info(KAFKA_NOT_LEADER_OR_FOLLOWER)->name, "NOT_LEADER_OR_FOLLOWER");
    CHECK(kafka_error_info(KAFKA_NOT_LEADER_OR_FOLLOWER)->retriable);
    CHECK(!kafka_error_info(KAFKA_INVALID_CONFIG)->retriable);
    CHECK_STR_EQ(kafka_error_info((enum kafka_error)9999)->name, "UNKNOWN_SERVER_ERROR");
    CHECK_STR_EQ(kafka_error_info((enum kafka_error) - 2)->name, "UNKNOWN_SERVER_ERROR");
}
