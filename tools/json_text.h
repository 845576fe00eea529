/* tools/json_text.h: a string of any bytes as JSON. */
#pragma once

#include "base/bytes.h"

#include <stdio.h>

/* Quoted and escaped. Bytes that are not UTF-8 become U+FFFD: what must survive is printed as base64. */
void json_text_print(FILE *to, struct bytes text);
/* Is it valid UTF-8 (RFC 3629)? */
bool json_text_is_utf8(struct bytes text);
/* Bytes of the UTF-8 character at the start, 0 when it is none (too short, overlong, surrogate, too large); the
 * text is not empty. */
size_t json_text_character(struct bytes text);
