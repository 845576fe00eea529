/* broker/groups/topic_pattern_judge.c: which expressions are of RE2's syntax, and the same for PCRE2.
 *
 * WHY      PCRE2 knows far more than RE2, much of it unbounded in time, and some of it meaning something else (\v is
 *          a class there, {,2} will be a repetition, [[.a.]] an error). Looking for what is forbidden would miss
 *          what a later PCRE2 adds. So this reads the pattern by RE2's rules and writes only what it understood:
 *          what reaches PCRE2 is made here.
 * METHOD   One walk from left to right; groups need a depth and nothing else, since brackets only have to match.
 *          Assertions are wrapped in a group: RE2 lets them be repeated, PCRE2 does not. Ranges that run backwards
 *          and scripts nobody has heard of are left for PCRE2 to refuse.
 */
#include "broker/groups/topic_pattern_internal.h"

enum { CODE_POINT_MAX = 0x10ffff, FIRST_BEYOND_ASCII = 0x80, OCTAL_DIGITS_MAX = 3 };

/* What a repetition would repeat. */
enum before { BEFORE_NOTHING, BEFORE_ITEM, BEFORE_REPETITION };

struct judge {
    struct bytes in;
    size_t at;
    struct buf *out;
    enum err err; /* sticky */
    enum before before;
    int depth, name_count;
    struct bytes names[TOPIC_PATTERN_NAMES_MAX];
};

static void refuse(struct judge *j, const char *why)
{
    if (j->err == OK) {
        j->err = fail(ERR_MALFORMED, "%s, at byte %zu of the pattern", why, j->at);
    }
}

/* The byte `ahead` of here, -1 behind the end (and after an error, so that every loop ends). */
static int peek(const struct judge *j, size_t ahead)
{
    return j->err == OK && j->at + ahead < j->in.len ? j->in.at[j->at + ahead] : -1;
}

static struct bytes rest(const struct judge *j)
{
    return bytes_slice(j->in, j->at, j->in.len);
}

static void emit(struct judge *j, struct bytes text)
{
    if (j->err == OK) {
        j->err = buf_add(j->out, text);
    }
}

static void emit_item(struct judge *j, struct bytes text)
{
    emit(j, text);
    j->before = BEFORE_ITEM;
}

