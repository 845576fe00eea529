/* base/env_linux_net.c: TCP sockets that never block.
 *
 * WHY      The broker and the command line need the same few calls, over IPv4 and IPv6 alike.
 * FORMAT   An address is text. "" listens on everything the machine has, both families on one socket where
 *          there is IPv6; so does "::". Peers that reach such a socket over IPv4 are shown in IPv4
 *          form. A host name is resolved by getaddrinfo(3), which may block: listening happens at start-up
 *          only, and a node connects to peers by address; the command line may wait. Of several
 *          addresses of a name an IPv4 one is taken first: a listener at "0.0.0.0" has no other.
 * OWNER    No state: a socket is its descriptor.
 * FAILURE  Would block: ERR_AGAIN, without a crumb. The peer or the way to it is gone: ERR_CLOSED. Out of
 *          descriptors or of kernel memory: ERR_LIMIT; the listener stays readable, so stop watching it for
 *          a while. A connection that died in the queue of a listener is ERR_AGAIN, not an error.
 * LIMITS   LISTEN_BACKLOG connections wait to be accepted (or fewer: net.core.somaxconn).
 */
#include "base/env_linux_internal.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096, ADDRESS_TEXT_BYTES = ENV_ADDRESS_BYTES + 8 };

static_assert(ENV_ADDRESS_BYTES >= INET6_ADDRSTRLEN, "every address fits");

union sock_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

static socklen_t address_bytes(const union sock_address *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static void set_port(union sock_address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET) {
        a->v4.sin_port = htons(port);
    } else {
        a->v6.sin6_port = htons(port);
    }
}

/* "host:port" for crumbs. */
static const char *say(const struct env_address *a, char text[ADDRESS_TEXT_BYTES])
{
    (void)snprintf(text, ADDRESS_TEXT_BYTES, "%s:%u", a->host, a->port);
    return text;
}

static void to_text(const union sock_address *a, struct env_address *out)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    const void *at = &a->v4.sin_addr;
    int family = AF_INET;

    out->port = ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
    if (a->any.sa_family == AF_INET6) {
        bool mapped = memcmp(&a->v6.sin6_addr, v4_mapped, sizeof(v4_mapped)) == 0;
        at = mapped ? a->v6.sin6_addr.s6_addr + sizeof(v4_mapped) : a->v6.sin6_addr.s6_addr;
        family = mapped ? AF_INET : AF_INET6;
    }
    const char *text = inet_ntop(family, at, out->host, sizeof(out->host));
    ASSERT(text != NULL);
}

static enum err resolve_name(const struct env_address *a, union sock_address *out)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *found = NULL;
    int failed = getaddrinfo(a->host, NULL, &want, &found);

    if (failed != 0) {
        return fail(ERR_NOT_FOUND, "no address of host '%s': %s", a->host, gai_strerror(failed));
    }
    const struct addrinfo *best = NULL;
    for (const struct addrinfo *i = found; i != NULL; i = i->ai_next) {
        if (i->ai_family == AF_INET || (i->ai_family == AF_INET6 && best == NULL)) {
            best = i;
        }
        if (i->ai_family == AF_INET) {
            break;
        }
    }
    bool known = best != NULL && best->ai_addrlen <= sizeof(out->room);
    if (known) {
        memcpy(&out->room, best->ai_addr, best->ai_addrlen);
    }
    freeaddrinfo(found);
    return known ? OK : fail(ERR_UNSUPPORTED, "host '%s' has no internet address", a->host);
}

