"""The accounts that Dean runs for days, as fixtures: what it is told to do, what the client does meanwhile, and the
moments at which its columns are looked at.

Both are lived through at once, since most of the time goes by in the program.
"""

import pathlib
from concurrent.futures import ThreadPoolExecutor
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
scaling_kill_min = 0.7
[testing]
minimum = { impressions = 50, spend = 3.0 }
fairness.spend = 20.0
no_add_to_cart.spend = 20.0
tiers = { multi_add_to_cart = 60.0, two_add_to_carts = 50.0, one_add_to_cart = 40.0, high_ctr = 35.0, good_ctr = 32.0, decent_ctr = 30.0, poor = 25.0 }
reinvest = { daily_budget = 80.0, cooldown_hours = 6.0 }
[validation]
tiers = { multi_add_to_cart = 70.0, two_add_to_carts = 60.0, one_add_to_cart = 50.0, usual = 40.0, poor = 30.0 }
minimum = { impressions = 200, clicks = 5, spend = 10.0 }
promote = { purchases = 1, purchase_days = 1, cpa_below = 90.0, roas_above = 0.5, daily_budget = 40.0 }
reinvest.cooldown_hours = 6.0
[scaling]
kill = { cpa_days = 1, roas_days = 1, probability = 0.4 }
minimum = { impressions = 300, clicks = 10, spend = 10.0, day_spend = 5.0 }
scale_up = { strong_cpa = 35.0, good_cpa = 45.0, strong_roas = 2.0, good_roas = 1.2, cooldown_hours = 6.0, largest_volatility = 5.0 }
scale_down = { cpa_above = 50.0, roas_below = 1.0, cooldown_hours = 12.0, smallest_probability_of_bad_cost = 0.2 }
pacing = { freeze_above = 50.0, freeze_long_above = 50.0 }
duplicate = { purchases = 2, cpa_max = 60.0, days_between = 2, fatigue_below = 1.0, daily_budget = 60.0 }
refresh = { good_days = 1, cpa_max = 60.0, days_between = 2 }
"""
GUARD = """
[guard]
cooldown_hours = 4.0
max_spend_share_per_run = 0.6
stop_cpa_ratio = 100.0
stop_min_purchases = 1000.0
max_duplicates_per_day = 2
"""
TARGETS = {"testing": 60.0, "validation": 50.0, "scaling": 60.0}


@dataclass
class Story(Plan):
    """A plan that is lived through hour by hour, with a run in each of `hours`.

    From an hour of `stages` on, campaigns belong to stages as it says; at an hour of `client` the client changes
    something by hand before the run; at the hours of `looks` every column is looked at after it.
    """

    hours: int = 0
    stages: dict = field(default_factory=dict)
    client: dict = field(default_factory=dict)
    looks: tuple = ()


def placed(stages, ids):
    """The settings that put campaigns into stages, each leading into the next one that has a campaign."""
    lines = []
    for place, (stage, names) in enumerate(stages.items()):
        ahead = next((later for later in list(stages)[place + 1:] if stages[later]), "")
        campaigns = ", ".join(f'"{ids[name]}"' for name in names)
        lines.append(f'[stages.{stage}]\ncampaigns = [{campaigns}]\nnext = "{ahead}"\ndaily_cap = 1e6\nmin_budget = 1.0\n')
    return "".join(lines)


def moment(graph, story, chronicle, now, folder):
    """The account at this moment with all columns, as they are expected and as a dry run tells them."""
    chronicle.see(graph, now)
    today = chronicle.today(now)
    yesterday, begin = today - timedelta(days=1), today - timedelta(days=400)
    account = Moment(
        plan=replace(story, name=f"{story.name} on {now:%d %b %H:%M}"), now=now, days=pd.DataFrame(list(chronicle.rows.values())),
        reach_7d=reach(graph, today - timedelta(days=7), yesterday), reach_lifetime=reach(graph, begin, yesterday),
        ads=chronicle.ads, chronicle=chronicle, **explained(graph, now, folder),
    )
    return account, Lived(account)


def lived(story, folder):
    """Lives through a story; the moments that were looked at, and the chronicle."""
    folder, moments = pathlib.Path(folder), []
    with serving(story, folder) as graph:
        chronicle = Chronicle(story.zone, 1 if story.currency in WHOLE else 100, {})
        ids = {ad["campaign"]["name"]: ad["campaign"]["id"] for ad in graph.ads()}
        for hour in range(story.hours):
            now = graph.now()
            if hour in story.stages:
                chronicle.stages = story.stages[hour]
                configure(folder, story, placed(chronicle.stages, ids))
            if hour in story.client:
                story.client[hour](graph, chronicle)
            chronicle.look(graph, now)
            chronicle.hear(run(graph, now, folder), now)
            if hour in story.looks:
                moments.append(moment(graph, story, chronicle, now, folder))
            graph.advance(1)
    return moments, chronicle


AS_SHIPPED = {"testing": ("Testing",), "validation": ("Validation",), "scaling": ("Scaling",)}
STORIES = [
    Story("euro", seed=11, ads=48, story=(), targets=TARGETS, settings=GUARD, rules=EAGER, hours=12 * HOURS + 16,
          stages={0: AS_SHIPPED, 6 * HOURS + 11: AS_SHIPPED | {"validation": (), "scaling": ("Scaling", "Validation")}},
          looks=(4 * HOURS + 9, 6 * HOURS + 14, 12 * HOURS + 15)),
    Story("yen", seed=12, ads=48, story=(), targets=TARGETS, settings=GUARD, rules=EAGER, hours=12 * HOURS + 16,
          currency="JPY", zone="Asia/Tokyo",
          stages={0: AS_SHIPPED},
          looks=(4 * HOURS + 9, 6 * HOURS + 14, 12 * HOURS + 15)),
]


@pytest.fixture(scope="session")
def stories(tmp_path_factory):
    """Every story, lived through: its moments and its chronicle."""
    if not program():
        pytest.fail("DEAN_BIN does not name the program")
    with ThreadPoolExecutor() as both:
        return list(both.map(lived, STORIES, [tmp_path_factory.mktemp(story.name) for story in STORIES]))
