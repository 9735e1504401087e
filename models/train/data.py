"""A data set that `dean train export` wrote, and the labels that models are trained on.

A row is one ad on the morning of one account day. What was known then are its inputs; labels are made of the
seven days from that day on, once their conversions have arrived. Nothing of those days is among the inputs.
"""

import json
import pathlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, poisson

WEEK = 7
#: Below so many impressions a week's click-through is mostly chance.
ENOUGH_IMPRESSIONS = 1_500
SPEND, IMPRESSIONS, CLICKS, CARTS, PURCHASES, REVENUE = range(6)
CTR, CVR, CPA, MARGIN = range(4)


@dataclass
class Data:
    """Rows of a data set; `truth` is NaN where nobody knows."""

    names: list
    units: list
    simulated: bool
    keys: pd.DataFrame
    x: np.ndarray
    target: np.ndarray
    before: np.ndarray
    ahead: np.ndarray
    truth: np.ndarray

    @property
    def week(self):
        """Sums of the seven days ahead, NaN where they are not settled: rows x facts."""
        return self.ahead[:, :WEEK].sum(axis=1)

    @property
    def settled(self):
        return ~np.isnan(self.ahead[:, WEEK - 1, SPEND])

    def column(self, name):
        return self.x[:, self.names.index(name)]

    def take(self, rows):
        """Some of the rows."""
        return Data(self.names, self.units, self.simulated, self.keys[rows].reset_index(drop=True), self.x[rows], self.target[rows],
                    self.before[rows], self.ahead[rows], self.truth[rows])


def load(folder):
    """Reads what `dean train export` wrote."""
    folder = pathlib.Path(folder)
    about = json.loads((folder / "dataset.json").read_text())
    if about["version"] != 1:
        raise SystemExit(f"{folder}: a data set of version {about['version']}; this program reads 1: export it again")
    rows, days, facts, truths = about["rows"], about["days_ahead"], len(about["facts"]), len(about["truths"])
    read = lambda name, *shape: np.fromfile(folder / name, "<f4").reshape(rows, *shape)  # noqa: E731
    keys = pd.read_csv(folder / "keys.csv", dtype={"account": str, "ad": str, "stage": str}, parse_dates=["day"])
    return Data(about["inputs"], about["units"], about["simulated"], keys, read("inputs.f32", len(about["inputs"])),
                read("target.f32"), read("before.f32", facts), read("ahead.f32", days, facts),
                read("truth.f32", days, truths))


@dataclass
class Label:
    """What a model is to say of rows: the value, for which rows there is one, and what is said by somebody who
    knows what is true of every ad but not the dice (NaN where nobody knows), and by a plain way to guess it."""

    known: np.ndarray
    value: np.ndarray
    truth: np.ndarray
    prior: np.ndarray = None


def _divided(above, below):
    with np.errstate(all="ignore"):
        return np.where(below > 0, above / below, np.nan)


def purchase(data, random):
    """Whether the ad sells at least once while it spends the next target cost per purchase.

    Counted in spend and not in days, so that it says what an ad is worth, not how large its budget is. Of the
    day on which that much is spent, each purchase counts with the share of the day's spend that was needed.
    """
    settled = ~np.isnan(data.ahead[:, :, SPEND])
    spend, bought = (np.cumsum(np.nan_to_num(data.ahead[:, :, fact]), axis=1) for fact in (SPEND, PURCHASES))
    enough = (spend >= data.target[:, None]) & settled
    rows, last = np.arange(len(spend)), enough.argmax(axis=1)
    earlier = lambda sums: np.where(last > 0, sums[rows, last - 1], 0.0)  # noqa: E731
    share = _divided(data.target - earlier(spend), spend[rows, last] - earlier(spend)).clip(0, 1)
    on_last = np.round(bought[rows, last] - earlier(bought)).clip(0).astype(int)
    counted = earlier(bought) + random.binomial(on_last, np.nan_to_num(share))
    with np.errstate(all="ignore"):
        expected = data.ahead[:, :, SPEND] / data.truth[:, :, CPA]
    whole = np.where(np.arange(expected.shape[1])[None] < last[:, None], np.nan_to_num(expected), 0.0).sum(axis=1)
    truth = 1 - np.exp(-(whole + share * expected[rows, last]))
    # The account's Gamma prior alone: what is said of an ad of which nothing is known. With c target costs a
    # purchase expected, 1 - (1 + 1 / (c x shape)) ^ -shape (the negative binomial's chance of none).
    shape, cost = data.column("purchase_prior_shape"), data.column("purchase_prior_rate/purchase_prior_shape/target_cpa")
    with np.errstate(all="ignore"):
        prior = 1 - (1 + 1 / (cost * shape)) ** -shape
    known = enough.any(axis=1) & (data.target > 0) & np.isfinite(prior)
    return Label(known, (counted > 0).astype(float), truth, prior)


