/* tests/harness/checks.c: the comparisons behind the CHECK macros, and how a difference is shown.
 *
 * WHY      A failure is read by someone who has only this line: so it names both sides, and for bytes the
 *          first position that differs with its neighbourhood in hex and in text.
 * LIMITS   SHOWN_BYTES around a difference.
 */
#include "tests/harness/test.h"

#include <stdio.h>

enum { SHOWN_BYTES = 16, SHOWN_TEXT_BYTES = 8 + 8 * SHOWN_BYTES };

void test_eq(struct test_int a, struct test_int b, const char *what, const char *file, int line)
{
    bool a_negative = a.is_signed && (int64_t)a.bits < 0;
    bool b_negative = b.is_signed && (int64_t)b.bits < 0;
    char text[2][32];

    if (a.bits == b.bits && a_negative == b_negative) {
        return;
    }
    (void)snprintf(text[0], sizeof(text[0]), a_negative ? "%" PRId64 : "%" PRIu64, a.bits);
    (void)snprintf(text[1], sizeof(text[1]), b_negative ? "%" PRId64 : "%" PRIu64, b.bits);
    test_fail(file, line, "%s: %s and %s (0x%" PRIx64 " and 0x%" PRIx64 ")", what, text[0], text[1],
              a.bits, b.bits);
}

void test_err(enum err got, enum err want, const char *what, const char *file, int line)
{
    if (got != want) {
        test_fail(file, line, "%s gives %s, not %s; last crumb: %s", what, err_name(got),
                  err_name(want), err_crumb());
    }
}

/* "61 62 |ab|": the bytes from position `from` on. */
static void show(struct bytes b, size_t from, char text[static SHOWN_TEXT_BYTES])
{
    struct bytes part = bytes_slice(b, from, SHOWN_BYTES);
    size_t n = 0;

    for (size_t i = 0; i < part.len; i++) {
        n += (size_t)snprintf(text + n, SHOWN_TEXT_BYTES - n, "%02x ", part.at[i]);
    }
    text[n++] = '|';
    for (size_t i = 0; i < part.len; i++) {
        text[n++] = (char)(part.at[i] >= ' ' && part.at[i] < 127 ? part.at[i] : '.');
    }
    text[n++] = '|';
    text[n] = 0;
}

void test_bytes_eq(struct bytes a, struct bytes b, const char *what, const char *file, int line)
{
    char text[2][SHOWN_TEXT_BYTES];
    size_t same = 0;

    if ((a.at == NULL) == (b.at == NULL) && bytes_equal(a, b)) {
        return;
    }
    if (a.at == NULL || b.at == NULL) {
        test_fail(file, line, "%s: the %s is null, the other has %zu bytes", what,
                  a.at == NULL ? "first" : "second", MAX(a.len, b.len));
    }
    while (same < a.len && same < b.len && a.at[same] == b.at[same]) {
        same++;
    }
    show(a, same, text[0]);
    show(b, same, text[1]);
    test_fail(file, line, "%s: %zu and %zu bytes, different from byte %zu on:\n    %s\n    %s",
              what, a.len, b.len, same, text[0], text[1]);
}

void test_str_eq(const char *a, const char *b, const char *what, const char *file, int line)
{
    if (a == NULL || b == NULL || strcmp(a, b) != 0) {
        test_fail(file, line, "%s:\n    \"%s\"\n    \"%s\"", what, a == NULL ? "(null)" : a,
                  b == NULL ? "(null)" : b);
    }
}
