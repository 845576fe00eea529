/* broker/names.c: finding doubles by sorting.
 *
 * WHY      A request may name a hundred thousand topics; comparing each with each would stop a core.
 */
#include "broker/names.h"

#include <stdlib.h>

static int by_name(const void *a, const void *b)
{
    const struct name_at *x = a, *y = b;
    int order = bytes_compare(x->name, y->name);

    return order != 0 ? order : x->at - y->at;
}

static int by_position(const void *a, const void *b)
{
    return ((const struct name_at *)a)->at - ((const struct name_at *)b)->at;
}

void names_find_doubles(struct name_at *names, int32_t count)
{
    if (count < 2) {
        return;
    }
    qsort(names, (size_t)count, sizeof(*names), by_name);
    for (int32_t i = 1; i < count; i++) {
        if (bytes_equal(names[i - 1].name, names[i].name)) {
            names[i - 1].twice = names[i].twice = names[i].again = true;
        }
    }
    qsort(names, (size_t)count, sizeof(*names), by_position);
}
