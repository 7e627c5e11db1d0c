# Nine words, the same here and in CI.

# Bring the code into its form
fmt:
    cargo fmt --all

# What the compiler and clippy have to say
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo xtask tidy

# All tests that need no more than this machine has
test:
    cargo test --workspace --locked

# The tests of one crate: `just test-crate engine`
test-crate name:
    cargo test --locked -p cutover-{{name}}

# The documentation of the code
doc:
    cargo doc --workspace --no-deps --locked

# Whole courses with faults
sim seeds="200":
    cargo xtask sim --seeds {{seeds}}

# The whole way, once
e2e:
    cargo run --release --locked -- demo --once

# This repository's own workflow
run:
    cargo run --release --locked -- run ci.yml

# What CI runs
verify:
    ./scripts/test
