# For most people: `make demo` shows it working, `make test` tests it. Everything is built in this folder.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

PY := .venv/bin/python
OTHER_PYTHONS := 3.10 3.13 3.14
# With it, each of the hundreds of masters, engines and commands that tests start would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
UNIT := tests/unit clients/python/tests
# Processes that run tests. JOBS=0 shows what tests print. Tests on real masters mostly wait, so twice as many run them.
JOBS ?= 2
JOBS_WITH_SALT ?= $(shell expr 2 \* $(JOBS))
# CI repeats a failed test once, three tests at most; the summary names them with RERUN. Never repeated is what shows a
# secret or an event to the wrong user, or changes a host for the tests after it.
RERUNS ?= 0
SECOND_TRY = --rerun-show-tracebacks --reruns $(RERUNS) --max-suite-reruns 3 $(NEVER_TWICE:%=--rerun-exclude-path=%)
NEVER_TWICE := tests/unit tests/functional/test_native.py \
    tests/functional/test_permissions_like_salt.py tests/functional/test_tokens.py tests/integration/test_canaries.py \
    tests/integration/test_changed_rights.py tests/integration/test_visibility.py \
    tests/integration/test_visibility_table.py tests/integration/test_loader.py tests/integration/formula \
    tests/integration/systemd
# Files of unit tests. Each process imports all files before it selects tests, which takes seconds.
NEED_SALT = $(shell grep -rl --include='test_*.py' with_salt tests/unit)
AT_ONCE = -n $(JOBS_WITH_SALT) --dist loadfile --no-loadscope-reorder $(SECOND_TRY)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: demo
demo: .venv/bin/salt-live ## Run a throwaway Salt master and minions with the engine (PORT=8000, MINIONS=2) until Ctrl-C
	@exec $(PY) tools/demo.py

# The command line of clients/python/, from its sources. It needs nothing that .venv lacks.
.venv/bin/salt-live: clients/python/pyproject.toml .venv/.made
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable clients/python
	@touch $@

# Tests on masters mostly wait: the unit tests that need no Salt run beside them, on ports of their own.
BESIDE = TEST_PORTS=18000-20000 $(MAKE) --no-print-directory $(OTHER_PYTHONS:%=test-unit-%)

.PHONY: test
test: test-javascript environments chromium nginx redis shells ## Run all tests; ARGS are passed on to pytest
	@tools/beside.sh '$(BESIDE)' '$(MAKE) --no-print-directory test-3007 test-3008'

.PHONY: environments
environments: .venv/.made .venv-3007/.made
	@for version in $(OTHER_PYTHONS); do \
	    ! tools/find-python.sh $$version >/dev/null || $(MAKE) -s --no-print-directory .venv-unit-$$version/.made; \
	done

.PHONY: test-fast test-javascript
test-fast: test-javascript .venv/.made ## Run the unit and JavaScript tests only: no Salt master, under a minute
	@$(PY) -m pytest $(UNIT) -n $(JOBS) $(ARGS)

# TESTS="tests/unit tests/functional" takes minutes more. The engine's own processes are measured, too.
.PHONY: coverage
coverage: TESTS ?= tests/unit
coverage: .venv/.made ## Show which branches of the engine the unit tests miss (TESTS=tests/unit)
	@rm -f .coverage .coverage.*
	@$(PY) -m coverage run -m pytest $(TESTS) -n $(JOBS) $(ARGS)
	@$(PY) -m coverage combine -q
	@$(PY) -m coverage report

# Bounded: MINUTES for each area. Run it again to continue; results are kept for functions that did not change.
.PHONY: mutation
mutation: MINUTES ?= 20
mutation: .venv-mutation/.made ## Show which small changes of the engine no unit test notices (AREA="access redaction arguments")
	@nice -n 10 .venv-mutation/bin/python tools/mutation.py --minutes $(MINUTES) $(AREA) $(ARGS)

test-javascript: nodejs .venv/.made ## Run the tests of the console's modules, in Node.js
	@echo "== JavaScript"
	@node --test tests/javascript/