static void emit_code_point(struct judge *j, uint32_t c)
{
    if (c > CODE_POINT_MAX) {
        refuse(j, "there is no such character");
    }
    if (j->err == OK) {
        j->err = buf_add_format(j->out, "\\x{%x}", c);
    }
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_octal(int c)
{
    return c >= '0' && c <= '7';
}

static int hex_value(int c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One character that means itself; with all bytes of it, so that a repetition takes them together. */
static void take_literal(struct judge *j)
{
    int c = peek(j, 0);
    size_t len = 1;

    while (c >= FIRST_BEYOND_ASCII && (peek(j, len) & 0xc0) == 0x80 && peek(j, len) >= 0) {
        len++;
    }
    if (c < FIRST_BEYOND_ASCII && !is_letter(c) && !is_digit(c)) {
        emit_code_point(j, (uint32_t)c);
    } else {
        emit(j, bytes_slice(j->in, j->at, len));
    }
    j->at += len;
    j->before = BEFORE_ITEM;
}

/* ---- escapes ---- */

static void take_octal(struct judge *j)
{
    uint32_t c = 0;

    for (int i = 0; i < OCTAL_DIGITS_MAX && is_octal(peek(j, 0)); i++, j->at++) {
        c = c * 8 + (uint32_t)(peek(j, 0) - '0');
    }
    emit_code_point(j, c);
}

/* Behind \x: two digits, or any number of them in braces. */
static void take_hex(struct judge *j)
{
    bool braces = peek(j, 0) == '{';
    uint32_t c = 0;
    size_t digits = 0;

    for (j->at += braces; hex_value(peek(j, 0)) >= 0 && (braces || digits < 2); digits++, j->at++) {
        c = MIN(c * 16 + (uint32_t)hex_value(peek(j, 0)), CODE_POINT_MAX + 1u);
    }
    if (braces ? digits == 0 || peek(j, 0) != '}' : digits != 2) {
        refuse(j, "\\x wants two hexadecimal digits, or some in braces");
    }
    j->at += braces;
    emit_code_point(j, c);
}

/* An escape that stands for one character; at the byte behind the backslash. */
static void take_escaped(struct judge *j)
{
    static const char from[] = "afnrtv";
    static const uint8_t to[] = {7, '\f', '\n', '\r', '\t', '\v'};
    int c = peek(j, 0);
    const char *control = c > 0 ? strchr(from, c) : NULL;

    if (c == '0' || (is_octal(c) && is_octal(peek(j, 1)))) {
        take_octal(j);
    } else if (c == 'x') {
        j->at++;
        take_hex(j);
    } else if (control) {
        j->at++;
        emit_code_point(j, to[control - from]);
    } else if (c >= 0 && !is_letter(c) && !is_digit(c)) {
        take_literal(j);
    } else {
        refuse(j, c < 0 ? "a backslash at the end" : "no such escape");
    }
}

/* \pL \PL \p{Lu} \p{^Lu} \p{Greek}; at the p. */
static void take_property(struct judge *j)
{
    static const char two[] =
        "Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk "
        "Sm So Zl Zp Zs ";
    bool negative = peek(j, 0) == 'P', braces = peek(j, 1) == '{';
    ptrdiff_t end = bytes_find(rest(j), '}');

    if (braces ? end < 0 : peek(j, 1) < 0) {
        refuse(j, "\\p wants a letter, or a name in braces");
        return;
    }
    struct bytes name =
        braces ? bytes_slice(rest(j), 2, (size_t)end - 2) : bytes_slice(rest(j), 1, 1);
    j->at += braces ? (size_t)end + 1 : 2;
    if (braces && bytes_starts_with(name, BYTES("^"))) {
        negative = !negative;
        name = bytes_slice(name, 1, name.len);
    }
    bool category = bytes_equal(name, BYTES("Any")) ||
                    (name.len == 1 && bytes_find(BYTES("CLMNPSZ"), name.at[0]) >= 0);
    for (size_t i = 0; name.len == 2 && i + 2 < sizeof(two); i += 3) {
        category |= memcmp(two + i, name.at, 2) == 0;
    }
    bool script = name.len >= 2 && name.at[0] >= 'A' && name.at[0] <= 'Z';
    for (size_t i = 0; i < name.len; i++) {
        script &= is_letter(name.at[i]) || name.at[i] == '_';
    }
    if (!category && !script) {
        refuse(j, "no such class of characters");
    }
    emit(j, negative ? BYTES("\\P{") : BYTES("\\p{"));
    emit(j, category ? BYTES("") : BYTES("sc:"));
    emit(j, name);
    emit(j, BYTES("}"));
}

/* \d and its like, in a class or outside; at the letter. False: not one of them. */
static bool take_class_escape(struct judge *j, bool inside)
{
    static const struct {
        char letter;
        const char *outside, *inside;
    } classes[] = {
        {'d', "\\d", "\\d"},
        {'D', "\\D", "\\D"},
        {'w', "\\w", "\\w"},
        {'W', "\\W", "\\W"},
        {'s', "[\\t\\n\\f\\r ]", "\\t\\n\\f\\r "}, /* PCRE2's has \x0b, too */
        {'S', "[^\\t\\n\\f\\r ]", "\\S\\x0b"},
    };
    int c = peek(j, 0);

    if (c == 'p' || c == 'P') {
        take_property(j);
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (classes[i].letter == c) {
            emit(j, bytes_of(inside ? classes[i].inside : classes[i].outside));
            j->at++;
            return true;
        }
    }
    return false;
}

/* \Q...\E, or to the end; behind the Q. */
static void take_quote(struct judge *j)
{
    while (peek(j, 0) >= 0 && !bytes_starts_with(rest(j), BYTES("\\E"))) {
        take_literal(j);
    }
    j->at = MIN(j->at + 2, j->in.len);
}

static void take_escape(struct judge *j)
{
    static const struct {
        char letter;
        const char *text;
    } assertions[] = {{'A', "(?:\\A)"}, {'z', "(?:\\z)"}, {'b', "(?:\\b)"}, {'B', "(?:\\B)"}};

    j->at++;
    if (peek(j, 0) == 'Q') {
        j->at++;
        take_quote(j);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(assertions); i++) {
        if (assertions[i].letter == peek(j, 0)) {
            j->at++;
            emit_item(j, bytes_of(assertions[i].text));
            return;
        }
    }
    if (!take_class_escape(j, false)) {
        take_escaped(j);
    }
    j->before = BEFORE_ITEM;
}

/* ---- classes ---- */

/* [:alpha:] in a class. False: it is not one, and '[' is a character. */
static bool take_named_class(struct judge *j)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    struct bytes from = bytes_slice(rest(j), 2, j->in.len);
    size_t len = 0;

    while (len + 1 < from.len && !(from.at[len] == ':' && from.at[len + 1] == ']')) {
        len++;
    }
    if (peek(j, 0) != '[' || peek(j, 1) != ':' || len + 1 >= from.len) {
        return false;
    }
    struct bytes name = bytes_slice(from, bytes_starts_with(from, BYTES("^")) ? 1 : 0, len);
    name.len = len - (size_t)(name.at - from.at);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal(name, bytes_of(names[i]))) {
            emit(j, bytes_slice(rest(j), 0, len + 4));
            j->at += len + 4;
            return true;
        }
    }
    refuse(j, "no such class of characters");
    return true;
}

