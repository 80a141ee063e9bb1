# Every target works in an empty clone: it makes the environment it needs, and keeps it.
# Python 3.11 or later, git and make are all that has to be there; another Python: PYTHON=python3.12.

PYTHON ?= python3
PIP := -m pip install -qq --disable-pip-version-check
TREE := pyproject.toml constraints.txt data/movielens/pyproject.toml

.PHONY: help demo serve test slow lint docs bench bench-quick bench-smoke bench-all
.NOTPARALLEL:

help:
	@echo "make demo    recommendations with reasons and a score, on the packaged MovieLens data"
	@echo "make serve   the service, with films to try it on: http://127.0.0.1:8000"
	@echo "make test    the tests, in a few minutes"
	@echo "make slow    the tests that need longer"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make docs    the documentation, into site/"
	@echo "make bench   every benchmark beside its peers, into benchmarks/results/"
	@echo "make bench-quick   the same on small made-up data, in minutes"
	@echo "make bench-smoke   that every race still runs"
	@echo "make bench-all     bench with LensKit too, which brings gigabytes of PyTorch and CUDA"

demo: .venv/demo.stamp
	@.venv/bin/penchant demo

serve: .venv/serve.stamp
	@.venv/bin/penchant serve --demo

test: .venv/test.stamp
	@.venv/bin/python -m pytest -m "not slow" -n 2 --dist loadfile

slow: .venv/test.stamp
	@.venv/bin/python -m pytest -m slow

lint: .venv/lint.stamp
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: .venv/docs.stamp
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

bench: .venv-bench/bench.stamp
	@.venv-bench/bin/python benchmarks/suite.py

bench-quick: .venv-bench/bench.stamp
	@.venv-bench/bin/python benchmarks/suite.py --size quick

bench-smoke: .venv-bench/bench.stamp
	@.venv-bench/bin/python benchmarks/suite.py --size smoke

bench-all: .venv-bench-all/bench.stamp
	@.venv-bench-all/bin/python benchmarks/suite.py

# A peer without a wheel, which takes minutes to compile: make BUILT= leaves it out.
BUILT ?= -r benchmarks/requirements-built.txt

# What each target installs besides penchant itself: extras of pyproject.toml.
.venv/demo.stamp: EXTRAS = demo
.venv/serve.stamp: EXTRAS = demo,serve
.venv/test.stamp: EXTRAS = demo,frames,text,image,tune,weights,serve,postgres,test
.venv/lint.stamp: EXTRAS = demo,frames,serve,postgres,test,lint
.venv/docs.stamp: EXTRAS = docs

.venv/%.stamp: $(TREE) | .venv/bin/pip
	@echo "Installing penchant[$(EXTRAS)] into .venv"
	@.venv/bin/python $(PIP) -c constraints.txt -e '.[$(EXTRAS)]' ./data/movielens
	@touch $@

.venv-bench/bench.stamp .venv-bench-all/bench.stamp: %/bench.stamp: \
  $(wildcard benchmarks/requirements*.txt) $(TREE) | %/bin/pip
	@echo "Installing penchant and its peers into $*"
	@$*/bin/python $(PIP) --no-deps -r benchmarks/requirements.txt -e . ./data/movielens
	@[ -z "$(BUILT)" ] || $*/bin/python $(PIP) --no-deps $(BUILT) >$*/built.log 2>&1 || \
	  echo "cmfrec could not be compiled ($*/built.log): its race runs without it"
	@if [ $* = .venv-bench-all ]; then \
	  $*/bin/python $(PIP) -c benchmarks/requirements.txt torch==2.13.0 && \
	  $*/bin/python $(PIP) --no-deps -r benchmarks/requirements-all.txt; fi
	@touch $@

.venv/bin/pip .venv-bench/bin/pip .venv-bench-all/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "penchant needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(@D)/..
