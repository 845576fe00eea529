/* broker/auto_create.h: topics made because somebody asked for them (auto.create.topics.enable). */
#pragma once

#include "broker/core.h"

/* Begins to create the topic with the broker's defaults (or what its name asks for), unless this core is at it already. Nobody waits
 * for it; whoever asked will ask again. At most AUTO_CREATE_PENDING_MAX are on their way per core, more are
 * dropped. The name was checked. */
enum { AUTO_CREATE_PENDING_MAX = 1000 };
void topic_auto_create(struct core *c, struct bytes name);

/* The same for __consumer_offsets, with the settings of offsets.topic.*, as soon as a group needs it and whatever
 * auto.create.topics.enable says. Idempotent. */
void offsets_topic_create(struct core *c);
