/* tests/data/no_coordinator.c: there are no groups in the data path's tests.
 *
 * broker/partition.c gives partitions of the offsets topic a coordinator. No test here makes that topic, so the
 * functions stand here only to be linked, and say so when they are called.
 */
#include "broker/coordinator.h"

enum err coordinator_new(struct partition *p, struct coordinator **out)
{
    (void)p;
    (void)out;
    UNREACHABLE();
}

void coordinator_free(struct coordinator *c)
{
    ASSERT(c == NULL);
}

void coordinator_log_moved(struct coordinator *c, enum err e)
{
    (void)c;
    (void)e;
    UNREACHABLE();
}

void coordinators_close(struct core *core)
{
    (void)core;
}
