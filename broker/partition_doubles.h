/* broker/partition_doubles.h: partitions that stand more than once in one request. */
#pragma once

#include "base/bytes.h"

struct partition_at {
    struct bytes topic;
    int32_t partition;
    int32_t at;    /* index in the request */
    bool twice;    /* another entry is the same partition ... */
    bool repeated; /* ... and stands behind this one */
};

/* Sets `twice` and `repeated`; the array keeps its order of `at`. O(n log n). */
void partition_doubles_find(struct partition_at *list, int32_t count);
