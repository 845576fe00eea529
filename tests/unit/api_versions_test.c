/* tests/unit/api_versions_test.c: which features are told, and to whom. */
#include "schema/api_versions.h"

#include "broker/handler.h"
#include "broker/image_edit.h"
#include "broker/node.h"
#include "tests/harness/test.h"

static struct api_versions_response answer(struct arena *arena, int16_t version)
{
    struct node node = {.broker_id = 7};
    struct core core = {.node = &node};
    struct request rq = {.core = &core, .arena = arena, .version = version};
    struct api_versions_request in;
    struct api_versions_response out;
    struct image_edit *e = NULL;

    CHECK_OK(image_edit_new(NULL, &e));
    CHECK_OK(image_edit_finish(e, 42, &rq.image));
    api_versions_request_init(&in);
    api_versions_response_init(&out);
    in.client_software_name = in.client_software_version = BYTES("a1");
    handle_api_versions(&rq, &in, &out);
    CHECK_EQ(out.error_code, KAFKA_NONE);
    CHECK_EQ(out.api_keys.len, DISPATCH_COUNT);
    image_unref(rq.image);
    return out;
}

TEST(the_protocol_of_groups_is_a_feature_if_its_api_is_served)
{
    int32_t served = dispatch_find(API_CONSUMER_GROUP_HEARTBEAT) != NULL;

    for (int16_t version = 3; version <= 5; version++) {
        struct api_versions_response out = answer(arena, version);
        CHECK_EQ(out.finalized_features_epoch, 42);
        CHECK_EQ(out.finalized_features.len, served);
        CHECK_EQ(out.supported_features.len, version > 3 ? served : 0);
        for (int32_t i = 0; i < out.finalized_features.len; i++) {
            CHECK_BYTES_EQ(out.finalized_features.at[i].name, BYTES("group.version"));
            CHECK_EQ(out.finalized_features.at[i].max_version_level, 1);
        }
        for (int32_t i = 0; i < out.supported_features.len; i++) {
            CHECK_EQ(out.supported_features.at[i].min_version, 0);
            CHECK_EQ(out.supported_features.at[i].max_version, 1);
        }
    }
    CHECK_EQ(answer(arena, 2).finalized_features.len, 0);
    CHECK_EQ(answer(arena, 2).finalized_features_epoch, -1);
}
