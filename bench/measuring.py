# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measuring scripts share: building the program, running one, printing a table."""
import collections
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-bench"

Run = collections.namedtuple("Run", "wall cpu mib output")


def build():
    """The program as a release, and the measuring programs beside it."""
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", BUILD, ROOT, "--buildtype=release", "-Dtests=false",
                        "-Dbench=true"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD], check=True, stdout=subprocess.DEVNULL)
    return BUILD / "src/slipway"


def run(command, environment=None):
    """One process with its children: seconds, CPU seconds and peak MiB, as the kernel counts them.

    The peak is never below own_peak(), since a child begins as a copy: so hold nothing large."""
    begin = time.monotonic()
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env=dict(os.environ, **(environment or {}))) as child:
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(str(part) for part in command[:4])} failed: "
                 f"{output.decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def median(runs):
    """One run of the medians of several."""
    return Run(statistics.median(r.wall for r in runs), statistics.median(r.cpu for r in runs),
               statistics.median(r.mib for r in runs), runs[-1].output)


def size_of(directory):
    """(bytes, files) of all below it."""
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


def own_peak():
    """MiB of this Python."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine():
    """What a figure depends on, for the head of a table."""
    return f"processors: {os.cpu_count()}, load before: {os.getloadavg()[0]:.1f}"


def print_table(head, rows):
    """Markdown."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)
