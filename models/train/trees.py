"""XGBoost's trees as the canonical ONNX that Dean runs bit for bit: rows [N, F] of floats in, raw sums out.

No link function, no labels, no ZipMap: what becomes of the sums stands in the manifest. Own code, because the usual
converter gives the leaves of all outputs to the first one when a model has several.
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSETS = {"": 18, "ai.onnx.ml": 3}


def of_boosters(boosters, features):
    """One graph of several boosters, their outputs side by side.

    Trees are added in their order, after the base: the order in which XGBoost adds, in 32-bit floats.
    """
    attributes = {name: [] for name in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids",
        "target_weights")}
    bases, trees = [], 0
    for booster in boosters:
        model = json.loads(booster.save_raw("json"))["learner"]
        first, base = len(bases), json.loads(model["learner_model_param"]["base_score"])
        bases.extend(np.atleast_1d(base).astype(np.float32).tolist())
        if model["objective"]["name"] == "binary:logistic":
            # The base is told as a probability; sums are on the scale of its logit.
            chance = np.float64(bases[first])
            bases[first] = float(np.float32(np.log(chance / (1 - chance))))
        ensemble = model["gradient_booster"]["model"]
        for tree, of in zip(ensemble["trees"], ensemble["tree_info"]):
            _add(attributes, tree, trees, first + of)
            trees += 1
    node = helper.make_node("TreeEnsembleRegressor", ["rows"], ["sums"], domain="ai.onnx.ml", n_targets=len(bases),
                            aggregate_function="SUM", post_transform="NONE", base_values=bases, **attributes)
    return _model([node], [], features, len(bases))


def _add(attributes, tree, number, target):
    put = lambda name, value: attributes[name].append(value)  # noqa: E731
    for i, left in enumerate(tree["left_children"]):
        leaf = left == -1
        put("nodes_treeids", number)
        put("nodes_nodeids", i)
        put("nodes_featureids", 0 if leaf else tree["split_indices"][i])
        put("nodes_modes", "LEAF" if leaf else "BRANCH_LT")
        put("nodes_values", 0.0 if leaf else tree["split_conditions"][i])
        put("nodes_truenodeids", 0 if leaf else left)
        put("nodes_falsenodeids", 0 if leaf else tree["right_children"][i])
        put("nodes_missing_value_tracks_true", 0 if leaf else tree["default_left"][i])
        if leaf:
            put("target_treeids", number)
            put("target_nodeids", i)
            put("target_ids", target)
            put("target_weights", tree["split_conditions"][i])


def of_network(network, centre, scale, features):
    """The hidden layers of a network as a graph: a missing value is the feature's centre, the last layer an
    embedding of length one."""
    tensor = lambda name, values: helper.make_tensor(name, TensorProto.FLOAT, np.shape(values), np.ravel(values))  # noqa: E731
    constants = [tensor("centre", np.asarray(centre, np.float32)), tensor("scale", np.asarray(scale, np.float32)),
                 tensor("most", np.float32(3)), tensor("least", np.float32(-3))]
    nodes = [helper.make_node("IsNaN", ["rows"], ["missing"]),
             helper.make_node("Where", ["missing", "centre", "rows"], ["filled"]),
             helper.make_node("Sub", ["filled", "centre"], ["centred"]),
             helper.make_node("Div", ["centred", "scale"], ["scaled"]),
             # What lies far outside of the training says no more than what lies at its edge.
             helper.make_node("Clip", ["scaled", "least", "most"], ["layer0"])]
    for i, (weights, bias) in enumerate(zip(network.coefs_[:-1], network.intercepts_[:-1])):
        constants += [tensor(f"weights{i}", weights.astype(np.float32)), tensor(f"bias{i}", bias.astype(np.float32))]
        nodes += [helper.make_node("Gemm", [f"layer{i}", f"weights{i}", f"bias{i}"], [f"sum{i}"]),
                  helper.make_node("Tanh", [f"sum{i}"], [f"layer{i + 1}"])]
    last, wide = f"layer{len(network.coefs_) - 1}", network.coefs_[-2].shape[1]
    nodes.append(helper.make_node("LpNormalization", [last], ["sums"], axis=1, p=2))
    return _model(nodes, constants, features, wide)


def _model(nodes, constants, features, outputs):
    graph = helper.make_graph(
        nodes, "scores", [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, [None, outputs])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in OPSETS.items()],
                              producer_name="dean models/train")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()
