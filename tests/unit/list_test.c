/* tests/unit/list_test.c: the intrusive list. */
#include "base/list.h"
#include "tests/harness/test.h"

struct item {
    struct list_link link;
    int number;
};

static int number_of(const struct list_link *link)
{
    return link == NULL ? -1 : CONTAINER_OF(link, const struct item, link)->number;
}

TEST(a_zeroed_list_is_empty_and_can_be_added_to)
{
    struct list l = {0};
    struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

    CHECK(list_empty(&l));
    CHECK(list_first(&l) == NULL && list_last(&l) == NULL && list_take_first(&l) == NULL);
    list_add_last(&l, &b.link);
    list_add_last(&l, &c.link);
    list_add_first(&l, &a.link);
    CHECK_EQ(l.len, 3);
    CHECK_EQ(number_of(list_first(&l)), 1);
    CHECK_EQ(number_of(list_next(&l, &a.link)), 2);
    CHECK_EQ(number_of(list_last(&l)), 3);
    CHECK(list_next(&l, &c.link) == NULL);
    list_remove(&l, &b.link);
    CHECK(!list_linked(&b.link));
    CHECK_EQ(number_of(list_next(&l, &a.link)), 3);
    CHECK_EQ(number_of(list_take_first(&l)), 1);
    CHECK_EQ(number_of(list_take_first(&l)), 3);
    CHECK(list_empty(&l));
}

TEST(the_current_element_may_be_removed_in_a_loop)
{
    struct list l = {0};
    struct item items[10] = {0};
    int seen = 0;

    list_for_each (&l, none) {
        CHECK(none == NULL);
    }
    for (int i = 0; i < 10; i++) {
        items[i].number = i;
        list_add_last(&l, &items[i].link);
    }
    list_for_each (&l, link) {
        CHECK_EQ(number_of(link), seen);
        seen++;
        if (number_of(link) % 2 == 0) {
            list_remove(&l, link);
        }
    }
    CHECK_EQ(seen, 10);
    CHECK_EQ(l.len, 5);
    list_for_each (&l, link) {
        CHECK_EQ(number_of(link) % 2, 1);
    }
}
