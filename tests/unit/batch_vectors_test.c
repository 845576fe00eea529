/* tests/unit/batch_vectors_test.c: the vector files of tests/vectors. */
#include "tests/vectors/batch_check.h"

#include "tests/harness/test.h"

TEST(batches_are_read_and_judged_as_kafka_does)
{
    struct batch_check_result r;

    CHECK_OK(batch_check_file(WEIR_VECTORS "/batches.jsonl.zst", &r));
    CHECK_EQ(r.failed, 0);
    CHECK_EQ(r.passed, 152);
}

TEST(batches_with_changed_bytes_are_judged_as_kafka_does)
{
    struct batch_check_result r;

    CHECK_OK(batch_check_file(WEIR_VECTORS "/batches_mutated.jsonl.zst", &r));
    CHECK_EQ(r.failed, 0);
    CHECK_EQ(r.passed, 600);
}
