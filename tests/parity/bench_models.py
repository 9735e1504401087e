"""Writes the models that the benchmark of scores runs: XGBoost, 60 features, 200 trees of depth 6 and 500 of depth 8.

Run with: python tests/parity/bench_models.py FOLDER
"""

import pathlib
import sys

import xgboost
from zoo import data, exported


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    x, y, _, _ = data(20_000, 1, True)
    for trees, depth in ((200, 6), (500, 8)):
        model = xgboost.XGBRegressor(n_estimators=trees, max_depth=depth, learning_rate=0.05).fit(x, y)
        (folder / f"{trees}x{depth}.onnx").write_bytes(exported(model))
    x[:10_000].astype("<f4").tofile(folder / "rows")


main(pathlib.Path(sys.argv[1]))
