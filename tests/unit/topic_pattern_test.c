/* tests/unit/topic_pattern_test.c: which expressions are taken, and what they match, against RE2J. */
#include "base/mem.h"
#include "broker/groups/topic_pattern.h"
#include "tests/harness/test.h"

static struct topic_pattern *pattern_of(const char *text)
{
    struct topic_pattern *p = NULL;
    enum err e = topic_pattern_new(bytes_of(text), &p);

    CHECK_SAYS(e == OK, "%s: %s, %s", text, err_name(e), err_crumb());
    return p;
}

static bool matches(const char *text, const char *name)
{
    struct topic_pattern *p = pattern_of(text);
    bool yes = false;

    CHECK_OK(topic_pattern_match(p, bytes_of(name), &yes));
    topic_pattern_free(p);
    return yes;
}

static enum err error_of(struct bytes text)
{
    struct topic_pattern *p = NULL;
    enum err e = topic_pattern_new(text, &p);

    topic_pattern_free(p);
    return e;
}

/* `count` times `part`. */
static struct bytes repeated(struct arena *arena, const char *part, size_t count)
{
    size_t len = strlen(part);
    uint8_t *at = ARENA_ARRAY(arena, uint8_t, len * count);

    for (size_t i = 0; i < count; i++) {
        memcpy(at + i * len, part, len);
    }
    return (struct bytes){at, len * count};
}

/* RE2J 1.8 takes these. */
static const char *const taken[] = {
    "foo.*",
    "a{2}?",
    "a{,2}",
    "a{2,}",
    "a{1000}",
    "(a{1000}){2}",
    "a??",
    "(?<name>a)",
    "(?P<name>a)",
    "(?:a)",
    "(?i)a",
    "(?i:a)",
    "(?i-s:a)",
    "(?U)a",
    "(?)",
    "\\0",
    "\\07",
    "\\012",
    "\\123",
    "\\Qa.b\\E",
    "\\Qa.b",
    "\\A\\z",
    "\\b\\B",
    "\\v",
    "\\f\\t\\n\\r\\a",
    "\\x41",
    "\\x{41}",
    "\\x{10FFFF}",
    "\\pL",
    "\\p{L}",
    "\\p{Lu}",
    "\\PL",
    "\\p{^Lu}",
    "\\p{Greek}",
    "\\p{Any}",
    "\\pZ",
    "\\_",
    "\\-",
    "\\!",
    "\\:",
    "\\\303\251",
    "\303\251",
    "[a-z]",
    "[^a-z]",
    "[]a]",
    "[^]a]",
    "[\\d-z]",
    "[[:alpha:]]",
    "[[:^alpha:]]",
    "[[:word:]]",
    "[[.a.]]",
    "[[=a=]]",
    "[a-]",
    "[-a]",
    "[a-b-c]",
    "[\\w\\W]",
    "[\\pL]",
    "[\\x41-\\x5a]",
    "[\\a]",
    "[&&]",
    "[a&&b]",
    "[[a]]",
    "[[]",
    "a{",
    "a{x",
    "a}",
    "]",
    "|",
    "a|",
    "|a",
    "()",
    "^*",
    "$*",
    "(?:)*",
    "\\b*",
    "(|a)*",
    "^$",
    "x{0}",
    "x{0,0}",
    "\\d\\D\\s\\S\\w\\W",
    "\\\"",
    "\\/",
    "\\#",
    "\\ ",
    "(?P<1a>x)",
    "(?i)(?s)(?m)x",
    "\\Qa\\Eb+",
    "\\Qab\\E+",
    "a\\Q\\E+",
    "[[:alpha:]-z]",
    "[a\\-z]",
    "[+--]",
    "[^\\S]",
    "[\\]]",
    "[[:word]",
    "[:alpha:]",
    "(?i)K",
    "(?i)\303\237",
    "\\pN+",
    "\\p{Nd}\\p{Lo}",
    "\\p{Cyrillic}\\p{Han}\\p{Latin}\\p{Common}",
    "\\p{Cs}",
    "\\p{C}",
    "\\p{Co}",
    "\\777",
    "\\377",
    "\\400",
    "\\08",
    "[\\08]",
    "[\\012]",
    "\\x{0000041}",
    "\\x{00000000041}",
    "(?ii)a",
    "(?i-i)a",
    "(?-i)a",
    " a ",
    "#",
    "\\Q\\\\E",
    "\\Q\\\\E*",
    "[^-a]",
    "[--]",
    "[---]",
    "[\\w-a]",
    "[\\pL-z]",
};