def posterior(data):
    """The same chance by the account's prior and the ad's own purchases: what is known without a model."""
    shape = data.column("purchase_shape_in_stage")
    cost = data.column("purchase_rate_in_stage/purchase_shape_in_stage/target_cpa")
    with np.errstate(all="ignore"):
        return 1 - (1 + 1 / (cost * shape)) ** -shape


def click_through(data):
    """Clicks per impression of the week ahead, in truth; reports count all clicks, truth those on the link."""
    shown, clicked = data.ahead[:, :WEEK, IMPRESSIONS], data.week[:, CLICKS]
    true = data.truth[:, :WEEK, CTR]
    link = _divided((shown * np.nan_to_num(true)).sum(axis=1), (shown * ~np.isnan(true)).sum(axis=1))
    table = pd.DataFrame({"account": data.keys["account"], "clicks": clicked, "link": link * data.week[:, IMPRESSIONS]})
    sums = table.dropna().groupby("account").sum()
    return link * data.keys["account"].map(sums["clicks"] / sums["link"]).to_numpy(float)


def fatigue(data, _random):
    """Whether the click-through rate of the week ahead is less than half of the ad's best (`ctr_peak`)."""
    shown, before = data.week[:, IMPRESSIONS], data.before
    best = _divided(_divided(before[:, CLICKS], before[:, IMPRESSIONS]), data.column("ctr_7d/ctr_peak"))
    ahead = _divided(data.week[:, CLICKS], shown)
    known = data.settled & (shown > ENOUGH_IMPRESSIONS) & np.isfinite(best)
    true = click_through(data)
    with np.errstate(all="ignore"):
        truth = norm.cdf((best / 2 - true) / np.sqrt(true / shown))
    return Label(known, (ahead < best / 2).astype(float), truth)


def trend(data, _random):
    """Whether a unit of spend brings more purchases in the week ahead than in the week before."""
    week, before = data.week, data.before
    known = data.settled & (week[:, SPEND] > data.target) & (before[:, SPEND] > data.target)
    ahead, behind = (_divided(sums[:, PURCHASES], sums[:, SPEND]) for sums in (week, before))
    with np.errstate(all="ignore"):
        expected = np.nansum(data.ahead[:, :WEEK, SPEND] / data.truth[:, :WEEK, CPA], axis=1)
    truth = 1 - poisson.cdf(np.floor(np.nan_to_num(behind * week[:, SPEND]) + 1e-6), expected)
    return Label(known, (ahead > behind).astype(float), np.where(expected > 0, truth, np.nan))


def performance(data, _random):
    """Click-through, purchases for a target cost per purchase, and return of the week ahead, each as its model
    sees it: relative to the account, and in logarithms."""
    week, before = data.week, data.before
    known = data.settled & (week[:, SPEND] > 0.5 * data.target) & (week[:, IMPRESSIONS] > 500)
    account = _divided(_divided(before[:, CLICKS], before[:, IMPRESSIONS]), data.column("ctr_7d/account_ctr"))
    with np.errstate(all="ignore"):
        expected = data.ahead[:, :WEEK, SPEND] / data.truth[:, :WEEK, CPA]
        bought = np.where(np.isnan(expected).all(axis=1), np.nan, np.nansum(expected, axis=1))
        spend = week[:, SPEND]
        sums = pd.DataFrame(week[:, [PURCHASES, REVENUE]]).fillna(0.0).groupby(data.keys["account"].to_numpy()).sum()
        order = data.keys["account"].map(sums[1] / sums[0]).to_numpy(float)
        labels = {
            "performance_ctr": (np.log((week[:, CLICKS] + 0.5) / week[:, IMPRESSIONS] / account),
                                np.log(click_through(data) / account),
                                np.log((before[:, CLICKS] + 0.5) / before[:, IMPRESSIONS] / account)),
            "performance_cpa": (np.log1p(week[:, PURCHASES] * data.target / spend), np.log1p(bought * data.target / spend),
                                np.log1p(before[:, PURCHASES] * data.target / before[:, SPEND])),
            "performance_roas": (np.log1p(week[:, REVENUE] / spend), np.log1p(bought * order / spend),
                                 np.log1p(before[:, REVENUE] / before[:, SPEND])),
        }
    return {name: Label(known & np.isfinite(value), value, truth, naive) for name, (value, truth, naive) in labels.items()}
