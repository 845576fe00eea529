/* base/err.c: names, texts and breadcrumbs of errors.
 *
 * WHY      An error code says what a caller should do; a person also wants to know what happened. fail()
 *          writes that sentence to a ring of this thread, and whoever logs the error prints the newest.
 * OWNER    The ring is thread-local: one of the four places in the house that may hold such state.
 * LIMITS   ERR_CRUMB_COUNT crumbs of ERR_CRUMB_BYTES each; longer texts are cut.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

enum { ERR_CRUMB_COUNT = 16, ERR_CRUMB_BYTES = 256 };

struct crumbs {
    char text[ERR_CRUMB_COUNT][ERR_CRUMB_BYTES];
    unsigned count;
};

static _Thread_local struct crumbs crumbs;

const char *err_text(enum err e)
{
#define X(name, text) text,
    static const char *const texts[] = {ERR_LIST(X)};
#undef X
    ASSERT((size_t)e < COUNT_OF(texts));
    return texts[e];
}

const char *err_name(enum err e)
{
#define X(name, text) #name,
    static const char *const names[] = {ERR_LIST(X)};
#undef X
    ASSERT((size_t)e < COUNT_OF(names));
    return names[e];
}

enum err err_note(enum err e, const char *file, int line, const char *format, ...)
{
    char *at = crumbs.text[crumbs.count % ERR_CRUMB_COUNT];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(at, ERR_CRUMB_BYTES, format, args);
    va_end(args);
    if (n >= 0 && n < ERR_CRUMB_BYTES) {
        (void)snprintf(at + n, (size_t)(ERR_CRUMB_BYTES - n), " (%s:%d)", file, line);
    }
    crumbs.count++;
    return e;
}

const char *err_crumb(void)
{
    return err_crumb_at(0);
}

const char *err_crumb_at(unsigned age)
{
    if (age >= MIN(crumbs.count, (unsigned)ERR_CRUMB_COUNT)) {
        return "";
    }
    return crumbs.text[(crumbs.count - 1 - age) % ERR_CRUMB_COUNT];
}

void err_crumbs_reset(void)
{
    crumbs.count = 0;
}
