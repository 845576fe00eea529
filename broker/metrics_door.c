/* broker/metrics_door.c: a few short connections that each get one answer.
 *
 * WHY      Scrapers must not compete with clients for connections, nor clients' requests for memory with pages: so
 *          this door has an address, a handful of connections and bounds of its own.
 * FLOW     readable -> accept -> head read -> asked: a text at once, or a page -> made (metrics_page.h) -> sent ->
 *          closed. Whoever asks before a page is begun shares it; whoever asks while one is made gets the next, so no
 *          answer is older than its question.
 * OWNER    Core 0.
 * FAILURE  No memory: 503. Whatever else goes wrong with a connection ends it. A page goes on without its reader.
 * LIMITS   METRICS_CLIENTS_MAX, METRICS_CLIENT_US, METRICS_PAGES_MAX, HTTP_HEAD_BYTES_MAX; SEND_BYTES_PER_TURN; PAUSE_US
 *          when the process is out of descriptors or memory.
 */
#include "broker/metrics_door.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/metrics_http.h"
#include "broker/metrics_page.h"

enum { PAUSE_US = 100 * 1000, SEND_BYTES_PER_TURN = 256 << 10 };

/* A page and who waits for it. */
struct shared {
    struct list_link link; /* metrics_door.pages */
    struct metrics_door *door;
    struct metrics_page *page;
    size_t readers;
    bool made;
};

struct scraper {
    struct core_socket socket;
    struct list_link link; /* metrics_door.scrapers */
    struct metrics_door *door;
    struct timer deadline;
    uint32_t interest; /* of the poller */
    size_t head_len;
    enum http_ask ask;    /* HTTP_INCOMPLETE: it has not asked yet */
    struct shared *share; /* the page it waits for or reads */
    bool answering;
    size_t answer_len, sent; /* of the answer's head, and of all of it */
    uint8_t head[HTTP_HEAD_BYTES_MAX];
    char answer[HTTP_ANSWER_BYTES_MAX];
};

struct metrics_door {
    struct core *core;
    struct core_socket socket;
    bool open, watched;
    uint16_t port;
    struct list scrapers, pages;
    struct timer pause;
};

static void pages_begin(struct metrics_door *d);

/* ---- listening ---- */

/* As long as there is room for one more, and no pause. */
static void listen_watch(struct metrics_door *d)
{
    bool want = d->open && d->scrapers.len < METRICS_CLIENTS_MAX && !timer_pending(&d->pause);

    if (want == d->watched) {
        return;
    }
    d->watched = want;
    if (!want) {
        env_unwatch(d->core->env, d->core->poller, d->socket.socket);
    } else if (env_watch(d->core->env, d->core->poller, d->socket.socket, ENV_READABLE,
                         &d->socket) != OK) {
        d->watched = false;
        log_error("metrics listener failed", "port=%u reason=\"%s\"", (unsigned)d->port,
                  err_crumb());
    }
}

static void pause_over(struct timer *t)
{
    listen_watch(CONTAINER_OF(t, struct metrics_door, pause));
}

/* ---- pages ---- */

static void share_leave(struct shared *s)
{
    ASSERT(s->readers > 0);
    if (--s->readers == 0 && s->made) {
        list_remove(&s->door->pages, &s->link);
        metrics_page_free(s->page);
        mem_free(s);
    }
}

/* ---- connections ---- */

static void scraper_end(struct scraper *s)
{
    struct metrics_door *d = s->door;

    if (s->interest != 0) {
        env_unwatch(d->core->env, d->core->poller, s->socket.socket);
    }
    env_close_socket(d->core->env, s->socket.socket);
    timer_wheel_cancel(&d->core->timers, &s->deadline);
    list_remove(&d->scrapers, &s->link);
    if (s->share != NULL) {
        share_leave(s->share);
    }
    mem_free(s);
}

static void scraper_gone(struct scraper *s)
{
    struct metrics_door *d = s->door;

    scraper_end(s);
    listen_watch(d);
    pages_begin(d);
}

static void deadline_over(struct timer *t)
{
    scraper_gone(CONTAINER_OF(t, struct scraper, deadline));
}

/* False: it cannot be watched, end it. */
static bool scraper_watch(struct scraper *s, uint32_t want)
{
    struct core *c = s->door->core;
    enum err e = OK;

    if (want == s->interest) {
        return true;
    }
    if (want == 0) {
        env_unwatch(c->env, c->poller, s->socket.socket);
    } else {
        e = env_watch(c->env, c->poller, s->socket.socket, want, &s->socket);
    }
    s->interest = e == OK ? want : s->interest;
    return e == OK;
}

