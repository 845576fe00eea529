/* tests/raft/world_profile.c: a profile drawn from a seed.
 *
 * WHY      Rates span orders of magnitude, so they are drawn by their logarithm; and each trouble is absent in half of
 *          the seeds, so that combinations differ by kind, not only by degree.
 * OWNER    Nobody: a value.
 * FAILURE  None.
 */
#include "tests/raft/world_profile.h"

enum { STREAM_PROFILE = 1, MS = 1000 };

/* Between from (>= 1) and to, each doubling as likely as another. */
static uint32_t scale(struct sim_random *r, uint32_t from, uint32_t to)
{
    uint32_t doublings = 0;

    ASSERT(from >= 1 && to >= from);
    while (doublings < 31 && ((uint64_t)from << (doublings + 1)) <= to) {
        doublings++;
    }
    uint64_t low = (uint64_t)from << sim_random_below(r, doublings + 1u);

    return (uint32_t)sim_random_range(r, low, MIN(low * 2, (uint64_t)to));
}

static uint32_t often(struct sim_random *r, uint32_t from, uint32_t to)
{
    return sim_random_below(r, 2) == 0 ? 0 : scale(r, from, to);
}

static bool one_in(struct sim_random *r, uint32_t n)
{
    return sim_random_below(r, n) == 0;
}

static void draw_raft(struct world_profile *p, struct sim_random *r)
{
    struct raft_options *o = &p->raft;

    o->election_ms = scale(r, 150, 2400);
    o->beat_ms = MAX(o->election_ms / (uint32_t)sim_random_range(r, 3, 10), 10u);
    o->append_bytes_max = scale(r, 64, 1 << 18);
    o->window_bytes = scale(r, o->append_bytes_max, 1 << 22);
    o->window_messages = scale(r, 1, 256);
    o->commit_at_once = one_in(r, 2);
    o->relaxed = one_in(r, 5);
}

static void draw_network(struct world_profile *p, struct sim_random *r)
{
    uint32_t e = p->raft.election_ms;

    p->delay_us = scale(r, 50, MAX(e * MS / 60, 100u));
    p->jitter_us = scale(r, 50, MAX(e * MS / (one_in(r, 8) ? 1 : 15), 100u));
    p->spike_ppm = often(r, 1000, 100000);
    p->spike_ms = scale(r, 1, e);
    p->stale_ppm = often(r, 100, 20000);
    p->stale_ms = scale(r, e, e * 20);
    p->loss_ppm = often(r, 1000, 200000);
    p->repeat_ppm = often(r, 1000, 200000);
    p->busy_ppm = one_in(r, 4) ? scale(r, 1000, 200000) : 0;
    p->ordered = one_in(r, 3);
}

static void draw_disk(struct world_profile *p, struct sim_random *r)
{
    uint32_t e = p->raft.election_ms;

    p->sync_us = scale(r, 20, MAX(e * MS / 40, 50u));
    p->sync_jitter_us = scale(r, 20, MAX(e * MS / 20, 50u));
    p->sync_spike_ppm = often(r, 1000, 50000);
    p->sync_spike_ms = scale(r, 1, e * 2);
    p->slow_sync_ms = scale(r, MAX(e / 10, 1u), e * 6);
    p->flush_ms = scale(r, 20, 3000);
    p->apply_us = one_in(r, 3) ? scale(r, 100, e * MS) : 0;
    p->fetch_us = scale(r, 20, e * MS / 10);
    p->fetch_fail_ppm = one_in(r, 4) ? scale(r, 1000, 200000) : 0;
    p->torn_ppm = one_in(r, 2) ? 500000 : 0;
    p->clock_ppm_max = often(r, 100, 100000);
}

static void draw_clients(struct world_profile *p, struct sim_random *r)
{
    uint32_t e = p->raft.election_ms;

    p->clients = (uint32_t)sim_random_range(r, 1, 8);
    p->think_ms = scale(r, 5, e);
    p->read_ppm = (uint32_t)sim_random_range(r, 50000, 700000);
    p->batch_max = one_in(r, 3) ? 1 : scale(r, 1, 100);
    p->entries_max = (uint32_t)sim_random_range(r, 1, 3);
    p->bytes_max = scale(r, 10, MAX(p->raft.append_bytes_max, 20u));
    p->patience_ms = scale(r, MAX(e / 16, 5u), e * 8);
    p->compact_ms = one_in(r, 4) ? 0 : scale(r, e / 4, e * 30);
    p->keep_max = scale(r, 200, 2000);
    p->hot_count = one_in(r, 2) ? scale(r, 1, 64) : UINT32_MAX;
}

