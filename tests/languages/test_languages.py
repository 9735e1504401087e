"""What `dean policy new` writes builds and passes its cases at once, in every language; and so does the example in Python."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEAN = pathlib.Path(os.environ.get("DEAN_BIN", ROOT / "target/debug/dean")).resolve()


def dean(*arguments, folder, ends=0):
    """What a command prints as JSON."""
    done = subprocess.run([DEAN, "--json", *arguments], cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == ends, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def stands(named, folder):
    """Its cases hold, every rule fires in some, and it stands what every policy has to."""
    report = dean("policy", "test", named, folder=folder)
    assert report["differences"] == [] and report["questions"] > 0, report
    assert all(rule["fired"] for rule in report["rules"]), report
    # One world lives as long as many: what is looked at here are the laws.
    gym = dean("gym", named, "--worlds", "1", "--no-ml", folder=folder)
    broken = [law for law in gym["conformance"] if law["broken"]]
    assert gym["conformance"] and broken == [], broken
    own = next(row for row in gym["rows"] if row["sha256"])
    assert own["failures"] == 0 and own["instructions_an_ad"] > 0, own


def refused(message):
    """A part that cannot run here: a failure where everything is required."""
    if os.environ.get("DEAN_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)


def test_rules_as_text(tmp_path):
    dean("policy", "new", "own", "--lang", "cel", folder=tmp_path)
    stands("own", tmp_path)
    assert dean("policy", "build", "own", folder=tmp_path)["cases"] > 0


def test_rust(tmp_path):
    new = dean("policy", "new", "own", "--lang", "rust", folder=tmp_path)
    # The SDK goes along whole.
    sdk = {file.name for file in (ROOT / "plugins/sdk/src").iterdir()}
    assert {pathlib.Path(file).name for file in new["files"] if "vendor/sdk/src" in file} == sdk
    assert (tmp_path / "own/wit/policy.wit").read_text() == (ROOT / "wit/policy.wit").read_text()
    built = subprocess.run([DEAN, "--json", "policy", "build", "own"], cwd=tmp_path, capture_output=True, text=True)
    if "no Rust compiler for" in built.stdout + built.stderr:
        refused("there is no compiler for wasm32-unknown-unknown")
    assert built.returncode == 0, built.stdout + built.stderr
    assert json.loads(built.stdout)["name"] == "own"
    stands("own.wasm", tmp_path)
    # The example that it was made of, in its own place.
    report = dean("policy", "test", str(ROOT / "plugins/examples/margin-floor"), folder=tmp_path)
    assert report["differences"] == [], report


def test_javascript(tmp_path):
    if not shutil.which("npm"):
        refused("npm is needed to build a policy in JavaScript")
    dean("policy", "new", "own", "--lang", "js", folder=tmp_path)
    missing = dean("policy", "build", "own", folder=tmp_path, ends=1)
    assert "npm install" in missing["error"]["message"], missing
    subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=tmp_path / "own", check=True, capture_output=True)
    built = dean("policy", "build", "own", folder=tmp_path)
    assert built["name"] == "own" and built["cases"] > 0 and built["bytes"] < 2_000_000, built
    stands("own.wasm", tmp_path)


def test_python(tmp_path):
    example = ROOT / "plugins/examples/stop-loss-python"
    tool = pathlib.Path(sys.executable).parent / "componentize-py"
    shutil.copytree(example, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    build = [tool, "-d", ROOT / "wit", "-w", "stage-policy", "componentize", "--stub-wasi", "app", "-o", tmp_path / "own.wasm"]
    subprocess.run(build, cwd=tmp_path / "own", check=True, capture_output=True)
    packed = dean("policy", "pack", "own.wasm", "--cases", "own/cases", folder=tmp_path)
    assert packed["cases"] == 1, packed
    stands("own.wasm", tmp_path)
