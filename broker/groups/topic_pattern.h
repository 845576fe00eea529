/* broker/groups/topic_pattern.h: the regular expression by which a member subscribes to topics (KIP-848).
 *
 * Kafka compiles it with RE2J and matches whole names. The accepted syntax is what RE2J accepts: literals, classes
 * ([a-z], [[:alpha:]], \d \w \s, \pL, \p{Greek}), groups (capturing, named, (?:...)), flags (?i) (?s) (?m) (?U),
 * alternatives, repetitions with their lazy forms, counts up to 1000, ^ $ \A \z \b \B, \Q...\E, \x{...}. What RE2J
 * refuses is refused: back-references, lookaround, atomic groups and possessive repetition, recursion, conditions,
 * comments, verbs, callouts, \G \K \R \X \Z and the like. Not like RE2J: a flag group between an item and its
 * repetition (`a(?i)*`) is refused, as are bytes that are not UTF-8 and code points of surrogates.
 *
 * WHY PCRE2  RE2 itself is a C++ library, and reaching it takes a C++ compiler. PCRE2 is C, in every distribution,
 *          and backtracks: so a pattern is judged and written anew before PCRE2 sees it, and each match has a budget.
 * LIMITS   TOPIC_PATTERN_BYTES_MAX, TOPIC_PATTERN_DEPTH_MAX, TOPIC_PATTERN_NAMES_MAX, and the 64 KiB that PCRE2 has
 *          for a compiled pattern. A match may take TOPIC_PATTERN_STEPS; one that needs more is tried once more with
 *          TOPIC_PATTERN_STEPS_LONG, taken from an allowance that each match adds TOPIC_PATTERN_STEPS to. What still
 *          is not decided counts as "does not match": names are short, so that takes a pattern made for it.
 * MEMORY   mem.h's, also during a match. No state but the pattern's own: it belongs to one core.
 */
#pragma once

#include "base/bytes.h"

struct topic_pattern;

enum {
    TOPIC_PATTERN_BYTES_MAX = 4096,
    TOPIC_PATTERN_DEPTH_MAX = 100, /* groups in groups */
    TOPIC_PATTERN_NAMES_MAX = 100, /* named groups */
    TOPIC_PATTERN_REPEAT_MAX = 1000,
    TOPIC_PATTERN_STEPS = 1000,
    TOPIC_PATTERN_STEPS_LONG = 20000,
    TOPIC_PATTERN_ALLOWANCE_MAX = 2000000,
};

/* ERR_MALFORMED: not an expression of that syntax; err_crumb() says why and where. ERR_LIMIT, ERR_NOMEM. The text is
 * not needed afterwards. */
enum err topic_pattern_new(struct bytes text, struct topic_pattern **out);
/* Does the whole name match? ERR_NOMEM. */
enum err topic_pattern_match(struct topic_pattern *p, struct bytes name, bool *out);
/* NULL is allowed. */
void topic_pattern_free(struct topic_pattern *p);
