"""The training kit, from what Dean exports to models that Dean takes: `models/train/train.py` on small simulated worlds,
on the same rows as if real accounts had lived them, and on too few."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

ROOT = pathlib.Path(__file__).parents[2]
DEAN = pathlib.Path(os.environ.get("DEAN_BIN", ROOT / "target/debug/dean")).absolute()
MODELS = {"performance", "fatigue", "purchase", "similarity", "trend"}


def dean(folder, *arguments):
    command = [DEAN, "--data-dir", folder / "dean", "--config", ROOT / "config", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def train(data, out):
    return subprocess.run([sys.executable, "-B", ROOT / "models/train/train.py", data, out, "--version", "t"],
                          capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """What is seen of eight worlds in four weeks."""
    folder = tmp_path_factory.mktemp("worlds")
    told = dean(folder, "train", "export", "--worlds", "8", "--days", "28", "--out", folder / "data")
    assert told["rows"] > told["settled"] > 1_500 and told["simulated"] is True
    return folder / "data"


@pytest.fixture
def accounts(worlds, tmp_path):
    """The same rows, of which nobody knows the truth."""
    folder = shutil.copytree(worlds, tmp_path / "data")
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**about, "simulated": False}))
    truth = np.fromfile(folder / "truth.f32", "<f4")
    np.full_like(truth, np.nan).tofile(folder / "truth.f32")
    return folder


def figures(out):
    """Of every score what its manifest says of it."""
    manifests = [json.loads(file.read_text()) for file in out.glob("*.json")]
    return {score: told for manifest in manifests for score, told in manifest["figures"].items()}, manifests


def taken_by_dean(folder, out):
    """Every model is checked, imported and scores."""
    for model in MODELS:
        file = out / f"{model}.onnx"
        dean(folder, "model", "check", file)
        dean(folder, "model", "import", file)
        dean(folder, "model", "activate", f"{model}@t")
    listed = dean(folder, "model", "list")["models"]
    return {one["model"] for one in listed if one["version"] == "t" and one["active"]}


def test_worlds_train_five_models_that_say_how_good_they_are_beside_the_truth(worlds, tmp_path):
    done = train(worlds, tmp_path / "models")
    assert done.returncode == 0, done.stderr
    assert taken_by_dean(tmp_path, tmp_path / "models") == MODELS
    told, manifests = figures(tmp_path / "models")
    assert all(manifest["training"]["simulated"] for manifest in manifests)
    for score in ("purchase", "fatigue", "trend", "performance_ctr", "performance_cpa", "performance_roas", "similarity"):
        assert all(0 < share <= 1 for share in told[score]["accuracy"].values()), score
        assert told[score]["accuracy"].keys() == {"base", "reached", "best_possible"}, score
    # Four weeks of eight worlds are little, and still tell more than chance.
    assert 0.1 < told["purchase"]["skill"] < 1 and 0.1 < told["fatigue"]["skill"] < 1, told


def test_accounts_train_without_a_truth_and_claim_none(accounts, tmp_path):
    done = train(accounts, tmp_path / "models")
    assert done.returncode == 0, done.stderr
    assert taken_by_dean(tmp_path, tmp_path / "models") == MODELS
    told, manifests = figures(tmp_path / "models")
    assert not any(manifest["training"]["simulated"] for manifest in manifests)
    for score, said in told.items():
        assert "skill" not in said and "best_possible" not in said.get("accuracy", {}), score
    assert told["purchase"]["auc"] > 0.55 and told["fatigue"]["auc"] > 0.55
    assert told["purchase"]["log_loss_below_the_prior"][1:] == [None, None], "two accounts carry no interval"


def test_too_few_rows_train_nothing_and_say_how_many_there_are(accounts, tmp_path):
    keys = pd.read_csv(accounts / "keys.csv")
    keys.assign(account="act_1").to_csv(accounts / "keys.csv", index=False)
    done = train(accounts, tmp_path / "models")
    assert done.returncode == 1
    for model in MODELS:
        assert f"{model}: not trained: too few rows with a label (train" in done.stderr
    assert list((tmp_path / "models").iterdir()) == []


def test_another_versions_data_are_refused(accounts, tmp_path):
    about = json.loads((accounts / "dataset.json").read_text())
    (accounts / "dataset.json").write_text(json.dumps({**about, "version": 9}))
    done = train(accounts, tmp_path / "models")
    assert done.returncode == 1 and "a data set of version 9; this program reads 1: export it again" in done.stderr
