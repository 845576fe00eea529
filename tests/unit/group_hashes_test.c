/* tests/unit/group_hashes_test.c: numbers that Kafka computes about groups, against its own. */
#include "broker/groups/group_partition.h"
#include "broker/groups/java_string.h"
#include "broker/groups/subscription_hash.h"
#include "tests/harness/test.h"

TEST(a_text_has_javas_hash)
{
    /* String.hashCode() as Java 17 gives it. */
    static const struct {
        const char *text;
        int32_t hash;
    } known[] = {
        {"", 0},
        {"a", 97},
        {"my-group", -1906497762},
        {"console-consumer-12345", 158455506},
        {"consumer-group-with-a-rather-long-name-0001", -870291487},
        {"gr\xc3\xbc\xc3\x9f"
         "e",
         98768023},
        {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 25921943},
        {"a\xf0\x9f\x98\x80"
         "b",
         57849694},
        {"polygenelubricants", INT32_MIN},
        {"DESIGNING WORKHOUSES", INT32_MIN},
    };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        CHECK_SAYS(java_string_hash(bytes_of(known[i].text)) == known[i].hash, "%s: %d",
                   known[i].text, java_string_hash(bytes_of(known[i].text)));
    }
}

TEST(broken_utf8_is_decoded_as_java_does)
{
    /* new String(bytes, UTF_8) of Java 17. */
    static const struct {
        const char *text;
        const char *units; /* in hexadecimal */
    } known[] = {
        {"\xff", "fffd "},
        {"a\xc3", "0061 fffd "},
        {"\xe2\x82", "fffd "},
        {"\xe2\x82x", "fffd 0078 "},
        {"\xf0\x9f\x98", "fffd "},
        {"\xc0\xaf", "fffd fffd "},
        {"\xed\xa0\x80", "fffd "},
        {"\xe0\x80\x80", "fffd fffd fffd "},
        {"\xf4\x90\x80\x80", "fffd fffd fffd fffd "},
        {"\xf0\x80\x80\x80", "fffd fffd fffd fffd "},
        {"\xc3(", "fffd 0028 "},
        {"\x80\x80", "fffd fffd "},
        {"\xe2(\xa1", "fffd 0028 fffd "},
        {"\xf0\x9fx", "fffd 0078 "},
        {"\xf1\x80\x80x", "fffd 0078 "},
        {"\xf8\x88\x80\x80\x80", "fffd fffd fffd fffd fffd "},
        {"\xe0\x80", "fffd fffd "},
        {"\xed\xa0", "fffd "},
        {"\xf4\x90", "fffd fffd "},
        {"\xf0\x80", "fffd fffd "},
        {"\xf0\x9f\x98\x80", "d83d de00 "},
    };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct bytes text = bytes_of(known[i].text);
        uint16_t *units = ARENA_ARRAY(arena, uint16_t, text.len);
        size_t n = java_string_units(text, units);
        struct buf seen;
        buf_init(&seen, 4096);
        for (size_t k = 0; k < n; k++) {
            CHECK_OK(buf_add_format(&seen, "%04x ", units[k]));
        }
        CHECK_BYTES_EQ(buf_view(&seen), bytes_of(known[i].units));
        buf_deinit(&seen);
    }
}

TEST(a_group_is_in_the_partition_that_kafka_says)
{
    CHECK_EQ(group_partition_of(BYTES("my-group"), 50), 12);
    CHECK_EQ(group_partition_of(BYTES("console-consumer-12345"), 50), 6);
    CHECK_EQ(group_partition_of(BYTES("gr\xc3\xbc\xc3\x9f"
                                      "e"),
                                50),
             23);
    CHECK_EQ(group_partition_of(BYTES("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"), 50), 43);
    CHECK_EQ(group_partition_of(BYTES("a\xf0\x9f\x98\x80"
                                      "b"),
                                50),
             44);
    CHECK_EQ(group_partition_of(BYTES("consumer-group-with-a-rather-long-name-0001"), 50), 37);
    CHECK_EQ(group_partition_of(BYTES("polygenelubricants"), 50), 0); /* the one int without */
    CHECK_EQ(group_partition_of(BYTES(""), 50), 0);
    CHECK_EQ(group_partition_of(BYTES("my-group"), 1), 0);
}

