/* raft/trace.c: says in words what a step did and why.
 *
 * WHY      The same lines explain a running cluster to a person and are compared by the scenario tests: what is logged is
 *          tested, and what is tested can be read.
 * FORMAT   One line without a newline: event -> consequence. `index^term` is a bound.
 * OWNER    The listener (raft_start.trace) copies what it wants to keep.
 * LIMITS   Longer lines are cut.
 */
#include "raft/raft_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum { TRACE_BYTES_MAX = 256 };

void raft_say(const struct raft *r, const char *format, ...)
{
    char line[TRACE_BYTES_MAX];
    va_list arguments;

    if (!r->trace) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    r->trace(r->context, line);
}

const char *raft_role_name(enum raft_role role)
{
    static const char *const names[] = {"follower", "pre_candidate", "candidate", "leader",
                                        "halted"};

    return (size_t)role < COUNT_OF(names) ? names[role] : "?";
}

const char *raft_message_name(enum raft_message_kind kind)
{
    static const char *const names[] = {"pre_vote", "pre_vote_reply", "vote",     "vote_reply",
                                        "append",   "append_reply",   "snapshot", "timeout_now"};

    return (size_t)kind < COUNT_OF(names) ? names[kind] : "?";
}

const char *raft_reason_name(enum raft_reason reason)
{
    static const char *const names[] = {"done",          "not leader", "other term", "transferring",
                                        "unconfirmed",   "changing",   "invalid",    "too many",
                                        "not caught up", "cancelled",  "lost"};

    return (size_t)reason < COUNT_OF(names) ? names[reason] : "?";
}
