#!/bin/bash
# What `make gpu` does, from a bundle (bundle.py): the native tests on the GPU, a part of them under each of
# compute-sanitizer's tools, pytest's tests for a GPU, and the benchmark. Logs and figures go into the folder RESULTS;
# the exit status is the number of steps that failed.
#
#   bash gpu/run.sh RESULTS
set -u
[ $# -eq 1 ] || { echo "usage: run.sh RESULTS" >&2; exit 2; }
mkdir -p "$1"
results=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/repository"
PATH=$PATH:/usr/local/cuda/bin
python=(env "PYTHONHOME=$here/py" "LD_LIBRARY_PATH=$here/py/lib:${LD_LIBRARY_PATH-}" PYTHONDONTWRITEBYTECODE=1
    "PYTHONPATH=$here/repository/python:$here/site" "$(echo "$here"/py/bin/python3*)")
failed=0
"${python[@]}" -m nanobragg --devices | tee "$results/devices.txt"
grep -q '^cuda:[0-9]' "$results/devices.txt" || { echo "run.sh: expected a CUDA device" >&2; exit 1; }
command -v compute-sanitizer >/dev/null || { echo "run.sh: expected compute-sanitizer on PATH" >&2; exit 1; }

# step NAME COMMAND...: run it, keep what it prints, and say how it ended.
step() {
    local name=$1 began=$SECONDS
    shift
    if "$@" >"$results/$name.log" 2>&1; then
        echo "$name: passed, $((SECONDS - began)) s: $(grep -v '^ *$' "$results/$name.log" | tail -1)"
    else
        echo "$name: FAILED, $((SECONDS - began)) s:"
        tail -20 "$results/$name.log"
        failed=$((failed + 1))
    fi
}

step native "$here/cuda_tests"
for tool in memcheck racecheck initcheck synccheck; do
    step $tool env NANOBRAGG_EVERY="${SANITIZE_EVERY:-10}" \
        compute-sanitizer --tool $tool --error-exitcode 1 "$here/cuda_tests"
done
step pytest "${python[@]}" -m pytest -q -n 8 -p no:cacheprovider -m cuda \
    tests/test_devices.py tests/test_golden.py tests/test_random_command_lines.py tests/test_derivatives.py \
    tests/test_autodiff.py
step bench "${python[@]}" bench/run.py --case cuda --device cuda --json "$results/cuda.json"
cat "$results/bench.log"
exit $failed