TEST(xxh3_gives_known_values_in_every_range_of_lengths)
{
    /* As hash4j 0.22 gives them, over bytes i * 131 + 7. */
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        {0, 0x2d06800538d394c2u},    {1, 0x4c5cca45d0f4811fu},    {2, 0x29c60963cbfa4e6eu},
        {3, 0x6e3e2670e61106acu},    {4, 0x5c4c63133443d03fu},    {5, 0x49f5eb3111280b63u},
        {8, 0xf9fd4dd0b04d78f5u},    {9, 0x7c20df9712c26edfu},    {16, 0x86abf6baccea0858u},
        {17, 0xb58bf5dc5022d071u},   {32, 0xe3712ed84c04a66eu},   {33, 0xa4dee99b093e1f73u},
        {64, 0x1291d2d4042330ddu},   {65, 0x97c6bf83217e5ec9u},   {96, 0x81296929fc063365u},
        {97, 0xf145a45b658ab9ddu},   {128, 0x10d17f72c0ccba41u},  {129, 0x1648bdc3db49d1a2u},
        {130, 0xc65f0f545fa96defu},  {144, 0xb46dbfc6d9e31abau},  {200, 0xc0fbc0f4e181c826u},
        {240, 0xb6cfaf343fab81e6u},  {241, 0x956cae592c67279eu},  {255, 0x64a6073025eb7929u},
        {256, 0xb15e550733c5dfacu},  {512, 0xa0e9790eb93990d7u},  {1023, 0xa94ffcd2254368e4u},
        {1024, 0x70bd377d9574f4bbu}, {1025, 0x66c4487c41e127a7u}, {1088, 0xf43dc77e28a9acbcu},
        {2048, 0x8b46caa67dab3a30u}, {2049, 0x581cd184fd9b76c5u}, {5000, 0xe4007929540f095cu},
    };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint8_t *at = ARENA_ARRAY(arena, uint8_t, known[i].len);
        for (size_t k = 0; k < known[i].len; k++) {
            at[k] = (uint8_t)(k * 131 + 7);
        }
        CHECK_SAYS(subscription_xxh3((struct bytes){at, known[i].len}) == known[i].hash,
                   "%zu bytes", known[i].len);
    }
}

static int64_t hash_of(struct arena *arena, const char *name, const char *id, int32_t count,
                       struct bytes rack)
{
    struct subscription_racks *racks = ARENA_ARRAY(arena, struct subscription_racks, count);
    struct bytes *one = ARENA_NEW(arena, struct bytes);
    struct subscription_topic t = {
        .name = bytes_of(name), .partition_count = count, .racks = rack.at ? racks : NULL};
    int64_t out = 0;

    *one = rack;
    for (int32_t i = 0; i < count; i++) {
        racks[i] = (struct subscription_racks){one, 1};
    }
    CHECK_OK(uuid_parse(bytes_of(id), &t.id));
    CHECK_OK(subscription_topic_hash(arena, &t, &out));
    return out;
}

TEST(a_groups_hash_is_what_kafka_wrote_into_its_log)
{
    /* Read from the __consumer_offsets of a Kafka 4.4 with broker.rack=rack-a. */
    int64_t all[] = {
        hash_of(arena, "hash-a", "Y1flA_IJTPq4GFhdUjoEuw", 1, BYTES("rack-a")),
        hash_of(arena, "hash-b", "f8jPk7ltQpWw1vm1qn389g", 3, BYTES("rack-a")),
        hash_of(arena, "hash-c", "BITdR24rQV2_8siWtx3zPw", 40, BYTES("rack-a")),
        hash_of(arena, "hash-d", "9II9nnnPT_6fsrnfurbkPw", 200, BYTES("rack-a")),
    };

    CHECK_EQ(subscription_hash(&all[0], 1), -6486969247577495138);
    CHECK_EQ(subscription_hash(&all[1], 1), -4007487390930203810);
    CHECK_EQ(subscription_hash(&all[2], 1), 2153691342525444965);
    CHECK_EQ(subscription_hash(&all[3], 1), 8316962693203841402);
    CHECK_EQ(subscription_hash(all, 4), 1037987091062925593);
    CHECK_EQ(subscription_hash(NULL, 0), 0);
}

TEST(a_topics_hash_changes_with_size_and_racks_but_not_with_the_order_of_racks)
{
    static const char id[] = "Y1flA_IJTPq4GFhdUjoEuw";
    struct bytes two[] = {BYTES("east"), BYTES("west")}, turned[] = {BYTES("west"), BYTES("east")};
    struct subscription_racks racks = {two, 2}, turned_racks = {turned, 2};
    struct subscription_topic t = {.name = BYTES("t"), .partition_count = 1, .racks = &racks};
    int64_t one = 0, other = 0;

    CHECK_OK(subscription_topic_hash(arena, &t, &one));
    t.racks = &turned_racks;
    CHECK_OK(subscription_topic_hash(arena, &t, &other));
    CHECK_EQ(one, other);
    CHECK(hash_of(arena, "t", id, 1, BYTES_NULL) != hash_of(arena, "t", id, 2, BYTES_NULL));
    CHECK(hash_of(arena, "t", id, 1, BYTES_NULL) != hash_of(arena, "t", id, 1, BYTES("east")));
}

TEST(hashing_a_topic_without_memory_says_so)
{
    struct subscription_topic t = {.name = BYTES("t"), .partition_count = 9999};
    struct arena small;
    int64_t out = 7;

    arena_init(&small, 1024);
    CHECK_ERR(subscription_topic_hash(&small, &t, &out), ERR_NOMEM);
    CHECK_EQ(out, 7);
    arena_deinit(&small);
}
