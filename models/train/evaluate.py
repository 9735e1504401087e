"""How good a model is on accounts that it has not seen, beside what guessing and what the truth would reach."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

RESAMPLES = 2_000
#: Accounts below which no interval is told.
ENOUGH_ACCOUNTS = 5


def losses(chance, happened):
    """The log loss of every row."""
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return -(happened * np.log(chance) + (1 - happened) * np.log(1 - chance))


def interval(differences, accounts, random):
    """Mean and 95 % interval of differences, whole accounts drawn again (a cluster bootstrap): rows of one account
    are no independent witnesses. Of a few accounts there is no interval that could be believed."""
    mean = round(float(np.mean(differences)), 5)
    table = pd.DataFrame({"account": accounts, "value": differences}).groupby("account")["value"].agg(["sum", "size"])
    if len(table) < ENOUGH_ACCOUNTS:
        return [mean, None, None]
    draws = random.integers(0, len(table), (RESAMPLES, len(table)))
    means = table["sum"].to_numpy()[draws].sum(axis=1) / table["size"].to_numpy()[draws].sum(axis=1)
    return [mean, *(round(float(v), 5) for v in np.quantile(means, [0.025, 0.975]))]


def chances(chance, label, accounts, random, base):
    """Figures of a probability; those beside the truth where it is known. `base` is the share in training."""
    known = _judged(label)
    p, y, truth, accounts = chance[known], label.value[known], label.truth[known], accounts[known]
    loss = lambda guess: round(float(losses(guess, y).mean()), 5)  # noqa: E731
    figures = {"rows": len(y), "share": round(float(y.mean()), 4), "auc": _area(y, p), "log_loss": loss(p),
               "log_loss_of_the_share": loss(np.full(len(y), base))}
    accuracy = {"base": round(float(max(y.mean(), 1 - y.mean())), 4), "reached": round(float(((p > 0.5) == y).mean()), 4)}
    if np.isfinite(truth).all():
        figures["auc_of_the_truth"] = _area(y, truth)
        figures["skill"] = round(_skill(y, p, truth), 4)
        figures["skill_within_accounts"] = _within(p, y, truth, accounts)
        figures["log_loss_of_the_truth"] = loss(truth)
        accuracy["best_possible"] = round(float(((truth > 0.5) == y).mean()), 4)
    figures["accuracy"] = accuracy
    if label.prior is not None:
        prior = label.prior[known]
        figures["log_loss_of_the_prior"] = loss(prior)
        figures["log_loss_below_the_prior"] = interval(losses(prior, y) - losses(p, y), accounts, random)
    return figures


def _judged(label):
    """The rows of which the truth is known; all, where nobody knows it of any."""
    known = np.isfinite(label.truth)
    return known if known.any() else np.ones(len(known), bool)


def _area(y, chance):
    """The area under the ROC curve, where there are rows of both kinds."""
    return round(float(roc_auc_score(y, chance)), 4) if 0 < y.sum() < len(y) else None


def _skill(y, chance, truth):
    return (roc_auc_score(y, chance) - 0.5) / (roc_auc_score(y, truth) - 0.5)


def _within(p, y, truth, accounts):
    """Mean skill of single accounts, weighted by their rows: what is left when accounts cannot be told apart."""
    skills, weights = [], []
    for _, rows in pd.Series(range(len(y))).groupby(accounts):
        rows = rows.to_numpy()
        if 20 <= y[rows].sum() <= len(rows) - 20 and roc_auc_score(y[rows], truth[rows]) > 0.55:
            skills.append(_skill(y[rows], p[rows], truth[rows]))
            weights.append(len(rows))
    return round(float(np.average(skills, weights=weights)), 4) if skills else None


def intervals(low, middle, high, label, natural, prior):
    """Figures of quantiles: coverage, the median's error beside that of going on as before (MASE below 1 is
    better), and the share of forecasts within a fifth of what came. `natural` turns labels into the metric."""
    y, known, before = label.value, _judged(label), np.isfinite(label.prior)
    error = lambda guess: float(np.abs(y[before] - guess[before]).mean())  # noqa: E731

    def near(guess):
        come, said = natural(y[known]), natural(guess[known])
        return round(float((np.abs(said - come) <= 0.2 * come).mean()), 4)

    accuracy = {"base": near(np.full(len(y), prior)), "reached": near(middle)}
    if np.isfinite(label.truth[known]).all():
        accuracy["best_possible"] = near(label.truth)
    return {"rows": len(y), "coverage_80": round(float(((y >= low) & (y <= high)).mean()), 4),
            "mase": round(error(middle) / error(label.prior), 4) if before.any() else None, "accuracy": accuracy}
