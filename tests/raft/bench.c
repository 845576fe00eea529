/* tests/raft/bench.c: what a step costs.
 *
 *     weir_raft_bench [rounds [groups]]
 *
 * WHY      A core of the broker owns thousands of groups; what consensus costs per batch must be known, and must not
 *          grow unseen. The target: a step of the hot path and all its actions in less than a microsecond, as long as
 *          the group is in the cache.
 * HOW      Hosts without a disk and a network: a log of runs, a ticket, an array of messages. Calls of one kind are timed
 *          in batches of as many as have tickets of their own. "hot" is one group again and again, "cold" cycles through
 *          so many groups that none is in the cache.
 * FAILURE  A step that allocates asserts: the linker leads all calls of malloc here, where they are counted.
 */
#include "tests/raft/single_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUNDS = 20000,
    GROUPS = 10000,
    BATCH = RAFT_TICKET_MAX,
    RUNS = 4,
    SENT_MAX = 32,
    MEMBERS = 3,
    NS_TARGET = 1000,
    NS_MAX = 16384,
    ENTRY_BYTES = 1,
    ELECTION_MS = 1000,
    BEAT_MS = 100
};

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *at, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);

static uint64_t allocations;

void *__wrap_malloc(size_t bytes)
{
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocations++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *at, size_t bytes)
{
    allocations++;
    return __real_realloc(at, bytes);
}

/* -- a host ---------------------------------------------------------------------------------------------- */

struct group {
    struct raft *raft;
    struct single_log log;
    struct raft_bound runs[RUNS];
    uint64_t ticket, now_ms;
    uint64_t commit;
    uint32_t sent_count;
    struct raft_message *sent; /* of the newest step: room for SENT_MAX */
};

static const struct raft_options options = {.election_ms = ELECTION_MS,
                                            .beat_ms = BEAT_MS,
                                            .append_bytes_max = 1 << 20,
                                            .window_bytes = 1 << 30,
                                            .window_messages = 1 << 30};

static struct raft_message scratch[SENT_MAX];
static uint64_t actions;

static void append_runs(struct group *g, const struct raft_in *in, const struct raft_out *out)
{
    if (out->append.source != RAFT_ENTRY_MESSAGE) {
        single_log_append(&g->log, out->append.last);
        return;
    }
    const struct raft_span *span = &in->recv.message->append.span;

    for (uint32_t i = 0; i < span->run_count; i++) {
        single_log_append(&g->log, span->runs[i]);
    }
}

static void step(struct group *g, struct raft_in *in)
{
    struct raft_out out;

    in->now_ms = g->now_ms;
    g->sent_count = 0;
    raft_step(g->raft, in);
    while (raft_next(g->raft, &out)) {
        actions++;
        if (out.kind == RAFT_OUT_APPEND) {
            append_runs(g, in, &out);
            raft_ticket(g->raft, ++g->ticket);
        } else if (out.kind == RAFT_OUT_HARD_STATE) {
            raft_ticket(g->raft, ++g->ticket);
        } else if (out.kind == RAFT_OUT_SEND) {
            g->sent[g->sent_count++ % SENT_MAX] = out.send.message;
        } else if (out.kind == RAFT_OUT_COMMIT) {
            g->commit = out.commit.index;
        }
    }
}

static void propose(struct group *g)
{
    struct raft_in in = {.kind = RAFT_IN_PROPOSE};

    in.propose.last = single_log_last(&g->log).index + 1;
    in.propose.bytes = ENTRY_BYTES;
    step(g, &in);
}

static void durable(struct group *g, uint64_t ticket)
{
    step(g, &(struct raft_in){.kind = RAFT_IN_DURABLE, .durable.ticket = ticket});
}

static void receive(struct group *g, const struct raft_message *m)
{
    step(g, &(struct raft_in){.kind = RAFT_IN_RECV, .recv.message = m});
}

/* What the peer says when it has all that is in an append. */
static struct raft_message answer_to(const struct raft_message *to)
{
    const struct raft_message_append *a = &to->append;
    uint32_t runs = a->span.run_count;
    uint64_t end = runs > 0 ? a->span.runs[runs - 1].index : a->prev.index;

