"""Writes the small models that `host/scoring` is attacked with: `python tests/parity/corpus.py`."""

import pathlib

import lightgbm
import numpy as np
import xgboost
import zoo
from onnx import TensorProto, helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn import ensemble, linear_model, neural_network, pipeline, preprocessing

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "host/scoring/tests/corpus"
FEATURES = 6


def by_hand():
    """The newest operator: two trees of one branch each, over doubles."""
    node = helper.make_node(
        "TreeEnsemble", ["input"], ["scores"], domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0,
        tree_roots=[0, 1], nodes_featureids=[0, 2], nodes_truenodeids=[0, 2], nodes_trueleafs=[1, 1],
        nodes_falsenodeids=[1, 3], nodes_falseleafs=[1, 1], leaf_targetids=[0, 0, 0, 0],
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [2], [0, 1]),
        nodes_splits=helper.make_tensor("splits", TensorProto.DOUBLE, [2], [0.5, -0.25]),
        leaf_weights=helper.make_tensor("weights", TensorProto.DOUBLE, [4], [1.0, -1.0, 0.5, 0.25]),
    )
    inputs = [helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, FEATURES])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, [None, 1])]
    graph = helper.make_graph([node], "trees", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)])


def models():
    random = np.random.default_rng(7)
    x = random.normal(size=(400, FEATURES)).astype(np.float32)
    y = x[:, 0] + (x[:, 1] > 0) * x[:, 2]
    high, third = (y > 0).astype(int), np.digitize(y, [-0.5, 0.5])
    types = [("input", FloatTensorType([None, FEATURES]))]
    small = {"n_estimators": 3, "max_depth": 3}
    yield "xgboost", convert_xgboost(xgboost.XGBRegressor(**small).fit(x, y), initial_types=types)
    yield "xgboost-three-classes", convert_xgboost(xgboost.XGBClassifier(**small).fit(x, third), initial_types=types)
    fitted = lightgbm.LGBMClassifier(verbose=-1, **small).fit(x, high)
    yield "lightgbm", convert_lightgbm(fitted, initial_types=types, zipmap=False)
    sklearn = {
        "histgb": ensemble.HistGradientBoostingRegressor(max_iter=3, max_depth=3).fit(x, y),
        "forest": ensemble.RandomForestClassifier(**small).fit(x, third),
        "network": neural_network.MLPRegressor(hidden_layer_sizes=[4, 3], max_iter=20).fit(x, y),
        "linear": pipeline.make_pipeline(preprocessing.Normalizer(), linear_model.Ridge()).fit(x, y),
    }
    for name, fitted in sklearn.items():
        options = {"zipmap": False} if hasattr(fitted, "predict_proba") else None
        yield name, zoo.to_onnx(fitted, x[:1], options=options)
    yield "newest", by_hand()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, model in models():
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
