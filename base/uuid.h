/* base/uuid.h: 16 bytes that name a topic, a cluster or a directory for ever.
 *
 * Kafka writes them as base64url without padding (22 characters). The zero uuid means "none".
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

enum { UUID_TEXT_BYTES = 22 };

struct uuid {
    uint8_t at[16];
};

bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid u);
/* memcmp order. */
int uuid_compare(struct uuid a, struct uuid b);
/* A version-4 uuid out of two random numbers (env_random). Never begins with '-' in text, as in Kafka,
 * so that it can stand on a command line. */
struct uuid uuid_random(uint64_t high, uint64_t low);
/* Writes 22 characters and a NUL. */
void uuid_text(struct uuid u, char out[UUID_TEXT_BYTES + 1]);
/* ERR_MALFORMED unless it is exactly 22 characters of base64url whose unused bits are zero. */
enum err uuid_parse(struct bytes text, struct uuid *out);