    return (struct raft_message){.kind = RAFT_APPEND_REPLY,
                                 .term = to->term,
                                 .from = to->to,
                                 .to = to->from,
                                 .reply = {.sequence = a->sequence,
                                           .boot = 1,
                                           .round = a->round,
                                           .sent_bytes = a->sent_bytes,
                                           .prev = a->prev,
                                           .match = end,
                                           .durable = end,
                                           .last = end}};
}

static void start(struct group *g, void *memory, uint64_t id)
{
    struct raft_configuration c = {.count = MEMBERS};
    static const struct raft_configuration none = {.count = 0};

    for (uint32_t i = 0; i < MEMBERS; i++) {
        c.members[i] = (struct raft_member){.replica_id = i + 1, .roles = RAFT_VOTER};
    }
    *g = (struct group){.sent = scratch};
    g->log = (struct single_log){.runs = g->runs, .capacity = RUNS};
    g->raft = raft_init(memory, &(struct raft_start){.options = &options,
                                                     .log = single_log_functions(),
                                                     .context = &g->log,
                                                     .replica_id = id,
                                                     .seed = id,
                                                     .boot = 1,
                                                     .configuration = &c,
                                                     .previous = &none,
                                                     .member_max = MEMBERS});
}

/* Elects it by the word of replica 2, and has both followers replicated to. */
static void lead(struct group *g)
{
    struct raft_message m = {.kind = RAFT_PRE_VOTE_REPLY, .term = 1, .from = 2, .to = 1};

    step(g, &(struct raft_in){.kind = RAFT_IN_CAMPAIGN});
    m.vote_reply.granted = true;
    receive(g, &m);
    durable(g, g->ticket);
    m.kind = RAFT_VOTE_REPLY;
    receive(g, &m);
    struct raft_message probes[] = {g->sent[0], g->sent[1]};
    durable(g, g->ticket);
    for (uint32_t i = 0; i < COUNT_OF(probes); i++) {
        m = answer_to(&probes[i]);
        receive(g, &m);
        struct raft_message first = g->sent[0];
        ASSERT(g->sent_count > 0);
        m = answer_to(&first);
        receive(g, &m);
    }
    step(g, &(struct raft_in){.kind = RAFT_IN_APPLIED, .applied.index = g->commit});
}

/* -- measuring ------------------------------------------------------------------------------------------- */

enum call {
    PROPOSE,
    OWN_DURABLE,
    FIRST_ACK,
    SECOND_ACK,
    BEAT,
    BEAT_ACK,
    APPEND,
    DURABLE,
    HEAR,
    CALL_COUNT
};

struct sum {
    uint64_t calls, actions;
    uint64_t begun, best; /* the quickest batch, per call */
    uint64_t batch_count;
    uint32_t batches[NS_MAX]; /* by nanoseconds per call; the last: as many or more */
};

static const char *const call_names[] = {
    [PROPOSE] = "leader: propose, two appends out",
    [OWN_DURABLE] = "leader: durable",
    [FIRST_ACK] = "leader: an ack that commits",
    [SECOND_ACK] = "leader: an ack that does not",
    [BEAT] = "leader: beat time, two beats out",
    [BEAT_ACK] = "leader: answer to a beat",
    [APPEND] = "follower: append of one run at its end",
    [DURABLE] = "follower: durable",
    [HEAR] = "follower: beat",
};

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void begin(struct sum *s)
{
    s->actions -= actions;
    s->begun = now_ns();
}

static void end(struct sum *s, uint32_t calls)
{
    uint64_t ns = now_ns() - s->begun;

    s->best = s->calls == 0 ? ns / calls : MIN(s->best, ns / calls);
    s->batches[MIN(ns / calls, NS_MAX - 1)]++;
    s->batch_count++;
    s->actions += actions;
    s->calls += calls;
}

/* Of the batches: one that was interrupted says nothing about a step. */
static uint64_t median(const struct sum *s)
{
    uint64_t seen = 0, ns = 0;

    while ((seen += s->batches[ns]) * 2 < s->batch_count) {
        ns++;
    }
    return ns;
}

static uint64_t report(const char *where, const struct sum *sums)
{
    uint64_t worst = 0;

    for (enum call c = 0; c < CALL_COUNT; c++) {
        if (sums[c].calls > 0) {
            uint64_t ns = median(&sums[c]);

            printf("%-5s %-40s %5" PRIu64 " ns in the median, at best %4" PRIu64 " %6.2f actions\n",
                   where, call_names[c], ns, sums[c].best,
                   (double)sums[c].actions / (double)sums[c].calls);
            worst = MAX(worst, ns);
        }
    }
    return worst;
}

