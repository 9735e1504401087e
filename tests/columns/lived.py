"""The columns of an account that Dean has run for days: what compute.py takes for granted of a fresh one, computed
from its chronicle."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from accounts import Account
from compute import Columns, usual
from history import CHANGES, Chronicle

# Ages that a day is followed to, account days whose growth counts, and purchases that the usual curve counts for.
AGES, DAYS_OF_LAG, WEIGHT = 28, 60, 20.0
SOURCE_SHARE, SOURCE_PURCHASES = 0.5, 10.0


@dataclass
class Moment(Account):
    """An account at one moment of its story."""

    chronicle: Chronicle


def fitted(looks, today):
    """The lag curve by the chain ladder: share of a day's purchases reported at the end of each age.

    From one age to the next the days that were seen at both grew by a factor, for the same spend; the usual curve's
    factor counts for some purchases beside them. What is reported at an age is one by all factors to come.
    """
    seen = pd.DataFrame([(day, age, *sums) for (day, age), sums in looks.items()
                         if day >= today - timedelta(days=DAYS_OF_LAG)], columns=["day", "age", "spend", "purchases"])
    spend, purchases = (seen.pivot(index="day", columns="age", values=name) for name in ("spend", "purchases"))
    shares = {AGES: 1.0}
    for age in range(AGES - 1, -1, -1):
        both = spend.reindex(columns=[age, age + 1]).dropna().index
        ladder = lambda table, of: table.loc[both, of].sum() if len(both) else 0.0
        young, old = ladder(purchases, age), ladder(purchases, age + 1)
        if ladder(spend, age) > 0 and ladder(spend, age + 1) > 0:
            old *= ladder(spend, age) / ladder(spend, age + 1)
        factor = (old + WEIGHT * usual(age + 1) / usual(age)) / (young + WEIGHT)
        shares[age] = min(1.0, shares[age + 1] / factor)
    return shares


class Lived(Columns):
    """The columns at one moment of a story."""

    def __init__(self, account):
        self.chronicle = account.chronicle
        self.curve = fitted(self.chronicle.looks, account.today)
        in_a_stage = account.ads.index[account.ads["stage"].notna()]
        self.entries = {ad: self.chronicle.entries[ad] for ad in in_a_stage}
        super().__init__(account)

    def at_end(self, age):
        return self.curve.get(age, 1.0)

    def before(self, name):
        """What each ad had done on each day before it entered its stage, for ads that came out of another one."""
        table = pd.DataFrame(0.0, self.days[name].index, self.days[name].columns)
        for ad, entry in self.entries.items():
            for day, value in entry.before[name].items():
                table.loc[ad, (self.account.today - day).days] = value
        return table

    def in_stage(self):
        """Lifetimes less what came before; a purchase of before that was withdrawn since takes nothing away."""
        since = {name: days - self.before(name) for name, days in self.days.items()}
        sums = {name: days.sum(axis=1, skipna=False).clip(lower=0.0) for name, days in since.items()}
        sums["settled_spend"] = (since["spend"] * self.settled).sum(axis=1)
        return sums

    def purchase_days(self):
        entered = {ad: (self.account.today - self.chronicle.today(entry.at)).days for ad, entry in self.entries.items()}
        lasts = pd.Series(entered).reindex(self.ads.index).fillna(np.inf)
        since = pd.DataFrame({back: lasts >= back for back in self.days["purchases"].columns})
        return (self.days["purchases"] - self.before("purchases") > 0) & since

    def of_sources(self):
        """Half of what the source did so far speaks for a copy that Dean made, ten purchases at most."""
        inherited = super().of_sources()
        for ad in inherited.index.intersection(list(self.chronicle.source_of)):
            purchases, spend = (self.every[name].loc[self.chronicle.source_of[ad]].sum()
                                for name in ("purchases", "spend"))
            weight = min(SOURCE_SHARE, SOURCE_PURCHASES / purchases) if purchases else SOURCE_SHARE
            inherited.loc[ad] = purchases * weight, spend * weight
        return inherited

    def ledger(self):
        table = pd.DataFrame([self.of_ad(ad) for ad in self.ads.index], self.ads.index, dtype=float)
        for name in table:
            self.put(name, table[name])

    def hours_since(self, at):
        """Hours since a moment, or the last of some; not known without one."""
        last = at[-1] if isinstance(at, list) and at else at
        return (self.account.now - last).total_seconds() / 3600 if last else np.nan

    def of_ad(self, ad):
        """What the ledger knows of one ad and the owner of its budget."""
        chronicle, now, owner = self.chronicle, self.account.now, self.ads["owner"][ad]
        changed, pause, entry = chronicle.times(CHANGES, ad), chronicle.paused.get(ad), self.entries.get(ad)
        by_rule = pause if pause and not pause.by_handing_over else None
        copied, steps = chronicle.times({"copy-ad"}, ad), chronicle.steps(owner)
        return {
            "hours_in_stage": self.hours_since(entry and entry.at),
            "hours_since_change": self.hours_since(changed),
            "changes_24h": sum(now - at < timedelta(hours=24) for at in changed),
            "hours_since_budget_change": self.hours_since(chronicle.times({"activate", "set-budget"}, owner)),
            "hours_since_budget_fall": self.hours_since([at for at, before, to in steps if to < before]),
            "budget_day_start": chronicle.morning.get(owner, np.nan),
            "joined_budget": chronicle.joined_budget(owner, now),
            "paused_by_dean": pause is not None,
            "hours_since_pause": self.hours_since(pause and pause.at),
            "cpa_at_pause": by_rule.spend / by_rule.purchases if by_rule and by_rule.purchases else np.nan,
            "purchases_at_pause": by_rule.purchases if by_rule else np.nan,
            "copies_today": sum(chronicle.today(at) == self.account.today for at in copied),
            "hours_since_copy": self.hours_since(copied),
            "hours_since_refresh": self.hours_since(chronicle.times({"refresh"}, ad)),
        }
