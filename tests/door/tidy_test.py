#!/usr/bin/env python3
"""tests/door/tidy_test.py: tools/tidy.py finds what it says it finds, and the tree has none of it.

Each case is a small tree with one wrong thing and the words that must be said about it.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIDY = os.path.join(ROOT, "tools", "tidy.py")
HEAD = "/* {0}: what it is.\n *\n * WHY      Because.\n */\n"
BODY = "int f(void)\n{\n    {0}\n}\n"
UNFINISHED = "TO" + "DO"

# name, file, text after the head comment, what must be said ("" when all is well)
CASES = [
    ("a clean file", "storage/a.c", '#include "base/base.h"\n\n' + BODY, ""),
    ("storage may see record batches", "storage/a.c", '#include "protocol/record_batch.h"\n', ""),
    ("storage must not see frames", "storage/a.c", '#include "protocol/frame.h"\n', "storage must not know"),
    ("base stands alone", "base/a.c", '#include "storage/plog.h"\n', "base must not know"),
    ("tools do not see the broker", "tools/a.c", '#include "broker/core.h"\n', "tools must not know"),
    ("includes from the root", "base/a.c", '#include "base.h"\n', "written from the root"),
    ("inner headers stay inside", "broker/a.c", '#include "storage/plog_internal.h"\n', "inner matter"),
    ("the clock has one door", "broker/a.c", BODY.replace("{0}", "clock_gettime(0, &t);"), "env_now_us"),
    ("so have files", "storage/a.c", BODY.replace("{0}", "return pwrite(1, p, 2, 3);"), "env.h's files"),
    ("so have threads", "broker/a.c", "#include <pthread.h>\n", "the only door"),
    ("so has memory", "broker/a.c", BODY.replace("{0}", "free(p);"), "base/mem.h"),
    ("a member may have such a name", "broker/a.c", BODY.replace("{0}", "e->read(e); x.free(x);"), ""),
    ("a comment, too", "broker/a.c", "/* never call free() or time() */\n", ""),
    ("a string, too", "broker/a.c", BODY.replace("{0}", 'puts("free(x)");'), ""),
    ("atomics live in the mailbox", "broker/a.c", BODY.replace("{0}", "atomic_load(&x);"), "mailbox_send"),
    ("thread-local state is rare", "broker/a.c", "static _Thread_local int x;\n", "belongs to its core"),
    ("no unsafe strings even in tests", "tests/a.c", BODY.replace("{0}", "strcpy(a, b);"), "struct buf"),
    ("tests may open files", "tests/a.c", BODY.replace("{0}", 'fopen("a", "r");'), ""),
    ("no globals", "broker/a.c", "int count;\n", "give it an owner"),
    ("no static variables", "broker/a.c", BODY.replace("{0}", "static int n = 1;"), "give it an owner"),
    ("constant tables are well", "broker/a.c", "static const char *const names[] = {0};\n", ""),
    ("a pointer to constants may change", "broker/a.c", "static const char *name = 0;\n", "give it an owner"),
    ("long functions", "broker/a.c", BODY.replace("{0}", "f();\n" * 70), "71 lines; 70 at most"),
    ("many parameters", "broker/a.c", "int f(int a, int b, int c, int d, int e, int g)\n{\n}\n", "6 parameters"),
    ("deep nesting", "broker/a.c", BODY.replace("{0}", " " * 12 + "if (x) {\n" + " " * 16 + "if (x) {"),
     "nests deeper"),
    ("long files", "broker/a.c", "\n" * 800, "804 lines; 800 at most"),
    ("unfinished work", "broker/a.c", f"/* {UNFINISHED} later */\n", "finish it"),
    ("paths of a machine", "broker/README.md", "see /" + "home/me/x\n", "path of one machine"),
    ("unknown hosts", "broker/README.md", "see https:/" + "/registry.corp.internal/x\n", "not a host"),
    ("known hosts", "broker/README.md", "see https://kafka.apache.org/x and http://localhost:9644\n", ""),
    ("headers are read once", "broker/a.h", "struct a;\n", "#pragma once"),
    ("schemas name a field once", "protocol/schema/a.json",
     '{"versions": "0-1", "request": [{"name": "x", "type": "int8"}, {"name": "x", "type": "int8"}]}', "name x"),
    ("defaults fit", "protocol/schema/a.json",
     '{"versions": "0-1", "request": [{"name": "x", "type": "int8", "default": 128}]}', "does not fit"),
    ("versions of a field are the message's", "protocol/schema/a.json",
     '{"versions": "0-1", "request": [{"name": "x", "type": "int8", "versions": "2+"}]}', "ends with 1"),
    ("schemas parse", "protocol/schema/a.json", "{", "not a schema"),
]


def tidy(folder, *arguments):
    return subprocess.run([sys.executable, TIDY, *arguments], cwd=folder, capture_output=True, text=True)


def write(folder, path, text):
    os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
    with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
        f.write(text)


def judge(name, said, wanted):
    good = said.stdout.endswith("\n0 problems\n") or said.stdout == "0 problems\n" if not wanted else \
        wanted in said.stdout and said.returncode == 1
    if not good:
        print(f"tests/door/tidy_test.py: {name}: wanted '{wanted}', got:\n{said.stdout}{said.stderr}")
    return good


def run_case(name, path, text, wanted):
    with tempfile.TemporaryDirectory() as folder:
        code = path.endswith((".c", ".h"))
        write(folder, path, (HEAD.replace("{0}", path) if code else "") + text.replace("{0}", "f();"))
        return judge(name, tidy(folder, path), wanted)


def a_missing_head_is_found():
    with tempfile.TemporaryDirectory() as folder:
        write(folder, "base/a.c", "/* base/b.c: another. */\n")
        return judge("a missing head", tidy(folder, "base/a.c"), "opens with a comment")


def a_missing_readme_is_found():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        write(folder, "base/a.py", "pass\n")
        return judge("a missing README", tidy(folder), "has no README.md")


def a_symbol_in_an_object_is_found():
    with tempfile.TemporaryDirectory() as folder:
        write(folder, "a.c", "#include <fcntl.h>\nint f(void)\n{\n    return open(\"x\", 0);\n}\n")
        subprocess.run(["gcc", "-D_FILE_OFFSET_BITS=64", "-c", "a.c", "-o", "a.c.o"], cwd=folder, check=True)
        subprocess.run(["ar", "rc", "libweir_storage.a", "a.c.o"], cwd=folder, check=True)
        found = judge("a symbol", tidy(folder, "--objects", "."), "storage/a.c:1: its object file asks for open")
        os.rename(os.path.join(folder, "a.c.o"), os.path.join(folder, "env_linux.c.o"))
        subprocess.run(["ar", "rc", "libweir_base.a", "env_linux.c.o"], cwd=folder, check=True)
        os.remove(os.path.join(folder, "libweir_storage.a"))
        return found and judge("its home", tidy(folder, "--objects", "."), "")


def the_tree_is_tidy():
    return judge("the tree", tidy(ROOT), "")


results = [run_case(*case) for case in CASES]
results += [a_missing_head_is_found(), a_missing_readme_is_found(), a_symbol_in_an_object_is_found(),
            the_tree_is_tidy()]
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