static enum err resolve(const struct env_address *a, union sock_address *out)
{
    *out = (union sock_address){0};
    ASSERT(memchr(a->host, 0, sizeof(a->host)) != NULL);
    if (inet_pton(AF_INET, a->host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
    } else if (a->host[0] == 0 || inet_pton(AF_INET6, a->host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6; /* "" leaves the address at "::" */
    } else {
        TRY(resolve_name(a, out));
    }
    set_port(out, a->port);
    return OK;
}

static void set_option(int socket, int level, int option, int value)
{
    (void)setsockopt(socket, level, option, &value, sizeof(value));
}

/* A bound and listening socket, -1 and errno. */
static int open_listener(const union sock_address *a)
{
    int s = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s < 0) {
        return -1;
    }
    set_option(s, SOL_SOCKET, SO_REUSEADDR, 1);
    if (a->any.sa_family == AF_INET6) {
        set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    if (bind(s, &a->any, address_bytes(a)) != 0 || listen(s, LISTEN_BACKLOG) != 0) {
        int number = errno;
        (void)close(s);
        errno = number;
        return -1;
    }
    return s;
}

static enum err net_listen(struct env *e, const struct env_address *at, int *out, uint16_t *port)
{
    union sock_address a;
    socklen_t bytes = sizeof(a);
    char text[ADDRESS_TEXT_BYTES];

    (void)e;
    TRY(resolve(at, &a));
    int s = open_listener(&a);
    if (s < 0 && at->host[0] == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        a = (union sock_address){.v4 = {.sin_family = AF_INET, .sin_port = htons(at->port)}};
        s = open_listener(&a);
    }
    if (s < 0) {
        return fail_errno(errno, "listen at", say(at, text));
    }
    int failed = getsockname(s, &a.any, &bytes);
    ASSERT(failed == 0);
    *port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    *out = s;
    return OK;
}

/* Errors that accept4(2) passes on from a connection that is already dead, and interruption. */
static bool died_in_queue(int number)
{
    static const int numbers[] = {EINTR,       ECONNABORTED, EPROTO, ENETDOWN,
                                  ENOPROTOOPT, EHOSTDOWN,    ENONET, EHOSTUNREACH,
                                  EOPNOTSUPP,  ENETUNREACH,  EAGAIN, EPERM};

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

static enum err net_accept(struct env *e, int listener, int *out, struct env_address *peer,
                           struct env_address *local)
{
    union sock_address theirs = {0}, ours = {0};
    socklen_t their_bytes = sizeof(theirs), our_bytes = sizeof(ours);

    (void)e;
    int s = accept4(listener, &theirs.any, &their_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (s < 0 && died_in_queue(errno)) {
        return ERR_AGAIN;
    }
    if (s < 0) {
        return errno == ENOMEM ? fail(ERR_LIMIT, "accept: no kernel memory")
                               : fail_errno(errno, "accept", "a connection");
    }
    set_option(s, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (getsockname(s, &ours.any, &our_bytes) != 0) {
        (void)close(s);
        return ERR_AGAIN;
    }
    to_text(&theirs, peer);
    to_text(&ours, local);
    *out = s;
    return OK;
}

static enum err net_connect(struct env *e, const struct env_address *to, int *out)
{
    union sock_address a;
    char text[ADDRESS_TEXT_BYTES];

    (void)e;
    TRY(resolve(to, &a));
    int s = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return fail_errno(errno, "make a socket for", say(to, text));
    }
    set_option(s, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (connect(s, &a.any, address_bytes(&a)) != 0 && errno != EINPROGRESS && errno != EINTR) {
        int number = errno;
        (void)close(s);
        return fail_errno(number, "connect to", say(to, text));
    }
    *out = s;
    return OK;
}

static enum err net_connect_result(struct env *e, int socket)
{
    union sock_address a;
    socklen_t bytes = sizeof(a), number_bytes = sizeof(int);
    int number = 0;

    (void)e;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &number, &number_bytes) != 0) {
        number = errno;
    }
    if (number != 0) {
        return fail_errno(number, "connect to", "the peer");
    }
    return getpeername(socket, &a.any, &bytes) == 0 ? OK : ERR_AGAIN;
}

static enum err net_receive(struct env *e, int socket, void *to, size_t len, size_t *got)
{
    ssize_t n;

    (void)e;
    ASSERT(len > 0);
    do {
        n = recv(socket, to, len, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? ERR_AGAIN : fail_errno(errno, "receive from", "the peer");
    }
    if (n == 0) {
        return fail(ERR_CLOSED, "the peer ended the connection");
    }
    *got = (size_t)n;
    return OK;
}

static enum err net_send(struct env *e, int socket, const struct env_slice *slices, int count,
                         size_t *sent)
{
    /* struct env_slice has the layout of struct iovec, and sendmsg() does not write to it. */
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)slices,
                       .msg_iovlen = (size_t)MIN(count, IOV_MAX)};
    ssize_t n;

    (void)e;
    ASSERT(count >= 0);
    do {
        n = sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? ERR_AGAIN : fail_errno(errno, "send to", "the peer");
    }
    *sent = (size_t)n;
    return OK;
}

static void net_close(struct env *e, int socket)
{
    (void)e;
    (void)close(socket);
}

void env_linux_net_calls(struct env_vtable *v)
{
    v->listen = net_listen;
    v->accept = net_accept;
    v->connect = net_connect;
    v->connect_result = net_connect_result;
    v->receive = net_receive;
    v->send = net_send;
    v->close_socket = net_close;
}
