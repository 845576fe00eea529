/* broker/groups/group_admin.h: what is the same for groups of either type. */
#pragma once

#include "broker/groups/groups_internal.h"

/* Nobody is in it. */
bool group_is_empty(const struct group *group);
/* Tombstones of the group's own records, not of its offsets. */
void group_put_tombstones(struct groups *g, struct group *group);
