/* broker/mailbox.h: the only channel between cores, and the only file with atomics.
 *
 * From each core to each other one single-producer single-consumer ring of message pointers, plus an
 * overflow list on the sender's side: sending never blocks and never drops, order is kept (FIFO is a
 * contract), and a long overflow list is the signal for back-pressure. A wake-up (env_wake) is sent at most
 * once per target and turn, and only when the target sleeps.
 *
 * A message is embedded in whatever it is about; sending lends that memory to the other core until it
 * sends the message (or another one) back. Nobody frees what was lent to it.
 */
#pragma once

#include "base/base.h"

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

/* Runs m->run on core `to`, later; also when `to` is the sender itself. */
void mailbox_send(struct core *from, int to, struct message *m);
