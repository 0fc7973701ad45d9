# Two commands matter: `make run` and `make test`. `make bench` measures.

export PATH := $(HOME)/.cache/haulier/bin:$(PATH)

.PHONY: run build test soak lint fmt bench

## Builds what is missing and serves on http://127.0.0.1:8080 with SQLite and local disk.
run: build
	@echo
	@echo "When it serves, send your first file from another terminal:"
	@echo "    target/release/haulier send FILE"
	@echo
	@exec target/release/haulier-server

build:
	cargo build --release --locked -p haulier-server -p haulier-client

## Installs what the tests need, then runs lint and every test, and prints the counts.
test:
	@scripts/install-test-tools
	@$(MAKE) --no-print-directory lint
	@scripts/run-tests

## The long ones: a file of 20 GiB, 50 kills in a transfer of 2 GiB, 100 kills of three servers in 20 transfers of 1 GiB, a payload of 5 GiB. Needs 45 GB of disk in TMPDIR.
soak:
	HAULIER_SOAK=1 cargo test --locked --workspace --test it -- --nocapture --test-threads 1 client_memory campaign many:: legacy::large

## Formatting, clippy, the rules of the layout, dependencies.
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p haulier-format --all-targets --all-features -- -D warnings
	scripts/check-server-graph
	cargo deny --all-features check bans licenses sources

## Measures Haulier beside baselines of the same run, on a quiet machine, and writes docs/BENCHMARKS.md.
## ARGS="--only get" runs one part and writes nothing; ARGS=--help lists the rest.
bench:
	@scripts/bench $(ARGS)

fmt:
	cargo fmt --all
