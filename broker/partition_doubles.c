/* broker/partition_doubles.c: sorts by partition to bring doubles together, then back by place.
 *
 * WHY      What a request says twice is an error in some APIs and the last word counts in others. Comparing all
 *          with all would let one request of a million entries stop a core.
 */
#include "broker/partition_doubles.h"

#include <stdlib.h>

static int by_partition(const void *left, const void *right)
{
    const struct partition_at *a = left, *b = right;
    int order = bytes_compare(a->topic, b->topic);

    if (order == 0) {
        order = (a->partition > b->partition) - (a->partition < b->partition);
    }
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static int by_place(const void *left, const void *right)
{
    const struct partition_at *a = left, *b = right;

    return (a->at > b->at) - (a->at < b->at);
}

static bool same(const struct partition_at *a, const struct partition_at *b)
{
    return a->partition == b->partition && bytes_equal(a->topic, b->topic);
}

void partition_doubles_find(struct partition_at *list, int32_t count)
{
    if (count < 2) {
        return;
    }
    qsort(list, (size_t)count, sizeof(list[0]), by_partition);
    for (int32_t i = 1; i < count; i++) {
        if (same(&list[i - 1], &list[i])) {
            list[i - 1].twice = true;
            list[i - 1].repeated = true;
            list[i].twice = true;
        }
    }
    qsort(list, (size_t)count, sizeof(list[0]), by_place);
}
