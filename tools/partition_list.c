/* tools/partition_list.c: ranges of numbers, with commas between them.
 *
 * FORMAT   "5", "5-7", "0,2,5-7"; any order, and one may be named twice.
 * LIMITS   PARTITION_RANGES_MAX ranges.
 */
#include "tools/partition_list.h"

static enum err add_range(struct partition_list *l, struct bytes text)
{
    ptrdiff_t dash = bytes_find(text, '-');
    struct bytes low = dash < 0 ? text : bytes_slice(text, 0, (size_t)dash);
    struct bytes high = dash < 0 ? text : bytes_slice(text, (size_t)dash + 1, text.len);
    int64_t first, last;

    if (bytes_to_i64(low, &first) != OK || bytes_to_i64(high, &last) != OK || first < 0 ||
        first > last || last > INT32_MAX) {
        return fail(ERR_USAGE, "'%.*s' names no partitions: write them as 0,2,5-7",
                    BYTES_ARG(text));
    }
    if (l->count == PARTITION_RANGES_MAX) {
        return fail(ERR_USAGE, "more than %d ranges of partitions", PARTITION_RANGES_MAX);
    }
    l->ranges[l->count].first = (int32_t)first;
    l->ranges[l->count++].last = (int32_t)last;
    return OK;
}

enum err partition_list_add(struct partition_list *l, struct bytes text)
{
    do {
        ptrdiff_t comma = bytes_find(text, ',');
        size_t len = comma < 0 ? text.len : (size_t)comma;
        TRY(add_range(l, bytes_slice(text, 0, len)));
        text = bytes_slice(text, len + 1, text.len);
    } while (text.len > 0);
    return OK;
}

bool partition_list_has(const struct partition_list *l, int32_t partition)
{
    for (int i = 0; i < l->count; i++) {
        if (partition >= l->ranges[i].first && partition <= l->ranges[i].last) {
            return true;
        }
    }
    return l->count == 0;
}
