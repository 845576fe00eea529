/* tests/sim/group_world_internal.h: what group_world.c and group_ask.c share. */
#pragma once

#include "tests/sim/group_world.h"

/* Around every call into the coordinator. */
void group_world_turn_begin(struct group_world *w);
void group_world_turn_end(struct group_world *w);
