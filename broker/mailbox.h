/* broker/mailbox.h: the only channel between cores, and the only file with atomics.
 *
 * From each core to each other one single-producer single-consumer ring of message pointers, plus an
 * overflow list on the sender's side: sending never blocks and never drops, order is kept (FIFO is a
 * contract), and a long overflow list is the signal for back-pressure. A wake-up (env_wake) is sent at most
 * once per target and turn, and only when the target sleeps.
 *
 * A message is embedded in whatever it is about; sending lends that memory to the other core until it
 * sends the message (or another one) back. Nobody frees what was lent to it.
 *
 * A message to oneself goes into a local queue and runs later in this turn or in the next.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct core;

struct message {
    void (*run)(struct core *on, struct message *m);
    struct message *next; /* the mailbox's, while it waits */
};

struct mailbox_rings; /* broker/mailbox.c's own */

struct mailbox {
    struct mailbox_rings *rings;
    struct message *local_first, *local_last;
};

/* Messages one ring holds before they wait in the sender's overflow list. */
enum { MAILBOX_SLOT_COUNT = 1024 };

/* Runs m->run on core `to`, later; also when `to` is the sender itself. */
void mailbox_send(struct core *from, int to, struct message *m);

/* Messages to `to` that did not fit into its ring yet: when it grows, slow down. */
size_t mailbox_backlog(const struct core *from, int to);

/* Any thread, also one that is no core: the core's next mailbox_signalled() is true, and it is woken. */
void mailbox_signal(struct core *c);

/* The rest is for the core loop. */

/* Since the last call. */
bool mailbox_signalled(struct core *c);

/* peers[0 .. count-1] are the cores of the node, this one among them; the array outlives the mailbox.
 * All mailboxes of a node are made before the first core runs. ERR_NOMEM. */
enum err mailbox_init(struct core *c, struct core *const *peers, int count);
/* Waiting messages are forgotten: their memory belongs to others. No core runs any more. */
void mailbox_deinit(struct core *c);

/* Runs at most `max` messages of other cores; returns how many. */
int mailbox_drain(struct core *c, int max);
/* Runs the local messages that wait now, not those they add; returns how many. */
int mailbox_run_local(struct core *c);
/* Gives what was sent in this turn to the other cores and wakes those that sleep. False: some did not
 * fit; flush again soon. */
bool mailbox_flush(struct core *c);
/* Is there something to drain, or a local message? */
bool mailbox_pending(const struct core *c);
/* From now on whoever sends also wakes this core. False: something has come already. Called at the end of a
 * turn, because in simulation a core waits between its turns; true from mailbox_init() on. */
bool mailbox_sleep(struct core *c);
/* After the wait: whoever sends need not wake it, it will look before it waits again. */
void mailbox_awake(struct core *c);
