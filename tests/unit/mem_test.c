/* tests/unit/mem_test.c: the door to the allocator, and breadcrumbs. */
#include "base/mem.h"
#include "tests/harness/test.h"

#include <stdio.h>

TEST(only_the_nth_allocation_fails)
{
    for (uint64_t nth = 1; nth <= 4; nth++) {
        (void)mem_fail_nth(nth);
        void *all[4] = {mem_alloc(1), mem_zalloc(1, 1), mem_realloc(NULL, 1), mem_pages(1)};
        CHECK_EQ(mem_fail_nth(0), 0);
        for (uint64_t i = 0; i < 4; i++) {
            CHECK_EQ(all[i] == NULL, i + 1 == nth);
            mem_free(all[i]);
        }
    }
    (void)mem_fail_nth(9);
    mem_free(mem_alloc(1));
    CHECK_EQ(mem_fail_nth(0), 8);
}

TEST(a_failed_realloc_leaves_the_old_memory)
{
    char *at = mem_zalloc(4, 1);

    CHECK(at != NULL && at[3] == 0);
    (void)mem_fail_nth(1);
    CHECK(mem_realloc(at, 100) == NULL);
    at[3] = 'x';
    mem_free(at);
}

TEST(pages_are_whole_and_aligned)
{
    uint8_t *at = mem_pages(4097);

    CHECK(at != NULL);
    CHECK_EQ((uintptr_t)at % 4096, 0);
    memset(at, 1, 8192);
    mem_free(at);
    CHECK(mem_pages(SIZE_MAX) == NULL);
    CHECK(mem_zalloc(SIZE_MAX / 2, 3) == NULL);
}

TEST(the_newest_breadcrumbs_are_kept_and_name_their_place)
{
    err_crumbs_reset();
    CHECK_STR_EQ(err_crumb(), "");
    for (int i = 0; i < 40; i++) {
        CHECK_ERR(fail(ERR_IO, "number %d", i), ERR_IO);
    }
    CHECK(strncmp(err_crumb(), "number 39 (tests/unit/mem_test.c:", 33) == 0);
    CHECK(strncmp(err_crumb_at(15), "number 24 ", 10) == 0);
    CHECK_STR_EQ(err_crumb_at(16), "");
    (void)fail(ERR_IO, "%0300d", 1);
    CHECK_EQ(strlen(err_crumb()), 255);
    err_crumbs_reset();
    CHECK_STR_EQ(err_crumb(), "");
    CHECK_STR_EQ(err_crumb_at(1), "");
}

TEST(every_error_has_a_name_and_a_text)
{
    for (int e = OK; e <= ERR_USAGE; e++) {
        CHECK(err_name((enum err)e)[0] != 0);
        CHECK(err_text((enum err)e)[0] != 0);
    }
    CHECK_STR_EQ(err_name(ERR_NOMEM), "ERR_NOMEM");
    CHECK_STR_EQ(err_text(ERR_NOMEM), "out of memory");
}
