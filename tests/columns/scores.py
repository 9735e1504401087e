"""Scores, computed again from what the program tells of each ad: by onnxruntime, and by what the manifests say.

Models read columns, which are computed again elsewhere: here they are taken as they were told.
"""

import json
import pathlib

import numpy as np
import onnxruntime
import pandas as pd

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
TRANSFORMS = {"identity": lambda v: v, "exp": np.exp, "expm1": lambda v: np.maximum(np.expm1(v), 0.0)}


def put_scores(columns):
    """Puts the scores of every ad that is decided on beside its columns; of the others nothing is said."""
    account = columns.account
    decided = [ad for ad in columns.ads.index if ad in account.decided]
    for path in sorted(MODELS.glob("*.json")):
        manifest = json.loads(path.read_text())
        names = [feature["name"] for feature in manifest["features"]]
        table = pd.DataFrame({name: [told(account, ad, name) for ad in decided] for name in names}, decided, dtype=float)
        session = onnxruntime.InferenceSession(str(path.with_suffix(".onnx")), providers=["CPUExecutionProvider"])
        sums = session.run(None, {"rows": table.to_numpy(np.float32)})[0].astype(float) if decided else np.zeros((0, 99))
        sums[~within(manifest, table)] = np.nan
        for output in manifest["outputs"]:
            for name, values in of_output(output, sums, columns, decided):
                columns.put(f"score.{name}", pd.Series(values, decided, dtype=float))


def told(account, ad, name):
    """A column or context of an ad, divided by what its name says."""
    value = None
    for i, part in enumerate(name.split("/")):
        found = account.found[ad].get(part, account.context[account.decided[ad]].get(part))
        found = np.nan if found is None else float(found)
        value = found if i == 0 else (value / found if found else np.nan)
    return value


def within(manifest, table):
    """Rows in which every feature lies where the model says anything."""
    rows = pd.Series(True, table.index)
    for feature in manifest["features"]:
        if "domain" in feature:
            low, high = feature["domain"]
            values = table[feature["name"]]
            rows &= np.isfinite(values)
            rows &= values >= (-np.inf if low is None else low)
            rows &= values <= (np.inf if high is None else high)
    return rows.to_numpy()


def of_output(output, sums, columns, decided):
    """Name and values of each column of an output."""
    if output["kind"] == "probability":
        knots = np.array(output["knots"])
        yield output["score"], np.interp(sums[:, output["sum"]], knots[:, 0], knots[:, 1])
    elif output["kind"] == "cost":
        knots = np.array(output["knots"])
        chance = np.interp(sums[:, output["sum"]], knots[:, 0], knots[:, 1])
        yield output["score"], -1 / np.log1p(-chance) * [told(columns.account, ad, output["scale"]) for ad in decided]
    elif output["kind"] == "quantiles":
        low, middle, high = np.sort(sums[:, output["sums"]], axis=1).T
        ends = {"": middle, ".low": np.minimum(low - output["widen"], middle), ".high": np.maximum(high + output["widen"], middle)}
        ends = {end: TRANSFORMS[output["transform"]](values) for end, values in ends.items()}
        if output.get("reciprocal"):
            ends = {"": ends[""], ".low": ends[".high"], ".high": ends[".low"]}
            ends = {end: 1 / np.where(values < 1e-3, np.nan, values) for end, values in ends.items()}
        scale = [told(columns.account, ad, output["scale"]) for ad in decided] if "scale" in output else 1.0
        for end, values in ends.items():
            yield output["score"] + end, values * scale
    else:
        yield output["score"], neighbours(sums[:, output["sums"]], output["neighbours"], columns, decided)


def neighbours(points, most, columns, decided):
    """Of each ad the mean chance of its nearest neighbours with other creatives to reach the target."""
    reach = np.array([1 - told(columns.account, ad, "p_cpa_above_target") for ad in decided])
    creatives = columns.ads.loc[decided, "creative"].to_numpy()
    means = np.full(len(decided), np.nan)
    for row, point in enumerate(points):
        if np.isfinite(point).all():
            near = np.where((creatives != creatives[row]) & np.isfinite(points).all(axis=1), points @ point, -np.inf)
            nearest = [i for i in np.argsort(-near, kind="stable")[:most] if near[i] > -np.inf]
            means[row] = np.nanmean(reach[nearest]) if nearest else np.nan
    return means
