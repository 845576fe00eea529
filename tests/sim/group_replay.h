/* tests/sim/group_replay.h: a coordinator made anew from the log says what the living one says. */
#pragma once

#include "tests/sim/group_world.h"

/* Does nothing while no coordinator serves. */
void group_replay_check(struct group_world *w);
/* What the living coordinator says of its members of the consumer protocol, for the trace. */
void group_replay_note(struct group_world *w);
