/* tests/unit/request_test.c: what handlers do with a request. */
#include "broker/request.h"

#include "tests/harness/test.h"

static int finished;

static void finish(struct request *rq)
{
    CHECK_EQ(rq->holds, 0);
    finished++;
}

TEST(a_request_is_finished_when_the_last_hold_is_gone)
{
    struct request rq = {.holds = 1, .finish = finish};

    request_hold(&rq);
    request_hold(&rq);
    request_release(&rq);
    request_release(&rq);
    CHECK_EQ(finished, 0);
    request_release(&rq);
    CHECK_EQ(finished, 1);
}

TEST(the_first_reason_to_close_is_the_one_that_is_told)
{
    struct request rq = {0};

    request_close(&rq, "first");
    request_close(&rq, "second");
    CHECK(rq.close);
    CHECK_STR_EQ(rq.close_why, "first");
}

TEST(ranges_keep_their_order)
{
    struct request rq = {.arena = arena};

    request_attach(&rq, BYTES("a"));
    request_attach(&rq, BYTES("b"));
    request_attach(&rq, BYTES("c"));
    CHECK_BYTES_EQ(rq.ranges_first->at, BYTES("a"));
    CHECK_BYTES_EQ(rq.ranges_first->next->at, BYTES("b"));
    CHECK(rq.ranges_first->next->next == rq.ranges_last);
    CHECK(rq.ranges_last->next == NULL);
}

TEST(a_range_without_memory_exhausts_the_arena)
{
    struct arena small;
    struct request rq = {.arena = &small};

    arena_init(&small, 0);
    request_attach(&rq, BYTES("a"));
    CHECK(small.exhausted);
    CHECK(rq.ranges_first == NULL);
    arena_deinit(&small);
}
