"""The accounts that the columns are checked on, as fixtures: what each lives through, and how it is then read.

Each account is made once for the whole run, on a loopback port that the system chooses, and its server is ended as
soon as it has been read.
"""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from compute import Columns
from reading import ATTRIBUTION, FIELDS, SECONDS, WHOLE, numbers, program, reach, serving, span, table_of, thresholds

# In a day, for the stories of the plans.
HOURS = 24


@dataclass
class Plan:
    """An account to make: what the server is started with, what happens to it, and how the program is configured.

    A step of `story` is a number of hours that pass, or a function that changes something through the API. The
    program runs `minutes` after the last of them. `targets` are thresholds of stages that are not left as they are,
    `rules` what else its rules.toml says.
    """

    name: str
    seed: int
    ads: int
    story: tuple
    currency: str = "EUR"
    zone: str = "Europe/Berlin"
    settings: str = ""
    targets: dict = field(default_factory=dict)
    rules: str = ""
    breakeven: float | None = None
    cogs: float = 0.0
    minutes: int = 0


@dataclass
class Account:
    """All that is known of an account at one moment, and the columns that the program made of it."""

    plan: Plan
    now: datetime
    days: pd.DataFrame
    reach_7d: pd.Series
    reach_lifetime: pd.Series
    ads: pd.DataFrame
    found: dict
    decided: dict
    context: dict
    told_once: bool

    @property
    def targets(self):
        """The cost per purchase that is a stage's threshold, for the stages that have one."""
        return {stage: most for stage, (_, most) in thresholds().items()} | self.plan.targets

    @property
    def local(self):
        return self.now.astimezone(ZoneInfo(self.plan.zone))

    @property
    def today(self):
        return self.local.date()

    @property
    def share_of_today(self):
        """How much of the account day has passed; a day with a change of clocks has 23 or 25 hours."""
        zone = ZoneInfo(self.plan.zone)
        begin, end = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(timezone.utc)
                      for day in (self.today, self.today + timedelta(days=1)))
        return (self.now - begin) / (end - begin)


