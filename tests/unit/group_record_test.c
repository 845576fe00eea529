/* tests/unit/group_record_test.c: records of __consumer_offsets, and the partition that has a group. */
#include "tools/group_record.h"

#include "protocol/record.h"
#include "schema/consumer_group_records.h"
#include "schema/group_records.h"
#include "tests/harness/test.h"

/* A number and what follows it, as keys and values are. */
static struct bytes numbered(struct arena *arena, int number, struct bytes rest)
{
    return arena_format(arena, "%c%c%.*s", number >> 8 & 0xff, number & 0xff, BYTES_ARG(rest));
}

static struct bytes joined(struct arena *arena, int number, struct bytes rest)
{
    uint8_t *at = arena_alloc(arena, rest.len + 2);

    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
    memcpy(at + 2, rest.at, rest.len);
    return (struct bytes){at, rest.len + 2};
}

TEST(hashes_are_those_of_java)
{
    CHECK_EQ(java_hash(BYTES("")), 0);
    CHECK_EQ(java_hash(BYTES("a")), 97);
    CHECK_EQ(java_hash(BYTES("hello")), 99162322);
    CHECK_EQ(java_hash(BYTES("polygenelubricants")), INT32_MIN);
    CHECK_EQ(java_hash(BYTES("gr\xc3\xbc\xc3\x9f")), 3186062); /* gr\u00fc\u00df */
    CHECK_EQ(java_hash(BYTES("\xf0\x9f\x98\x80")), 1772899);   /* U+1F600: two UTF-16 units */
}

TEST(the_smallest_hash_lands_in_the_first_partition)
{
    CHECK_EQ(group_record_partition(BYTES("polygenelubricants"), 50), 0);
    CHECK_EQ(group_record_partition(BYTES("a"), 50), 47);
    CHECK_EQ(group_record_partition(BYTES("hello"), 50), 22);
}

TEST(a_commit_tells_its_group_and_time)
{
    struct offset_commit_key k = {BYTES("billing"), BYTES("orders"), 3};
    struct offset_commit_value v;
    struct group_record r;

    offset_commit_value_init(&v);
    v.offset = 7;
    v.metadata = BYTES("");
    v.commit_timestamp = 12345;
    CHECK_OK(group_record_key(arena, joined(arena, 1, offset_commit_key_bytes(arena, &k, 0)), &r));
    CHECK_BYTES_EQ(r.group, BYTES("billing"));
    CHECK_EQ(r.kind, GROUP_RECORD_OFFSET);
    CHECK_OK(group_record_value(arena, joined(arena, 3, offset_commit_value_bytes(arena, &v, 3)),
                                BYTES(""), &r));
    CHECK_EQ(r.commit_ms, 12345);
    CHECK(!r.gone);
}

TEST(a_generation_tells_its_members_and_why)
{
    struct group_metadata_key k = {BYTES("billing")};
    struct group_metadata_value v;
    struct record_header headers[] = {{BYTES("weir.reason"), BYTES("member a joined")},
                                      {BYTES("weir.pause_ms"), BYTES("42")},
                                      {BYTES("other"), BYTES_NULL}};
    struct group_record r;
    struct buf b;

    group_metadata_value_init(&v);
    v.protocol_type = BYTES("consumer");
    v.generation = 5;
    v.members = group_metadata_value_members_new(arena, 1);
    v.members.at[0].member_id = BYTES("a-1");
    v.members.at[0].client_id = BYTES("a");
    v.members.at[0].client_host = BYTES("/10.0.0.1");
    v.members.at[0].subscription = v.members.at[0].assignment = BYTES("");
    buf_init(&b, 1000);
    CHECK_OK(record_headers_write(&b, headers, COUNT_OF(headers)));
    CHECK_OK(group_record_key(arena, joined(arena, 2, group_metadata_key_bytes(arena, &k, 0)), &r));
    CHECK_OK(group_record_value(arena, joined(arena, 3, group_metadata_value_bytes(arena, &v, 3)),
                                buf_view(&b), &r));
    CHECK_EQ(r.epoch, 5);
    CHECK_EQ(r.member_count, 1);
    CHECK_BYTES_EQ(r.members[0].id, BYTES("a-1"));
    CHECK_BYTES_EQ(r.members[0].host, BYTES("/10.0.0.1"));
    CHECK(r.members[0].instance.at == NULL);
    CHECK_BYTES_EQ(r.reason, BYTES("member a joined"));
    CHECK_EQ(r.pause_ms, 42);
    buf_deinit(&b);
}

TEST(without_headers_reason_and_pause_are_not_told)
{
    struct consumer_group_metadata_key k = {BYTES("g")};
    struct consumer_group_metadata_value v;
    struct group_record r;

    consumer_group_metadata_value_init(&v);
    v.epoch = 9;
    CHECK_OK(group_record_key(
        arena, joined(arena, 3, consumer_group_metadata_key_bytes(arena, &k, 0)), &r));
    CHECK_OK(group_record_value(
        arena, joined(arena, 0, consumer_group_metadata_value_bytes(arena, &v, 0)), BYTES(""), &r));
    CHECK_EQ(r.epoch, 9);
    CHECK(r.reason.at == NULL);
    CHECK_EQ(r.pause_ms, -1);
}

TEST(a_null_value_takes_back)
{
    struct consumer_group_member_metadata_key k = {BYTES("g"), BYTES("m")};
    struct group_record r;

    CHECK_OK(group_record_key(
        arena, joined(arena, 5, consumer_group_member_metadata_key_bytes(arena, &k, 0)), &r));
    CHECK_OK(group_record_value(arena, BYTES_NULL, BYTES(""), &r));
    CHECK(r.gone);
    CHECK_BYTES_EQ(r.member, BYTES("m"));
}

TEST(keys_that_are_not_known_or_cut_off_are_told_apart)
{
    struct offset_commit_key k = {BYTES("billing"), BYTES("orders"), 3};
    struct bytes whole = joined(arena, 1, offset_commit_key_bytes(arena, &k, 0));
    struct group_record r;

    CHECK_ERR(group_record_key(arena, numbered(arena, 99, BYTES("xx")), &r), ERR_UNSUPPORTED);
    for (size_t len = 0; len < whole.len; len++) {
        CHECK_ERR(group_record_key(arena, bytes_slice(whole, 0, len), &r), ERR_MALFORMED);
    }
}

TEST(a_value_of_a_version_that_is_not_known_is_refused)
{
    struct group_record r = {.kind = GROUP_RECORD_CLASSIC};

    CHECK_ERR(group_record_value(arena, joined(arena, 99, BYTES("xxxx")), BYTES(""), &r),
              ERR_UNSUPPORTED);
}
