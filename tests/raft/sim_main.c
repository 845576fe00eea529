/* tests/raft/sim_main.c: weir_raft_sim: plays clusters by seed. --help says how.
 *
 * WHY      A failing seed must not end the others, whatever way it fails. A child process plays one seed after the other
 *          and says in shared memory where it is; when it dies, that seed has failed, and the next child goes on
 *          behind it.
 *          Where somebody watches, a line on stderr counts, and is gone at the end.
 * FORMAT   For each failure the law that was broken and the report, then "FAILED seed N" and the command that replays
 *          it. The last line is "N passed, N failed". The exit status is 0 if and only if something ran and nothing
 *          failed.
 */
#include "tests/raft/world.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SEED_SECONDS_MAX = 40, FAILURES_SHOWN_MAX = 10, TWICE_EVERY = 32 };

struct options {
    uint64_t from, count;
    double hours;
    uint32_t elections;
    bool one, trace, totals;
};

/* The most of something, and the seed that had it. */
struct most {
    double value;
    uint64_t seed;
};

/* What the child tells the parent. */
struct progress {
    uint64_t seed, passed, simulated_ms;
    struct most leader, rest; /* in election time-outs after the heal */
    bool finished;            /* all seeds; what fails then is the leak check */
    time_t shown_s;           /* when the line was written anew */
    struct world_totals totals;
};

static const char help[] =
    "weir_raft_sim: clusters of the Raft core in a simulated world, by seed.\n"
    "\n"
    "  --seeds FIRST COUNT  plays so many seeds\n"
    "  --seed N             plays one seed and prints its profile and hash\n"
    "  --trace              with --seed: every step in words\n"
    "  --hours H            plays seeds from FIRST (or 1) on, until so many hours were simulated\n"
    "  --elections N        each seed for so many election time-outs before the heal\n"
    "  --totals             prints what has happened in all seeds\n"
    "\n"
    "Every 32nd seed is played twice: the same seed gives the same history.\n"
    "\n"
    "  weir_raft_sim --seeds 1 200 --totals\n"
    "  weir_raft_sim --seed 17 --trace | less\n";

static void show(const struct options *o, struct progress *p)
{
    time_t now_s = time(NULL);

    if (o->one || now_s == p->shown_s || isatty(STDERR_FILENO) == 0) {
        return;
    }
    p->shown_s = now_s;
    (void)fprintf(stderr, "\r%" PRIu64 " seeds passed, %.1f simulated hours ", p->passed,
                  (double)p->simulated_ms / 3600e3);
    if (o->hours > 0) {
        (void)fprintf(stderr, "of %.1f ", o->hours);
    } else {
        (void)fprintf(stderr, "(%.0f %%) ",
                      100.0 * (double)(p->seed + 1 - o->from) / (double)o->count);
    }
}

/* Before anything else is said. */
static void show_no_more(void)
{
    if (isatty(STDERR_FILENO) != 0) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void broken(void *context, const char *law, const char *report)
{
    (void)context;
    show_no_more();
    printf("law %s is broken: %s\n", law, report);
    (void)fflush(stdout);
    _exit(EXIT_FAILURE);
}

static void play(const struct options *o, uint64_t seed, struct world_result *out)
{
    struct world_options options = {.seed = seed, .elections = o->elections, .failed = broken};

    options.trace = o->trace ? stdout : NULL;
    world_run(&options, out);
}

static void add_totals(struct world_totals *to, const struct world_totals *more)
{
    uint64_t sum[sizeof(*to) / sizeof(uint64_t)], add[COUNT_OF(sum)];

    static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "it is made of counters alone");
    memcpy(sum, to, sizeof(*to));
    memcpy(add, more, sizeof(*more));
    for (uint32_t i = 0; i < COUNT_OF(sum); i++) {
        sum[i] += add[i];
    }
    memcpy(to, sum, sizeof(*to));
}

static void take_most(struct most *m, double value, uint64_t seed)
{
    if (value > m->value) {
        *m = (struct most){value, seed};
    }
}

static void play_seed(const struct options *o, uint64_t seed, struct progress *shared)
{
    struct world_result result, again;

    const struct itimerval limit = {.it_value.tv_sec =
                                        SEED_SECONDS_MAX}; /* of the processor: machines are busy */

    (void)setitimer(ITIMER_PROF, &limit, NULL);
    if (o->one) {
        (void)setvbuf(stdout, NULL, _IOLBF, 0); /* what was told before an assertion is there */
        world_describe(seed, stdout);
    }
    play(o, seed, &result);
    if (seed % TWICE_EVERY == 0 && !o->trace) {
        play(o, seed, &again);
        if (again.hash != result.hash) {
            printf("the same seed gave two histories\n");
            (void)fflush(stdout);
            _exit(EXIT_FAILURE);
        }
    }
    if (o->one) {
        printf("seed %" PRIu64 ": hash %016" PRIx64 ", %" PRIu64 " steps, %" PRIu64
               " ms; after the heal a leader in %" PRIu64 " ms, at rest in %" PRIu64 " ms\n",
               seed, result.hash, result.totals.events, result.simulated_ms, result.leader_ms,
               result.rest_ms);
    }
    shared->passed++;
    shared->simulated_ms += result.simulated_ms;
    take_most(&shared->leader, (double)result.leader_ms / result.election_ms, seed);
    take_most(&shared->rest, (double)result.rest_ms / result.election_ms, seed);
    add_totals(&shared->totals, &result.totals);
}

static bool enough(const struct options *o, const struct progress *p, uint64_t seed)
{
    return o->hours > 0 ? (double)p->simulated_ms >= o->hours * 3600e3 : seed >= o->from + o->count;
}

