/* tests/data/no_coordinator.c: there are no groups in the data path's tests: no topic of theirs is made. */
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
