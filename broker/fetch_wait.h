/* broker/fetch_wait.h: a whole fetch on its connection's core: rounds of visits, and the waits between.
 *
 * The caller fills parts and limits; done() comes once, when there are enough bytes, an error, or time is up
 * (also within fetch_start). Then every part that is not settled has been visited and carries its answer;
 * fetch_end() gives the bytes back.
 */
#pragma once

#include "broker/fetch_part.h"
#include "broker/request.h"

enum fetch_state { FETCH_VISITING, FETCH_WAITING, FETCH_DONE };

/* In the request's arena. */
struct fetch {
    struct request *rq;
    struct fetch_part *parts; /* in the order of the reply; zeroed but for the question */
    int32_t count;
    uint64_t wait_us;   /* 0: answer at once */
    uint64_t bytes_min; /* enough */
    size_t bytes_max;   /* of all parts; the first batch may pass it */
    void (*done)(struct fetch *f);

    /* fetch_wait.c's own. */
    enum fetch_state state;
    uint64_t deadline_us;
    struct timer timer;
    size_t budget;         /* of this round, not given to anybody */
    size_t reserved;       /* given to visits under way */
    size_t bytes;          /* read in this round */
    int32_t next;          /* part to visit */
    int32_t live;          /* parts that are not settled */
    int visiting, waiting; /* parts away on a visit, on a wait */
    bool pumping, forced, urgent;
    uint64_t gained;
};

/* The request is held until done() returned. */
void fetch_start(struct fetch *f);
/* Gives back what was read, once the reply is sent or nobody wants it. Also of a fetch that is still under way
 * when the node is taken apart. */
void fetch_end(struct fetch *f);