# The unit tests run without Salt, on the oldest and the newest Python that are supported, where those are installed. The
# newest runs them all. test-all also runs on the others what says nothing about the version of Python.
PYTHONS_FOUND = $(foreach version,$(OTHER_PYTHONS),$(if $(shell tools/find-python.sh $(version)),$(version)))
OLDER_PYTHONS = $(filter-out $(lastword $(PYTHONS_FOUND)),$(PYTHONS_FOUND))
.PHONY: $(OTHER_PYTHONS:%=test-unit-%)
$(OTHER_PYTHONS:%=test-unit-%): test-unit-%:
	@if tools/find-python.sh $* >/dev/null; then \
	    $(MAKE) -s --no-print-directory .venv-unit-$*/.made; \
	    echo "== unit tests on Python $*"; \
	    .venv-unit-$*/bin/python -m pytest $(UNIT) -n $(JOBS) $(if $(filter $*,$(OLDER_PYTHONS)),-m "not any_python") $(ARGS); \
	else \
	    echo "== Python $* is not installed: its unit tests are skipped"; \
	fi

# Tests of what the engine needs from Salt: its loader, requests, permissions, visibility, the event bus and its
# failures. test-all also runs the other tests on Salt 3007.
CONTRACT_3007 := tests/integration/test_loader.py tests/integration/salt_master tests/functional/salt_master \
    tests/functional/test_permissions_like_salt.py tests/integration/test_visibility_table.py \
    tests/integration/test_canaries.py tests/integration/test_changed_rights.py tests/integration/test_faults.py \
    tests/functional/test_targets_like_salt.py tests/functional/test_arguments_like_salt.py

# Newer releases than the pinned ones; they are installed over what the pinned one of their line needs, because not every
# package index has all that they ask for.
NEWEST := 3007.17 3008.5
NEWEST_TESTS := $(NEWEST:%=test-newest-%)

.PHONY: test-newest $(NEWEST_TESTS)
test-newest: $(NEWEST_TESTS) ## Run the contract tests on the newest release of each Salt line

$(NEWEST_TESTS): test-newest-%: redis
	@$(MAKE) -s --no-print-directory .venv-newest-$*/.made
	@echo "== Salt $*, the contract tests"
	@.venv-newest-$*/bin/python -m pytest $(AT_ONCE) -m "both_lines and not costly" $(CONTRACT_3007) $(ARGS)

.PHONY: test-uvloop
test-uvloop: .venv/.made redis nginx ## Run the functional tests with engines on uvloop instead of asyncio's loop
	@echo "== functional tests on uvloop"
	@WITH_UVLOOP=1 $(PY) -m pytest $(AT_ONCE) -m "not costly" tests/functional $(ARGS)

.PHONY: test-3006 test-3007 test-all
test-3006: .venv/.made .venv-3006/.made ## Run the test that Salt 3006 is refused
	@echo "== Salt 3006"
	@$(PY) -m pytest tests/integration/test_salt_3006.py $(ARGS)

test-3007: .venv-3007/.made redis ## Run the contract tests on Salt 3007
	@echo "== Salt 3007"
	@.venv-3007/bin/python -m pytest $(AT_ONCE) -m "both_lines or with_salt" $(CONTRACT_3007) $(NEED_SALT) $(ARGS)

# Costly tests take minutes and seldom fail: the rest of the formula, a rollout, gitfs, a machine with systemd.
test-all: test test-3006 test-newest test-uvloop ## Run all tests, including costly ones, on Salt 3008 and 3007
	@tools/need.sh tests 'test $$(id -u) -ne 0 || command -v debootstrap' debootstrap
	@echo "== Salt 3008, the costly tests"
	@$(PY) -m pytest $(AT_ONCE) -m costly $(ARGS)
	@for version in $(OLDER_PYTHONS); do \
	    echo "== unit tests on Python $$version, the rest"; \
	    .venv-unit-$$version/bin/python -m pytest $(UNIT) -n $(JOBS) -m any_python $(ARGS); \
	done
	@echo "== Salt 3007, the rest"
	@.venv-3007/bin/python -m pytest $(AT_ONCE) -m both_lines $(CONTRACT_3007:%=--ignore=%) $(ARGS)
	@echo "== Salt 3008, five minutes of use"
	@PYTHONPATH=clients/python/src $(PY) -m tests.benchmarks.soak --minutes 5