static void take_class_character(struct judge *j)
{
    if (peek(j, 0) < 0) {
        refuse(j, "a class without its end");
    } else if (peek(j, 0) == '\\') {
        j->at++;
        take_escaped(j);
    } else {
        take_literal(j);
    }
}

static void take_class_part(struct judge *j)
{
    if (take_named_class(j)) {
        return;
    }
    if (peek(j, 0) == '\\') {
        j->at++;
        if (take_class_escape(j, true)) {
            return;
        }
        j->at--;
    }
    take_class_character(j);
    if (peek(j, 0) == '-' && peek(j, 1) >= 0 && peek(j, 1) != ']') {
        j->at++;
        emit(j, BYTES("-"));
        take_class_character(j);
    }
}

static void take_class(struct judge *j)
{
    bool negative = peek(j, 1) == '^';

    emit(j, negative ? BYTES("[^") : BYTES("["));
    j->at += 1 + negative;
    do { /* a ] in front is a character */
        take_class_part(j);
    } while (j->err == OK && peek(j, 0) != ']');
    j->at++;
    emit_item(j, BYTES("]"));
}

/* ---- groups and repetitions ---- */

static void enter_group(struct judge *j)
{
    if (j->depth++ == TOPIC_PATTERN_DEPTH_MAX && j->err == OK) {
        j->err =
            fail(ERR_LIMIT, "a pattern with groups more than %d deep", TOPIC_PATTERN_DEPTH_MAX);
    }
    j->before = BEFORE_NOTHING;
}

/* Behind "(?P<" or "(?<": name>. It must be the only one of that name; nobody will ask for it. */
static void take_name(struct judge *j)
{
    struct bytes name = bytes_slice(rest(j), 0, 0);

    while (is_letter(peek(j, 0)) || is_digit(peek(j, 0)) || peek(j, 0) == '_') {
        name.len++;
        j->at++;
    }
    if (name.len == 0 || peek(j, 0) != '>') {
        refuse(j, "a group's name is of letters, digits and _, and ends with >");
        return;
    }
    for (int i = 0; i < j->name_count; i++) {
        if (bytes_equal(j->names[i], name)) {
            refuse(j, "two groups of one name");
        }
    }
    if (j->name_count == TOPIC_PATTERN_NAMES_MAX) {
        j->err =
            fail(ERR_LIMIT, "a pattern with more than %d named groups", TOPIC_PATTERN_NAMES_MAX);
        return;
    }
    j->names[j->name_count++] = name;
    j->at++;
    emit(j, BYTES("(?:"));
    enter_group(j);
}

