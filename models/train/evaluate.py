"""How good a model is on accounts that it has not seen, beside what guessing and what the truth would reach."""

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

RESAMPLES = 2_000


def _losses(chance, happened):
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return -(happened * np.log(chance) + (1 - happened) * np.log(1 - chance))


def interval(differences, accounts, random):
    """Mean and 95 % interval of differences, whole accounts drawn again (a cluster bootstrap): rows of one account
    are no independent witnesses."""
    table = pd.DataFrame({"account": accounts, "value": differences}).groupby("account")["value"].agg(["sum", "size"])
    draws = random.integers(0, len(table), (RESAMPLES, len(table)))
    means = table["sum"].to_numpy()[draws].sum(axis=1) / table["size"].to_numpy()[draws].sum(axis=1)
    return [round(float(v), 5) for v in (np.mean(differences), *np.quantile(means, [0.025, 0.975]))]


def chances(chance, label, accounts, random, base):
    """Figures of a probability. `base` is the share in training."""
    known = np.isfinite(label.truth)
    p, y, truth = chance[known], label.value[known], label.truth[known]
    area, best = roc_auc_score(y, p), roc_auc_score(y, truth)
    within = _within(p, y, truth, accounts[known])
    figures = {
        "rows": int(known.sum()), "share": round(float(y.mean()), 4),
        "auc": round(area, 4), "auc_of_the_truth": round(best, 4), "skill": round((area - 0.5) / (best - 0.5), 4),
        "skill_within_accounts": within,
        "log_loss": round(log_loss(y, p), 5), "log_loss_of_the_share": round(log_loss(y, np.full(len(y), base)), 5),
        "log_loss_of_the_truth": round(log_loss(y, np.clip(truth, 1e-6, 1 - 1e-6)), 5),
        "accuracy": {"base": round(float(max(y.mean(), 1 - y.mean())), 4), "reached": round(float(((p > 0.5) == y).mean()), 4),
                     "best_possible": round(float(((truth > 0.5) == y).mean()), 4)},
    }
    if label.prior is not None:
        prior = label.prior[known]
        figures["log_loss_of_the_prior"] = round(log_loss(y, prior), 5)
        figures["log_loss_below_the_prior"] = interval(_losses(prior, y) - _losses(p, y), accounts[known], random)
    return figures


def _within(p, y, truth, accounts):
    """Mean skill of single accounts, weighted by their rows: what is left when accounts cannot be told apart."""
    skills, weights = [], []
    for _, rows in pd.Series(range(len(y))).groupby(accounts):
        rows = rows.to_numpy()
        if 20 <= y[rows].sum() <= len(rows) - 20:
            best = roc_auc_score(y[rows], truth[rows]) - 0.5
            if best > 0.05:
                skills.append((roc_auc_score(y[rows], p[rows]) - 0.5) / best)
                weights.append(len(rows))
    return round(float(np.average(skills, weights=weights)), 4) if skills else None


def intervals(low, middle, high, label, natural, prior):
    """Figures of quantiles: coverage, the median's error beside that of going on as before (MASE below 1 is
    better), and the share of forecasts within a fifth of what came. `natural` turns labels into the metric."""
    y = label.value
    known = np.isfinite(label.truth)
    before = np.isfinite(label.prior)
    error = lambda guess, rows: float(np.abs(y[rows] - guess[rows]).mean())  # noqa: E731

    def near(guess):
        come, said = natural(y[known]), natural(guess[known])
        return round(float((np.abs(said - come) <= 0.2 * come).mean()), 4)

    return {
        "rows": len(y), "coverage_80": round(float(((y >= low) & (y <= high)).mean()), 4),
        "mase": round(error(middle, before) / error(label.prior, before), 4),
        "accuracy": {"base": near(np.full(len(y), prior)), "reached": near(middle), "best_possible": near(label.truth)},
    }
