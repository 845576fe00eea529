/* tests/unit/uuid_test.c: uuids and their text. */
#include "base/uuid.h"
#include "tests/harness/test.h"

TEST(a_uuid_survives_its_text)
{
    char text[UUID_TEXT_BYTES + 1];

    for (int i = 0; i < 1000; i++) {
        struct uuid u = uuid_random(test_random(), test_random()), back;
        uuid_text(u, text);
        CHECK_EQ(strlen(text), UUID_TEXT_BYTES);
        CHECK(text[0] != '-');
        CHECK_OK(uuid_parse(bytes_of(text), &back));
        CHECK(uuid_equal(u, back));
        CHECK_EQ(u.at[6] >> 4, 4);
        CHECK_EQ(u.at[8] >> 6, 2);
    }
}

TEST(a_uuid_whose_text_would_begin_with_a_dash_is_changed)
{
    char text[UUID_TEXT_BYTES + 1];
    struct uuid u = uuid_random(0xf8, 0); /* little-endian: the first byte is 0xf8, digit 62 */

    uuid_text(u, text);
    CHECK(text[0] != '-');
}

TEST(known_uuids_have_known_texts)
{
    struct uuid zero = {{0}}, one = {{[15] = 1}}, u;
    char text[UUID_TEXT_BYTES + 1];

    uuid_text(zero, text);
    CHECK_STR_EQ(text, "AAAAAAAAAAAAAAAAAAAAAA");
    uuid_text(one, text);
    CHECK_STR_EQ(text, "AAAAAAAAAAAAAAAAAAAAAQ"); /* Kafka's id of the metadata topic */
    CHECK_OK(uuid_parse(BYTES("_-8AAAAAAAAAAAAAAAAAAA"), &u));
    CHECK_EQ(u.at[0], 0xff);
    CHECK_EQ(u.at[1], 0xef);
    CHECK_EQ(u.at[2], 0x00);
    CHECK(uuid_is_zero(zero) && !uuid_is_zero(one));
    CHECK(uuid_compare(zero, one) < 0 && uuid_compare(one, zero) > 0);
}

TEST(a_text_that_is_no_uuid_is_refused)
{
    static const char *const wrong[] = {"",
                                        "AAAAAAAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAB",
                                        "AAAAAAAAAAAAAAAAAAAA==",
                                        "AAAAAAAAAA+AAAAAAAAAAA",
                                        "AAAAAAAAAA/AAAAAAAAAAA",
                                        "AAAAAAAAAA\377AAAAAAAAAAA"};
    struct uuid u = {{5}};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_ERR(uuid_parse(bytes_of(wrong[i]), &u), ERR_MALFORMED);
    }
    CHECK_ERR(uuid_parse((struct bytes){(const uint8_t[UUID_TEXT_BYTES]){0}, UUID_TEXT_BYTES}, &u),
              ERR_MALFORMED);
    CHECK_EQ(u.at[0], 5);
}
