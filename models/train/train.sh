#!/usr/bin/env bash
# Trains the shipped models anew, on simulated worlds: models/train/train.sh [OUT] [WORLDS]
# For an account of your own: dean train export --out DATA, then train.py DATA OUT in the environment made here.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-models}
worlds=${2:-400}
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/training
mkdir -p "$work"
if ! cmp -s models/train/requirements.txt "$work/requirements.txt"; then
    rm -rf "$work/python"
    python3 -m venv "$work/python"
    "$work/python/bin/pip" install -q --disable-pip-version-check -r models/train/requirements.txt
    cp models/train/requirements.txt "$work/requirements.txt"
fi
cargo build --quiet --release
"$target/release/dean" --data-dir "$work/dean" train export --worlds "$worlds" --out "$work/data"
"$work/python/bin/python" models/train/train.py "$work/data" "$out"