/* Plays seeds from `from` on in a child; true when all passed. */
static bool play_child(const struct options *o, uint64_t from, struct progress *shared)
{
    int status = 0;

    (void)fflush(stdout);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        for (uint64_t seed = from; !enough(o, shared, seed); seed++) {
            shared->seed = seed;
            play_seed(o, seed, shared);
            show(o, shared);
        }
        shared->finished = true;
        exit(EXIT_SUCCESS); /* with the leak check */
    }
    ASSERT(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        printf("ended by signal %d\n", WTERMSIG(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* How many seeds failed. */
static uint64_t play_all(const struct options *o, struct progress *shared)
{
    uint64_t failed = 0;

    for (uint64_t from = o->from; !enough(o, shared, from); from = shared->seed + 1) {
        if (play_child(o, from, shared)) {
            break;
        }
        failed++;
        if (shared->finished) {
            printf("FAILED: a leak in one of the seeds %" PRIu64 " to %" PRIu64 "\n", from,
                   shared->seed);
            break;
        }
        printf("FAILED seed %" PRIu64 "\n  weir_raft_sim --seed %" PRIu64, shared->seed,
               shared->seed);
        if (o->elections > 0) {
            printf(" --elections %" PRIu32, o->elections);
        }
        printf(" --trace\n");
        if (failed == FAILURES_SHOWN_MAX) {
            printf("the rest of the seeds is left out\n");
            break;
        }
    }
    return failed;
}

static void print_totals(const struct world_totals *t)
{
    printf("steps %" PRIu64 ", messages %" PRIu64 " (%" PRIu64 " lost), leaders %" PRIu64
           ", committed %" PRIu64 "\n",
           t->events, t->messages, t->lost, t->leaders, t->committed);
    printf("crashes %" PRIu64 ", stops %" PRIu64 ", ambushes %" PRIu64 ", pauses %" PRIu64
           ", partitions %" PRIu64 ", busy %" PRIu64 "\n",
           t->crashes, t->stops, t->ambushes, t->pauses, t->partitions, t->busy);
    printf("disks lost %" PRIu64 ", damaged %" PRIu64 " (%" PRIu64
           " suspected), fenced starts %" PRIu64 ", unfenced %" PRIu64 "\n",
           t->disks_lost, t->damages, t->suspects, t->fenced_starts, t->unfenced);
    printf("snapshots made %" PRIu64 ", installed %" PRIu64 ", compactions %" PRIu64
           ", truncations %" PRIu64 ", cold reads %" PRIu64 "\n",
           t->snapshots, t->installs, t->compactions, t->truncations, t->cold_reads);
    printf("replicas %" PRIu64 ", changes asked %" PRIu64 " (%" PRIu64 " done, %" PRIu64
           " failed), cancels %" PRIu64 ", transfers %" PRIu64 " (%" PRIu64 " done)\n",
           t->replicas, t->changes_asked, t->changes_done, t->changes_failed, t->cancels,
           t->transfers_asked, t->transfers_done);
    printf("writes %" PRIu64 ", reads %" PRIu64 ", refused %" PRIu64 ", unknown %" PRIu64
           ", barriers %" PRIu64 " (%" PRIu64 " failed)\n",
           t->writes_ok, t->reads_ok, t->refused, t->unknown, t->barriers_ok + t->barriers_failed,
           t->barriers_failed);
}

/* Takes the words of an option; how many, 0 when it is none. */
static int option_take(struct options *o, int left, char **words)
{
    if (strcmp(words[0], "--seeds") == 0 && left >= 3) {
        o->from = strtoull(words[1], NULL, 10);
        o->count = strtoull(words[2], NULL, 10);
        return 3;
    }
    if (strcmp(words[0], "--trace") == 0) {
        o->trace = true;
        return 1;
    }
    if (strcmp(words[0], "--totals") == 0) {
        o->totals = true;
        return 1;
    }
    if (left < 2) {
        return 0;
    }
    if (strcmp(words[0], "--seed") == 0) {
        o->from = strtoull(words[1], NULL, 10);
        o->count = 1;
        o->one = true;
    } else if (strcmp(words[0], "--hours") == 0) {
        o->hours = strtod(words[1], NULL);
    } else if (strcmp(words[0], "--elections") == 0) {
        o->elections = (uint32_t)strtoul(words[1], NULL, 10);
    } else {
        return 0;
    }
    return 2;
}

static double cpu_seconds(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_CHILDREN, &used) != 0) {
        return 0;
    }
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct options o = {.from = 1, .count = 100};

    for (int i = 1; i < argc;) {
        int taken = option_take(&o, argc - i, argv + i);

        if (taken == 0) {
            bool asked = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;

            (void)fputs(help, asked ? stdout : stderr);
            return asked ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        i += taken;
    }
    struct progress *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(shared != MAP_FAILED);
    uint64_t failed = play_all(&o, shared);
    double hours = (double)shared->simulated_ms / 3600e3, cpu = cpu_seconds();

    show_no_more();
    if (o.totals) {
        print_totals(&shared->totals);
        printf("after the heal the slowest leader took %.1f election time-outs (seed %" PRIu64
               "), the slowest rest %.1f (seed %" PRIu64 ")\n",
               shared->leader.value, shared->leader.seed, shared->rest.value, shared->rest.seed);
    }
    printf("%.2f simulated hours in %.1f CPU seconds: %.0f times faster than time\n", hours, cpu,
           cpu > 0 ? hours * 3600 / cpu : 0);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", shared->passed, failed);
    return failed == 0 && shared->passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
