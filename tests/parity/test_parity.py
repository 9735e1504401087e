"""Scores of exported models against the libraries that trained them and against onnxruntime: 10,000 rows,
with and without missing values. XGBoost's raw scores to the last bit.
"""

import os
import pathlib
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from zoo import FEATURES, ZOO, data

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCORE = pathlib.Path(os.environ.get("DEAN_BIN", ROOT / "target/debug/dean")).resolve().parent / "examples/score"
ROWS, TRAINED = 10_000, 3_000


def score(folder, file, rows):
    """What Dean says: a dictionary of outputs."""
    (folder / "model.onnx").write_bytes(file)
    rows.astype("<f4").tofile(folder / "rows")
    command = [SCORE, folder / "model.onnx", folder / "rows", folder / "scores"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    numbers, outputs, start = np.fromfile(folder / "scores", "<f4"), {}, 0
    for line in told.stdout.splitlines():
        name, width = line.rsplit(" ", 1)
        outputs[name] = numbers[start : start + len(rows) * int(width)].reshape(len(rows), int(width))
        start += outputs[name].size
    assert start == len(numbers)
    return outputs


def reference(file, rows):
    """What onnxruntime says of the outputs that are floats."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = session.run(None, {session.get_inputs()[0].name: rows})
    return {name: a.reshape(len(rows), -1) for name, a in zip(names, answers) if a.dtype in (np.float32, np.float64)}


def differences(ours, theirs):
    """The largest difference of each row, relative beyond one."""
    return np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs)), axis=1)


def on_a_threshold(file, rows):
    """Which rows hold a value that equals a threshold of its feature."""
    found = np.zeros(len(rows), bool)
    for node in onnx.load_from_string(file).graph.node:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        of = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        features, thresholds = np.array(of["nodes_featureids"]), np.array(of["nodes_values"], np.float32)
        branches = np.array([mode != b"LEAF" for mode in of["nodes_modes"]])
        for feature in range(FEATURES):
            found |= np.isin(rows[:, feature], thresholds[branches & (features == feature)])
    return found


@pytest.mark.parametrize(
    ("name", "missing"),
    [(name, missing) for name, (_, _, takes) in ZOO.items() for missing in ([False, True] if takes else [False])],
)
def test_scores_are_those_of_the_library(name, missing, tmp_path):
    make, tolerance, _ = ZOO[name]
    file, predict = make(*data(TRAINED, 1, missing))
    rows = data(ROWS, 2, missing)[0]
    assert np.isnan(rows).any() == missing
    # A threshold is met exactly by values that were trained on.
    rows[:TRAINED] = data(TRAINED, 1, missing)[0]

    ours = score(tmp_path, file, rows)
    for output, theirs in reference(file, rows).items():
        assert ours[output].shape == theirs.shape
        assert differences(ours[output], theirs).max() <= 5e-6, output
    mine, library = list(ours.values())[-1], np.asarray(predict(rows)).reshape(ROWS, -1)
    assert mine.shape == library.shape
    assert np.ptp(library) > 0.1, "a model that says one thing of all rows shows nothing"
    if tolerance is None:
        assert library.dtype == np.float32
        unequal = np.flatnonzero((mine != library).any(axis=1))
        assert len(unequal) == 0, (len(unequal), mine[unequal[:3]], library[unequal[:3]])
    else:
        # The converters round thresholds from doubles to floats: of a value that lies on one, only
        # onnxruntime, which reads the same file, knows which way the file sends it.
        wrong = differences(mine, library) > tolerance
        assert not (wrong & ~on_a_threshold(file, rows)).any()
        assert wrong.mean() < 0.001


def test_a_row_does_not_depend_on_its_neighbours(tmp_path):
    file, _ = ZOO["xgboost-regressor"][0](*data(TRAINED, 1, True))
    rows = data(600, 3, True)[0]
    together = score(tmp_path, file, rows)["variable"]
    for some in (rows[:1], rows[:7], rows[:9], rows[:65]):
        assert (score(tmp_path, file, some)["variable"] == together[: len(some)]).all()
