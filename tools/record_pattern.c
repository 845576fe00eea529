/* tools/record_pattern.c: the little language of -o patterns.
 *
 * WHY      kcat and rpk made people used to it; letters are theirs where they agree.
 * FORMAT   tools/record_pattern.h. A null key or value prints nothing, and -1 as its size.
 * OWNER    No state: a pattern is walked again for each record.
 */
#include "tools/record_pattern.h"

#include "protocol/message_json.h"
#include "tools/cli_position.h"

/* One step of a pattern. */
struct piece {
    char letter;         /* after %, 0: text */
    struct bytes option; /* between braces; null: none */
    struct bytes text;
    char escaped[1];
};

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void drop(struct bytes *rest, size_t count)
{
    *rest = bytes_slice(*rest, count, rest->len);
}

/* What follows a backslash. */
static enum err take_escape(struct bytes *rest, struct piece *out)
{
    static const char letters[] = "ntr0\\%", meanings[] = "\n\t\r\0\\%";
    uint8_t c = rest->len > 1 ? rest->at[1] : 0;
    const char *at = c == 0 ? NULL : strchr(letters, c);

    if (at != NULL) {
        out->escaped[0] = meanings[at - letters];
        drop(rest, 2);
    } else if (c == 'x' && rest->len > 3 && hex_digit(rest->at[2]) >= 0 &&
               hex_digit(rest->at[3]) >= 0) {
        out->escaped[0] = (char)(hex_digit(rest->at[2]) * 16 + hex_digit(rest->at[3]));
        drop(rest, 4);
    } else {
        return fail(ERR_USAGE, "after a backslash: n, t, r, 0, xHH or another backslash");
    }
    out->text = (struct bytes){(const uint8_t *)out->escaped, 1};
    return OK;
}

static enum err take_letter(struct bytes *rest, struct piece *out)
{
    uint8_t c = rest->len > 1 ? rest->at[1] : 0;

    if (c == 0 || strchr("tpoTkvhsS%", c) == NULL) {
        return fail(ERR_USAGE, "after a percent sign: t p o T k v h s S or another percent sign");
    }
    out->letter = (char)c;
    drop(rest, 2);
    if (rest->len == 0 || rest->at[0] != '{') {
        return OK;
    }
    ptrdiff_t end = bytes_find(*rest, '}');
    if (end < 0) {
        return fail(ERR_USAGE, "%%%c{ without a closing brace", c);
    }
    out->option = bytes_slice(*rest, 1, (size_t)end - 1);
    drop(rest, (size_t)end + 1);
    bool known =
        c == 'T' ? bytes_equal(out->option, BYTES("iso")) || bytes_equal(out->option, BYTES("ms"))
                 : (c == 'k' || c == 'v') && (bytes_equal(out->option, BYTES("hex")) ||
                                              bytes_equal(out->option, BYTES("base64")));
    return known ? OK
                 : fail(ERR_USAGE, "%%%c{%.*s}: there are %%T{iso}, %%T{ms}, %%k{hex}, %%k{base64}",
                        c, BYTES_ARG(out->option));
}

/* The next piece off `rest`, which is not empty. */
static enum err take_piece(struct bytes *rest, struct piece *out)
{
    size_t len = 0;

    *out = (struct piece){.option = BYTES_NULL};
    if (rest->at[0] == '\\') {
        return take_escape(rest, out);
    }
    if (rest->at[0] == '%') {
        return take_letter(rest, out);
    }
    while (len < rest->len && rest->at[len] != '%' && rest->at[len] != '\\') {
        len++;
    }
    out->text = bytes_slice(*rest, 0, len);
    drop(rest, len);
    return OK;
}

enum err record_pattern_check(struct bytes pattern)
{
    struct piece piece;

    for (struct bytes rest = pattern; rest.len > 0;) {
        TRY(take_piece(&rest, &piece));
    }
    return OK;
}

/* ---- printing ---- */

static void print(FILE *to, struct bytes b)
{
    if (b.len > 0) {
        (void)fwrite(b.at, 1, b.len, to);
    }
}

static enum err print_bytes(FILE *to, struct arena *arena, struct bytes option, struct bytes b)
{
    if (bytes_equal(option, BYTES("hex"))) {
        for (size_t i = 0; i < b.len; i++) {
            (void)fprintf(to, "%02x", b.at[i]);
        }
        return OK;
    }
    if (option.at != NULL && b.len > 0) {
        b = base64_encode(arena, b);
        if (b.at == NULL) {
            return fail(ERR_NOMEM, "no memory for base64");
        }
    }
    print(to, b);
    return OK;
}

static void print_headers(FILE *to, const struct record_json *r)
{
    for (int32_t i = 0; i < r->header_count; i++) {
        print(to, i == 0 ? BYTES("") : BYTES(","));
        print(to, r->headers[i].key);
        print(to, BYTES("="));
        print(to, r->headers[i].value);
    }
}

static void print_time(FILE *to, struct bytes option, int64_t ms)
{
    char text[MOMENT_TEXT_BYTES];

    if (bytes_equal(option, BYTES("iso"))) {
        moment_text(ms, text);
        (void)fputs(text, to);
    } else {
        (void)fprintf(to, "%" PRId64, ms);
    }
}

static void print_size(FILE *to, struct bytes b)
{
    (void)fprintf(to, "%" PRId64, b.at == NULL ? INT64_C(-1) : (int64_t)b.len);
}

static enum err print_letter(FILE *to, struct arena *arena, const struct piece *piece,
                             const struct record_json *r)
{
    switch (piece->letter) {
    case 't':
        print(to, r->topic);
        return OK;
    case 'p':
        (void)fprintf(to, "%d", r->partition);
        return OK;
    case 'o':
        (void)fprintf(to, "%" PRId64, r->offset);
        return OK;
    case 'T':
        print_time(to, piece->option, r->timestamp_ms);
        return OK;
    case 'k':
        return print_bytes(to, arena, piece->option, r->key);
    case 'v':
        return print_bytes(to, arena, piece->option, r->value);
    case 'h':
        print_headers(to, r);
        return OK;
    case 's':
        print_size(to, r->value);
        return OK;
    case 'S':
        print_size(to, r->key);
        return OK;
    case '%':
        (void)fputc('%', to);
        return OK;
    default:
        print(to, piece->text);
        return OK;
    }
}

enum err record_pattern_print(FILE *to, struct arena *arena, struct bytes pattern,
                              const struct record_json *r)
{
    struct piece piece;

    for (struct bytes rest = pattern; rest.len > 0;) {
        TRY(take_piece(&rest, &piece));
        TRY(print_letter(to, arena, &piece, r));
    }
    return OK;
}
