"""Trains the five models on a data set that `dean train export` wrote: `python models/train/train.py DATA OUT`.

Whole accounts are held out: of five, three train, one calibrates, one judges. The data of a single account are split
by time instead, with a week between the parts that no label reaches across.
"""

import argparse
import pathlib
import sys
from dataclasses import dataclass

import numpy as np
import onnxruntime
import xgboost
from sklearn.neural_network import MLPRegressor

import calibrate
import data as d
import evaluate
import manifest
import trees

SEED = 20_26
XGBOOST = f"xgboost {xgboost.__version__}"
#: Rows with a label that each part of the data needs.
LEAST_ROWS = 200
#: Where a model says nothing, because no row like it had a label: by model, features with their ends.
DOMAINS = {
    "fatigue": {"ctr_7d/ctr_peak": [0.0, None]},
    "trend": {"spend_7d/target_cpa": [1.0, None]},
    "performance": {"ctr_7d/account_ctr": [0.0, None]},
    "similarity": {"ctr_lifetime/account_ctr": [0.0, None]},
}
#: What says how the simulator lays accounts out rather than how ads do.
OF_THE_ACCOUNT = {"live_ads", "weekday", "hours_since_budget_change", "in_learning"}
#: The simulator knows nothing of how videos are watched: what it says of that means nothing elsewhere.
OF_WATCHING = {"video_3s_7d/impressions_7d", "thruplay_7d/video_3s_7d", "watch_time_7d/video_3s_7d"}
COMMON = {"max_bin": 256, "tree_method": "hist", "nthread": 0, "seed": SEED, "subsample": 0.7, "colsample_bytree": 0.5}
#: One more purchase never makes an ad look worse, whatever a few rows say: what a purchase raises the chance rises
#: with, what it lowers it falls with, and what it may move either way the model does not read.
RISING = ("purchases_d1", "purchases_3d", "purchases_7d", "purchases_14d", "purchases_lifetime", "purchases_in_stage",
          "purchase_days_in_stage", "purchase_shape_in_stage", "roas_7d/account_roas", "roas_lifetime/account_roas",
          "performance_score")
FALLING = ("p_cpa_above_target", "p_cpa_above_target_7d", "p_cpa_above_breakeven",
           "purchase_rate_7d/purchase_shape_7d/target_cpa", "purchase_rate_in_stage/purchase_shape_in_stage/target_cpa")
EITHER_WAY = {"trend_roas_7d", "stability_7d", "aov_lifetime/account_aov", "fatigue_index"}


@dataclass
class Task:
    """What is trained on, and where what was trained goes."""

    out: pathlib.Path
    version: str
    data: d.Data
    parts: dict
    method: str

    def rows(self, names, known):
        """The rows that have a label, by part, with what a model reads of them."""
        rows = {part: chosen & known for part, chosen in self.parts.items()}
        if not all(chosen.sum() >= LEAST_ROWS for chosen in rows.values()):
            counts = ", ".join(f"{part} {chosen.sum()}" for part, chosen in rows.items())
            raise TooFew(f"too few rows with a label ({counts}; {LEAST_ROWS} of each are needed): let more weeks pass")
        # What says nothing in these data is not read: what the simulator knows nothing of, what never changes.
        names = [name for name in names if not (self.data.simulated and name in OF_WATCHING) and changes(self.data.column(name)[rows["train"]])]
        columns = [self.data.names.index(name) for name in names]
        return Rows(names, rows, {part: np.ascontiguousarray(self.data.x[chosen][:, columns]) for part, chosen in rows.items()})

    def but(self, left_out):
        return [name for name in self.data.names if name not in left_out]

    def write(self, name, doc, rows, file, outputs, figures, producer, random, positives=None):
        """Writes a model with its manifest, and says how good it is."""
        days = self.data.keys["day"]
        training = {"simulated": self.data.simulated, "accounts": int(self.data.keys["account"].nunique()),
                    "from": str(days.min().date()), "to": str(days.max().date()), "split": self.method,
                    "rows": {part: int(chosen.sum()) for part, chosen in rows.chosen.items()},
                    "attribution_lag_days": d.WEEK, "producer": producer}
        if positives is not None:
            training["positives"] = int(positives)
        about = {"doc": doc, "features": manifest.features(self.data, rows.names, rows.x["train"], DOMAINS.get(name, {})),
                 "outputs": outputs, "training": training, "figures": figures,
                 "golden": manifest.golden(rows.x["judge"], runner(file), random)}
        manifest.write(self.out, name, self.version, about, file, rows.names)
        print(f"{name}: {len(file) / 1000:.0f} kB")
        for score, figure in figures.items():
            print(f"  {score}: {figure}")