/* One batch of entries on a leader, from proposal to the last ack. */
static void lead_batch(struct group *g, struct sum *sums)
{
    struct raft_message acks[2][BATCH];
    uint64_t first = g->ticket + 1;

    begin(&sums[PROPOSE]);
    for (uint32_t i = 0; i < BATCH; i++) {
        propose(g);
        acks[0][i] = g->sent[0];
        acks[1][i] = g->sent[1];
    }
    end(&sums[PROPOSE], BATCH);
    for (uint32_t i = 0; i < BATCH; i++) {
        acks[0][i] = answer_to(&acks[0][i]);
        acks[1][i] = answer_to(&acks[1][i]);
    }
    begin(&sums[OWN_DURABLE]);
    for (uint32_t i = 0; i < BATCH; i++) {
        durable(g, first + i);
    }
    end(&sums[OWN_DURABLE], BATCH);
    for (uint32_t k = 0; k < 2; k++) {
        struct sum *sum = &sums[k == 0 ? FIRST_ACK : SECOND_ACK];

        begin(sum);
        for (uint32_t i = 0; i < BATCH; i++) {
            receive(g, &acks[k][i]);
        }
        end(sum, BATCH);
    }
}

static void beat(struct group *g, struct sum *sums)
{
    g->now_ms = raft_deadline(g->raft);
    begin(&sums[BEAT]);
    step(g, &(struct raft_in){.kind = RAFT_IN_TIME});
    end(&sums[BEAT], 1);
    struct raft_message acks[] = {answer_to(&g->sent[0]), answer_to(&g->sent[1])};
    ASSERT(g->sent_count == 2);
    begin(&sums[BEAT_ACK]);
    receive(g, &acks[0]);
    receive(g, &acks[1]);
    end(&sums[BEAT_ACK], 2);
}

static struct raft_message next_append(const struct group *g, uint32_t entries)
{
    struct raft_bound last = single_log_last(&g->log);
    struct raft_message m = {.kind = RAFT_APPEND, .term = 1, .from = 1, .to = 2};

    m.append.prev = last;
    m.append.commit = last.index;
    m.append.boot = 1;
    m.append.span.run_count = entries > 0;
    m.append.span.runs[0] = (struct raft_bound){last.index + entries, 1};
    return m;
}

static void follow_batch(struct group *g, struct sum *sums)
{
    struct raft_message appends[BATCH];
    uint64_t first = g->ticket + 1;

    for (uint32_t i = 0; i < BATCH; i++) {
        appends[i] = next_append(g, i + 1);
        if (i > 0) {
            appends[i].append.prev = appends[i - 1].append.span.runs[0];
            appends[i].append.span.runs[0].index = appends[i].append.prev.index + 1;
        }
    }
    begin(&sums[APPEND]);
    for (uint32_t i = 0; i < BATCH; i++) {
        receive(g, &appends[i]);
    }
    end(&sums[APPEND], BATCH);
    begin(&sums[DURABLE]);
    for (uint32_t i = 0; i < BATCH; i++) {
        durable(g, first + i);
    }
    end(&sums[DURABLE], BATCH);
    appends[0] = next_append(g, 0);
    begin(&sums[HEAR]);
    for (uint32_t i = 0; i < BATCH; i++) {
        receive(g, &appends[0]);
    }
    end(&sums[HEAR], BATCH);
}

static uint64_t measure_hot(uint32_t rounds)
{
    static uint64_t memory[2][1024 / sizeof(uint64_t)];
    static struct sum sums[CALL_COUNT]; /* too large for the stack */

    memset(sums, 0, sizeof(sums));
    struct group leader, follower;
    uint64_t before;

    start(&leader, memory[0], 1);
    start(&follower, memory[1], 2);
    lead(&leader);
    struct raft_message m = next_append(&follower, 1);
    receive(&follower, &m);
    durable(&follower, follower.ticket);
    before = allocations;
    for (uint32_t i = 0; i < rounds; i++) {
        lead_batch(&leader, sums);
        beat(&leader, sums);
        follow_batch(&follower, sums);
    }
    ASSERT(leader.commit == single_log_last(&leader.log).index);
    ASSERT(allocations == before);
    return report("hot", sums);
}

