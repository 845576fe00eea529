/* broker/metrics_text.c: lines of the Prometheus text format, as many as the limits let through.
 *
 * WHY      A page may have some hundred thousand lines that differ in a number or two: labels are rendered once, and a
 *          line is copied together, not formatted.
 * FORMAT   # HELP name text / # TYPE name kind / name{label="value",...} number. In a value \ " and line feed are
 *          escaped; a scraper refuses the whole page for one byte that is not UTF-8, so such bytes become U+FFFD.
 * OWNER    Whoever made it.
 * FAILURE  A line is whole or not there.
 * LIMITS   The header's.
 */
#include "broker/metrics_text.h"

enum {
    NUMBER_BYTES_MAX = 20, /* of a 64-bit number with its sign */
    LABELS_BYTES_MAX = 8 * METRICS_LABEL_BYTES_MAX,
    ESCAPE_FACTOR = 3, /* the longest replacement of one byte */
    DECIMAL = 10,
    END_BYTES = 128, /* kept free for metrics_text_end() */
};

static_assert(NUMBER_BYTES_MAX >= sizeof("-9223372036854775808") - 1, "any number fits");

#define PARTITION_LABEL BYTES("partition=\"")
#define REPLACEMENT     BYTES("\xef\xbf\xbd")

void metrics_text_init(struct metrics_text *t, size_t series_max, size_t bytes_max)
{
    *t = (struct metrics_text){.series_max = series_max};
    ASSERT(bytes_max > END_BYTES);
    buf_init(&t->text, bytes_max);
    buf_init(&t->labels, LABELS_BYTES_MAX);
}

void metrics_text_deinit(struct metrics_text *t)
{
    buf_deinit(&t->text);
    buf_deinit(&t->labels);
}

/* There is room. */
static void put(struct buf *b, struct bytes more)
{
    ASSERT(b->cap - b->len >= more.len);
    memcpy(b->at + b->len, more.at, more.len);
    b->len += more.len;
}

static void put_u8(struct buf *b, uint8_t c)
{
    put(b, (struct bytes){&c, 1});
}

/* Room for so many bytes of a line, and for the end behind it. */
static bool reserve(struct metrics_text *t, size_t bytes)
{
    if (t->nomem || t->text.len + bytes > t->text.max - END_BYTES) {
        return false;
    }
    t->nomem = buf_reserve(&t->text, bytes) != OK;
    return !t->nomem;
}

void metrics_text_family(struct metrics_text *t, const char *name, const char *help,
                         enum metric_kind kind)
{
    struct bytes key = bytes_of(name), text = bytes_of(help);

    t->family = name;
    if (!reserve(t, 2 * key.len + text.len + sizeof("# HELP  \n# TYPE  counter\n"))) {
        return;
    }
    put(&t->text, BYTES("# HELP "));
    put(&t->text, key);
    put_u8(&t->text, ' ');
    put(&t->text, text);
    put(&t->text, BYTES("\n# TYPE "));
    put(&t->text, key);
    put(&t->text, kind == METRIC_COUNTER ? BYTES(" counter\n") : BYTES(" gauge\n"));
}

/* ---- labels ---- */

/* Bytes of the UTF-8 sequence that `b` begins with; 0: it is none. */
static size_t sequence_len(struct bytes b)
{
    /* The first byte says how many follow; the bounds of the second rule out overlong forms, surrogates and
     * what is past U+10FFFF. */
    static const struct {
        uint8_t first_low, first_high, len, second_low, second_high;
    } forms[] = {
        {0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
        {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
        {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
    };

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t len = forms[i].len;
        if (b.at[0] < forms[i].first_low || b.at[0] > forms[i].first_high) {
            continue;
        }
        bool ok = b.len >= len &&
                  (len == 1 || (b.at[1] >= forms[i].second_low && b.at[1] <= forms[i].second_high));
        for (size_t k = 2; k < len && ok; k++) {
            ok = (b.at[k] & 0xc0) == 0x80;
        }
        return ok ? len : 0;
    }
    return 0; /* NUL and what begins no sequence */
}

static void put_escaped(struct buf *b, struct bytes value)
{
    while (value.len > 0) {
        size_t len = sequence_len(value);
        uint8_t c = value.at[0];

        if (len == 0) {
            put(b, REPLACEMENT);
        } else if (c == '\n') {
            put(b, BYTES("\\n"));
        } else {
            if (c == '\\' || c == '"') {
                put_u8(b, '\\');
            }
            put(b, bytes_slice(value, 0, len));
        }
        value = bytes_slice(value, MAX(len, (size_t)1), value.len);
    }
}

void metrics_text_label(struct metrics_text *t, const char *name, struct bytes value)
{
    struct bytes key = bytes_of(name);
    if (value.len > METRICS_LABEL_BYTES_MAX) {
        t->labels_failed = true;
        return;
    }
    enum err e = buf_reserve(&t->labels, key.len + ESCAPE_FACTOR * value.len + sizeof(",=\"\""));
    if (e != OK) {
        t->labels_failed = true;
        t->nomem = t->nomem || e == ERR_NOMEM;
        return;
    }
    if (t->labels.len > 0) {
        put_u8(&t->labels, ',');
    }
    put(&t->labels, key);
    put(&t->labels, BYTES("=\""));
    put_escaped(&t->labels, value);
    put_u8(&t->labels, '"');
}

void metrics_text_unlabel(struct metrics_text *t)
{
    buf_reset(&t->labels);
    t->labels_failed = false;
}

/* ---- lines ---- */

static void put_number(struct buf *b, int64_t value)
{
    uint8_t digits[NUMBER_BYTES_MAX];
    size_t from = sizeof(digits);
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do {
        digits[--from] = (uint8_t)('0' + left % DECIMAL);
        left /= DECIMAL;
    } while (left > 0);
    if (value < 0) {
        digits[--from] = '-';
    }
    put(b, (struct bytes){digits + from, sizeof(digits) - from});
}

static void put_partition(struct buf *b, bool first, int32_t partition)
{
    if (!first) {
        put_u8(b, ',');
    }
    put(b, PARTITION_LABEL);
    put_number(b, partition);
    put_u8(b, '"');
}

void metrics_text_series(struct metrics_text *t, int32_t partition, int64_t value)
{
    struct bytes name = bytes_of(t->family);
    bool labelled = t->labels.len > 0 || partition != METRICS_NO_PARTITION;

    if (t->labels_failed || t->series >= t->series_max ||
        !reserve(t, name.len + t->labels.len + PARTITION_LABEL.len + 2 * NUMBER_BYTES_MAX +
                        sizeof("{,\"} \n"))) {
        t->left_out++;
        return;
    }
    put(&t->text, name);
    if (labelled) {
        put_u8(&t->text, '{');
        if (t->labels.len > 0) {
            put(&t->text, buf_view(&t->labels));
        }
        if (partition != METRICS_NO_PARTITION) {
            put_partition(&t->text, t->labels.len == 0, partition);
        }
        put_u8(&t->text, '}');
    }
    put_u8(&t->text, ' ');
    put_number(&t->text, value);
    put_u8(&t->text, '\n');
    t->series++;
}

void metrics_text_leave_out(struct metrics_text *t, size_t series)
{
    t->left_out += series;
}

void metrics_text_end(struct metrics_text *t)
{
    if (t->left_out == 0 || t->nomem) {
        return;
    }
    t->nomem = buf_add_format(&t->text,
                              "# %zu series were left out: a page has at most %zu, in %zu bytes\n",
                              t->left_out, t->series_max, t->text.max) != OK;
}
