/* broker/config_value.h: one value of a setting: its number, its units, its limits. */
#pragma once

#include "broker/config.h"

enum { CONFIG_ARENA_BYTES = 64 << 10 };

/* The number of an INT, SHORT, LONG, or 1 and 0 of a BOOLEAN. False: not a number, or too large. Types
 * without a number give true and leave `out` alone. */
bool config_number(enum config_type type, struct bytes text, int64_t *out);

/* "7d" -> "604800000", "512MiB" -> "536870912", "1k" -> "1024"; what has no unit comes back as it is.
 * Times (ms s m h d w) give milliseconds, sizes (k KiB M MiB G GiB, kB MB GB) bytes. */
struct bytes config_without_units(enum config_type type, struct bytes text, struct arena *arena);

/* As Kafka checks: type first, then the `valid` text of the table. `why` is a sentence's end in Kafka's
 * manner; made in the arena. ERR_USAGE. */
enum err config_check_value(const struct config_info *info, struct bytes value, struct arena *arena,
                            struct bytes *why);

/* Calls fn for each element of a LIST, blanks trimmed, empty ones left out. */
void config_list_each(struct bytes list, void (*fn)(void *context, struct bytes element),
                      void *context);
/* Does a LIST hold this element? */
bool config_list_has(struct bytes list, struct bytes element);
