/* tools/record_pattern.h: records as people want to see them: -o '%T{iso} %p:%o %k %v\n'.
 *
 *     %t topic   %p partition   %o offset   %T timestamp (ms; %T{iso})   %k key   %v value   %h headers (a=b,c=d)
 *     %s bytes of the value   %S bytes of the key   %% a percent sign   \n \t \r \0 \\ \xHH
 *     %k %v also {hex} and {base64}
 */
#pragma once

#include "tools/record_json.h"

/* ERR_USAGE: the crumb says what is wrong where. */
enum err record_pattern_check(struct bytes pattern);
/* A pattern that was checked. ERR_NOMEM. */
enum err record_pattern_print(FILE *to, struct arena *arena, struct bytes pattern,
                              const struct record_json *r);
