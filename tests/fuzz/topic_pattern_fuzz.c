/* tests/fuzz/topic_pattern_fuzz.c: a client's regular expression, and a topic's name.
 *
 * WHY      The judge of patterns reads bytes from the network, and what it lets through goes to a library that
 *          knows much more than it should be asked for.
 * FORMAT   The pattern ends at the first line feed; the rest is the name.
 * LIMITS   What the pattern's own limits refuse; names are cut to NAME_MAX_BYTES.
 */
#include "broker/groups/topic_pattern.h"

enum { NAME_MAX_BYTES = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {data, size};
    ptrdiff_t end = bytes_find(all, '\n');
    struct bytes text = bytes_slice(all, 0, end < 0 ? size : (size_t)end);
    struct bytes name = bytes_slice(all, text.len + 1, NAME_MAX_BYTES);
    struct topic_pattern *p = NULL;
    bool first = false, again = false;

    if (topic_pattern_new(text, &p) != OK) {
        ASSERT(!p);
        return 0;
    }
    enum err e = topic_pattern_match(p, name, &first);
    ASSERT(e == OK);
    e = topic_pattern_match(p, name, &again);
    ASSERT(e == OK && first == again);
    topic_pattern_free(p);
    return 0;
}
