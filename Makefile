# The two commands a newcomer needs are `make demo` and `make test`.
# Both install what is missing (scripts/setup) and build with one profile,
# so a fresh machine builds the dependencies once.

# Outside the checkout, so that several checkouts share it and a clean one is small.
export LABEL_HUB_CACHE ?= $(HOME)/.cache/label-hub
export CARGO_TARGET_DIR ?= $(LABEL_HUB_CACHE)/target
# What the shared scenarios and clips are found by; tests say what they skip without it.
export LABEL_HUB_SHARED ?= $(CURDIR)/../shared
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo run test ci test-parity test-long test-crash test-window test-formats fuzz sample screenshots walkthrough bench-window bench-reference fresh-parity gpu-check audit

help:
	@echo 'make demo             the window on the sample; without a display, the sample tracked and scored (MODEL=name or path)'
	@echo 'make run              the window, with the test engine (CLIP=file opens a clip)'
	@echo 'make test             the everyday tests'
	@echo 'make ci               all checks: format, lints, headless build, docs, and all the tests below'
	@echo 'make test-parity      the published models on the shared scenarios (minutes each)'
	@echo 'make test-long        3,600 actions, and whether memory grows'
	@echo 'make test-crash       kills a labelling program 100 times and counts what was lost'
	@echo 'make bench-window     what an update of the window costs, on a 4K clip and one of two hours'
	@echo 'make test-formats     every dataset format, read back by the programs that will read it'
	@echo 'make fuzz             changed inputs for every parser of foreign bytes, FUZZ_SECS (10) each; what fails is kept'
	@echo 'make test-window      the real window from end to end, under Xvfb'
	@echo 'make walkthrough      a labeller'"'"'s first session on a real clip, by mouse and then by keys alone'
	@echo 'make screenshots      pictures of the window in its states, in SHOTS (default: the cache folder), two of them in docs/'
	@echo 'make sample           paints the sample clip and its truth anew (assets/sample)'
	@echo 'make bench-reference  ours and the Python reference, timed in one run'
	@echo 'make fresh-parity     the scenarios'"'"' shapes on another clip with other clicks, against the reference (FRESH=arguments)'
	@echo 'make gpu-check        parity, times and the canvas on an NVIDIA card, where there is one'
	@echo 'make audit            licences and sources of the dependencies, where cargo-deny is installed'

demo:
	@scripts/setup
	@scripts/demo

test:
	@scripts/setup
	@[ -d "$$LABEL_HUB_SHARED" ] || echo "test: SKIPPED: what needs the shared clips and scenarios; no folder $$LABEL_HUB_SHARED (LABEL_HUB_SHARED)"
	cargo test --locked

ci:
	@scripts/setup
	@scripts/ci

# The models' checkpoints are made up and about 1.7 GB; they stay in the cache folder.
test-parity:
	@scripts/parity_checkpoints
	LABEL_HUB_PARITY=1 cargo test --locked --test parity_scenarios -- --nocapture --test-threads=1

# Debian's own python has the numpy that scripts/setup installs.
PYTHON_WITH_NUMPY = $(shell for p in python3 /usr/bin/python3 $(LABEL_HUB_CACHE)/numpy/bin/python; do $$p -c 'import numpy' 2>/dev/null && echo $$p && break; done)
SHOTS ?= $(LABEL_HUB_CACHE)/screenshots

run:
	@scripts/setup
	cargo run --locked -- --model fake $(CLIP)

# An hour of work in a minute and a half, and whether memory grows.
test-long:
	cargo test --locked --test app_long_run -- --ignored --nocapture

# Kills a labelling program 100 times; the last line says what was lost.
test-crash:
	@log=$$(mktemp); cargo test --locked --test app_crash -- --ignored --nocapture nothing_that_was_saved > $$log 2>&1; status=$$?; \
		cat $$log; grep 'acknowledged actions lost' $$log | tail -n 1; rm $$log; exit $$status

test-window:
	@scripts/setup
	cargo build --locked
	$(PYTHON_WITH_NUMPY) scripts/test_window.py

# Installs the readers into the cache folder the first time.
test-formats:
	@scripts/setup
	scripts/test_formats.py

# An input that fails is kept in fuzz/corpus and fails `make test` until it is mended. FUZZ_SEED repeats a run,
# FUZZ_TARGET picks targets by a part of their name.
FUZZ_SECS ?= 10
fuzz:
	@scripts/setup
	cargo test --locked --test fuzz -- --mutate $(FUZZ_SECS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) $(if $(FUZZ_TARGET),--target $(FUZZ_TARGET))

walkthrough:
	@scripts/setup
	cargo build --locked
	$(PYTHON_WITH_NUMPY) scripts/walkthrough.py $(SHOTS)

screenshots:
	@scripts/setup
	cargo build --locked
	$(PYTHON_WITH_NUMPY) scripts/screenshots.py $(SHOTS)
	ffmpeg -loglevel error -y -i $(SHOTS)/sample_tracked.png -q:v 3 docs/screenshots/labelled.jpg
	ffmpeg -loglevel error -y -i $(SHOTS)/palette_dark.png -q:v 3 docs/screenshots/palette.jpg

sample:
	@scripts/setup
	$(PYTHON_WITH_NUMPY) scripts/sample/render.py

bench-window:
	@scripts/setup
	cargo bench --locked --profile dev --bench window

bench-reference:
	@scripts/setup
	@scripts/bench_reference

# FRESH='dog.mp4 --seed 2' takes another clip and other clicks; see scripts/fresh_parity.
fresh-parity:
	@scripts/setup
	@scripts/fresh_parity $(FRESH)

# Without a card it says so and ends well.
gpu-check:
	@scripts/setup
	@scripts/gpu_check

audit:
	@if command -v cargo-deny >/dev/null; then \
		cargo deny check bans licenses sources; \
	else \
		echo 'audit: SKIPPED: cargo-deny is not installed (cargo install cargo-deny --locked)'; \
	fi