TEST(what_re2j_takes_is_taken)
{
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        topic_pattern_free(pattern_of(taken[i]));
    }
}

/* RE2J 1.8 refuses these. */
static const char *const refused[] = {
    "a{*",
    "{{2}",
    "a++",
    "a*+",
    "a?+",
    "a{2}+",
    "a{1001}",
    "a**",
    "a*?*",
    "a???",
    "(?=a)",
    "(?P<n>a)(?P<n>b)",
    "(?P=n)",
    "(?P>n)",
    "(?x)a",
    "(?m-:a)",
    "(?-)",
    "(?i",
    "(?#c)",
    "(?>a)",
    "(?|a)",
    "(?R)",
    "(?1)",
    "(?(1)a)",
    "(*ACCEPT)a",
    "\\1",
    "\\8",
    "\\g1",
    "\\k<a>",
    "\\E",
    "\\Z",
    "\\G",
    "\\K",
    "\\R",
    "\\X",
    "\\N",
    "\\C",
    "\\h",
    "\\H",
    "\\V",
    "\\e",
    "\\cA",
    "\\o{12}",
    "\\x{110000}",
    "\\x4",
    "\\x",
    "\\p{Foo}",
    "\\p{Xan}",
    "\\p{L&}",
    "[]",
    "[a",
    "[z-a]",
    "[a-\\d]",
    "[[:foo:]]",
    "[[:alpha:",
    "[\\b]",
    "[\\Qa\\E]",
    "[\\B]",
    "[\\A]",
    "[\\1]",
    "(a",
    "a)",
    ")",
    "*a",
    "+a",
    "?a",
    "{2}",
    "x{2,1}",
    "\\",
    "\\l",
    "\\u0041",
    "\\U",
    "\\L",
    "\\y",
    "(?P<a-b>x)",
    "(?P<>x)",
    "a{2}{3}",
    "a{2}*",
    "(?'n'a)",
    "(?<=a)b",
    "(?<!a)b",
    "(?!a)",
    "(?C1)",
    "(*UTF)a",
    "(*:a)",
    "(*)",
    "\\px",
    "\\p",
    "\\p{",
    "\\p{L",
    "\\x{}",
    "\\x{g}",
    "\\Q\\E+",
    "[a-[:alpha:]]",
    "[a-\\-]",
    "[^]",
    "[\\]",
    "[[:alpha:]",
    "\\p{L_}",
    "\\p{Alphabetic}",
    "\\p{Lowercase}",
    "\\p{Cn}",
    "\\p{LC}",
    "\\18",
    "(?--i)a",
    "(?i-)a",
    "(?P<name>a",
    "(?P<",
    "(?P",
    "(?<n",
    "(?",
    "[a-",
    "[a-z",
    "[^",
    "[a--]",
    "[a-\\w]",
    "[a-\\pL]",
    "\\xZZ",
    "\\x4Z",
};

TEST(what_re2j_refuses_is_refused)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        err_crumbs_reset();
        enum err e = error_of(bytes_of(refused[i]));
        CHECK_SAYS(e == ERR_MALFORMED, "%s: %s", refused[i], err_name(e));
        CHECK(err_crumb()[0]);
    }
}

