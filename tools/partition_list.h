/* tools/partition_list.h: partitions as people name them: 0,2,5-7. */
#pragma once

#include "base/bytes.h"

enum { PARTITION_RANGES_MAX = 64 };

struct partition_list {
    struct {
        int32_t first, last;
    } ranges[PARTITION_RANGES_MAX];
    int count;
};

/* Adds what the text names. ERR_USAGE: the crumb says what is wrong. */
enum err partition_list_add(struct partition_list *l, struct bytes text);
/* An empty list has all. */
bool partition_list_has(const struct partition_list *l, int32_t partition);
