/* tests/sim/group_peace.h: what a group says while all is well and all its members are in: there, every question has
 * one right answer. The world must lose nothing (group_trouble of zeros, or only delays).
 */
#pragma once

#include "tests/sim/group_member.h"

/* Administrators ask for what must not be while a group has members: to delete it, to delete offsets that its
 * members go on from, to commit in their stead. Groups without a living member are left alone. */
void group_peace_refuses(struct group_members *all);
/* The member dies; when its session is over it is in the group no more. Takes that long. */
void group_peace_bury(struct group_member *m);