/* As RE2J 1.8 answers to Pattern.compile(text).matcher(name).matches(). */
static const struct {
    const char *text, *name;
    bool yes;
} matched[] = {
    {"foo.*", "foobar", true},
    {"foo", "foobar", false},
    {"foo", "xfoo", false},
    {"foo|foobar", "foobar", true},
    {"a|ab", "ab", true},
    {"(a|ab)(c|bcd)", "abcd", true},
    {"a+?", "aaa", true},
    {"(?U)a+", "aaa", true},
    {"(?i)FOO", "foo", true},
    {"(?i:f)OO", "foo", false},
    {"(?i:f)OO", "fOO", true},
    {"a(?i)b|c", "C", true},
    {"(?-s).", "x", true},
    {"[[:alpha:]]+", "abc", true},
    {"[[:^alpha:]]+", "abc", false},
    {"[[:word:]]+", "a_9", true},
    {"\\d+", "123", true},
    {"[\\D]+", "123", false},
    {"\\w+-\\w+", "a_1-b", true},
    {"\\bfoo\\b", "foo", true},
    {"foo\\Bbar", "foobar", true},
    {"foo\\b-bar", "foo-bar", true},
    {"^foo$", "foo", true},
    {"\\Afoo\\z", "foo", true},
    {"^*foo", "foo", true},
    {"(?m)^foo$", "foo", true},
    {"\\Qa.b\\E", "a.b", true},
    {"\\Qa.b\\E", "axb", false},
    {"\\Qab\\E+", "abbb", true},
    {"\\Qab\\E+", "abab", false},
    {"a{2}", "aaa", false},
    {"a{2,}", "aaa", true},
    {"a{,2}", "aa", false},
    {"a{,2}", "a{,2}", true},
    {"a{02}", "aa", false},
    {"a{02}", "a{02}", true},
    {"a{", "a{", true},
    {"x{0}", "x", false},
    {"[]a]+", "]a]", true},
    {"[^]a]", "b", true},
    {"[a-c-e]+", "a-e", true},
    {"[\\d-z]+", "1-z", true},
    {"[\\d-z]", "y", false},
    {"[--]+", "---", true},
    {"[+--]+", "+,-", true},
    {"[[.a.]]", ".]", true},
    {"[[a]+", "[a[", true},
    {"[[:word]+", ":word[", true},
    {"[&&]+", "&&", true},
    {"\\x41\\x{42}\\103", "ABC", true},
    {"\\_\\-\\!", "_-!", true},
    {"\\pL+", "abc", true},
    {"\\p{Lu}+", "ABC", true},
    {"\\p{^Lu}+", "abc", true},
    {"\\PL+", "123", true},
    {"\\p{Greek}+", "\316\261\316\262", true},
    {"\\p{Greek}+", "ab", false},
    {"\303\251+", "\303\251\303\251", true},
    {"..", "\303\251\303\251", true},
    {".", "\303\251", true},
    {"[\303\240-\303\277]+", "\303\251\303\252", true},
    {"(?i)\303\211", "\303\251", true},
    {"(|a)*b", "aaab", true},
    {"(a*)*", "aaa", true},
    {"()*", "a", false},
    {"(?:)+b", "b", true},
    {"(?P<x>a)(?<y>b)", "ab", true},
    {"a#b", "a#b", true},
    {"a?b", "a", false},
    {".*-events-.*", "my-events-1", true},
    {"^(orders|payments)\\.(eu|us)\\.[0-9]+$", "orders.eu.12", true},
    {"^(orders|payments)\\.(eu|us)\\.[0-9]+$", "orders.xx.12", false},
    {"(?i)k", "K", true},
    {"\\s+", "a", false},
    {"[^\\S]+", "a", false},
    {"\\S+", "abc", true},
    {"(?s).+", "a.b", true},
    {"$a", "a", false},
    {"a^", "a", false},
    {"a$", "a", true},
    {"\\za", "a", false},
};

TEST(a_pattern_matches_whole_names_as_in_re2j)
{
    for (size_t i = 0; i < COUNT_OF(matched); i++) {
        CHECK_SAYS(matches(matched[i].text, matched[i].name) == matched[i].yes, "%s and %s",
                   matched[i].text, matched[i].name);
    }
}

