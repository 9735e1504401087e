"""The accounts that Dean runs for days, as fixtures: what it is told to do, what the client does meanwhile, and the
moments at which its columns are looked at.

All are lived through at once, since most of the time goes by in the program.
"""

import os
import pathlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pandas as pd
import pytest

from accounts import HOURS, Plan, configure, explained, run
from history import Chronicle
from lived import Lived, Moment
from reading import WHOLE, program, reach, serving

# Everything happens sooner than an account would bear it.
EAGER = """
[thresholds.roas]
testing_min = 0.5
validation_min = 1.0
scaling_kill_min = 0.6

[testing]
minimum = { impressions = 50, spend = 3.0 }
fairness.spend = 20.0
no_add_to_cart.spend = 20.0
reinvest = { daily_budget = 80.0, cooldown_hours = 6.0 }
[testing.tiers]
multi_add_to_cart = 90.0
two_add_to_carts = 80.0
one_add_to_cart = 70.0
high_ctr = 60.0
good_ctr = 55.0
decent_ctr = 50.0
poor = 40.0

[validation]
minimum = { impressions = 200, clicks = 5, spend = 10.0 }
promote = { purchases = 4, purchase_days = 2, cpa_below = 60.0, roas_above = 0.8, daily_budget = 20.0 }
reinvest.cooldown_hours = 6.0
[validation.tiers]
multi_add_to_cart = 160.0
two_add_to_carts = 140.0
one_add_to_cart = 120.0
usual = 90.0

[scaling]
minimum = { impressions = 300, clicks = 10, spend = 10.0, day_spend = 5.0 }
kill.roas_days = 2
pacing = { freeze_above = 50.0, freeze_long_above = 50.0 }
refresh = { good_days = 1, cpa_max = 40.0, days_between = 2 }
[scaling.duplicate]
purchases = 3
cpa_max = 50.0
most_a_day = 50
days_between = 2
fatigue_below = 1.0
daily_budget = 60.0
[scaling.scale_up]
strong_cpa = 20.0
good_cpa = 30.0
strong_roas = 3.0
good_roas = 1.3
strong_step = 0.3
good_step = 0.2
cooldown_hours = 10.0
largest_volatility = 5.0
[scaling.scale_down]
cpa_above = 32.0
roas_below = 1.2
to = 0.8
cooldown_hours = 12.0
smallest_probability_of_bad_cost = 0.05
"""
GUARD = """
[guard]
cooldown_hours = 4.0
stop_cpa_ratio = 100.0
stop_min_purchases = 1000.0
max_duplicates_per_day = 2
"""
CAPS = {"testing": 1e6, "validation": 950.0, "scaling": 3500.0}
TARGETS = {"testing": 50.0, "validation": 40.0, "scaling": 50.0}


@dataclass
class Story(Plan):
    """A plan that is lived through hour by hour, with a run in each of `hours`.

    From an hour of `stages` on, campaigns belong to stages as it says; at an hour of `client` something happens
    before the run. Every column is looked at after the runs at the hours of `looks`, and when each
    of `when` holds for the first time.
    """

    hours: int = 0
    stages: dict = field(default_factory=dict)
    client: dict = field(default_factory=dict)
    looks: tuple = ()
    when: tuple = (Chronicle.copied_beside, Chronicle.joined_while_rising)


def placed(stages, ids):
    """The settings that put campaigns into stages, each leading into the next one that has a campaign."""
    lines = []
    for place, (stage, names) in enumerate(stages.items()):
        ahead = next((later for later in list(stages)[place + 1:] if stages[later]), "")
        campaigns = ", ".join(f'"{ids[name]}"' for name in names)
        lines.append(f'[stages.{stage}]\ncampaigns = [{campaigns}]\nnext = "{ahead}"\n'
                     f"daily_cap = {CAPS[stage]}\nmin_budget = 1.0\nmax_budget = 900.0\n")
    return "".join(lines)


def moment(graph, story, chronicle, now, folder):
    """The account at this moment with all columns, as they are expected and as a dry run tells them."""
    chronicle.see(graph, now)
    today = chronicle.today(now)
    yesterday, begin = today - timedelta(days=1), today - timedelta(days=400)
    account = Moment(
        plan=replace(story, name=f"{story.name} on {now:%d %b %H:%M}"), now=now,
        days=pd.DataFrame(list(chronicle.rows.values())),
        reach_7d=reach(graph, today - timedelta(days=7), yesterday), reach_lifetime=reach(graph, begin, yesterday),
        ads=chronicle.ads, chronicle=deepcopy(chronicle), **explained(graph, now, folder),
    )
    return account, Lived(account)