def configure(folder, plan, settings):
    """Writes the configuration that the program is run with."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "dean.toml").write_text(f"{settings}{plan.settings}", encoding="utf-8")
    name = lambda stage: thresholds().get(stage, (f"{stage}_max", None))[0]
    targets = "".join(f"{name(stage)} = {most}\n" for stage, most in plan.targets.items())
    (folder / "config" / "rules.toml").write_text(f"[thresholds.cpa]\n{targets}{plan.rules}", encoding="utf-8")


def run(graph, now, folder, *words):
    """What the program reports of a run in a folder that it is configured in."""
    environment = {"PATH": os.environ["PATH"], "META_GRAPH_URL": graph.facts["url"],
                   "FB_AD_ACCOUNT_ID": graph.facts["account"], "FB_ACCESS_TOKEN": graph.facts["token"],
                   "FB_APP_SECRET": graph.facts["app_secret"], "FB_APP_ID": "1"}
    command = [program(), "--config", folder / "config", "--data-dir", folder / "store", "--json", "run", *words,
               "--now", now.isoformat().replace("+00:00", "Z")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def explained(graph, now, folder):
    """What a dry run tells: the columns of every ad, the stages of those decided on, whether it told each once, and
    the context of every stage."""
    report = run(graph, now, folder, "--dry-run", "--explain")
    told = report["decisions"] + report["skipped"]
    found = {one["ad_id"]: one["columns"] for one in told}
    return {"found": found, "decided": {one["ad_id"]: one["stage"] for one in report["decisions"]},
            "context": {stage["name"]: stage["context"] for stage in report["stages"]},
            "told_once": len(found) == len(told)}


def live(plan, folder):
    """Lives through a plan and reads the account twice: here over HTTP, and as the program explains it."""
    folder = pathlib.Path(folder)
    with serving(plan, folder) as graph:
        for step in plan.story:
            step(graph) if callable(step) else graph.advance(step)
        now = graph.now() + timedelta(minutes=plan.minutes)
        today = now.astimezone(ZoneInfo(plan.zone)).date()
        begin = today - timedelta(days=400)
        rows = graph.rows("insights", level="ad", fields=FIELDS, time_increment=1, time_range=span(begin, today),
                          **ATTRIBUTION)
        minor = 1 if plan.currency in WHOLE else 100
        ads = table_of(graph.ads(), plan.zone, minor)
        yesterday = today - timedelta(days=1)
        weeks, lifetime = reach(graph, today - timedelta(days=7), yesterday), reach(graph, begin, yesterday)
        ids = "".join(f'{stage}_campaign_id = "{campaign}"\n' for stage, campaign in graph.facts["campaigns"].items())
        configure(folder, plan, f"[ids]\n{ids}")
        told = explained(graph, now, folder)
    return Account(
        plan=plan, now=now, days=pd.DataFrame([numbers(row) for row in rows]), reach_7d=weeks,
        reach_lifetime=lifetime, ads=ads, **told,
    )


def every(status, places=None):
    """Sets the status of the ads at some places, or of all."""
    def step(graph):
        for place, ad in enumerate(graph.ads()):
            if places is None or place in places:
                graph.change(ad["id"], status=status)
    return step


def copy(place):
    """Copies an ad within its ad set: the copy is reviewed for some hours before it is delivered."""
    return lambda graph: graph.change(f"{graph.ads()[place]['id']}/copies", status_option="ACTIVE")


def budget(place, minor):
    """Gives the ad set of an ad another daily budget."""
    return lambda graph: graph.change(graph.ads()[place]["adset"]["id"], daily_budget=minor)


PLANS = [
    Plan("young", seed=5, ads=60, story=(13,)),
    Plan("paused", seed=6, ads=30, story=(12 * HOURS + 3, every("PAUSED", {2, 5}), budget(0, 8000), 3 * HOURS + 4)),
    # Clocks go forward at this day's midnight in Santiago: it has 23 hours and begins at one o'clock.
    Plan("yen", seed=9, ads=40, story=(30 * HOURS, every("PAUSED", {1}), 61 * HOURS - 4 - 4), currency="JPY",
         zone="America/Santiago", targets={"testing": 30.0}),
    Plan("goods", seed=21, ads=25, currency="USD", zone="Asia/Kolkata",
         story=(20 * HOURS, copy(3), 5 * HOURS, every("PAUSED", {4}), copy(6), 13 * HOURS + 10, copy(8), 1),
         settings="[economics]\ncogs_per_purchase = 12.5\n", cogs=12.5),
    Plan("large", seed=33, ads=120, story=(40 * HOURS + 20,), currency="GBP", zone="America/New_York",
         settings="[economics]\nbreakeven_cpa = 27.5\n", breakeven=27.5),
    Plan("tiny", seed=2, ads=3, story=(2,)),
    # Half an hour is skipped at two o'clock of this day on Lord Howe Island.
    Plan("island", seed=77, ads=8, story=(118 * HOURS,), currency="AUD", zone="Australia/Lord_Howe", minutes=37),
    # Nothing was spent in the last 30 complete days; three ads were switched on again today.
    Plan("idle", seed=4, ads=12,
         story=(3 * HOURS, every("PAUSED"), 33 * HOURS + 10, every("ACTIVE", {1, 9, 10}), 3)),
]


@pytest.fixture(scope="session")
def accounts(tmp_path_factory):
    """Every account with the columns that are expected of it."""
    if not program():
        pytest.fail("DEAN_BIN does not name the program")
    lived = [live(plan, tmp_path_factory.mktemp(plan.name)) for plan in PLANS]
    return [(account, Columns(account)) for account in lived]


@pytest.fixture
def another(tmp_path):
    """Makes one more account."""
    if not program():
        pytest.fail("DEAN_BIN does not name the program")
    return lambda plan: live(plan, tmp_path)
