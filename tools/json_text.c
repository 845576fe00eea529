/* tools/json_text.c: JSON strings (RFC 8259 section 7) out of bytes that may be anything.
 *
 * WHY      Records hold any bytes; what is printed must be JSON all the same. Printing needs no tree in
 *          memory, so this does not go through the JSON library, which reads (tools/record_json.c).
 */
#include "tools/json_text.h"

size_t json_text_character(struct bytes t)
{
    uint8_t a = t.at[0];
    size_t len = a < 0x80 ? 1 : a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 : 4;

    if ((a >= 0x80 && a < 0xc2) || a > 0xf4 || len > t.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((t.at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((a == 0xe0 && t.at[1] < 0xa0) || (a == 0xed && t.at[1] > 0x9f) ||
        (a == 0xf0 && t.at[1] < 0x90) || (a == 0xf4 && t.at[1] > 0x8f)) {
        return 0;
    }
    return len;
}

bool json_text_is_utf8(struct bytes text)
{
    while (text.len > 0) {
        size_t len = json_text_character(text);
        if (len == 0) {
            return false;
        }
        text = bytes_slice(text, len, text.len);
    }
    return true;
}

static void print_character(FILE *to, struct bytes text, size_t len)
{
    uint8_t c = text.at[0];

    if (len == 0) {
        (void)fputs("\\ufffd", to);
    } else if (c == '"' || c == '\\') {
        (void)fprintf(to, "\\%c", c);
    } else if (c == '\n') {
        (void)fputs("\\n", to);
    } else if (c == '\t') {
        (void)fputs("\\t", to);
    } else if (c < 0x20 || c == 0x7f) {
        (void)fprintf(to, "\\u%04x", c);
    } else {
        (void)fwrite(text.at, 1, len, to);
    }
}

void json_text_print(FILE *to, struct bytes text)
{
    (void)fputc('"', to);
    while (text.len > 0) {
        size_t len = json_text_character(text);
        print_character(to, text, len);
        text = bytes_slice(text, MAX(len, 1u), text.len);
    }
    (void)fputc('"', to);
}
