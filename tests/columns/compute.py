"""Every column of the catalogue, computed from the rows that the server sent, by the catalogue's formulas.

A column is a Series by ad, NaN where it is not known. Tables of days have a row for each ad and a column for each
number of days back: 0 is today, 1 is yesterday.
"""

import numpy as np
import pandas as pd
from scipy import stats

from priors import Posteriors
from scores import put_scores
from reading import METRICS

WEEK = list(range(7, 0, -1))
WINDOWS = {"3d": 3, "7d": 7, "14d": 14, "30d": 30}
RATIOS = {
    "ctr": ("clicks", "impressions", 1), "link_ctr": ("link_clicks", "impressions", 1),
    "cpc": ("spend", "clicks", 1), "cpm": ("spend", "impressions", 1000),
    "cpa": ("spend", "purchases", 1), "roas": ("revenue", "spend", 1), "aov": ("revenue", "purchases", 1),
    "atc_rate": ("add_to_cart", "clicks", 1), "ic_rate": ("initiate_checkout", "clicks", 1),
}
SERIES = ("spend", "impressions", "purchases", "revenue", *RATIOS)
# What the ledger alone knows, with the reason why a fresh store says this.
LEDGER = {
    "hours_since_change": (np.nan, "Dean never changed the ad"),
    "changes_24h": (0.0, "Dean never changed the ad"),
    "paused_by_dean": (0.0, "Dean never paused the ad"),
    "hours_since_budget_change": (np.nan, "Dean never changed a budget"),
    "hours_since_budget_fall": (np.nan, "Dean never changed a budget"),
    "joined_budget": (0.0, "Dean never copied an ad into a campaign"),
    "hours_since_pause": (np.nan, "Dean never paused the ad"),
    "cpa_at_pause": (np.nan, "Dean never paused the ad"),
    "purchases_at_pause": (np.nan, "Dean never paused the ad"),
    "copies_today": (0.0, "Dean never copied the ad"),
    "hours_since_copy": (np.nan, "Dean never copied the ad"),
    "hours_since_refresh": (np.nan, "Dean never asked for another creative"),
}


def usual(age):
    """Share of a day's purchases that is reported at the end of the day on which it is so old, without history."""
    return 1 - 0.2 * 0.5**age if age < 8 else 1.0


def settled(back, share, at_end):
    """Share of the purchases of a day `back` days ago that is reported by now, by a curve of whole days."""
    return at_end(0) if back == 0 else at_end(back - 1) + share * (at_end(back) - at_end(back - 1))


def divided(above, below):
    """A ratio, not known where the denominator is 0."""
    return above / below.where(below != 0)


