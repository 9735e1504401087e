"""What Dean did to an account and saw of it, kept from outside while it runs: the reports of its runs and the answers
of the server. Dean's own store is never opened.

A run reads the days of the last week anew, and on the first run of an account day all 38 that it looks at; the
same is read here beside it, so that what it knows of a day is known.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from reading import ATTRIBUTION, FIELDS, METRICS, numbers, span, table_of

DAYS_READ, READ_ANEW = 38, 7
# What changes an ad or an ad set; a copy changes nothing of its source, and who asks for a creative changes nothing.
CHANGES = {"pause", "resume", "activate", "archive", "set-budget"}
JOINING = timedelta(hours=168)
NOTHING = pd.DataFrame(columns=METRICS, dtype=float)


@dataclass
class Done:
    """One thing that Dean did, as the report of a run tells it."""

    at: datetime
    kind: str
    target: str
    before: str | None
    to: str


@dataclass
class Pause:
    """A pause by Dean, with what the ad had done in its stage by then."""

    at: datetime
    spend: float
    purchases: float
    by_handing_over: bool


@dataclass
class Entry:
    """When an ad came into its stage, and what it had done in others before, day by day."""

    stage: str
    at: datetime
    before: pd.DataFrame


@dataclass
class Chronicle:
    """An account's story so far. `stages` says which campaign, by its name, belongs to which stage."""

    zone: str
    minor: int
    stages: dict
    rows: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)
    read_on: date | None = None
    ads: pd.DataFrame | None = None
    morning: dict = field(default_factory=dict)
    entries: dict = field(default_factory=dict)
    done: list = field(default_factory=list)
    paused: dict = field(default_factory=dict)
    by_hand: dict = field(default_factory=dict)
    copy_budgets: dict = field(default_factory=dict)
    source_of: dict = field(default_factory=dict)
    joined: list = field(default_factory=list)

    def today(self, now):
        return now.astimezone(ZoneInfo(self.zone)).date()

    def look(self, graph, now):
        """Reads ads and days as a run at this moment does."""
        today = self.today(now)
        first_of_day = self.read_on != today
        begin = today - timedelta(days=DAYS_READ - 1 if first_of_day else READ_ANEW)
        rows = graph.rows("insights", level="ad", fields=FIELDS, time_increment=1, time_range=span(begin, today),
                          **ATTRIBUTION)
        read = [numbers(row) for row in rows]
        self.rows |= {(row["ad"], row["day"]): row for row in read}
        for day in {row["day"] for row in read}:
            of_day = [row for row in read if row["day"] == day]
            self.looks[day, (today - day).days] = tuple(sum(row[name] for row in of_day)
                                                        for name in ("spend", "purchases"))
        self.read_on = today
        self.see(graph, now)
        if first_of_day:
            self.morning = dict(zip(self.ads["owner"], self.ads["budget"]))

    def see(self, graph, now):
        """Reads the ads, and notes which of them are new in their stage."""
        self.ads = table_of(graph.ads(), self.zone, self.minor)
        stage_of = {campaign: stage for stage, campaigns in self.stages.items() for campaign in campaigns}
        self.ads["stage"] = self.ads["campaign_name"].map(stage_of)
        for ad, stage in self.ads["stage"].dropna().items():
            entry = self.entries.get(ad)
            if entry is None:
                self.entries[ad] = Entry(stage, self.ads["created"][ad], NOTHING)
            elif entry.stage != stage:
                self.entries[ad] = Entry(stage, now, self.days_of(ad))

    def days_of(self, ad):
        """Everything that is known of an ad by day."""
        days = {day: row for (of, day), row in self.rows.items() if of == ad}
        return pd.DataFrame.from_dict(days, orient="index", columns=METRICS, dtype=float)

    def in_stage(self, ad):
        """What an ad did since it entered its stage."""
        return self.days_of(ad).subtract(self.entries[ad].before, fill_value=0.0).sum().clip(lower=0.0)

    def hear(self, report, now):
        """Notes what a run says that it did; `see` has to come before, for the ads as it found them."""
        self.copy_budgets |= {one["ad_id"]: one["final"]["amount"] for one in report["decisions"]
                              if one["final"]["verb"] in ("promote", "duplicate")}
        ended = [one for one in report["promotions"] if one["state"] == "done"]
        handed_over = {one["ad_id"] for one in ended}
        for action in report["actions"]:
            assert action["state"] == "done", action
            self.done.append(Done(now, action["kind"], action["target"], action["from"], action["to"]))
            self.note_status(self.done[-1], action["target"] in handed_over)
        self.source_of |= {one["copy_id"]: one["ad_id"] for one in report["promotions"] if one["copy_id"]}
        for one in ended:
            campaign = self.ads["campaign"][one["copy_id"]]
            self.joined.append((now, campaign, self.copy_budgets[one["ad_id"]]))

    def note_status(self, done, handed_over):
        if done.kind == "pause":
            so_far = self.in_stage(done.target)
            self.paused[done.target] = Pause(done.at, so_far["spend"], so_far["purchases"], handed_over)
        elif done.kind in ("resume", "activate"):
            self.paused.pop(done.target, None)

    def times(self, kinds, target):
        """When something of some kinds was done to a target, oldest first."""
        return [done.at for done in self.done if done.target == target and done.kind in kinds]

    def copied_beside(self, now):
        """Whether a winner of scaling was copied at this moment."""
        return any(self.ads["stage"].get(done.target) == "scaling" for done in self.done
                   if done.at == now and done.kind == "copy-ad")

    def joined_while_rising(self, now):
        """Whether a copy joined a campaign in the run in which its budget rose."""
        return any(at == now and to > before for joined, campaign, _ in self.joined if joined == now
                   for at, before, to in self.steps(campaign))

    def steps(self, owner):
        """Changes of an owner's daily budget, oldest first: when, from what, to what.

        What a copy begins with changes no budget: nobody ever spent what it took over from its source.
        """
        money = lambda text: float(text) / self.minor
        return [(done.at, money(done.before), money(done.to)) for done in self.done
                if done.target == owner and done.kind == "set-budget" and done.before is not None]

    def joined_budget(self, owner, now, rises_first=True):
        """Budgets that copies brought along into a campaign, as far as it has not risen by them since.

        Within a run budgets are set before copies are found to deliver.
        """
        arrivals = [(at, rises_first, budget) for at, campaign, budget in self.joined
                    if campaign == owner and now - at < JOINING]
        rises = [(at, not rises_first, before - to) for at, before, to in self.steps(owner) if to > before]
        waiting = 0.0
        for _, _, budget in sorted(arrivals + rises):
            waiting = max(0.0, waiting + budget)
        return waiting
