#!/usr/bin/env python3
"""tests/door/harness_test.py: a failing test fails, says why, and takes no other test with it."""
import os
import re
import subprocess
import sys

PROGRAM = os.path.join(os.environ.get("WEIR_BUILD", "build"), "debug", "weir_unit_failing")
WANTED = {  # test: what is said about it
    "a_false_condition_fails": r"failing\.c:\d+: arena == NULL is false",
    "equal_bits_of_another_sign_fail": r"-5 and 18446744073709551611",
    "another_error_fails": r"gives ERR_IO, not ERR_NOMEM; last crumb: disk 4 is gone",
    "an_error_instead_of_ok_fails": r"gives ERR_LIMIT, not OK",
    "different_bytes_fail": r"11 and 10 bytes, different from byte 5 on:\n    20 77 .*\| world\|\n    0a 77 .*\|\.worl\|",
    "null_is_not_empty": r"the first is null",
    "different_strings_fail": r'"this"\n    "that"',
    "the_seed_is_named": r"\(WEIR_SEED=4711\)",
    "a_failed_assertion_is_one_failed_test": r"Received signal 6",
    "an_early_exit_is_one_failed_test": r"left before its end",
    "a_leak_is_one_failed_test": r"Early exit",
    "a_read_past_the_end_is_one_failed_test": r"Early exit",
}


def run(*arguments):
    environment = dict(os.environ, WEIR_SEED="4711")
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, errors="replace", env=environment)


def expect(name, condition, said):
    if not condition:
        print(f"tests/door/harness_test.py: {name}:\n{said}")
    return condition


whole = run()
results = []
for test, words in WANTED.items():
    found = re.search(rf"^tests/harness/failing\.c:\d+: {test}\n  (.*?)(?=^tests/|^\d+ passed)", whole.stdout, re.M | re.S)
    results.append(expect(test, found and re.search(words, found.group(1)), whole.stdout))
results.append(expect("the sum", whole.stdout.endswith(f"\n1 passed, {len(WANTED)} failed\n") and whole.returncode == 1,
                      whole.stdout))
one = run("this_one")
results.append(expect("a filter", one.stdout == "1 passed, 0 failed\n" and one.returncode == 0, one.stdout))
none = run("no_such_test")
results.append(expect("nothing run is no success", none.returncode == 1, none.stdout))
print(f"{sum(map(bool, results))} passed, {len(results) - sum(map(bool, results))} failed")
sys.exit(0 if all(results) else 1)
