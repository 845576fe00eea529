/* raft/durability.c: from tickets to "the log is durable up to here".
 *
 * WHY      An append is acknowledged when it survives a loss of power, and many of them may be under way. The host
 *          reports prefixes of its stream of tickets; this file knows which index each ticket stands for.
 * HOW      A ring-less list of (ticket, index), oldest first, both growing. Cutting the log back clamps the indexes:
 *          a ticket of what is no longer there still proves the part that is, and can never prove what was appended
 *          in its place, because that has a ticket of its own (tickets never repeat: no ABA).
 * OWNER    The replica.
 * FAILURE  None: a full list lets the newest two share the later ticket, which is late but never early.
 * LIMITS   RAFT_TICKET_MAX.
 */
#include "raft/raft_internal.h"

void raft_ticket_append(struct raft *r, uint64_t ticket)
{
    uint8_t at = r->ticket_count;

    r->log_ticket = ticket;
    if (ticket <= r->durable_ticket) { /* relaxed */
        r->durable = r->last.index;
        return;
    }
    if (at > 0 && (at == RAFT_TICKET_MAX || r->tickets[at - 1].ticket == ticket)) {
        at--;
    }
    r->tickets[at] = (struct raft_ticket){ticket, r->last.index};
    r->ticket_count = (uint8_t)(at + 1);
}

void raft_durable(struct raft *r, uint64_t ticket)
{
    uint8_t done = 0;

    if (ticket <= r->durable_ticket) {
        return;
    }
    r->durable_ticket = ticket;
    r->hard_durable = r->hard_ticket <= ticket;
    while (done < r->ticket_count && r->tickets[done].ticket <= ticket) {
        r->durable = r->tickets[done++].index;
    }
    r->ticket_count = (uint8_t)(r->ticket_count - done);
    memmove(r->tickets, r->tickets + done, r->ticket_count * sizeof(r->tickets[0]));
}

void raft_tickets_cut(struct raft *r, uint64_t index)
{
    r->durable = MIN(r->durable, index);
    for (uint8_t i = 0; i < r->ticket_count; i++) {
        r->tickets[i].index = MIN(r->tickets[i].index, index);
    }
}
