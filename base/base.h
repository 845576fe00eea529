/* base/base.h: the first include everywhere. Sized types, assertions, must-check, and nothing else.
 *
 * ASSERT(c) is on in every build, release included, and is for what must be true of our own code; never
 * for what a peer, a client or a disk said. ASSERT_SLOW(c) (walk a list, re-check a checksum) is on in
 * test builds only. <assert.h> and NDEBUG are not used at all.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define static_assert _Static_assert

#ifdef __cplusplus
#error "Weir is C"
#endif

#if defined(__cppcheck__)
#define MUST_CHECK
#elif defined(__clang__)
#define MUST_CHECK __attribute__((warn_unused_result))
#else
#define MUST_CHECK [[nodiscard]]
#endif

#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define COLD                            __attribute__((cold))

/* Says what was false and where, writes the last log lines out, and aborts. */
COLD _Noreturn void assert_failed(const char *what, const char *file, int line);

#define ASSERT(c) (__builtin_expect(!!(c), 1) ? (void)0 : assert_failed(#c, __FILE__, __LINE__))

#ifdef TEST_HOOKS
#define ASSERT_SLOW(c) ASSERT(c)
#else
#define ASSERT_SLOW(c) ((void)sizeof(!!(c)))
#endif

/* For a place that no input can reach. */
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that holds this member: CONTAINER_OF(link, struct conn, link). By way of a number, so that a
 * pointer to const gives what the caller asks for (say `const struct conn` when only reading). */
#define CONTAINER_OF(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