# On other Pythons the unit tests ran without Salt: here, only those that need it. Without such Pythons, all. Files are
# named, because pytest compares each path that it finds with each that it is to ignore.
NOT_UNIT = $(filter-out tests/unit/,$(sort $(dir $(wildcard tests/*/test_*.py))))
CLIENT_NEEDS_SALT = $(shell grep -rl --include='test_*.py' with_salt clients/python/tests)
ONCE = -m "not costly$(if $(PYTHONS_FOUND), and (not unit or with_salt)" $(NOT_UNIT) $(NEED_SALT) $(CLIENT_NEEDS_SALT),")

.PHONY: test-3008
test-3008: .venv/.made chromium nginx redis shells ## Run all tests but the costly ones on Salt 3008 only
	@echo "== Salt 3008"
	@$(PY) -m pytest $(AT_ONCE) $(ONCE) $(ARGS)

# Programs that tests need: a browser, a proxy, the store that several masters share, shells that complete words.
.PHONY: chromium nginx redis nodejs examples shells
examples: nodejs
	@tools/need.sh tests 'command -v curl && command -v jq' curl jq
nodejs:
	@tools/need.sh tests 'command -v node && command -v npm' nodejs npm
redis:
	@tools/need.sh tests 'command -v redis-server' redis-server
chromium:
	@tools/need.sh tests 'command -v chromium' chromium
shells:
	@tools/need.sh tests 'command -v zsh && command -v fish' zsh fish
nginx:
	@tools/need.sh tests 'test -x /usr/sbin/nginx' nginx-light

.PHONY: lint
lint: .venv/.made node_modules/.made ## Check style, types, import direction and generated documents
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy _engines/websocket_api
	for root in _modules _runners _states tools; do \
	    if ls $$root/*.py >/dev/null 2>&1; then MYPYPATH=$$root $(PY) -m mypy $$root; fi; \
	done
	MYPYPATH=clients/python/src $(PY) -m mypy clients/python/src/salt_live
	PYTHONPATH=_engines .venv/bin/lint-imports --no-logo
	$(PY) tools/docs.py --check
	$(PY) -m yamllint --strict .
	.venv/bin/salt-lint websocket_api/*.sls
	node_modules/.bin/biome lint --error-on-warnings
	node_modules/.bin/tsc -p .

.PHONY: format
format: .venv/.made ## Format the Python files
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

.PHONY: bench bench-commands bench-events bench-reading bench-jobs bench-batches bench-fairness bench-lookbacks bench-leavers bench-console
.PHONY: bench-client bench-journal bench-kills bench-chaos bench-absence bench-scale bench-consoles bench-beside
bench: bench-commands bench-events bench-reading bench-jobs bench-batches bench-fairness bench-lookbacks bench-leavers bench-console bench-client bench-journal ## Measure on a real master; ARGS=--help lists the choices

# `make bench` checks its arguments in bench-commands, its first part; the others take what they all know.
PART_ARGS = $(if $(filter bench,$(MAKECMDGOALS)),$(filter --quick --write --help,$(ARGS)),$(ARGS))

bench-commands: .venv/.made
	@$(PY) -m tests.benchmarks.run $(filter-out $(if $(filter bench,$(MAKECMDGOALS)),--quick),$(ARGS))

bench-events: .venv/.made
	@$(PY) -m tests.benchmarks.events $(PART_ARGS)

bench-reading: .venv/.made
	@$(PY) -m tests.benchmarks.reading $(PART_ARGS)

bench-jobs: .venv/.made
	@$(PY) -m tests.benchmarks.large_jobs $(PART_ARGS)

# Not a part of bench: it takes some 10 minutes.
bench-scale: .venv/.made ## Measure a fleet of 10,000 simulated minions with 1,000 clients; ARGS=--quick for a tenth, ARGS="--minions 2500", RATE=100, ARGS=--hostile: see ARGS=--help
	@$(PY) -m tests.benchmarks.scale $(ARGS) $(if $(RATE),--rate $(RATE))

bench-consoles: .venv/.made ## Measure 1,000 consoles that come back after a reload; ARGS=--quick for a tenth
	@$(PY) -m tests.benchmarks.scale --consoles $(ARGS)

bench-beside: .venv/.made ## Measure what the engine costs its master, beside one without it
	@$(PY) -m tests.benchmarks.beside $(ARGS)

bench-leavers: .venv/.made
	@$(PY) -m tests.benchmarks.leavers $(PART_ARGS)

bench-journal: .venv/.made
	@$(PY) -m tests.benchmarks.journal $(PART_ARGS)

bench-console: .venv/.made chromium
	@$(PY) -m tests.benchmarks.console $(filter-out $(if $(filter bench,$(MAKECMDGOALS)),--quick),$(PART_ARGS))

bench-client: .venv/.made
	@$(PY) -m tests.benchmarks.command_lines $(PART_ARGS)

# Not a part of bench: it takes MINUTES and counts, where the others measure.
bench-kills: MINUTES ?= 10
bench-kills: .venv/.made ## Kill the engine at random for MINUTES=10 while clients follow events; count what they got
	@PYTHONPATH=clients/python/src $(PY) -m tests.benchmarks.kills --minutes $(MINUTES) $(ARGS)

bench-chaos: MINUTES ?= 10
bench-chaos: .venv/.made ## Kill engines, masters, Redis and connections for MINUTES=10, and count what clients got
	@PYTHONPATH=clients/python/src $(PY) -m tests.benchmarks.chaos --minutes $(MINUTES) $(ARGS)

# Bounded: 5 to 120 minutes. A shorter run judges less; test-all runs five minutes.
.PHONY: soak
soak: MINUTES ?= 60
soak: .venv/.made ## Use an engine for MINUTES=60 by clients of all protocols; fail if memory or files grow or an event is lost
	@PYTHONPATH=clients/python/src $(PY) -m tests.benchmarks.soak --minutes $(MINUTES) $(ARGS)

bench-absence: .venv/.made ## Measure for how long events are missing after a kill, an upgrade and a restart
	@PYTHONPATH=clients/python/src $(PY) -m tests.benchmarks.absence $(ARGS)

.PHONY: recording
recording: .venv/.made ## Record salt-live on a demo: docs/images/salt-live.cast and salt-live.svg
	@$(PY) tools/recording.py

.PHONY: docs-images
docs-images: .venv/.made chromium ## Take the screenshots of the console in docs/images/
	@IMAGES=1 $(PY) -m pytest tests/browser/test_console_looks.py

.PHONY: goldens
goldens: .venv/.made ## Record the answers of Salt's own salt-api in tests/goldens/ (minutes)
	@$(PY) -m tests.goldens.record $(ARGS)

bench-batches: .venv/.made
	@$(PY) -m tests.benchmarks.batches $(PART_ARGS)

bench-lookbacks: .venv/.made
	@$(PY) -m tests.benchmarks.lookbacks $(PART_ARGS)

bench-fairness: .venv/.made
	@$(PY) -m tests.benchmarks.fairness $(PART_ARGS)

.PHONY: docs
docs: .venv/.made ## Generate two pages of docs/, pillar.example, AsyncAPI and OpenAPI from the schemas
	@$(PY) tools/docs.py

.PHONY: docs-site
docs-site: .venv-site/.made ## Build the documents as a site in .site/html; a broken link fails it
	@.venv-site/bin/python tools/docs_site.py

.PHONY: release
release: .venv-release/.made ## Build in dist/: the archive for a file server, and the wheel saltext-websocket-api
	@.venv-release/bin/python tools/release.py

.PHONY: venv
venv: .venv/.made ## Build .venv only

.PHONY: clean
clean: ## Delete all that make has made here, but .demo/states/, which may have states of yours
	if [ -d .demo ]; then find .demo -mindepth 1 -maxdepth 1 ! -name states -exec rm -rf {} +; fi
	rm -rf dist .machines .venv .coverage .coverage.* node_modules .venv-3006 .venv-3007 .venv-newest-* .venv-unit-* .venv-site .venv-release .site .venv-mutation .mutation .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is rebuilt only when its requirement files change.
.venv/.made: $(addprefix requirements/,build.txt engine.txt test.txt salt.txt salt-3008.txt dev.txt)
	@tools/venv.sh .venv 3.11 requirements/dev.txt

# The linter and type checker of the console's JavaScript; they are not shipped.
node_modules/.made: package.json package-lock.json
	@$(MAKE) -s --no-print-directory nodejs
	@npm ci --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
	@touch $@

.venv-3007/.made: $(addprefix requirements/,build.txt engine.txt test.txt salt.txt salt-3007.txt)
	@tools/venv.sh .venv-3007 3.11 requirements/salt-3007.txt

.venv-newest-%/.made: $(addprefix requirements/,build.txt engine.txt test.txt salt.txt salt-3007.txt salt-3008.txt) Makefile
	@tools/venv.sh .venv-newest-$* 3.11 requirements/salt-$(basename $*).txt salt==$*

.venv-3006/.made: $(addprefix requirements/,build.txt engine.txt salt-3006.txt)
	@PYTHON= tools/venv.sh .venv-3006 3.10 requirements/salt-3006.txt

.venv-site/.made: requirements/build.txt requirements/site.txt
	@tools/venv.sh .venv-site 3.11 requirements/site.txt

.venv-release/.made: requirements/build.txt requirements/release.txt
	@tools/venv.sh .venv-release 3.11 requirements/release.txt

.venv-mutation/.made: $(addprefix requirements/,build.txt engine.txt test.txt mutation.txt)
	@tools/venv.sh .venv-mutation 3.11 requirements/mutation.txt

.venv-unit-%/.made: $(addprefix requirements/,build.txt engine.txt test.txt)
	@PYTHON= tools/venv.sh .venv-unit-$* $* requirements/test.txt
