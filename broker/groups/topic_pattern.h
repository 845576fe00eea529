/* broker/groups/topic_pattern.h: the regular expression by which a member subscribes to topics (KIP-848).
 *
 * Kafka compiles it with RE2J and matches whole names. The accepted syntax is what RE2 has: literals, classes
 * ([a-z], [[:alpha:]], \d \w \s, \pL), groups (capturing, named (?P<name>...), (?:...), flags (?i) (?s) (?m) (?U)),
 * alternatives, repetitions with their lazy forms, counts up to 1000, ^ $ \A \z \b \B, \Q...\E, \x{...}. What RE2
 * refuses is refused: back-references, lookaround, atomic groups and possessive repetition, recursion, conditions,
 * verbs, callouts, \G \K \R \X \Z and the like.
 *
 * WHY PCRE2  RE2 itself is a C++ library, and reaching it takes a C++ compiler. PCRE2 is C, in every distribution,
 *          and backtracks: so a pattern is judged before PCRE2 sees it (only the syntax above gets through), and
 *          each match has a budget of steps and memory, so that no pattern can hold the core or take its memory.
 * LIMITS   TOPIC_PATTERN_BYTES_MAX. A match that runs out of its budget counts as "does not match"; names are
 *          short, so that takes a pattern made for it.
 * MEMORY   mem.h's. THREADS none of its own: a pattern belongs to one core.
 */
#pragma once

#include "base/bytes.h"

struct topic_pattern;

/* Bytes of a pattern, at most. */
enum { TOPIC_PATTERN_BYTES_MAX = 4096 };

/* ERR_MALFORMED: RE2 would not take it (err_crumb() says why, and where in the pattern). ERR_LIMIT: longer or larger
 * than allowed. ERR_NOMEM. The text is copied where it is needed. */
enum err topic_pattern_new(struct bytes text, struct topic_pattern **out);
/* Does the whole name match? */
bool topic_pattern_match(struct topic_pattern *p, struct bytes name);
/* NULL is allowed. */
void topic_pattern_free(struct topic_pattern *p);
