/* tests/unit/message_json_test.c: what the vectors do not show of the JSON form: base64, odd values, slips. */
#include "protocol/message_json.h"

#include "schema/alter_client_quotas.h"
#include "schema/header.h"
#include "schema/metadata.h"
#include "tests/harness/test.h"

#include <math.h>

static enum err metadata_from(struct arena *arena, const char *text, int16_t version,
                              struct metadata_request *out)
{
    json_t *j = json_loads(text, 0, NULL);

    CHECK(j != NULL);
    enum err e = message_from_json(arena, &metadata_request_message, version, j, out);
    json_decref(j);
    return e;
}

TEST(base64_is_the_published_one)
{
    static const struct {
        struct bytes plain, text;
    } cases[] = {
        {{(const uint8_t *)"", 0}, {(const uint8_t *)"", 0}},
        {{(const uint8_t *)"f", 1}, {(const uint8_t *)"Zg==", 4}},
        {{(const uint8_t *)"fo", 2}, {(const uint8_t *)"Zm8=", 4}},
        {{(const uint8_t *)"foo", 3}, {(const uint8_t *)"Zm9v", 4}},
        {{(const uint8_t *)"\xfb\xff\x00\xff", 4}, {(const uint8_t *)"+/8A/w==", 8}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes back;
        CHECK_BYTES_EQ(base64_encode(arena, cases[i].plain), cases[i].text);
        CHECK_OK(base64_decode(arena, cases[i].text, &back));
        CHECK_BYTES_EQ(back, cases[i].plain);
    }
}

TEST(what_is_not_base64_is_refused)
{
    static const char *const texts[] = {"Zg=", "Z", "Zg===", "Z===", "Zm9*", "=m9v", "Zm=v"};
    struct bytes out;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CHECK_ERR(base64_decode(arena, bytes_of(texts[i]), &out), ERR_MALFORMED);
    }
}

TEST(what_the_json_does_not_name_gets_its_default)
{
    struct metadata_request out;

    CHECK_OK(metadata_from(arena, "{\"topics\": null}", 12, &out));
    CHECK_EQ(out.topics.len, -1);
    CHECK(out.allow_auto_topic_creation);
    CHECK_OK(metadata_from(arena, "{\"topics\": [{\"name\": \"t\"}]}", 12, &out));
    CHECK_BYTES_EQ(out.topics.at[0].name, BYTES("t"));
    CHECK(uuid_is_zero(out.topics.at[0].topic_id));
}

TEST(a_slip_in_the_json_is_refused)
{
    static const char *const texts[] = {
        "{\"topic\": []}",
        "{\"topics\": 1}",
        "{\"topics\": [1]}",
        "{\"topics\": [{\"name\": 7}]}",
        "{\"topics\": [{\"topicId\": \"short\"}]}",
        "{\"allowAutoTopicCreation\": null}",
        "{\"allowAutoTopicCreation\": 1}",
        "{\"_unknownTaggedFields\": [{\"tag\": -1, \"data\": \"\"}]}",
        "{\"_unknownTaggedFields\": [{\"tag\": 1}]}",
        "[]",
    };
    struct metadata_request out;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CHECK_ERR(metadata_from(arena, texts[i], 12, &out), ERR_MALFORMED);
    }
    CHECK_ERR(metadata_from(arena, "{\"topics\": null}", 0, &out),
              ERR_MALFORMED); /* null from version 1 */
    CHECK_ERR(metadata_from(arena, "{}", 14, &out), ERR_UNSUPPORTED);
}

TEST(an_integer_that_does_not_fit_is_refused)
{
    struct request_header out;
    json_t *fits = json_pack("{s:i}", "requestApiKey", 32767);
    json_t *wide = json_pack("{s:i}", "requestApiKey", 32768);

    CHECK_OK(message_from_json(arena, &request_header_message, 2, fits, &out));
    CHECK_EQ(out.request_api_key, 32767);
    CHECK_ERR(message_from_json(arena, &request_header_message, 2, wide, &out), ERR_MALFORMED);
    json_decref(fits);
    json_decref(wide);
}

TEST(a_string_that_is_not_utf8_survives_as_base64)
{
    struct request_header in, out;

    request_header_init(&in);
    in.client_id = BYTES("\xff\xfe");
    json_t *j = message_to_json(&request_header_message, 2, &in);
    CHECK_STR_EQ(json_string_value(json_object_get(json_object_get(j, "clientId"), "base64")),
                 "//4=");
    CHECK_OK(message_from_json(arena, &request_header_message, 2, j, &out));
    CHECK_BYTES_EQ(out.client_id, in.client_id);
    json_decref(j);
}

TEST(a_number_that_is_not_finite_survives)
{
    static const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -0.0};

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct alter_client_quotas_request in, out;
        alter_client_quotas_request_init(&in);
        in.entries = alter_client_quotas_request_entries_new(arena, 1);
        in.entries.at[0].ops = alter_client_quotas_request_ops_new(arena, 1);
        in.entries.at[0].ops.at[0].value = values[i];
        json_t *j = message_to_json(&alter_client_quotas_request_message, 1, &in);
        CHECK(j != NULL);
        CHECK_OK(message_from_json(arena, &alter_client_quotas_request_message, 1, j, &out));
        CHECK_EQ(signbit(out.entries.at[0].ops.at[0].value) != 0, signbit(values[i]) != 0);
        CHECK_EQ(isnan(out.entries.at[0].ops.at[0].value) != 0, isnan(values[i]) != 0);
        CHECK_EQ(isinf(out.entries.at[0].ops.at[0].value) != 0, isinf(values[i]) != 0);
        json_decref(j);
    }
}
