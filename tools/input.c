/* tools/input.c: reading standard input without waiting longer than wanted.
 *
 * WHY      Lines that trickle in (`tail -f x | weir produce t`) must leave when they are there, lines that pour in
 *          must share batches. So the reader has to know whether more is there, which stdio does not tell.
 * FORMAT   LF or CR LF ends a line.
 * OWNER    One thread. A file on disk cannot be polled and needs not: it never keeps anyone waiting.
 * LIMITS   INPUT_LINE_BYTES_MAX; the buffer grows up to that and READ_BYTES.
 */
#include "tools/input.h"

#include "base/env_linux.h"
#include "base/mem.h"

enum { READ_BYTES = 64 << 10, INPUT_EVENTS = 4 };

struct input {
    struct env *env;
    struct env_poller *poller;
    struct buf buf;
    size_t at, looked; /* first byte not handed out; no newline before `looked` */
    bool ended;
};

enum err input_new(struct env *env, struct env_poller *poller, struct input **out)
{
    struct input *in = mem_zalloc(1, sizeof(*in));

    if (in == NULL) {
        return fail(ERR_NOMEM, "no memory for the input");
    }
    in->env = env;
    in->poller = poller;
    buf_init(&in->buf, INPUT_LINE_BYTES_MAX + 2 * READ_BYTES);
    *out = in;
    return OK;
}

void input_free(struct input *in)
{
    buf_deinit(&in->buf);
    mem_free(in);
}

/* A whole line out of the buffer. */
static bool take_line(struct input *in, struct bytes *out)
{
    struct bytes rest = bytes_slice(buf_view(&in->buf), in->looked, in->buf.len);
    ptrdiff_t newline = bytes_find(rest, '\n');
    size_t end = newline < 0 ? in->buf.len : in->looked + (size_t)newline;

    in->looked = end;
    if (newline < 0 && (!in->ended || end == in->at)) {
        return false;
    }
    *out = bytes_slice(buf_view(&in->buf), in->at, end - in->at);
    in->at = in->looked = newline < 0 ? end : end + 1;
    if (out->len > 0 && out->at[out->len - 1] == '\r') {
        out->len--;
    }
    return true;
}

/* Moves what is left to the front and reads behind it. */
static enum err read_more(struct input *in)
{
    size_t got = 0;

    if (in->at > 0) {
        memmove(in->buf.at, in->buf.at + in->at, in->buf.len - in->at);
        in->buf.len -= in->at;
        in->looked -= in->at;
        in->at = 0;
    }
    if (in->buf.len > INPUT_LINE_BYTES_MAX) {
        return fail(ERR_LIMIT, "a line of more than %d bytes", INPUT_LINE_BYTES_MAX);
    }
    TRY(buf_reserve(&in->buf, READ_BYTES));
    TRY(env_linux_read_input(in->buf.at + in->buf.len, READ_BYTES, &got));
    in->buf.len += got;
    in->ended = got == 0;
    return OK;
}

/* Watched only meanwhile: others wait in this poller, too. */
static enum err wait_more(struct input *in, int64_t wait_us, bool (*is_stopped)(void))
{
    struct env_event events[INPUT_EVENTS];
    bool ready = false;
    int input = env_linux_standard_input();

    if (env_watch(in->env, in->poller, input, ENV_READABLE, in) != OK) {
        return OK; /* a file: it is always ready */
    }
    do {
        int n = env_poll(in->env, in->poller, events, INPUT_EVENTS, wait_us);
        for (int i = 0; i < n; i++) {
            ready = ready || events[i].tag == in;
        }
    } while (!ready && wait_us < 0 && !is_stopped());
    env_unwatch(in->env, in->poller, input);
    if (is_stopped()) {
        return fail(ERR_CLOSED, "told to stop");
    }
    return ready ? OK : ERR_AGAIN;
}

enum err input_line(struct input *in, int64_t wait_us, bool (*is_stopped)(void), struct bytes *out)
{
    while (!take_line(in, out)) {
        if (in->ended) {
            return ERR_NOT_FOUND;
        }
        TRY(wait_more(in, wait_us, is_stopped));
        TRY(read_more(in));
    }
    return OK;
}
