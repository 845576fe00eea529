/* tests/vectors/batch_check_internal.h: one line on its way through the checks. */
#pragma once

#include "base/arena.h"
#include "protocol/compression.h"

#include <jansson.h>
#include <stdarg.h>

struct vector {
    struct arena *arena; /* for this line */
    struct compression *compression;
    json_t *line;
    struct bytes bytes; /* its "hex" */
    char why[256];      /* what differs */
};

/* Notes it and gives false. */
bool vector_differs(struct vector *v, const char *format, ...) PRINTF_LIKE(2, 3);

/* A line of kind "good": headers, records, both ways of reading them, and writing them again. */
bool vector_check_good(struct vector *v);