class Columns:
    """The columns of one account; `all` has them by name."""

    def __init__(self, account):
        self.account, self.plan, self.ads = account, account.plan, account.ads
        self.all = {}
        self.read_days()
        self.windows()
        self.single_days()
        self.lines()
        self.of_the_ad()
        self.click_through()
        self.fatigue()
        self.inherited = self.of_sources()
        self.posteriors = Posteriors(self)
        self.ledger()
        put_scores(self)

    def at_end(self, age):
        """The lag curve; an account without history has the usual one."""
        return usual(age)

    def in_stage(self):
        """Sums since an ad entered its stage; in a fresh store it entered when it was created."""
        return self.over(range(self.settled.size))

    def purchase_days(self):
        """For every day back, whether it brought a purchase in the stage."""
        return self.days["purchases"] > 0

    def of_sources(self):
        """Purchases and spend that speak for a copy because its source brought them: a fresh store knows no copies."""
        return pd.DataFrame(0.0, self.ads.index, ["purchases", "spend"])

    def ledger(self):
        """What the ledger alone knows: a fresh one knows nothing."""
        for name, (value, _) in LEDGER.items():
            self.put(name, value)

    def put(self, name, values):
        series = values if isinstance(values, pd.Series) else pd.Series(values, index=self.ads.index)
        self.all[name] = series.reindex(self.ads.index)

    def read_days(self):
        """Tables of days: of every ad that the account ever had rows of, and of those that there are."""
        rows = self.account.days.copy()
        rows["back"] = [(self.account.today - day).days for day in rows["day"]]
        everyone = self.ads.index.union(rows["ad"].unique())
        longest = max(rows["back"].max(), 30)
        table = lambda name: (rows.pivot(index="ad", columns="back", values=name)
                              .reindex(index=everyone, columns=range(longest + 1)))
        self.every = {name: table(name).fillna(0.0) if name != "revenue" else
                      table(name).where(table(name).notna() | table("spend").notna(), 0.0) for name in METRICS}
        self.days = {name: days.loc[self.ads.index] for name, days in self.every.items()}
        self.reach = table("reach").reindex(self.ads.index)
        first = pd.Series({ad: (self.account.today - day).days for ad, day in self.ads["first_day"].items()})
        self.exists = pd.DataFrame({back: first >= back for back in range(longest + 1)})
        share = self.account.share_of_today
        self.settled = pd.Series({back: settled(back, share, self.at_end) for back in range(longest + 1)})

    def over(self, backs, tables=None):
        """Sums over days, with the spend that settled purchases belong to."""
        tables = tables or self.days
        backs = list(backs)
        sums = {name: days[backs].sum(axis=1, skipna=False) for name, days in tables.items()}
        sums["settled_spend"] = (tables["spend"][backs] * self.settled[backs]).sum(axis=1)
        return sums

    def windows(self):
        spans = {"today": [0], "lifetime": range(self.settled.size)}
        spans |= {name: range(1, length + 1) for name, length in WINDOWS.items()}
        self.sums = {name: self.over(backs) for name, backs in spans.items()} | {"in_stage": self.in_stage()}
        for window, sums in self.sums.items():
            for name in METRICS:
                self.put(f"{name}_{window}", sums[name])
            for name, (above, below, scale) in RATIOS.items():
                self.put(f"{name}_{window}", scale * divided(sums[above], sums[below]))
            self.put(f"settled_{window}", divided(sums["settled_spend"], sums["spend"]))
        self.put("settled_today", self.settled[0])
        self.put("frequency_today", self.days["impressions"][0] / self.reach[0])
        self.put("frequency_7d", self.sums["7d"]["impressions"] / self.account.reach_7d)
        until_yesterday = self.sums["lifetime"]["impressions"] - self.days["impressions"][0].fillna(0)
        self.put("frequency_lifetime", until_yesterday / self.account.reach_lifetime)
        self.put("reach_7d", self.account.reach_7d)
        bought = self.purchase_days()[range(min(38, self.settled.size))].sum(axis=1)
        self.put("purchase_days_in_stage", bought.astype(float))

    def single_days(self):
        """The last fourteen days one by one, each not known before the ad existed."""
        self.known = {name: days.where(self.exists) for name, days in self.days.items()}
        for name, (above, below, scale) in RATIOS.items():
            self.known[name] = scale * divided(self.known[above], self.known[below])
        self.known["frequency"] = self.known["impressions"] / self.reach
        for back in range(1, 15):
            for name, days in self.known.items():
                self.put(f"{name}_d{back}", days[back])
            self.put(f"settled_d{back}", self.settled[back])

    def lines(self):
        """Slopes and spreads over the last week, purchases and revenue as they will be when all are reported."""
        share = self.settled[WEEK]
        self.series = {name: self.known[name][WEEK] for name in SERIES}
        for name in ("purchases", "revenue", "roas"):
            self.series[name] = self.series[name] / share
        self.series["cpa"] = self.series["cpa"] * share
        self.series["thumbstop"] = divided(self.known["video_3s"], self.known["impressions"])[WEEK]
        for name in SERIES:
            fits = {ad: line(row) for ad, row in zip(self.ads.index, self.series[name].to_numpy())}
            self.put(f"trend_{name}_7d", pd.Series({ad: fit.slope / fit.mean if fit.mean else np.nan
                                                    for ad, fit in fits.items()}))
            self.put(f"volatility_{name}_7d", spread(self.series[name]))
        self.put("stability_7d", 1 / (1 + self.all["volatility_roas_7d"]))

    def of_the_ad(self):
        hours = pd.Series({ad: (self.account.now - created).total_seconds() / 3600
                           for ad, created in self.ads["created"].items()})
        self.put("age_hours", hours)
        # In a fresh store an ad entered its campaign's stage when it was created; other campaigns have no stage.
        self.put("hours_in_stage", hours.where(self.ads["stage"].notna()))
        self.put("budget", self.ads["budget"])
        self.put("budget_day_start", self.ads["budget"])
        self.put("in_learning", self.ads["learning"])
        self.put("copyable", self.ads["copyable"])
        self.put("status", self.ads["status"])
        for name in ("ad_name", "adset_name", "campaign_name"):
            self.put(name, self.ads[name])

    def click_through(self):
        ctr, clicks = self.known["ctr"], self.days["clicks"]
        late, early = ctr[[3, 2, 1]], ctr[[7, 6, 5]]
        enough = (late.notna().sum(axis=1) >= 2) & (early.notna().sum(axis=1) >= 2)
        self.put("momentum_7d", divided(late.mean(axis=1) - early.mean(axis=1), early.mean(axis=1)).where(enough))
        self.put("acceleration_7d", pd.Series({ad: bend(row) for ad, row in zip(ctr.index, ctr[WEEK].to_numpy())}))
        peaks = []
        for back in range(1, 29):
            three = [back, back + 1, back + 2]
            seen = self.days["impressions"][three].sum(axis=1)
            peaks.append((clicks[three].sum(axis=1) / seen).where(seen >= 1000))
        self.put("ctr_peak", pd.concat(peaks, axis=1).max(axis=1))
        oldest_first = ctr[list(range(30, 0, -1))].T
        self.put("ctr_ewma", oldest_first.ewm(alpha=0.25, adjust=False, ignore_na=True).mean().iloc[-1])
        fortnight = list(range(14, 0, -1))
        logs = np.log(ctr[fortnight].where(clicks[fortnight] > 0))
        slopes = [weighted_slope(*both) for both in zip(logs.to_numpy(), clicks[fortnight].to_numpy())]
        self.put("decay_rate", -pd.Series(slopes, index=ctr.index))
        rate = self.all["decay_rate"]
        self.put("half_life_days", np.log(2) / rate.where(rate > 0))

    def fatigue(self):
        parts = [(0.3, self.signs("ctr", -1)), (0.2, self.signs("roas", -1)), (0.1, self.signs("thumbstop", -1)),
                 (0.2, self.signs("cpa", 1)), (0.1, (-self.all["momentum_7d"]).clip(0, 1))]
        first, last = spread(self.series["ctr"][[7, 6, 5, 4]]), spread(self.series["ctr"][[4, 3, 2, 1]])
        parts.append((0.1, (last >= 1.5 * first).astype(float).where(first.notna() & last.notna() & (first != 0))))
        enough = self.series["ctr"].notna().sum(axis=1) >= 3
        self.put("fatigue_index", weighted(parts).where(enough))

    def signs(self, name, direction):
        """What a series moved in the bad direction along its line, from its first day to its last."""
        return pd.Series({ad: line(row).moved(direction)
                          for ad, row in zip(self.ads.index, self.series[name].to_numpy())})