@dataclass
class Rows:
    """What a model reads, by part: which rows of the data, and their features by name."""

    names: list
    chosen: dict
    x: dict

    def of(self, values, part):
        return values[self.chosen[part]]


def changes(values):
    """Whether there are two known values that differ."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and known.min() < known.max()


class TooFew(Exception):
    """The data cannot carry a model."""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--version", default="1", help="the version that the manifests name")
    arguments.add_argument("--only", nargs="*", choices=list(MODELS), help="these models alone")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    data = d.load(given.data)
    task = Task(given.out, given.version, data, *split(data))
    left_out = 0
    for name in given.only or MODELS:
        try:
            MODELS[name](task)
        except TooFew as problem:
            left_out += 1
            print(f"{name}: not trained: {problem}", file=sys.stderr)
    return left_out > 0


def split(data):
    """Rows that train, calibrate and judge, and how they were chosen."""
    accounts = np.unique(data.keys["account"])
    if len(accounts) >= 5:
        place = data.keys["account"].map({a: i % 5 for i, a in enumerate(sorted(accounts, key=lambda a: (len(a), a)))})
        parts = {"train": (place >= 2).to_numpy(), "calibrate": (place == 1).to_numpy(), "judge": (place == 0).to_numpy()}
        return parts, "whole accounts: three of five train, one calibrates, one judges"
    day = (data.keys["day"] - data.keys["day"].min()).dt.days.to_numpy()
    first, second = np.quantile(day, [0.6, 0.8])
    parts = {"train": day < first - d.WEEK, "calibrate": (day >= first) & (day < second - d.WEEK), "judge": day >= second}
    return parts, "by time: the first three fifths of the days train, the next calibrates, the last judges, a week apart"


def runner(file):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"rows": rows})[0]


def boosted(x, y, rounds, **settings):
    return xgboost.train({**COMMON, **settings}, xgboost.DMatrix(x, y), rounds)


def proven(boosters, x):
    """The graph of boosters, once it is sure that it says to the last bit what they say."""
    file = trees.of_boosters(boosters, x.shape[1])
    sums = runner(file)(x[:5_000])
    theirs = np.column_stack([b.predict(xgboost.DMatrix(x[:5_000]), output_margin=True) for b in boosters])
    assert np.abs(sums - theirs.reshape(sums.shape)).max() < 1e-5, "the exported graph says something else"
    return file


def probability(name, of, rounds, depth, doc, left_out=OF_THE_ACCOUNT, rising=(), falling=()):
    """A model that tells a chance."""

    def make(task):
        data, random = task.data, np.random.default_rng(SEED)
        label = of(data, np.random.default_rng(SEED))
        rows = task.rows(task.but(left_out), label.known)
        happened = {part: rows.of(label.value, part) for part in rows.x}
        constraints = tuple(1 if n in rising else -1 if n in falling else 0 for n in rows.names)
        booster = boosted(rows.x["train"], happened["train"], rounds, objective="binary:logistic", max_depth=depth,
                          eta=0.08, min_child_weight=40, monotone_constraints=constraints)
        file = proven([booster], rows.x["judge"])
        run = runner(file)
        knots = calibrate.chance(run(rows.x["calibrate"])[:, 0], happened["calibrate"])
        said = calibrate.chances(knots, run(rows.x["judge"])[:, 0])
        judged = d.Label(None, *(None if v is None else rows.of(v, "judge") for v in (label.value, label.truth, label.prior)))
        accounts = rows.of(data.keys["account"].to_numpy(), "judge")
        figures = evaluate.chances(said, judged, accounts, random, happened["train"].mean())
        figures["calibration_error"] = round(calibrate.expected_error(said, judged.value), 4)
        outputs = [{"score": name, "unit": "fraction", "doc": doc, "kind": "probability", "sum": 0, "knots": knots.tolist()}]
        if name == "purchase":
            alone = rows.of(d.posterior(data), "judge")
            better = evaluate.losses(alone, judged.value) - evaluate.losses(said, judged.value)
            figures["log_loss_below_the_posterior"] = evaluate.interval(better, accounts, random)
            outputs.append({"score": "purchase_cpa", "unit": "currency", "doc": "the cost per purchase that this chance stands for",
                            "kind": "cost", "sum": 0, "knots": knots.tolist(), "scale": "target_cpa"})
        task.write(name, doc, rows, file, outputs, {name: figures}, XGBOOST, random, happened["train"].sum())

    return make


def quantiles(task):
    """Click-through, cost and return: their tenth, middle and ninetieth of a hundred cases."""
    doc = "what the next 7 days bring: click-through, cost per purchase and return, with intervals that hold 80 % of what comes"
    labels, random = d.performance(task.data, None), np.random.default_rng(SEED)
    shapes = {
        "performance_ctr": ("fraction", "click-through rate over the next 7 days", {"transform": "exp", "scale": "account_ctr"}, np.exp),
        "performance_cpa": ("currency", "cost per purchase over the next 7 days; not known where none may come",
                            {"transform": "expm1", "reciprocal": True, "scale": "target_cpa"},
                            lambda v: 1 / np.maximum(np.expm1(v), 1e-9)),
        "performance_roas": ("ratio", "return on ad spend over the next 7 days", {"transform": "expm1"}, np.expm1),
    }
    boosters, outputs, figures = [], [], {}
    for number, (score, (unit, said, shape, natural)) in enumerate(shapes.items()):
        label = labels[score]
        rows = task.rows(task.but(OF_THE_ACCOUNT), label.known)
        booster = boosted(rows.x["train"], rows.of(label.value, "train"), 120, objective="reg:quantileerror",
                          quantile_alpha=[0.1, 0.5, 0.9], max_depth=4, eta=0.1, min_child_weight=60)
        low, _, high = _ordered(booster, rows.x["calibrate"])
        widen = calibrate.offset(low, high, rows.of(label.value, "calibrate"))
        low, middle, high = _ordered(booster, rows.x["judge"])
        judged = d.Label(None, *(rows.of(v, "judge") for v in (label.value, label.truth, label.prior)))
        figures[score] = evaluate.intervals(low - widen, middle, high + widen, judged, natural,
                                            float(np.median(rows.of(label.value, "train"))))
        boosters.append(booster)
        first = 3 * number
        outputs.append({"score": score, "unit": unit, "doc": said, "kind": "quantiles", "sums": [first, first + 1, first + 2],
                        "widen": widen, **shape})
    file = proven(boosters, rows.x["judge"])
    task.write("performance", doc, rows, file, outputs, figures, XGBOOST, random, label.known.sum())


def _ordered(booster, x):
    return np.sort(booster.predict(xgboost.DMatrix(x)), axis=1).T


#: What a creative is like, whatever it was given to spend: how people meet it, not how well it sold.
OF_A_CREATIVE = ("ctr_lifetime/account_ctr", "ctr_peak/account_ctr", "link_ctr_7d/ctr_7d", "atc_rate_lifetime/account_atc_rate",
                 "p_cpa_above_target_by_carts", "cpm_lifetime/account_cpm", "aov_lifetime/account_aov", "decay_rate",
                 "video_3s_7d/impressions_7d", "thruplay_7d/video_3s_7d", "watch_time_7d/video_3s_7d",
                 "purchase_rate_in_stage/purchase_shape_in_stage/target_cpa", "p_cpa_above_target", "p_ctr_below_account")
NEIGHBOURS = 5


def similarity(task):
    """Creatives as points, near each other where they do alike; neighbours are looked up by the cosine."""
    doc = "how like the account's winners an ad is: the mean chance of its five nearest neighbours to reach the target"
    data, random = task.data, np.random.default_rng(SEED)
    week = data.week
    with np.errstate(all="ignore"):
        does = np.column_stack([np.log1p(week[:, d.PURCHASES] * data.target / week[:, d.SPEND]),
                                np.log1p(week[:, d.CARTS] * data.target / week[:, d.SPEND] / 5),
                                d.performance(data, None)["performance_ctr"].value])
    rows = task.rows(OF_A_CREATIVE, data.settled & (week[:, d.SPEND] > data.target) & np.isfinite(does).all(axis=1))
    x, wanted = rows.x["train"], rows.of(does, "train")
    centre, ends = np.nanmedian(x, axis=0), np.nanquantile(x, [0.01, 0.99], axis=0)
    scale = np.nanstd(np.clip(x, *ends), axis=0)
    # What is the same in almost every row has no scale of its own.
    scale[scale == 0] = 1
    ready = np.clip((np.where(np.isnan(x), centre, x) - centre) / scale, -3, 3)
    network = MLPRegressor(hidden_layer_sizes=(16, 8), activation="tanh", alpha=1e-3, max_iter=60, early_stopping=True, random_state=SEED)
    network.fit(ready, (wanted - wanted.mean(axis=0)) / wanted.std(axis=0))
    file = trees.of_network(network, centre, scale, len(rows.names))
    outputs = [{"score": "similarity", "unit": "fraction", "doc": doc, "kind": "neighbours", "sums": list(range(8)), "neighbours": NEIGHBOURS}]
    figures = neighbours(runner(file)(rows.x["judge"]), data.take(rows.chosen["judge"])) if data.simulated else {}
    task.write("similarity", doc, rows, file, outputs, {"similarity": figures}, "scikit-learn", random)


def neighbours(points, data):
    """How often an ad and its nearest neighbours in the account, on the same day, lie on the same side of what earns
    in truth; beside any two ads of the account, and beside neighbours by the truth itself."""
    same, any_two, best, count = 0.0, 0.0, 0.0, 0
    for _, rows in data.keys.groupby(["account", "day"]).groups.items():
        rows = np.asarray(rows)
        earns = data.truth[rows, 0, d.MARGIN]
        keep = np.isfinite(earns)
        rows, earns = rows[keep], earns[keep]
        if len(rows) <= NEIGHBOURS:
            continue
        winner = earns > 0
        near = points[rows] @ points[rows].T
        np.fill_diagonal(near, -np.inf)
        by_truth = -np.abs(earns[:, None] - earns[None])
        np.fill_diagonal(by_truth, -np.inf)
        for near, add in ((near, "same"), (by_truth, "best")):
            nearest = np.argsort(-near, axis=1)[:, :NEIGHBOURS]
            share = (winner[nearest] == winner[:, None]).mean(axis=1).sum()
            same, best = (same + share, best) if add == "same" else (same, best + share)
        others = (winner.sum() - winner) / (len(rows) - 1)
        any_two += np.where(winner, others, 1 - others).sum()
        count += len(rows)
    figure = lambda total: round(float(total / count), 4)  # noqa: E731
    return {"rows": count, "accuracy": {"base": figure(any_two), "reached": figure(same), "best_possible": figure(best)}}


MODELS = {
    "performance": quantiles,
    "fatigue": probability("fatigue", d.fatigue, 200, 5, "how likely the click-through rate of the next 7 days is less than half of the ad's best"),
    "purchase": probability("purchase", d.purchase, 200, 5, "how likely the ad sells within the next target cost per purchase of spend", left_out=OF_THE_ACCOUNT | EITHER_WAY, rising=RISING, falling=FALLING),
    "similarity": similarity,
    "trend": probability("trend", d.trend, 150, 5, "how likely a unit of spend brings more purchases over the next 7 days than over the last 7", left_out=OF_THE_ACCOUNT - {"weekday"}),
}

if __name__ == "__main__":
    sys.exit(main())
