/* tests/unit/store_test.c: many logs, many cores, crashes, full and failing disks. */
#include "tests/harness/test.h"
#include "tests/sim/sim_storage.h"

#include <stdarg.h>
#include <stdio.h>

_Noreturn void storage_wrong(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    test_fail(file, line, "%s", text);
}