class Line:
    """The least-squares line through the known values of a series of days; NaN with fewer than three."""

    def __init__(self, values):
        at = np.arange(len(values), dtype=float)[~np.isnan(values)]
        self.values = values[~np.isnan(values)]
        self.mean = self.slope = np.nan
        self.rising = self.falling = np.nan
        if len(at) < 3:
            return
        self.mean = self.values.mean()
        fit = stats.linregress(at, self.values)
        self.slope = fit.slope
        self.rising = stats.linregress(at, self.values, alternative="greater").pvalue
        self.falling = stats.linregress(at, self.values, alternative="less").pvalue

    def moved(self, direction):
        if np.isnan(self.slope):
            return np.nan
        p = self.rising if direction > 0 else self.falling
        if not p < 0.1 or self.mean == 0:
            return 0.0
        return min(1.0, abs(self.slope / self.mean) * 6)


def line(values):
    return Line(np.asarray(values, float))


def bend(values):
    """Second derivative of the least-squares parabola over the mean."""
    at = np.arange(len(values), dtype=float)[~np.isnan(values)]
    values = values[~np.isnan(values)]
    return 2 * np.polyfit(at, values, 2)[0] / values.mean() if len(at) >= 4 and values.mean() else np.nan


def weighted_slope(values, weights):
    known = ~np.isnan(values)
    if known.sum() < 4:
        return np.nan
    at = np.arange(len(values), dtype=float)
    return np.polyfit(at[known], values[known], 1, w=np.sqrt(weights[known]))[0]


def spread(table):
    """Sample standard deviation over the mean, with three known days or more."""
    mean = table.mean(axis=1)
    return (table.std(axis=1, ddof=1) / mean.where(mean != 0)).where(table.notna().sum(axis=1) >= 3)


def weighted(parts):
    """The weighted mean of the parts that are known."""
    total = sum(weight * part.fillna(0.0) for weight, part in parts)
    return divided(total, sum(weight * part.notna() for weight, part in parts))
