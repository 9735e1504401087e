"""The accounts that the columns are checked on, and one test for every column of the catalogue.

`DEAN_BIN` names the program. Each account is made once for the whole run, on a loopback port that the system
chooses, and its server is ended as soon as it has been read.
"""

import pytest

from accounts import Plan, catalogue, live, program
from compute import Columns

HOURS = 24


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


def pytest_generate_tests(metafunc):
    """Every column of the catalogue is a test of its own."""
    if "column" in metafunc.fixturenames:
        names = [one["name"] for one in catalogue()["columns"]] if program() else ["no program"]
        metafunc.parametrize("column", names)


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