/* Behind "(?": flags) or flags:, where flags are some of imsU, and after a - at least one more. */
static void take_flags(struct judge *j)
{
    size_t from = j->at, minus = 0, last = 0;

    for (int c; (c = peek(j, 0)) == '-' || (c > 0 && strchr("imsU", c)); j->at++) {
        minus += c == '-';
        last = (size_t)c;
    }
    int end = peek(j, 0);
    if (minus > 1 || last == '-' || (end != ')' && end != ':')) {
        refuse(j, "no such kind of group");
        return;
    }
    if (j->at > from || end == ':') {
        emit(j, BYTES("(?"));
        emit(j, bytes_slice(j->in, from, j->at + 1 - from));
    }
    j->at++;
    j->before = BEFORE_NOTHING;
    if (end == ':') {
        enter_group(j);
    }
}

static void take_group(struct judge *j)
{
    if (bytes_starts_with(rest(j), BYTES("(?P<")) || bytes_starts_with(rest(j), BYTES("(?<"))) {
        j->at += peek(j, 2) == 'P' ? 4 : 3;
        take_name(j);
    } else if (peek(j, 1) == '?') {
        j->at += 2;
        take_flags(j);
    } else {
        j->at++;
        emit(j, BYTES("(?:"));
        enter_group(j);
    }
}

static void take_end_of_group(struct judge *j)
{
    if (j->depth-- == 0) {
        refuse(j, "a ) without its (");
    }
    j->at++;
    emit_item(j, BYTES(")"));
}

/* A repetition of `len` bytes, and the ? that makes it lazy. */
static void take_repetition(struct judge *j, size_t len)
{
    if (j->before != BEFORE_ITEM) {
        refuse(j,
               j->before == BEFORE_NOTHING ? "nothing to repeat" : "a repetition of a repetition");
    }
    len += peek(j, len) == '?';
    emit(j, bytes_slice(rest(j), 0, len));
    j->at += len;
    j->before = BEFORE_REPETITION;
}

/* A decimal number without leading zeros at `*ahead`, cut to one above the maximum; -1: there is none. */
static int take_count(const struct judge *j, size_t *ahead)
{
    int n = -1;
    bool zero = peek(j, *ahead) == '0';
    size_t from = *ahead;

    for (; is_digit(peek(j, *ahead)); (*ahead)++) {
        n = MIN(MAX(n, 0) * 10 + peek(j, *ahead) - '0', TOPIC_PATTERN_REPEAT_MAX + 1);
    }
    return zero && *ahead - from > 1 ? -1 : n;
}

/* {n} {n,} {n,m}; anything else is characters. */
static void take_brace(struct judge *j)
{
    size_t len = 1;
    int least = take_count(j, &len), most = least;

    if (least >= 0 && peek(j, len) == ',') {
        len++;
        most = peek(j, len) == '}' ? least : take_count(j, &len);
    }
    if (least < 0 || most < 0 || peek(j, len) != '}') {
        take_literal(j);
        j->before = BEFORE_REPETITION; /* RE2J does not repeat such a brace either */
        return;
    }
    if (least > TOPIC_PATTERN_REPEAT_MAX || most > TOPIC_PATTERN_REPEAT_MAX || most < least) {
        refuse(j, "a repetition counts to 1000, and upwards");
    }
    take_repetition(j, len + 1);
}

static void take(struct judge *j)
{
    switch (peek(j, 0)) {
    case '\\':
        take_escape(j);
        break;
    case '[':
        take_class(j);
        break;
    case '(':
        take_group(j);
        break;
    case ')':
        take_end_of_group(j);
        break;
    case '*':
    case '+':
    case '?':
        take_repetition(j, 1);
        break;
    case '{':
        take_brace(j);
        break;
    case '|':
        j->at++;
        emit(j, BYTES("|"));
        j->before = BEFORE_NOTHING;
        break;
    case '.':
        j->at++;
        emit_item(j, BYTES("."));
        break;
    case '^':
    case '$':
        emit(j, BYTES("(?:"));
        emit(j, bytes_slice(rest(j), 0, 1));
        emit_item(j, BYTES(")"));
        j->at++;
        break;
    default:
        take_literal(j);
        break;
    }
}

enum err topic_pattern_judge(struct bytes text, struct buf *out)
{
    struct judge j = {.in = text, .out = out};

    while (j.err == OK && j.at < text.len) {
        take(&j);
    }
    if (j.depth > 0) {
        refuse(&j, "a ( without its )");
    }
    return j.err;
}
