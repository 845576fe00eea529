/* tools/cli_position.h: moments and positions as people write them. */
#pragma once

#include "tools/cli.h"

/* "2026-11-22", "2026-11-22T08:00", "...T08:00:01.5Z" (always UTC), "-1h", "-30m", or milliseconds since
 * 1970. ERR_MALFORMED. */
enum err moment_parse(struct bytes text, int64_t now_ms, int64_t *out);
enum err position_parse(struct bytes text, int64_t now_ms, struct cli_position *out);

/* "500ms", "2s", "5m", "12h", "30d", "4w"; a plain number is seconds. ERR_MALFORMED: also when negative. */
enum err duration_parse(struct bytes text, int64_t *out_ms);

enum { MOMENT_TEXT_BYTES = 80 }; /* any int64_t fits */
enum { MOMENT_TEXT_LEN = 24 };   /* of a year with four digits */
/* "2026-11-22T08:00:01.500Z" with a NUL. */
void moment_text(int64_t ms, char out[MOMENT_TEXT_BYTES]);

enum { DURATION_TEXT_BYTES = 40 };
/* "12 ms", "3.1 s", "4m10s", "3h05m", "2d04h" with a NUL. */
void duration_text(int64_t ms, char out[DURATION_TEXT_BYTES]);
