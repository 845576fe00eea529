/* tools/record_json.h: a record as a line of JSON: what `consume -o jsonl` prints and `produce --input jsonl` takes.
 *
 *     {"topic":"orders","partition":2,"offset":1042,"timestamp":1763800000000,
 *      "key":"user-1","value":"...","headers":[{"key":"trace","value":"abc"}]}
 *
 * What is not UTF-8 stands as base64 under "key_base64", "value_base64" instead. Printed is all of it, without line
 * breaks. Taken is any part: without "timestamp" it is now, without "partition" the key decides; "topic" and
 * "offset" are not looked at, and a value that is no string is stored as JSON text. Headers may also be one object.
 */
#pragma once

#include "base/arena.h"
#include "protocol/record.h"

#include <stdio.h>

struct record_json {
    struct bytes topic;
    int32_t partition; /* -1: not said */
    int64_t offset;
    int64_t timestamp_ms; /* -1: not said */
    struct bytes key, value;
    const struct record_header *headers;
    int32_t header_count;
};

/* Without a newline. ERR_NOMEM: the arena is exhausted; part of it was printed. */
enum err record_json_print(FILE *to, struct arena *arena, const struct record_json *r);
/* Everything lives in the arena. ERR_MALFORMED: the crumb says what is wrong. */
enum err record_json_parse(struct arena *arena, struct bytes line, struct record_json *out);
