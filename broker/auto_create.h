/* broker/auto_create.h: topics made because somebody asked for them (auto.create.topics.enable). */
#pragma once

#include "broker/core.h"

/* Begins to create the topic with the broker's defaults, unless this core is at it already. Nobody waits
 * for it; whoever asked will ask again. At most AUTO_CREATE_PENDING_MAX are on their way per core, more are
 * dropped. The name was checked. */
enum { AUTO_CREATE_PENDING_MAX = 1000 };
void topic_auto_create(struct core *c, struct bytes name);
