/* base/err.h: the one error type.
 *
 * A function that can fail returns enum err, and the compiler refuses to drop it (an intended drop is
 * written `(void)call();`). Add a code only if some caller acts differently on it; the detail goes in
 * the breadcrumb that fail() leaves. Libraries never log: the edge that logs prints code and crumbs.
 *
 * Bytes from a peer that do not parse are ERR_MALFORMED, bytes from our own disk that do not verify
 * are ERR_CORRUPT; neither ever reaches an assertion. Kafka's error codes are data, a different enum
 * (enum kafka_error, generated).
 */
#pragma once

#include "base/base.h"

#define ERR_LIST(X)                                         \
    X(OK, "ok")                                             \
    X(ERR_NOMEM, "out of memory")                           \
    X(ERR_LIMIT, "a configured limit was reached")          \
    X(ERR_MALFORMED, "bytes from a peer do not parse")      \
    X(ERR_CORRUPT, "bytes from our own disk do not verify") \
    X(ERR_IO, "the operating system reported an error")     \
    X(ERR_NOSPACE, "the disk is full")                      \
    X(ERR_AGAIN, "not now: it would block")                 \
    X(ERR_CLOSED, "the other side closed the connection")   \
    X(ERR_NOT_FOUND, "there is no such thing")              \
    X(ERR_EXISTS, "it exists already")                      \
    X(ERR_UNSUPPORTED, "not supported here")                \
    X(ERR_USAGE, "wrong use or setting")

#define X(name, text) name,
enum MUST_CHECK err { ERR_LIST(X) };
#undef X

/* "out of memory" for ERR_NOMEM. */
const char *err_text(enum err e);

/* "ERR_NOMEM" for ERR_NOMEM. */
const char *err_name(enum err e);

/* Give up with a code, leaving a breadcrumb (file, line, text) for whoever logs it. Returns the code. */
#ifdef __clang_analyzer__ /* which cannot know that err_note() gives back what it gets */
#define fail(code, ...) ((void)err_note((code), __FILE__, __LINE__, __VA_ARGS__), (code))
#else
#define fail(code, ...) err_note((code), __FILE__, __LINE__, __VA_ARGS__)
#endif

enum err err_note(enum err e, const char *file, int line, const char *format, ...)
    PRINTF_LIKE(4, 5) COLD;

/* The text of this thread's newest breadcrumb, "" when there is none: what went wrong, for a person.
 * Valid until the thread's next fail(). */
const char *err_crumb(void);

/* The breadcrumb `age` fail()s before the newest, "" when there are not so many. Same validity. */
const char *err_crumb_at(unsigned age);

/* Forget this thread's breadcrumbs (at the start of a request or job). */
void err_crumbs_reset(void);

/* The only macro allowed to hide a return. Use it only where nothing needs releasing. */
#define TRY(call)                   \
    do {                            \
        enum err try_err_ = (call); \
        if (try_err_ != OK) {       \
            return try_err_;        \
        }                           \
    } while (0)
