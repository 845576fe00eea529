/* base/assert.c: the end of a process that found itself wrong.
 *
 * WHY      A false assertion means that memory no longer holds what the code believes. Going on could put
 *          that on disk; stopping loses nothing that was acknowledged (design promise P2).
 * FORMAT   One line says what was false and where; then one line for each breadcrumb of this thread,
 *          newest first: they often name the operation that led here. Log lines need no flush: each was
 *          written when it was made.
 * FAILURE  Nothing here allocates, locks or asserts. A standard error that is full or closed is ignored.
 */
#include "base/base.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ASSERT_LINE_BYTES = 512 };

static void write_line(const char *line, int len)
{
    size_t left = len < 0 ? 0 : MIN((size_t)len, (size_t)ASSERT_LINE_BYTES - 1);

    if (write(STDERR_FILENO, line, left) < 0) {
        return; /* nobody to tell */
    }
}

_Noreturn void assert_failed(const char *what, const char *file, int line)
{
    char text[ASSERT_LINE_BYTES];

    write_line(text,
               snprintf(text, sizeof(text), "assertion failed: %s (%s:%d)\n", what, file, line));
    for (unsigned age = 0; err_crumb_at(age)[0] != 0; age++) {
        write_line(text, snprintf(text, sizeof(text), "  before: %s\n", err_crumb_at(age)));
    }
    abort();
}