/* Sends what the socket takes. False: it is over. */
static bool send_some(struct scraper *s)
{
    struct bytes body = s->ask == HTTP_METRICS ? metrics_page_text(s->share->page) : BYTES("");
    struct bytes head = {(const uint8_t *)s->answer, s->answer_len};
    struct bytes parts[] = {
        bytes_slice(head, s->sent, head.len),
        bytes_slice(body, s->sent - MIN(s->sent, head.len), SEND_BYTES_PER_TURN)};
    struct env_slice slices[COUNT_OF(parts)];
    int count = 0;
    size_t sent = 0;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len > 0) {
            slices[count++] = (struct env_slice){(void *)(uintptr_t)parts[i].at, parts[i].len};
        }
    }
    if (count == 0) {
        return false;
    }
    enum err e = env_send(s->door->core->env, s->socket.socket, slices, count, &sent);
    if (e == OK) {
        s->sent += sent;
    }
    return (e == OK && s->sent < head.len + body.len) || e == ERR_AGAIN;
}

/* Sending begins with the next turn: so nobody is ended in here. */
static void answer(struct scraper *s)
{
    size_t body = s->ask == HTTP_METRICS ? metrics_page_text(s->share->page).len : 0;

    s->answering = true;
    s->answer_len = http_answer(s->ask, body, s->answer);
    (void)scraper_watch(s, ENV_WRITABLE); /* if not, its deadline ends it */
}

/* False: the connection is gone. */
static bool receive(struct scraper *s)
{
    size_t got = 0;
    enum err e = env_receive(s->door->core->env, s->socket.socket, s->head + s->head_len,
                             sizeof(s->head) - s->head_len, &got);

    if (e == OK) {
        s->head_len += got;
        s->ask = http_read((struct bytes){s->head, s->head_len});
    }
    return e == OK || e == ERR_AGAIN;
}

static void scraper_ready(struct core *core, struct core_socket *socket, uint32_t bits)
{
    struct scraper *s = CONTAINER_OF(socket, struct scraper, socket);

    ASSERT_ON_CORE(core);
    (void)bits;
    if (s->answering) {
        if (!send_some(s)) {
            scraper_gone(s);
        }
        return;
    }
    if (!receive(s)) {
        scraper_gone(s);
    } else if (s->ask == HTTP_METRICS) {
        if (scraper_watch(s, 0)) {
            pages_begin(s->door);
        }
    } else if (s->ask != HTTP_INCOMPLETE) {
        answer(s);
    }
}

static void admit(struct metrics_door *d, int socket)
{
    struct scraper *s = mem_zalloc(1, sizeof(*s));

    if (s == NULL) {
        env_close_socket(d->core->env, socket);
        return;
    }
    s->door = d;
    s->socket.socket = socket;
    s->socket.ready = scraper_ready;
    s->deadline.fire = deadline_over;
    list_add_last(&d->scrapers, &s->link);
    core_timer(d->core, &s->deadline, METRICS_CLIENT_US);
    if (!scraper_watch(s, ENV_READABLE)) {
        scraper_end(s);
    }
}

static void door_ready(struct core *core, struct core_socket *socket, uint32_t bits)
{
    struct metrics_door *d = CONTAINER_OF(socket, struct metrics_door, socket);
    enum err e = OK;

    ASSERT_ON_CORE(core);
    (void)bits;
    for (int i = 0; i < METRICS_CLIENTS_MAX && e == OK; i++) {
        struct env_address peer, local;
        int accepted;
        if (d->scrapers.len >= METRICS_CLIENTS_MAX) {
            break;
        }
        e = env_accept(core->env, socket->socket, &accepted, &peer, &local);
        if (e == OK) {
            admit(d, accepted);
        } else if (e == ERR_LIMIT || e == ERR_NOMEM) {
            core_timer(core, &d->pause, PAUSE_US);
        }
    }
    listen_watch(d);
}

/* ---- making pages ---- */

/* Gives all that wait for this page their answer. */
static void page_made(void *context, struct metrics_page *page)
{
    struct shared *share = context;
    struct metrics_door *d = share->door;
    bool failed = metrics_page_result(page) != OK;

    share->made = true;
    share->readers++; /* it stays until the loop is over */
    list_for_each (&d->scrapers, link) {
        struct scraper *s = CONTAINER_OF(link, struct scraper, link);
        if (s->share == share) {
            s->ask = failed ? HTTP_UNAVAILABLE : HTTP_METRICS;
            answer(s);
        }
    }
    share_leave(share);
    pages_begin(d);
}

