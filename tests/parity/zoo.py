"""Models of the usual libraries, trained with default options and exported with their own converters.

Each is a function of the training data that answers its ONNX file and a function of rows to what the
library itself says: raw scores before any link function where the export holds them, else probabilities.
"""

import lightgbm
import numpy as np
import onnx.helper
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn import ensemble, tree

FEATURES = 60


def _make_attribute(key, value, *rest, **named):
    # skl2onnx 1.20 passes the node ids of HistGradientBoosting as numpy integers, which onnx refuses.
    if isinstance(value, list) and value and isinstance(value[0], np.integer):
        value = [int(v) for v in value]
    return _original(key, value, *rest, **named)


_original = onnx.helper.make_attribute
onnx.helper.make_attribute = _make_attribute

from skl2onnx import to_onnx  # noqa: E402  (it takes the function above when it is loaded)


def data(rows, seed, missing):
    """Rows of features, some missing; a target, whether it is high, and which third it lies in."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)).astype(np.float32)
    x[:, 5] = random.poisson(2, rows)
    y = x[:, 0] + np.abs(x[:, 1]) * (x[:, 2] > 0) + 0.2 * x[:, 5] + random.normal(size=rows) * 0.3
    if missing:
        x[random.random(x.shape) < 0.1] = np.nan
    return x, y.astype(np.float64), (y > np.median(y)).astype(int), np.digitize(y, np.quantile(y, [0.33, 0.66]))


def exported(fitted):
    """The ONNX file of an XGBoost model."""
    return convert_xgboost(fitted, initial_types=[("input", FloatTensorType([None, FEATURES]))]).SerializeToString()


def _xgboost(model, of):
    def make(x, y, high, third):
        fitted = model().fit(x, {"y": y, "high": high, "third": third, "count": np.round(np.exp(y / 4))}[of])
        return exported(fitted), getattr(fitted, "predict_proba", None) or fitted.predict

    return make


def _lightgbm(model, of):
    def make(x, y, high, third):
        fitted = model().fit(x, {"y": y, "high": high, "third": third, "count": np.round(np.exp(y / 4))}[of])
        types = [("input", FloatTensorType([None, FEATURES]))]
        file = convert_lightgbm(fitted, initial_types=types, zipmap=False)
        probabilities = getattr(fitted, "predict_proba", None)
        return file.SerializeToString(), probabilities or fitted.predict

    return make


def _sklearn(model, of):
    def make(x, y, high, third):
        fitted = model().fit(x, {"y": y, "high": high, "third": third, "two": np.c_[y, -y]}[of])
        probabilities = getattr(fitted, "predict_proba", None)
        options = {"zipmap": False} if probabilities else None
        return to_onnx(fitted, x[:1], options=options).SerializeToString(), probabilities or fitted.predict

    return make


def _quiet(of):
    return lambda **named: of(verbose=-1, **named)


#: name -> (function, tolerance against the library; `None` is to the last bit, whether missing values are trained on)
ZOO = {
    "xgboost-regressor": (_xgboost(xgboost.XGBRegressor, "y"), None, True),
    "xgboost-deep": (_xgboost(lambda: xgboost.XGBRegressor(n_estimators=200, max_depth=8), "y"), None, True),
    # Several targets are left out: onnxmltools 1.16 gives the leaves of all of them to the first.
    "xgboost-forest": (_xgboost(xgboost.XGBRFRegressor, "y"), None, True),
    "xgboost-poisson": (_xgboost(lambda: xgboost.XGBRegressor(objective="count:poisson"), "count"), 5e-6, True),
    "xgboost-classifier": (_xgboost(xgboost.XGBClassifier, "high"), 5e-6, True),
    "xgboost-three-classes": (_xgboost(xgboost.XGBClassifier, "third"), 5e-6, True),
    "lightgbm-regressor": (_lightgbm(_quiet(lightgbm.LGBMRegressor), "y"), 5e-6, True),
    "lightgbm-poisson": (_lightgbm(lambda: lightgbm.LGBMRegressor(verbose=-1, objective="poisson"), "count"), 5e-6, True),
    "lightgbm-quantile": (_lightgbm(lambda: lightgbm.LGBMRegressor(verbose=-1, objective="quantile"), "y"), 5e-6, True),
    "lightgbm-classifier": (_lightgbm(_quiet(lightgbm.LGBMClassifier), "high"), 5e-6, True),
    "lightgbm-three-classes": (_lightgbm(_quiet(lightgbm.LGBMClassifier), "third"), 5e-6, True),
    "histgb-regressor": (_sklearn(ensemble.HistGradientBoostingRegressor, "y"), 5e-6, True),
    "histgb-classifier": (_sklearn(ensemble.HistGradientBoostingClassifier, "high"), 5e-6, True),
    "histgb-three-classes": (_sklearn(ensemble.HistGradientBoostingClassifier, "third"), 5e-6, True),
    "gb-regressor": (_sklearn(ensemble.GradientBoostingRegressor, "y"), 5e-6, False),
    "gb-classifier": (_sklearn(ensemble.GradientBoostingClassifier, "high"), 5e-6, False),
    "gb-three-classes": (_sklearn(ensemble.GradientBoostingClassifier, "third"), 5e-6, False),
    "forest-regressor": (_sklearn(lambda: ensemble.RandomForestRegressor(20), "y"), 5e-6, False),
    "forest-two-targets": (_sklearn(lambda: ensemble.RandomForestRegressor(20), "two"), 5e-6, False),
    "forest-classifier": (_sklearn(lambda: ensemble.RandomForestClassifier(20), "high"), 5e-6, False),
    "forest-three-classes": (_sklearn(lambda: ensemble.RandomForestClassifier(20), "third"), 5e-6, False),
    "extra-trees": (_sklearn(lambda: ensemble.ExtraTreesRegressor(20), "y"), 5e-6, False),
    "tree": (_sklearn(tree.DecisionTreeRegressor, "y"), 5e-6, False),
}