TEST(a_pattern_of_bytes_that_are_not_utf8_is_refused)
{
    CHECK_ERR(error_of(BYTES("a\xff")), ERR_MALFORMED);
    CHECK_ERR(error_of(BYTES("a\xc3")), ERR_MALFORMED);
    CHECK_ERR(error_of(BYTES("\\x{d800}")), ERR_MALFORMED);
    CHECK_OK(error_of(BYTES("a\0b")));
    CHECK_OK(error_of(BYTES_NULL));
}

TEST(a_name_that_is_not_utf8_matches_nothing)
{
    struct topic_pattern *p = pattern_of("");
    bool yes = false;

    CHECK(!matches(".*", "\xff"));
    CHECK(matches("", ""));
    CHECK_OK(topic_pattern_match(p, BYTES_NULL, &yes));
    CHECK(yes);
    topic_pattern_free(p);
}

TEST(a_pattern_has_a_largest_size)
{
    struct bytes names = BYTES("");

    CHECK_OK(error_of(repeated(arena, "abc|", TOPIC_PATTERN_BYTES_MAX / 4)));
    CHECK_OK(error_of(repeated(arena, "^-", TOPIC_PATTERN_BYTES_MAX / 2)));
    CHECK_ERR(error_of(repeated(arena, "\\S", TOPIC_PATTERN_BYTES_MAX / 2)),
              ERR_LIMIT); /* as compiled */
    CHECK_ERR(error_of(repeated(arena, "abcd|", TOPIC_PATTERN_BYTES_MAX / 4)), ERR_LIMIT);
    CHECK_ERR(error_of(repeated(arena, "(", 3000)), ERR_LIMIT);
    CHECK_ERR(error_of(BYTES("(((a{100}){100}){100}){100}")), ERR_LIMIT);
    for (int i = 0; i <= TOPIC_PATTERN_NAMES_MAX; i++) {
        names = arena_format(arena, "%.*s(?P<n%d>a)", BYTES_ARG(names), i);
    }
    CHECK_ERR(error_of(names), ERR_LIMIT);
}

TEST(a_pattern_that_explodes_gives_up)
{
    static const char *const patterns[] = {
        "(a*)*b",         "(a|a)*b", "(a|aa)+b", "a*a*a*a*a*a*a*a*b", "(.*)(.*)(.*)(.*)(.*)x",
        "(a?){250}a{250}"};
    struct bytes name = repeated(arena, "a", 249);

    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct topic_pattern *p = pattern_of(patterns[i]);
        for (int k = 0; k < 300; k++) {
            bool yes = true;
            CHECK_OK(topic_pattern_match(p, name, &yes));
            CHECK(!yes);
        }
        topic_pattern_free(p);
    }
}

TEST(a_long_name_is_matched_by_what_people_write)
{
    static const char *const patterns[] = {".*events.*",     "(ab-)+[.]events[.].*",
                                           "[a-z._-]+",      ".*[.]events[.](x[.]y_)+",
                                           "(?i).*EVENTS.*", ".*a.*e.*y.*"};
    struct bytes name =
        arena_format(arena, "%.*s.events.%.*s", BYTES_ARG(repeated(arena, "ab-", 40)),
                     BYTES_ARG(repeated(arena, "x.y_", 20)));

    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct topic_pattern *p = pattern_of(patterns[i]);
        bool yes = false;
        CHECK_OK(topic_pattern_match(p, name, &yes));
        CHECK_SAYS(yes, "%s", patterns[i]);
        topic_pattern_free(p);
    }
}

TEST(every_allocation_of_a_pattern_may_fail)
{
    bool ended = false;

    for (uint64_t nth = 1; nth < 100 && !ended; nth++) {
        struct topic_pattern *p = NULL;
        bool yes = false;
        (void)mem_fail_nth(nth);
        enum err e = topic_pattern_new(BYTES("(ab|c[d-f])*-events-(?:x+|y{2,5})"), &p);
        e = e == OK ? topic_pattern_match(p, BYTES("abcdab-events-yyy"), &yes) : e;
        ended = mem_fail_nth(0) > 0;
        CHECK_EQ(e, ended ? OK : ERR_NOMEM);
        CHECK_EQ(yes, ended);
        topic_pattern_free(p);
    }
    CHECK(ended);
}
