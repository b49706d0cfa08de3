# make run     a member on 127.0.0.1:2379, data in default.etcd (more flags: make run FLAGS=...)
# make cluster three members on 127.0.0.1: 2379, 22379 and 32379, data and logs in cluster.etcd
# make test    all tests
# make simulate SEEDS=1000  whole clusters in virtual time, from seeds (docs/simulation.md)
# make bugs    mistakes made on purpose, and the seeds that find them
# make bench   Cairn beside etcd 3.4 and 3.5, then three members of it beside three of etcd 3.5

SWIFT ?= swift
FLAGS ?=
SEED ?= 1
SEEDS ?= 100
AMOUNT ?= 20s
SWIFT_SOURCES = Package.swift Sources Tests Benchmarks

.PHONY: build run cluster test simulate bugs sanitize fuzz chaos rivals bench format lint generate clean

build:
	@Scripts/install-dependencies.sh
	@echo "Building (a few minutes the first time)"
	@$(SWIFT) build -c release --product cairn --quiet

run: build
	@exec .build/release/cairn \
		--data-dir default.etcd \
		--listen-client-urls http://127.0.0.1:2379 \
		--advertise-client-urls http://127.0.0.1:2379 $(FLAGS)

cluster: build
	@exec Scripts/cluster.sh .build/release/cairn cluster.etcd $(FLAGS)

test:
	@Scripts/install-dependencies.sh test
	@Scripts/python-clients.sh
	@$(SWIFT) test

# Whole clusters in virtual time, from seeds; a failure prints its seed (make simulate SEED=1
# SEEDS=1000).
simulate:
	@Scripts/install-dependencies.sh test
	@$(SWIFT) build -c release --product simulate --quiet
	@.build/release/simulate --seed $(SEED) --seeds $(SEEDS) --brief $(FLAGS)

# Makes mistakes on purpose, in a build of its own, until a seed finds each (make bugs SEEDS=1000).
bugs:
	@Scripts/install-dependencies.sh test
	@Scripts/simulate-bugs.sh $(SEEDS) $(BUGS)

# The tests of single components, with a watch on memory and on threads.
sanitize:
	@Scripts/install-dependencies.sh test
	@Scripts/sanitize.sh address
	@Scripts/sanitize.sh thread

# The decoder of requests, the evaluation of transactions and the readers of tokens, fed with what
# libFuzzer makes up (make fuzz AMOUNT=1000000: so many inputs each).
fuzz:
	@Scripts/install-dependencies.sh test
	@Scripts/fuzz.sh $(AMOUNT)

# Three members in processes that are killed, paused, cut off and filled up for a while, under load,
# and all that clients saw checked (make chaos FLAGS="--seed 7 --duration 300").
chaos:
	@Scripts/install-dependencies.sh test
	@$(SWIFT) build -c release --product cairn --quiet
	@$(SWIFT) build -c release --product cairn-chaos --quiet
	@.build/release/cairn-chaos $(FLAGS)

# The etcd servers that Cairn is compared with.
rivals:
	@Scripts/install-dependencies.sh test
	@Scripts/fetch-rivals.sh

bench:
	@Scripts/install-dependencies.sh test
	@Scripts/fetch-rivals.sh
	@echo "Building (a few minutes the first time)"
	@$(SWIFT) build -c release --product cairn --quiet
	@$(SWIFT) build -c release --product cairn-bench --quiet
	@.build/release/cairn-bench compare $(FLAGS)
	@.build/release/cairn-bench compare --members 3 $(FLAGS)

format:
	@$(SWIFT) format --in-place --recursive $(SWIFT_SOURCES)

lint:
	@$(SWIFT) format lint --strict --recursive $(SWIFT_SOURCES)
	@Scripts/check-layers.sh
	@Scripts/check-capabilities.sh

# The C of the wire messages, from their .proto files.
generate:
	@Scripts/install-dependencies.sh test
	@Scripts/generate-messages.sh

clean:
	@rm -rf .build .build-asan .build-tsan .build-fuzz .build-bugs .build-venv .build-rivals
