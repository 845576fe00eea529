/* tests/unit/murmur2_test.c: keys land where Kafka's Java producer puts them. */
#include "tools/murmur2.h"

#include "tests/harness/test.h"

TEST(murmur2_gives_the_numbers_that_kafka_gives)
{
    CHECK_EQ((int32_t)murmur2(BYTES("21")), -973932308);
    CHECK_EQ((int32_t)murmur2(BYTES("foobar")), -790332482);
    CHECK_EQ((int32_t)murmur2(BYTES("a-little-bit-long-string")), -985981536);
    CHECK_EQ((int32_t)murmur2(BYTES("a-little-bit-longer-string")), -1486304829);
    CHECK_EQ((int32_t)murmur2(BYTES("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")),
             -58897971);
    CHECK_EQ((int32_t)murmur2(BYTES("abc")), 479470107);
}

TEST(bytes_above_127_are_mixed_in_unsigned_at_every_length)
{
    static const uint8_t high[] = {0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9};
    uint32_t seen[sizeof(high) + 1];

    for (size_t len = 0; len <= sizeof(high); len++) {
        seen[len] = murmur2((struct bytes){high, len});
        for (size_t i = 0; i < len; i++) {
            CHECK(seen[i] != seen[len]);
        }
    }
}

TEST(the_partition_of_a_key_is_its_hash_without_the_sign)
{
    CHECK_EQ(murmur2_partition(BYTES("21"), 1000), (-973932308 & INT32_MAX) % 1000);
    CHECK_EQ(murmur2_partition(BYTES("abc"), 7), 479470107 % 7);
    CHECK_EQ(murmur2_partition(BYTES("anything"), 1), 0);
}
