# make run    a volume, mounted and ready to be tried
# make test   everything that must hold: style, types, tests
# make soak   the tests that go on for as long as they are let: power cuts, kills, mutants, crowds
# make bench  how fast a mounted volume is beside its peers and a plain directory
# make lint   style and types only
# make clean  away with all that was made here, but never with a volume

FILE   ?= demo.sqlite
DIR    ?= demo
PYTHON ?= python3
ARGS   ?=
SOAK   ?= 34

VENV := .venv
PIP  := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: run test soak bench lint clean system programs
.DEFAULT_GOAL := test

# --- what the system must have: $(call unless,a command that succeeds if it is there,packages) ---

unless = $(shell { $(1); } >/dev/null 2>&1 || echo $(2))

MISSING = $(strip \
	$(call unless,command -v fusermount3,fuse3) \
	$(call unless,$(PYTHON) -m ensurepip --version,python3-venv))

define install
	@missing="$(strip $(1))"; \
	if [ -n "$$missing" ]; then \
		echo "Missing on this system: $$missing. Installing with $(strip $(SUDO) apt-get)."; \
		$(SUDO) apt-get update && \
		$(SUDO) apt-get install --yes --no-install-recommends $$missing; \
	fi
endef

system:
	$(call install,$(MISSING))

# The programs whose work on a mount is tested.
programs:
	$(call install, \
		$(call unless,command -v git,git) \
		$(call unless,command -v rsync,rsync) \
		$(call unless,command -v cpio,cpio) \
		$(call unless,command -v busybox,busybox-static) \
		$(call unless,command -v vim,vim) \
		$(call unless,command -v inotifywait,inotify-tools) \
		$(call unless,command -v cc,gcc libc6-dev) \
		$(call unless,command -v setfacl,acl) \
		$(call unless,command -v setfattr,attr) \
		$(call unless,command -v sqlite3,sqlite3) \
		$(call unless,command -v mkfs.ext4,e2fsprogs) \
		$(call unless,ls /usr/lib/postgresql/*/bin/initdb,postgresql))

# --- the virtual environment: made once, and again when pyproject.toml changes ---

$(VENV)/for-run: pyproject.toml | system
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/for-test: $(VENV)/for-run
	$(PIP) --editable '.[test]'
	touch $@

# --- the targets ---

run: $(VENV)/for-run
	@if ls "$(DIR)" >/dev/null 2>&1 && findmnt -t fuse.sqlfs --mountpoint "$(DIR)" >/dev/null; \
	then \
		echo "A volume is mounted at $(DIR) already; it stays as it is."; \
	else \
		mkdir -p "$(DIR)" 2>/dev/null; \
		$(VENV)/bin/sqlfs-mount "$(FILE)" "$(DIR)" && \
		cp -a README.md CHANGELOG.md LICENSE sql "$(DIR)/"; \
	fi
	@echo
	@echo "$(FILE) is the file, $(DIR) the directory: use it like any other."
	@echo "    ls -l $(DIR)"
	@echo "    cp -a /usr/share/doc $(DIR)/"
	@echo "The volume from outside, while it is mounted:"
	@echo "    $(VENV)/bin/sqlfs info $(FILE)"
	@echo "    $(VENV)/bin/sqlfs tree $(FILE)"
	@echo "Unmount it. $(FILE) then holds everything; a copy of it is a snapshot."
	@echo "    $(VENV)/bin/sqlfs umount $(DIR)"

lint: $(VENV)/for-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict

test: lint programs
	$(VENV)/bin/python -m pytest --numprocesses 2 $(ARGS)

# SOAK times as much as in `make test`; 34 makes 10,200 mutants and 204 kills.
soak: $(VENV)/for-test programs
	SQLFS_SOAK=$(SOAK) $(VENV)/bin/python -m pytest --numprocesses 2 -rA \
		tests/power tests/full tests/fuzz tests/salvage tests/kill tests/copies tests/doors tests/oracle $(ARGS)

bench: $(VENV)/for-run
	$(VENV)/bin/python -m tests.bench $(ARGS)

clean:
	@if mountpoint --quiet demo; then fusermount3 -u demo; fi
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(wildcard sqlfs fuse_driver tests conformance) -name __pycache__ -prune -exec rm -rf {} +
