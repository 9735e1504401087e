"""What an account's ads say together about one of them: the priors, fitted anew, and the columns made of them.

A Gamma prior on counts per spend makes each ad's count negative binomial; a Beta prior on clicks per impression
makes it beta-binomial. The mean of a prior is free, its shape is held near what recorded accounts had.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betainc, betaln, gammainc, gammaln

# Where the penalty has its middle, and how far it lets the logarithm go from there.
GAMMA_SHAPE, GAMMA_SPREAD = 1.4, 0.5
BETA_ALPHA, BETA_SPREAD = 4.0, 0.7


@dataclass
class Gamma:
    """Counts per unit of spend are Gamma distributed: as much as `shape` counts seen in `rate` of spend."""

    shape: float
    rate: float


@dataclass
class Beta:
    """Clicks per impression are Beta distributed."""

    alpha: float
    beta: float


def highest(value, starts):
    """Where a function of two numbers is highest: the best of simplex searches from several starts."""
    best = None
    for start in starts:
        found = minimize(lambda at: -value(*at), start, method="Nelder-Mead",
                         options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000})
        if best is None or found.fun < best.fun:
            best = found
    return best.x


def fit_gamma(counts, spends):
    """The prior on counts per spend; None where nothing was counted, since then nothing says what the mean is."""
    counts, spends = np.asarray(counts, float), np.asarray(spends, float)
    if counts.sum() <= 0 or spends.sum() <= 0:
        return None

    def value(log_shape, log_mean):
        shape = np.exp(log_shape)
        rate = shape / np.exp(log_mean)
        marginal = (gammaln(shape + counts) - gammaln(shape) - gammaln(counts + 1)
                    + shape * np.log(rate / (rate + spends)) + counts * np.log(spends / (rate + spends)))
        return marginal.sum() - (log_shape - np.log(GAMMA_SHAPE)) ** 2 / (2 * GAMMA_SPREAD**2)

    pooled = np.log(counts.sum() / spends.sum())
    starts = [(np.log(shape), pooled + shift) for shape in (0.5, 1.4, 5.0) for shift in (-0.5, 0.3)]
    log_shape, log_mean = highest(value, starts)
    return Gamma(np.exp(log_shape), np.exp(log_shape - log_mean))


def fit_beta(clicks, impressions):
    """The prior on the click-through rate; None without a click."""
    clicks, impressions = np.asarray(clicks, float), np.asarray(impressions, float)
    if clicks.sum() <= 0:
        return None

    def value(log_alpha, log_mean):
        alpha, mean = np.exp(log_alpha), np.exp(log_mean)
        if mean >= 1:
            return -np.inf
        beta = alpha * (1 - mean) / mean
        marginal = betaln(alpha + clicks, beta + impressions - clicks) - betaln(alpha, beta)
        return marginal.sum() - (log_alpha - np.log(BETA_ALPHA)) ** 2 / (2 * BETA_SPREAD**2)

    pooled = np.log(clicks.sum() / impressions.sum())
    starts = [(np.log(alpha), pooled + shift) for alpha in (1.0, 4.0, 20.0) for shift in (-0.3, 0.2)]
    log_alpha, log_mean = highest(value, starts)
    alpha, mean = np.exp(log_alpha), np.exp(log_mean)
    return Beta(alpha, alpha * (1 - mean) / mean)


class Posteriors:
    """The columns that weigh an ad's own numbers with its account's, put beside the others."""

    def __init__(self, columns):
        self.columns, self.put = columns, columns.put
        self.sums, self.ads, plan = columns.sums, columns.ads, columns.plan
        month = columns.over(range(1, 31), columns.every)
        self.month = {name: sums.sum() for name, sums in month.items()}
        with_spend = {name: sums[month["spend"] > 0] for name, sums in month.items()}
        self.bought = fit_gamma(with_spend["purchases"], with_spend["settled_spend"])
        self.carted = fit_gamma(with_spend["add_to_cart"], with_spend["spend"])
        # Whoever was shown can be clicked, also where the spend was rounded away.
        shown = {name: sums[month["impressions"] > 0] for name, sums in month.items()}
        self.clicked = fit_beta(shown["clicks"], shown["impressions"])
        self.breakeven = mean_order(month) - plan.cogs if plan.breakeven is None else plan.breakeven
        # The stage is that of the ad's campaign, whatever the ad's status.
        self.target = self.ads["stage"].map(columns.account.targets).astype(float).fillna(self.breakeven)
        self.purchases()
        self.carts()
        self.clicks()
        self.performance()

    def purchases(self):
        # Without a purchase nothing can be fitted: the target is the guess, the shape is the penalty's middle.
        prior = self.bought or Gamma(GAMMA_SHAPE, GAMMA_SHAPE * self.target)
        inherited = self.columns.inherited
        shapes, rates = {}, {}
        for window in ("3d", "7d", "in_stage"):
            rates[window] = prior.rate + inherited["spend"] + self.sums[window]["settled_spend"]
            shape = prior.shape + inherited["purchases"] + self.sums[window]["purchases"]
            shapes[window] = shape.where(rates[window].notna())
        for window in ("7d", "in_stage"):
            self.put(f"purchase_shape_{window}", shapes[window])
            self.put(f"purchase_rate_{window}", rates[window])
        for name, window, cost in (
            ("p_cpa_above_target", "in_stage", self.target),
            ("p_cpa_above_target_3d", "3d", self.target),
            ("p_cpa_above_target_7d", "7d", self.target),
            ("p_cpa_above_breakeven", "in_stage", self.breakeven),
            ("p_cpa_above_breakeven_7d", "7d", self.breakeven),
        ):
            self.put(name, pd.Series(gammainc(shapes[window], rates[window] / cost), self.ads.index))
        self.expected_cost = rates["7d"] / shapes["7d"]

    def carts(self):
        """The account's purchases per add-to-cart turn the target into a cost per add-to-cart to aim at."""
        if not self.bought or not self.carted:
            return self.put("p_cpa_above_target_by_carts", np.nan)
        life = self.sums["in_stage"]
        aim = self.target * self.month["purchases"] / self.month["add_to_cart"]
        above = gammainc(self.carted.shape + life["add_to_cart"], (self.carted.rate + life["spend"]) / aim)
        self.put("p_cpa_above_target_by_carts", pd.Series(above, self.ads.index))

    def clicks(self):
        prior = self.clicked or Beta(np.nan, np.nan)
        for window in ("7d", "in_stage"):
            sums = self.sums[window]
            self.put(f"ctr_alpha_{window}", prior.alpha + sums["clicks"])
            self.put(f"ctr_beta_{window}", prior.beta + sums["impressions"] - sums["clicks"])
        shown = self.month["impressions"]
        below = betainc(self.columns.all["ctr_alpha_in_stage"], self.columns.all["ctr_beta_in_stage"],
                        self.month["clicks"] / shown if shown else np.nan)
        self.put("p_ctr_below_account", pd.Series(below, self.ads.index))

    def performance(self):
        """Each part compares like with like: the ad's settled return with the account's settled return."""
        week, month = self.sums["7d"], self.month
        if not month["impressions"]:
            return self.put("performance_score", np.nan)
        roas = week["revenue"] / week["settled_spend"].where(week["settled_spend"] > 0)
        ctr = week["clicks"] / week["impressions"].where(week["impressions"] > 0)
        parts = [(0.5, self.target / self.expected_cost),
                 (0.3, roas / (month["revenue"] / month["settled_spend"])),
                 (0.2, ctr / (month["clicks"] / month["impressions"]))]
        parts = [(weight, part / (1 + part)) for weight, part in parts]
        known = sum(weight * part.notna() for weight, part in parts)
        score = sum(weight * part.fillna(0.0) for weight, part in parts) / known
        self.put("performance_score", score.where(week["impressions"] > 0))


def mean_order(month):
    """Mean order value of the ads whose revenue is known."""
    known = month["revenue"].notna()
    orders = month["purchases"][known].sum()
    return month["revenue"][known].sum() / orders if orders else np.nan
