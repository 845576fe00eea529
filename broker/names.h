/* broker/names.h: names that stand twice in one request. */
#pragma once

#include "base/bytes.h"

struct name_at {
    struct bytes name;
    int32_t at; /* index in the request */
    bool twice; /* another entry has the same name ... */
    bool again; /* ... and stands before this one */
};

/* Sets `twice` and `again`; the array keeps its order of `at`. O(n log n). */
void names_find_doubles(struct name_at *names, int32_t count);