def lived(story, folder):
    """Lives through a story; the moments that were looked at, and the chronicle."""
    folder.mkdir()
    moments, awaited = [], list(story.when)
    with serving(story, folder) as graph:
        chronicle = Chronicle(story.zone, 1 if story.currency in WHOLE else 100, {})
        ids = {ad["campaign"]["name"]: ad["campaign"]["id"] for ad in graph.ads()}
        for hour in range(story.hours):
            if hour in story.stages:
                chronicle.stages = story.stages[hour]
                configure(folder, story, placed(chronicle.stages, ids))
            if hour in story.client:
                story.client[hour](graph, chronicle)
            now = graph.now()
            chronicle.look(graph, now)
            chronicle.hear(run(graph, now, folder), now)
            come = [holds for holds in awaited if holds(chronicle, now)]
            awaited = [holds for holds in awaited if holds not in come]
            if come or hour in story.looks:
                moments.append(moment(graph, story, chronicle, now, folder))
            graph.advance(1)
    return moments, chronicle


def new_ads(*places):
    """Copies ads of testing by hand, each into its own ad set: they are Dean's to test, and no copies of its own."""
    def step(graph, chronicle):
        ads = chronicle.ads.index[chronicle.ads["stage"] == "testing"]
        for place in places:
            graph.change(f"{ads[place]}/copies", status_option="ACTIVE")
    return step


def on_again(graph, chronicle):
    """Switches on by hand what Dean paused first."""
    graph.change(next(iter(chronicle.paused)), status="ACTIVE")


def by_hand(minor):
    """Gives an ad set, whose budget Dean did not change today, another one by hand."""
    def step(graph, chronicle):
        live = chronicle.ads[(chronicle.ads["status"] == "ACTIVE") & (chronicle.ads["copyable"] == 1)]
        rested = [owner for owner in live["owner"] if chronicle.read_on not in
                  [chronicle.today(at) for at, *_ in chronicle.steps(owner)]]
        chronicle.by_hand[rested[0]] = chronicle.read_on
        graph.change(rested[0], daily_budget=minor)
    return step


AS_SHIPPED = {"testing": ("Testing",), "validation": ("Validation",), "scaling": ("Scaling",)}
# In one account a whole campaign, full of live ads, goes from validation to scaling; in the other a small one goes
# from testing to validation.
EURO = Story(
    "euro", seed=26, ads=40, story=(), targets=TARGETS, settings=GUARD, rules=EAGER, hours=12 * HOURS + 16,
    stages={0: AS_SHIPPED, 4 * HOURS + 11: AS_SHIPPED | {"validation": (), "scaling": ("Scaling", "Validation")}},
    client={3 * HOURS: new_ads(0, 5, 9), 8 * HOURS: new_ads(1, 6, 10), 10 * HOURS: on_again,
            12 * HOURS + 12: by_hand(4700)},
    looks=(4 * HOURS + 14, 12 * HOURS + 15),
)
YEN = Story(
    "yen", seed=12, ads=40, story=(), targets=TARGETS, settings=GUARD, rules=EAGER, hours=12 * HOURS + 16,
    currency="JPY", zone="Asia/Tokyo",
    stages={0: AS_SHIPPED | {"testing": ("Testing", "Brand")},
            9 * HOURS + 8: AS_SHIPPED | {"validation": ("Validation", "Brand")}},
    client={2 * HOURS + 17: new_ads(0, 5, 9), 7 * HOURS + 17: new_ads(1, 6, 10), 10 * HOURS: on_again,
            10 * HOURS + 17: new_ads(0, 5, 9)},
    looks=(1 * HOURS + 10, 9 * HOURS + 13, 12 * HOURS + 15),
)
# A campaign leaves its stage for some hours and comes back.
THERE_AND_BACK = Story(
    "back", seed=3, ads=12, story=(), settings=GUARD, hours=9, looks=(8,),
    stages={0: AS_SHIPPED, 2: AS_SHIPPED | {"testing": (), "validation": ("Validation", "Testing")}, 5: AS_SHIPPED},
)
# Dean rests for a month after a few hours.
RESTED = Story(
    "rested", seed=3, ads=24, story=(), targets=TARGETS, settings=GUARD, rules=EAGER, hours=8, looks=(7,),
    stages={0: AS_SHIPPED}, client={7: lambda graph, _: graph.advance(31 * HOURS)},
)


@contextmanager
def quick_folder():
    """A folder in memory where there is one: what a run waits for is the disk."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield pathlib.Path(folder)


@pytest.fixture(scope="session")
def stories():
    """Every story by its name, lived through: the moments that were looked at, and the chronicle."""
    if not program():
        pytest.fail("DEAN_BIN does not name the program")
    told = (EURO, YEN, THERE_AND_BACK, RESTED)
    with quick_folder() as folder, ThreadPoolExecutor(len(told)) as all_at_once:
        return {story.name: ended for story, ended in
                zip(told, all_at_once.map(lambda story: lived(story, folder / story.name), told))}


@pytest.fixture(scope="session")
def moments(stories):
    """Every moment of the two long stories, with its columns."""
    return stories["euro"][0] + stories["yen"][0]
