"""From raw sums to what can be believed: chances that come true as often as they say, and intervals that hold."""

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

#: Below so many of either kind a line on the logit (Platt) is all that the rows can carry.
ENOUGH_FOR_KNOTS = 1_000
KNOTS = 31
#: Chances are never told as certain.
LEAST = 1e-4


def chance(sums, happened):
    """Knots [sum, chance] of a monotone, piecewise linear calibration; flat beyond its ends."""
    if min(happened.sum(), (1 - happened).sum()) < ENOUGH_FOR_KNOTS:
        line = LogisticRegression(C=1e6).fit(sums[:, None], happened)
        x = np.linspace(*np.quantile(sums, [0.001, 0.999]), KNOTS)
        y = expit(line.coef_[0, 0] * x + line.intercept_[0])
    else:
        # As many rows between each two knots, their mean made monotone.
        parts = np.array_split(np.argsort(sums, kind="stable"), KNOTS)
        x = np.array([sums[part].mean() for part in parts])
        shares = [happened[part].mean() for part in parts]
        y = IsotonicRegression().fit(x, shares, [len(part) for part in parts]).predict(x)
    x, first = np.unique(np.round(x.astype(float), 6), return_index=True)
    return np.column_stack([x, np.clip(y[first], LEAST, 1 - LEAST).round(6)])


def chances(knots, sums):
    """Calibrated chances of raw sums."""
    return np.interp(sums, knots[:, 0], knots[:, 1])


def offset(low, high, happened, cover=0.8):
    """What widens (or narrows) an interval so that it covers as much as it says: conformalised quantile regression
    (Romano, Patterson and Candes 2019)."""
    beyond = np.maximum(low - happened, happened - high)
    rank = min(1.0, cover * (1 + 1 / len(beyond)))
    return float(np.quantile(beyond, rank, method="higher"))


def expected_error(chance, happened, bins=20):
    """Expected calibration error over bins of as many rows each."""
    parts = np.array_split(np.argsort(chance, kind="stable"), bins)
    return float(sum(len(p) * abs(chance[p].mean() - happened[p].mean()) for p in parts) / len(chance))
