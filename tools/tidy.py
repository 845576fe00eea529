#!/usr/bin/env python3
"""tools/tidy.py: the house lint: what compilers cannot see.

    tools/tidy.py [file...]           check these files, or all of the tree
    tools/tidy.py --includes FILE...  the arrows only: part of every build
    tools/tidy.py --objects DIR       check which symbols the static libraries built there ask for

Prints "file:line: message" for each and "N problems" at the end; exits 1 when there is one. Without arguments
it also names the files that grow long, and how many assertions each folder has per function.
"""
import collections
import json
import os
import re
import subprocess
import sys

# Which folder may include which (README.md draws it), and the single headers that are let through.
LAYERS = {
    "base": {"base"},
    "protocol": {"base", "protocol", "schema"},  # schema/ is made by the build
    "raft": {"base", "raft"},
    "storage": {"base", "storage"},
    "broker": {"base", "protocol", "schema", "raft", "storage", "broker"},
    "tools": {"base", "protocol", "schema", "storage", "tools"},
    "tests": {"base", "protocol", "schema", "raft", "storage", "broker", "tools", "tests"},
}
LET_THROUGH = {"storage": r"protocol/(record_batch|record|batch_\w+|compression|wire|varint)\.h",
               "tools": r"broker/(broker_main|config|config_value)\.h"}  # `weir broker`

