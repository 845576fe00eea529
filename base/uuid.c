/* base/uuid.c: uuids in Kafka's text form.
 *
 * FORMAT   base64url (RFC 4648 section 5) of the 16 bytes, no padding: 22 characters, the last of
 *          which carries two bits of value and four zero bits.
 */
#include "base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.at, b.at, sizeof(a.at)) == 0;
}

bool uuid_is_zero(struct uuid u)
{
    return uuid_equal(u, (struct uuid){{0}});
}

int uuid_compare(struct uuid a, struct uuid b)
{
    return memcmp(a.at, b.at, sizeof(a.at));
}

struct uuid uuid_random(uint64_t high, uint64_t low)
{
    struct uuid u;

    memcpy(u.at, &high, 8);
    memcpy(u.at + 8, &low, 8);
    u.at[6] = (uint8_t)((u.at[6] & 0x0f) | 0x40); /* version 4 */
    u.at[8] = (uint8_t)((u.at[8] & 0x3f) | 0x80); /* variant */
    if (u.at[0] >> 2 == 62) {
        u.at[0] &= 0x7f; /* 62 is written '-' */
    }
    return u;
}

void uuid_text(struct uuid u, char out[UUID_TEXT_BYTES + 1])
{
    uint32_t bits = 0;
    int bit_count = 0;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(u.at); i++) {
        bits = bits << 8 | u.at[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[n++] = alphabet[bits >> bit_count & 63];
        }
    }
    out[n++] = alphabet[bits << (6 - bit_count) & 63];
    ASSERT(n == UUID_TEXT_BYTES);
    out[n] = 0;
}

enum err uuid_parse(struct bytes text, struct uuid *out)
{
    struct uuid u = {{0}};
    uint32_t bits = 0;
    int bit_count = 0;
    size_t n = 0;

    if (text.len != UUID_TEXT_BYTES) {
        return fail(ERR_MALFORMED, "a uuid has %d characters, not %zu", UUID_TEXT_BYTES, text.len);
    }
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.at[i] == 0 ? NULL : strchr(alphabet, text.at[i]);
        if (at == NULL) {
            return fail(ERR_MALFORMED, "'%.*s' is not a uuid", BYTES_ARG(text));
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        bit_count += 6;
        if (bit_count >= 8 && n < sizeof(u.at)) {
            bit_count -= 8;
            u.at[n++] = (uint8_t)(bits >> bit_count);
        }
    }
    if ((bits & ((1u << bit_count) - 1)) != 0) {
        return fail(ERR_MALFORMED, "'%.*s' is not a uuid", BYTES_ARG(text));
    }
    *out = u;
    return OK;
}
