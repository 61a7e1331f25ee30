"""Runs commands one after another and says of each how long it took and how much memory it held.

A program of its own, and a small one, because on Linux the peak memory of a process starts with that of the process
that it was made from. Standard input: ``[{"command": [...], "folder": ..., "environment": {...}}, ...]``; standard
output: ``[{"seconds": ..., "processor_seconds": ..., "peak_memory_bytes": ..., "status": ..., "tail": ...}, ...]``.
"""

import json
import os
import sys
import tempfile
import time


def run(command, folder, environment):
    """Run one command; its output is kept only for the end of it, in case that it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            try:
                os.chdir(folder)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.execvpe(command[0], command, {**os.environ, **environment})
            finally:
                os._exit(127)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - started
        output.seek(max(0, output.seek(0, os.SEEK_END) - 500))
        tail = output.read().decode(errors="replace")
    return {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
        "tail": tail,
    }


if __name__ == "__main__":
    json.dump([run(**job) for job in json.load(sys.stdin)], sys.stdout)