/* One leader and two followers in one memory; each message arrives at once, each disk is quick. */
static void measure_commit(uint32_t entries)
{
    static uint64_t memory[MEMBERS][1024 / sizeof(uint64_t)];
    static struct raft_message sent[MEMBERS][SENT_MAX];
    struct group g[MEMBERS];
    uint64_t steps = 0, ns, before = allocations;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        start(&g[i], memory[i], i + 1);
        g[i].sent = sent[i];
    }
    lead(&g[0]);
    for (uint32_t i = 1; i < MEMBERS; i++) {
        struct raft_message m = next_append(&g[i], 1);

        m.to = i + 1;
        receive(&g[i], &m);
        durable(&g[i], g[i].ticket);
    }
    ns = now_ns();
    for (uint32_t k = 0; k < entries; k++) {
        propose(&g[0]);
        struct raft_message appends[2] = {sent[0][0], sent[0][1]}, replies[2];
        for (uint32_t i = 1; i < MEMBERS; i++) {
            receive(&g[i], &appends[i - 1]);
            replies[i - 1] = sent[i][0];
            durable(&g[i], g[i].ticket);
        }
        durable(&g[0], g[0].ticket);
        receive(&g[0], &replies[0]);
        receive(&g[0], &replies[1]);
        steps += 8;
    }
    ns = now_ns() - ns;
    ASSERT(g[0].commit == 1 + entries && allocations == before);
    printf("commit of %u entries on three replicas: %" PRIu64 " ns each, %" PRIu64 " ns a step\n",
           entries, ns / entries, ns / steps);
}

static void call_one(struct group *g, enum call call, struct raft_message acks[2])
{
    if (call == PROPOSE) {
        propose(g);
        acks[0] = answer_to(&g->sent[0]);
        acks[1] = answer_to(&g->sent[1]);
    } else if (call == OWN_DURABLE) {
        durable(g, g->ticket);
    } else if (call == BEAT) {
        g->now_ms = raft_deadline(g->raft);
        step(g, &(struct raft_in){.kind = RAFT_IN_TIME});
    } else {
        receive(g, &acks[call == SECOND_ACK]);
    }
}

static void measure_cold(uint32_t groups, uint32_t rounds)
{
    size_t bytes = (sizeof(struct group) + raft_size(MEMBERS) + 63) / 64 * 64;
    uint8_t *all = malloc(groups * bytes);
    struct raft_message *acks = malloc(groups * sizeof(*acks) * 2);
    static struct sum sums[CALL_COUNT]; /* too large for the stack */

    memset(sums, 0, sizeof(sums));
    uint64_t before;

    ASSERT(all && acks);
    for (uint32_t i = 0; i < groups; i++) {
        struct group *g = (struct group *)(void *)(all + i * bytes);

        start(g, g + 1, 1);
        lead(g);
    }
    before = allocations;
    for (uint32_t k = 0; k < rounds; k++) {
        enum call calls[] = {PROPOSE, OWN_DURABLE, FIRST_ACK, SECOND_ACK, BEAT};

        for (uint32_t c = 0; c < COUNT_OF(calls); c++) {
            begin(&sums[calls[c]]);
            for (uint32_t i = 0; i < groups; i++) {
                call_one((struct group *)(void *)(all + i * bytes), calls[c], &acks[2 * i]);
            }
            end(&sums[calls[c]], groups);
        }
    }
    ASSERT(allocations == before);
    (void)report("cold", sums);
    free(acks);
    free(all);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ROUNDS;
    uint32_t groups = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : GROUPS;

    printf("raft_size: %zu bytes for 3 members, %zu for 7\n", raft_size(3), raft_size(7));
    uint64_t worst = measure_hot(MAX(rounds, 1));
    measure_commit(MAX(rounds, 1) * BATCH);
    measure_cold(MAX(groups, 1), MAX(rounds / 1000, 2));
    printf("allocations in all of that: none; slowest hot call: %" PRIu64 " ns, target %d: %s\n",
           worst, NS_TARGET, worst < NS_TARGET ? "met" : "missed");
    return 0;
}
