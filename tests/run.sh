#!/usr/bin/env bash
# Passes every test of the project, installing what they need. Prints the time of each part.
# DEAN_REQUIRE_ALL=1 makes a part that cannot run a failure instead of a line that says so.
# --soak passes the fault matrix whole: a thousand seeds and fifty kills.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target
# Beside the builds, so that it stays between runs as they do.
tools=$target/test-tools
mkdir -p "$tools"
failed=0
times=()
[ "${1:-}" != --soak ] || export DEAN_SOAK=1

part() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        times+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
    else
        times+=("$(printf '%6d s  %s: FAILED' $((SECONDS - start)) "$name")")
        failed=1
    fi
}

# A part that cannot run here: a failure where everything is required, else a line.
cannot() {
    printf 'skipped: %s\n' "$1"
    [ "${DEAN_REQUIRE_ALL:-0}" != 1 ]
}

debian_packages() {
    dpkg-query -W "$@" >/dev/null 2>&1 && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

has_wasm_target() {
    ls "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)"/libcore*.rlib >/dev/null 2>&1 ||
        [ -f "$(rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]
}

install() {
    command -v cc >/dev/null || debian_packages gcc libc6-dev || cannot "a C compiler is needed"
    has_wasm_target || debian_packages rustc-web rust-web-src ||
        cannot "no compiler for wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown"
    { command -v minisign && command -v docker-registry; } >/dev/null || debian_packages minisign docker-registry ||
        cannot "minisign and docker-registry are needed for the tests of signing and of registries"
    command -v npm >/dev/null || debian_packages nodejs npm || cannot "npm is needed for the test of a policy in JavaScript"
    command -v python3 >/dev/null || debian_packages python3 python3-venv || cannot "python3 is needed for the tests with Meta's SDK"
}

python_tests() {
    local requirements environment=$tools/python
    [ -d tests/meta_sdk ] || return 0
    requirements=$(cat tests/*/requirements.txt models/train/requirements.txt | sha256sum | cut -c1-16)
    if [ ! -f "$environment/$requirements" ]; then
        rm -rf "$environment"
        python3 -m venv "$environment" 2>/dev/null ||
            { debian_packages python3-venv && python3 -m venv "$environment"; } ||
            { cannot "python3 has no venv module"; return; }
        local file
        for file in tests/*/requirements.txt; do
            "$environment/bin/pip" install -q --disable-pip-version-check -r "$file" ||
                { cannot "the Python packages could not be installed"; return; }
        done
        touch "$environment/$requirements"
    fi
    DEAN_BIN=$target/debug/dean "$environment/bin/python" -m pytest -q -p no:cacheprovider tests/meta_sdk tests/recorded tests/columns tests/parity tests/training tests/languages
}

licences() {
    if ! command -v cargo-deny >/dev/null && [ ! -x "$tools/bin/cargo-deny" ]; then
        CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" cargo-deny@0.20.2 ||
            { cannot "cargo-deny could not be installed"; return; }
    fi
    PATH=$tools/bin:$PATH cargo deny --log-level error check bans licenses sources
}

demo() {
    local folder start=$SECONDS
    folder=$(mktemp -d)
    cargo run --quiet --release -- --data-dir "$folder" --json demo --worlds 20 >"$folder/demo.json" || return 1
    echo "built and ran in $((SECONDS - start)) s"
    python3 - "$folder/demo.json" <<'PY' || return 1
import json, statistics, sys
demo = json.load(open(sys.argv[1]))
worlds = demo["worlds"]
assert demo["simulated"] is True and demo["runs"] == 21 * 24 and len(worlds) == 20
assert demo["kills"] > 0 and demo["promotions"] > 0 and demo["budget_changes"] > 0, demo
assert sum(w["flips"] for w in worlds) == 0, "a change was taken back within 24 hours"
assert sum(w["caps_passed"] for w in worlds) == 0, "a stage passed its cap"
reached = [sum(w["promoted_into"].get(stage, 0) for w in worlds) for stage in ("validation", "scaling")]
print(f"completed promotions: {reached[0]} into validation, {reached[1]} into scaling")
assert all(w["promoted_into"].get("validation", 0) > 0 for w in worlds) and reached[1] >= len(worlds)
follows = [w["winners_share"] - w["winners_share_untouched"] for w in worlds]
print(f"the winners' share of the last week's spend: {100 * statistics.mean(follows):+.0f} points to the account left alone")
assert statistics.mean(follows) - 2.093 * statistics.stdev(follows) / len(follows) ** 0.5 > 0, follows
for other in ("untouched", "thresholds"):
    gain = [w["profit"]["dean"] - w["profit"][other] for w in worlds]
    # Student's t for 20 worlds.
    half = 2.093 * statistics.stdev(gain) / len(gain) ** 0.5
    mean = statistics.mean(gain)
    print(f"beyond {other}: {mean:+.0f} [{mean - half:.0f}, {mean + half:.0f}] over {len(worlds)} simulated worlds")
    assert mean - half > 0, gain
PY
    rm -rf "$folder"
}

# The second version of the contract exists for its test alone, so nothing else is built with it.
rust_tests() {
    cargo test --quiet --workspace && cargo test --quiet -p dean-policy --features next --test contract
}

part "what the tests need" install
part "format" cargo fmt --all --check
part "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
part "build" cargo build --quiet --workspace
part "tests" rust_tests
part "Meta's SDK, recorded entities, columns by pandas, models, training, policies in four languages" python_tests
part "demo" demo
part "licences" licences

printf '\nTime of each part:\n'
printf '%s\n' "${times[@]}"
printf '%6d s  in total\n' "$SECONDS"
exit $failed
