/* protocol/message_json.h: messages as JSON, for people, dump programs and tests. Not linked into the broker.
 *
 * The form is that of Kafka's own dump programs: names in camelCase, bytes and records in base64, uuids in 22
 * characters of base64url, a null as null, a tagged field only when it is not at its default, fields of other
 * versions not at all. Tagged fields that no schema knows are "_unknownTaggedFields": [{"tag", "data"}].
 * Ours alone: a string that is not UTF-8 is {"base64": "…"}; a number that is not finite is "NaN",
 * "Infinity" or "-Infinity".
 */
#pragma once

#include "protocol/message.h"

#include <jansson.h>

/* A new reference; NULL when out of memory. `in` is as message_read_all() gives it. */
json_t *message_to_json(const struct message_info *m, int16_t version, const void *in);

/* Everything lives in the arena. What the JSON does not name gets its default. ERR_MALFORMED: a name that the
 * version does not have, or a value that does not fit, and the breadcrumb says which. */
enum err message_from_json(struct arena *a, const struct message_info *m, int16_t version,
                           json_t *from, void *out);

/* Standard base64 with padding. */
struct bytes base64_encode(struct arena *a, struct bytes b);
enum err base64_decode(struct arena *a, struct bytes text, struct bytes *out);
