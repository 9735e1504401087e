"""What the tests of this folder share: where the program is, and which campaigns the stages get."""

import os
import shutil
from collections import Counter

import pytest

from runner import run
from server import Recorded


def pytest_collection_modifyitems(items):
    program = shutil.which(os.environ.get("DEAN_BIN", ""))
    if not program:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="DEAN_BIN names no program: set it to the built dean"))
    else:
        os.environ["DEAN_BIN"] = os.path.abspath(program)


def groups_of_three():
    """The campaigns with ACTIVE ads in threes, those with most first; of equals, those whose ad sets are known."""
    with Recorded() as meta:
        active = [ad for ad in meta.account.ads if ad["effective_status"] == "ACTIVE"]
    number = Counter(ad["campaign_id"] for ad in active)
    known = Counter(ad["campaign_id"] for ad in active if "adset_id" in ad)
    order = sorted(number, key=lambda campaign: (-number[campaign], -known[campaign], int(campaign)))
    return [order[place:place + 3] for place in range(0, len(order) - 2, 3)]


GROUPS = groups_of_three()


@pytest.fixture(scope="session", params=GROUPS, ids=["most-active", "second-three", "third-three"])
def explained(request):
    """A dry run over three campaigns with every column, and those campaigns."""
    with Recorded() as meta:
        return run(meta, request.param, "--explain"), request.param


@pytest.fixture(scope="session")
def awake():
    """A dry run over the largest three campaigns of an account in which everything is ACTIVE."""
    with Recorded(awake=True, real_ads_only=True) as meta:
        largest = [campaign for campaign, _ in Counter(ad["campaign_id"] for ad in meta.account.ads).most_common(3)]
        return run(meta, largest, "--explain"), largest