static struct shared *share_new(struct metrics_door *d)
{
    struct shared *share = mem_zalloc(1, sizeof(*share));

    if (share == NULL) {
        return NULL;
    }
    share->door = d;
    if (metrics_page_start(d->core, page_made, share, &share->page) != OK) {
        mem_free(share);
        return NULL;
    }
    list_add_last(&d->pages, &share->link);
    return share;
}

static bool waits(const struct scraper *s)
{
    return s->ask == HTTP_METRICS && s->share == NULL && !s->answering;
}

/* If somebody waits for a page and there may be one more: it is for all who wait. */
static void pages_begin(struct metrics_door *d)
{
    struct shared *share = NULL;

    if (d->pages.len >= METRICS_PAGES_MAX || !d->open) {
        return;
    }
    list_for_each (&d->scrapers, link) {
        struct scraper *s = CONTAINER_OF(link, struct scraper, link);
        if (!waits(s)) {
            continue;
        }
        share = share == NULL ? share_new(d) : share;
        if (share == NULL) {
            s->ask = HTTP_UNAVAILABLE;
            answer(s);
        } else {
            s->share = share;
            share->readers++;
        }
    }
}

/* ---- life ---- */

static enum err address_of(struct bytes text, struct env_address *out)
{
    struct listener_config found[LISTENER_COUNT_MAX];
    uint8_t named[sizeof("HTTP://") + ENV_ADDRESS_BYTES + sizeof("[]:65535")];
    struct bytes scheme = BYTES("HTTP://");
    int count = 0;

    if (text.len > sizeof(named) - scheme.len) {
        return fail(ERR_USAGE, "weir.metrics.listener: %zu bytes are too many", text.len);
    }
    memcpy(named, scheme.at, scheme.len);
    memcpy(named + scheme.len, text.at, text.len);
    enum err e = config_listeners((struct bytes){named, scheme.len + text.len}, found, &count);
    if (e != OK || count != 1 || bytes_to_cstr(found[0].host, out->host, sizeof(out->host)) != OK) {
        return fail(ERR_USAGE, "weir.metrics.listener=%.*s: write it as host:port",
                    BYTES_ARG(text));
    }
    out->port = found[0].port;
    return OK;
}

enum err metrics_door_open(struct core *zero, struct bytes at)
{
    struct env_address address = {0};
    struct metrics_door *d;

    ASSERT(zero->index == 0 && zero->metrics_door == NULL);
    if (at.len == 0) {
        return OK;
    }
    TRY(address_of(at, &address));
    d = mem_zalloc(1, sizeof(*d));
    if (d == NULL) {
        return fail(ERR_NOMEM, "the metrics listener");
    }
    zero->metrics_door = d;
    d->core = zero;
    d->socket.ready = door_ready;
    d->pause.fire = pause_over;
    TRY(env_listen(zero->env, &address, &d->socket.socket, &d->port));
    d->open = true;
    TRY(env_watch(zero->env, zero->poller, d->socket.socket, ENV_READABLE, &d->socket));
    d->watched = true;
    log_info("metrics", "host=%s port=%u path=/metrics", address.host, (unsigned)d->port);
    return OK;
}

uint16_t metrics_door_port(const struct core *zero)
{
    return zero->metrics_door == NULL ? 0 : zero->metrics_door->port;
}

void metrics_door_stop(struct core *zero)
{
    struct metrics_door *d = zero->metrics_door;

    if (d == NULL) {
        return;
    }
    timer_wheel_cancel(&zero->timers, &d->pause);
    bool was_open = d->open;
    d->open = false;
    listen_watch(d);
    if (was_open) {
        env_close_socket(zero->env, d->socket.socket);
    }
    list_for_each (&d->scrapers, link) {
        scraper_end(CONTAINER_OF(link, struct scraper, link));
    }
}

void metrics_door_free(struct core *zero)
{
    struct metrics_door *d = zero->metrics_door;
    struct list_link *link;

    if (d == NULL) {
        return;
    }
    metrics_door_stop(zero);
    while ((link = list_take_first(&d->pages)) != NULL) {
        struct shared *share = CONTAINER_OF(link, struct shared, link);
        metrics_page_free(share->page);
        mem_free(share);
    }
    mem_free(d);
    zero->metrics_door = NULL;
}
