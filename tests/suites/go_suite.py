"""The tests of a Go package, each in a process of its own: one that panics or hangs costs no other."""
import json
import os
import subprocess

from suite import CACHE, call, kill_group


def module(path, version):
    """An empty module in the cache that requires path@version and what its tests need."""
    folder = CACHE / "suites" / f"{path.rstrip('./').split('/')[-1]}-{version}"
    if not (folder / "go.sum").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "go.mod").write_text("module suite\n\ngo 1.24\n")
        call("go", "get", "-t", f"{path}@{version}", cwd=folder)
    return folder


def build(folder, package):
    """(short name, test program, the package's folder, where its tests must run)"""
    short = package.split("/")[-1]
    program = folder / f"{short}.test"
    call("go", "test", "-c", "-vet=off", "-o", program, package, cwd=folder)
    where = subprocess.run(["go", "list", "-f", "{{.Dir}}", package], cwd=folder, check=True,
                           capture_output=True, text=True).stdout.strip()
    return short, program, where


def run(suite, built, env, before=None):
    """Runs the top-level tests that hold something expected. before: {test: one to run first in its process}."""
    short, program, where = built
    before = before or {}
    for test in sorted({t.split("/")[1] for t in suite.expected if t.startswith(f"{short}/")}):
        first = f"{before[test]}|" if test in before else ""
        command = ["go", "tool", "test2json", "-t", str(program), "-test.v=test2json", "-test.parallel=1",
                   f"-test.timeout={suite.args.limit}s", f"-test.run=^({first}{test})$"]
        process = subprocess.Popen(command, cwd=where, env=os.environ | env, text=True, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        states = {test: "not ended"}
        with open(suite.logs / f"{short}-{test}.log", "w", encoding="utf-8") as log:
            for line in process.stdout:
                event = json.loads(line) if line.startswith("{") else {"Action": "", "Output": line}
                log.write(event.get("Output", ""))
                if event["Action"] in ("pass", "fail", "skip") and "Test" in event:
                    states[event["Test"]] = event["Action"]
        kill_group(process)
        for name, state in states.items():
            suite.note(f"{short}/{name}", int(state == "pass"), state)