# Calls with the files they may stand in, and what others use instead; tests/ obeys the last two rows only.
ENV, ATOMICS = r"base/env_linux\w*\.[ch]", r"(broker/(mailbox|image)|base/(env_linux\w*|log))\.[ch]"  # image: any core counts
CALLS = [
    ("clock_gettime gettimeofday time usleep sleep nanosleep timerfd_create", ENV, "env_now_us, env_wall_ms"),
    ("rand srand rand_r random srandom drand48 getrandom", ENV, "env_random"),
    ("open openat creat read pread preadv preadv2 write pwrite pwritev pwritev2 fsync fdatasync syncfs fopen "
     "sync_file_range rename unlink mkdir rmdir truncate ftruncate fallocate posix_fallocate opendir readdir "
     "scandir flock fcntl ioctl stat fstat statvfs fstatvfs mmap sendfile",
     r"base/(env_linux\w*|log|assert)\.c", "env.h's files"),
    (r"socket accept accept4 connect bind listen send recv sendmsg recvmsg sendto recvfrom shutdown setsockopt "
     r"getaddrinfo eventfd poll select epoll_\w+", r"base/(env_linux\w*|log)\.c", "env.h's sockets and pollers"),
    (r"pthread_\w+ thrd_\w+ mtx_\w+ cnd_\w+ sem_\w+ fork", r"base/(env_linux\w*|log)\.[ch]", "env's actors and lanes"),
    ("malloc calloc realloc free aligned_alloc posix_memalign strdup strndup asprintf vasprintf",
     r"base/mem\.c", "base/mem.h, an arena or a pool"),
    (r"atomic_\w+ __atomic_\w+ __sync_\w+", ATOMICS, "mailbox_send"),
    ("strcpy strcat sprintf vsprintf strncpy strncat strtok atoi atol atof gets", "", "struct bytes, struct buf"),
    ("assert abort", r"(base/assert|tests/harness/\w+)\.c", "ASSERT"),
]
WORDS = [
    (r"\b(_Thread_local|__thread)\b", r"base/(mem|log|err|env_linux\w*)\.c|broker/core\.c", "state of a thread belongs to its core"),
    (r"\b_Atomic\b|<stdatomic\.h>", ATOMICS, "atomics live in the mailbox"),
    (r"<(assert|threads)\.h>", "", "base.h has ASSERT, env.h has threads"),
    (r"<(pthread|sys/epoll|sys/socket|netdb)\.h>", r"base/(env_linux\w*|log)\.[ch]", "env.h is the only door"),
]
STATICS = r"base/(log|err|mem|assert|crc32c|env_linux\w*)\.c|broker/core\.c|tests/.*"  # may keep state of a file
FUNCTION_LINES, PARAMETERS, NESTING, FILE_LINES, FILE_LINES_WARN = 70, 5, 3, 800, 500
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|not imple" r"mented|for n" r"ow)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}~/])/(wo" r"rk|tmp/build|root|home/\w+|mnt/\w+)\b")
URL_HOSTS = re.compile(r"([\w-]+\.)*(apache|github|debian|ietf|rfc-editor|kernel|example)\.(org|com|io)$|[\d.]+$|[\w-]+$")
problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def output_of(*command):
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def tracked():
    names = output_of("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(p for p in names if os.path.isfile(p))


def without_comments(text):  # the same length, with comments and the insides of literals blanked
    def blank(m):
        s = m.group(0)
        return re.sub(r"[^\n]", " ", s) if s[0] == "/" else s[0] + "_" * (len(s) - 2) + s[-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|" r'"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def check_text(path, lines):
    for n, line in enumerate(lines, 1):
        for found in UNFINISHED.findall(line):
            problem(path, n, f"'{found}': finish it or leave it out")
        for found in MACHINE_PATH.finditer(line):
            problem(path, n, f"{found.group(0)} is a path of one machine")
        for host in re.findall(r"https?://([\w.-]+)", line):
            if not URL_HOSTS.match(host):
                problem(path, n, f"{host} is not a host that this project knows")


def check_head(path, text):
    if not (head := re.match(r"/\* (\S+):.*?\*/", text, re.S)) or head.group(1) != path:
        problem(path, 1, f"opens with a comment that begins '/* {path}: '")
    elif path.endswith(".c") and not path.endswith("_test.c") and head.group(0).count("\n") < 2:
        problem(path, 1, "the essay at the head of a .c file has three lines or more")
    if path.endswith(".h") and not re.match(r"\s*#pragma once\n", text[head.end() if head else 0:]):
        problem(path, 1, "#pragma once follows the head comment")


def check_includes(path, lines):
    folder, own, first = path.split("/")[0], path[:-1] + "h", True
    for n, line in enumerate(lines, 1):
        if not (found := re.match(r'\s*#\s*include\s+(["<][^">]+)', line)):
            continue
        name, target = found.group(1)[1:], found.group(1)[1:].split("/")[0]
        if first and path.endswith(".c") and os.path.exists(own) and name not in (own, own[:-2] + "_internal.h"):
            problem(path, n, f'"{own}" is included first: so it proves to stand alone')
        first = False
        if found.group(1)[0] == "<":
            continue
        if "/" not in name or target not in LAYERS["tests"]:
            problem(path, n, f'"{name}": includes are written from the root: "folder/file.h"')
        elif target not in LAYERS.get(folder, ()) and not re.fullmatch(LET_THROUGH.get(folder, "-"), name):
            problem(path, n, f"{folder} must not know {name}: the arrows point the other way")
        elif name.endswith("_internal.h") and target not in (folder, "tests") and folder != "tests":
            problem(path, n, f"{name} is an inner matter of {target}")


def check_banned(path, lines):
    calls, words = (CALLS[-2:], []) if path.startswith("tests/") else (CALLS, WORDS)
    rules = [(rf"(?<![\w.>])({'|'.join(c.split())})\s*\(", home, f"use {instead}") for c, home, instead in calls] + words
    own = set(re.findall(r"^[a-z][\w *]*?(\w+\()", "\n".join(lines), re.M))  # functions of the file
    for pattern, home, why in [rule for rule in rules if not re.fullmatch(rule[1], path)]:
        for n, line in enumerate(lines, 1):
            if (found := re.search(pattern, line)) and found.group(0) not in own:
                problem(path, n, f"{found.group(0).rstrip('(')} has no place here: {why}")


def check_statics(path, lines):
    """A variable of a file, or a static one of a function, that is not const."""
    for n, line in enumerate(lines, 1):
        found = re.match(r"(?:\s*static |(?!extern|typedef|return|struct \w+;|enum \w+;|else|goto|#)(?=\w))"
                         r"([\w *]+?)\w+(\[[^]]*\])*( = .*|;| =)$", line)
        if not found or (line[0] == " " and "static" not in line) or re.fullmatch(STATICS, path):
            continue
        if " " in found.group(1) and not re.search(r"const( \w+)* $|const [\w ]+ $|const $", found.group(1)):
            problem(path, n, "a variable that outlives its function and may change: give it an owner")


def check_functions(path, lines):
    """Definitions open and close with a brace at the left margin. Returns how many there are."""
    count, begin, head = 0, None, ""
    for n, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            at = n - 1
            while at > 0 and lines[at - 1].strip() and lines[at - 1][0] not in "}#":
                at -= 1
            begin, head = n, " ".join(lines[at:n - 1])
        elif line[:1] == "}" and begin is not None and (found := re.search(r"(\w+)\s*\((.*)\)", head)):
            count, name, length = count + 1, found.group(1), n - begin - 1
            parameters = re.sub(r"\([^()]*\)|^struct env \*\w*, ", "", found.group(2)).count(",") + 1
            if length > FUNCTION_LINES:
                problem(path, begin, f"{name} has {length} lines; {FUNCTION_LINES} at most")
            if parameters > PARAMETERS:
                problem(path, begin, f"{name} has {parameters} parameters; {PARAMETERS} at most")
            begin = None
        deep = re.match(r"( +)(\} else|if|for|while|do|switch|list_for_each)\b.*\{$", line)
        if deep and begin is not None and len(deep.group(1)) > 4 * NESTING:
            problem(path, n, f"nests deeper than {NESTING} levels")
    return count


def check_fields(path, fields, high):
    for key in "name", "tag":
        counts = collections.Counter(f[key] for f in fields if key in f)
        for value in [v for v, count in counts.items() if count > 1]:
            problem(path, 1, f"more than one field of a struct has the {key} {value}")
    for f in fields:
        first, last = re.fullmatch(r"(\d+)(?:-(\d+)|\+)?", f.get("versions", "0+")).groups()
        if int(first) > int(last or high) or int(first) > int(high):
            problem(path, 1, f"{f['name']} has versions {f['versions']}, the message ends with {high}")
        if (size := re.fullmatch(r"(u?)int(\d+)", f["type"])) and isinstance(f.get("default"), int):
            least = 0 if size.group(1) else -(1 << int(size.group(2)) - 1)
            if not least <= f["default"] < least + (1 << int(size.group(2))):
                problem(path, 1, f"the default of {f['name']} does not fit into {f['type']}")
        check_fields(path, f.get("fields", []), high)


def check_schema(path, text):
    try:
        schema = json.loads(text)
        for part in {"request", "response"} & set(schema):
            check_fields(path, schema[part], re.search(r"\d+$", schema["versions"]).group(0))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        problem(path, 1, f"not a schema: {e!r}")


def check_readmes(paths):
    for folder in sorted({os.path.dirname(p) for p in paths if p.endswith((".c", ".h", ".py", ".json"))} - {""}):
        parent = os.path.dirname(folder) + "/README.md"
        told = parent in paths and os.path.basename(folder) + "/" in open(parent, encoding="utf-8").read()
        if f"{folder}/README.md" not in paths and not told:
            problem(folder, 1, "has no README.md, and that of its parent does not mention it")


def check_file(path, report):
    text = open(path, encoding="utf-8", errors="replace").read()
    lines, code = text.split("\n"), without_comments(text).split("\n")
    check_text(path, lines)
    if re.fullmatch(r"protocol/schema/.*\.json", path):
        check_schema(path, text)
    if path.endswith((".c", ".h")):
        check_head(path, text)
        check_includes(path, lines)
        check_banned(path, code)
        check_statics(path, code)
        sums = report[path.split("/")[0]]
        sums[0] += check_functions(path, code)
        sums[1] += len(re.findall(r"\b(?:ASSERT\w*|UNREACHABLE)\(", "\n".join(code)))
    if (length := len(lines) - 1 if path.endswith((".c", ".h", ".py")) else 0) > FILE_LINES_WARN:
        report["long"].append(f"{path} ({length})")
    if length > FILE_LINES:
        problem(path, 1, f"has {length} lines; {FILE_LINES} at most")


def check_objects(folder):  # fortified (__read_chk) and large-file (open64) names count as the plain ones
    for library in sorted(f for f in os.listdir(folder) if re.fullmatch(r"libweir_\w+\.a", f)):
        module = re.match(r"libweir_([a-z]+)", library).group(1)
        wanted = re.findall(r":([^:\n]+)\.o: +[Uw] (\w+)", output_of("nm", "-A", "-u", f"{folder}/{library}"))
        for member, symbol in wanted:
            plain = re.sub(r"^__|(64)?(_2|_chk)?$", "", symbol)
            for calls, home, instead in CALLS if module in LAYERS else ():
                if re.fullmatch("|".join(calls.split()), plain) and not re.fullmatch(home, f"{module}/{member}"):
                    problem(f"{module}/{member}", 1, f"its object file asks for {symbol}: use {instead}")


def main(arguments):
    report = collections.defaultdict(lambda: [0, 0], {"long": []})
    if arguments[:1] == ["--objects"]:
        check_objects(arguments[1])
    elif arguments[:1] == ["--includes"]:
        for path in arguments[1:]:
            check_includes(path, open(path, encoding="utf-8").read().split("\n"))
    else:
        for path in arguments or tracked():
            check_file(path, report)
    if not arguments:
        check_readmes(tracked())
        print("long files:", ", ".join(report.pop("long")) or "none")
        print("assertions per function:", ", ".join(f"{k} {v[1] / max(v[0], 1):.2f}" for k, v in sorted(report.items())))
    if problems or arguments[:1] != ["--includes"]:
        print("\n".join(problems + [f"{len(problems)} problems"]))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
