/* tools/group_log.h: reading __consumer_offsets, as any client may. */
#pragma once

#include "tools/cli.h"
#include "tools/group_record.h"

/* Called for each record that is understood; it lives until the function returns. */
typedef enum err group_log_fn(void *context, const struct group_record *r);

/* All records of the partition that has the group (null: of all partitions), from the start to where the end was when
 * the reading began. Prints why it cannot be read and returns the code; no such topic yet: nothing is read. */
int group_log_read(struct cli *c, struct bytes group, group_log_fn *fn, void *context);