static void draw_troubles(struct world_profile *p, struct sim_random *r)
{
    static const uint32_t weights[TROUBLE_COUNT] = {
        [TROUBLE_PARTITION] = 16, [TROUBLE_CRASH] = 12,    [TROUBLE_AMBUSH] = 8,
        [TROUBLE_STOP] = 3,       [TROUBLE_PAUSE] = 6,     [TROUBLE_SLOW_DISK] = 5,
        [TROUBLE_FAIL_DISK] = 2,  [TROUBLE_LOSE_DISK] = 2, [TROUBLE_DAMAGE] = 4,
        [TROUBLE_CLOCK] = 4,      [TROUBLE_PEER] = 4,      [TROUBLE_TRANSFER] = 6,
        [TROUBLE_CAMPAIGN] = 2,   [TROUBLE_CHANGE] = 12,   [TROUBLE_CANCEL] = 2,
        [TROUBLE_COLD] = 3,
    };
    uint32_t e = p->raft.election_ms;

    for (int t = 0; t < TROUBLE_COUNT; t++) {
        bool absent = one_in(r, t == TROUBLE_PARTITION || t == TROUBLE_CRASH ? 4 : 2);

        p->weights[t] = absent ? 0 : weights[t] * scale(r, 1, 4);
    }
    uint32_t mean_ms = scale(r, MAX(e / 2, 1u), e * 16);

    p->trouble_ms = one_in(r, 32) ? 0 : mean_ms;
    p->trouble_length_ms = scale(r, MAX(mean_ms / 4, e / 4), mean_ms * 2);
    p->together = !one_in(r, 4);
}

void world_profile_of(uint64_t seed, struct world_profile *out)
{
    static const uint8_t sizes[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
    struct sim_random r = sim_random_of(seed, STREAM_PROFILE);

    memset(out, 0, sizeof(*out));
    out->voters = sizes[sim_random_below(&r, COUNT_OF(sizes))];
    draw_raft(out, &r);
    out->elections = scale(&r, 20, 320);
    draw_network(out, &r);
    draw_disk(out, &r);
    draw_clients(out, &r);
    draw_troubles(out, &r);
}

const char *world_trouble_name(enum world_trouble t)
{
    static const char *const names[TROUBLE_COUNT] = {
        [TROUBLE_PARTITION] = "partition", [TROUBLE_CRASH] = "crash",
        [TROUBLE_AMBUSH] = "ambush",       [TROUBLE_STOP] = "stop",
        [TROUBLE_PAUSE] = "pause",         [TROUBLE_SLOW_DISK] = "slow-disk",
        [TROUBLE_FAIL_DISK] = "fail-disk", [TROUBLE_LOSE_DISK] = "lose-disk",
        [TROUBLE_DAMAGE] = "damage",       [TROUBLE_CLOCK] = "clock",
        [TROUBLE_PEER] = "peer",           [TROUBLE_TRANSFER] = "transfer",
        [TROUBLE_CAMPAIGN] = "campaign",   [TROUBLE_CHANGE] = "change",
        [TROUBLE_CANCEL] = "cancel",       [TROUBLE_COLD] = "cold",
    };

    return names[t];
}

void world_profile_print(const struct world_profile *p, FILE *out)
{
    (void)fprintf(
        out,
        "voters %u, E %u ms, beat %u ms%s%s, append %u bytes, window %u bytes %u messages\n"
        "length %u E, trouble every %u ms for %u ms%s:",
        p->voters, p->raft.election_ms, p->raft.beat_ms, p->raft.relaxed ? ", relaxed" : "",
        p->raft.commit_at_once ? ", commit at once" : "", p->raft.append_bytes_max,
        p->raft.window_bytes, p->raft.window_messages, p->elections, p->trouble_ms,
        p->trouble_length_ms, p->together ? "" : ", one at a time");
    for (int t = 0; t < TROUBLE_COUNT; t++) {
        if (p->weights[t] > 0) {
            (void)fprintf(out, " %s %u", world_trouble_name((enum world_trouble)t), p->weights[t]);
        }
    }
    (void)fprintf(
        out,
        "\nnetwork %u + %u us, spikes %u ppm %u ms, stale %u ppm %u ms, loss %u, repeat %u, "
        "busy %u ppm%s\ndisk %u + %u us, spikes %u ppm %u ms, slow %u ms, fetch %u us "
        "(%u ppm fail), apply %u us\nclients %u every %u ms, reads %u ppm, batch %u x %u, "
        "%u bytes; compact %u ms, keep %u, hot %u\n",
        p->delay_us, p->jitter_us, p->spike_ppm, p->spike_ms, p->stale_ppm, p->stale_ms,
        p->loss_ppm, p->repeat_ppm, p->busy_ppm, p->ordered ? ", ordered" : "", p->sync_us,
        p->sync_jitter_us, p->sync_spike_ppm, p->sync_spike_ms, p->slow_sync_ms, p->fetch_us,
        p->fetch_fail_ppm, p->apply_us, p->clients, p->think_ms, p->read_ppm, p->entries_max,
        p->batch_max, p->bytes_max, p->compact_ms, p->keep_max, p->hot_count);
}
