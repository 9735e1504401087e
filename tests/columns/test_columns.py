"""Every column of the catalogue, for every ad of some simulated accounts, against an independent computation.

Run with: DEAN_BIN=path/to/dean python -m pytest tests/columns
"""

import math
from collections import Counter
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from accounts import Plan, accounts, another  # noqa: F401; a conftest here would hide that of tests/recorded
from compute import LEDGER, Columns
from priors import GAMMA_SHAPE, Gamma
from reading import catalogue, context_catalogue, program, thresholds

EXACT, FITTED, SCORED = 1e-9, 1e-4, 1e-4
# Below this a number is 0: slopes of level series, and probabilities that nobody tells apart.
NOTHING = 1e-12
# What rests on a prior that was fitted.
OF_PRIORS = ("purchase_shape_", "purchase_rate_", "purchase_prior_", "p_cpa_", "p_ctr_", "ctr_alpha_", "ctr_beta_", "performance_")
# The program reads this many account days one by one, and what was before them as one sum.
DAYS_READ = 38
SHOWN = 4


def names():
    """Every column of the catalogue, in its order."""
    return [one["name"] for one in catalogue()]


def pytest_generate_tests(metafunc):
    """Every column of the catalogue is a test of its own."""
    if "column" in metafunc.fixturenames:
        metafunc.parametrize("column", names() if program() else ["no program"])


def known(value):
    """A number, a text, or None for what is not known."""
    return None if isinstance(value, float) and math.isnan(value) else value


def same(column, expected, found, slack=0.0):
    if expected is None or found is None or isinstance(expected, str):
        return expected == found
    tolerance = SCORED if column.startswith("score.") else FITTED if column.startswith(OF_PRIORS) else EXACT
    return math.isclose(expected, found, rel_tol=tolerance, abs_tol=max(NOTHING, slack))


def rounding(column, columns, ad):
    """Meta tells whole seconds watched a play, so what it tells of a span is not the sum of what it tells of its days.

    That matters only for the sum before the days that are read one by one.
    """
    if column not in ("watch_time_lifetime", "watch_time_in_stage"):
        return 0.0
    lasts_longer = columns.exists.loc[ad].reindex([DAYS_READ], fill_value=False).any()
    return 0.5 * columns.all["video_3s_lifetime"][ad] if lasts_longer else 0.0


def differences(column, accounts, decided):
    """What is told of the decided or the skipped ads and should be told otherwise, with how many there were."""
    wrong, asked = [], 0
    for account, columns in accounts:
        for ad, told in account.found.items():
            if (ad in account.decided) != decided:
                continue
            asked += 1
            expected, found = known(columns.all[column][ad]), told[column]
            if not same(column, expected, found, rounding(column, columns, ad)):
                wrong.append((account.plan.name, ad, account.ads["status"][ad], expected, found))
    return wrong, asked


def check(column, accounts, decided):
    """Fails with the first differences of each account."""
    if any(column not in columns.all for _, columns in accounts):
        pytest.fail(f"{column} is in the catalogue, and nothing here computes it", pytrace=False)
    wrong, asked = differences(column, accounts, decided)
    assert asked > 0
    if wrong:
        number = Counter(place for place, *_ in wrong)
        lines = [f"{column}: {len(wrong)} of {asked} differ ("
                 + ", ".join(f"{place} {count}" for place, count in number.items()) + ")"]
        for place in number:
            for _, ad, status, expected, found in [one for one in wrong if one[0] == place][:SHOWN]:
                lines.append(f"  {place} ad {ad} {status}: expected {expected}, found {found}")
        pytest.fail("\n".join(lines), pytrace=False)


def test_of_a_decided_ad(column, accounts):
    check(column, accounts, decided=True)


def test_of_a_skipped_ad(column, accounts):
    check(column, accounts, decided=False)


def test_every_ad_has_every_column_of_the_catalogue(accounts):
    told_of = names()
    assert len(told_of) == len(set(told_of)) > 500
    for account, columns in accounts:
        assert sorted(account.found) == sorted(account.ads.index), account.plan.name
        assert account.told_once, account.plan.name
        assert set(columns.all) - set(told_of) <= set(LEDGER), account.plan.name
        for ad, told in account.found.items():
            assert sorted(told) == sorted(told_of), (account.plan.name, ad)


def test_what_is_never_missing_is_always_there(accounts):
    always = [one["name"] for one in catalogue() if one["missing"].startswith("never")]
    assert len(always) > 80
    absent = {(account.plan.name, ad, name) for account, _ in accounts for ad, told in account.found.items()
              for name in always if told[name] is None}
    assert not absent


def values_of(name, accounts):
    return [known(value) for _, columns in accounts for value in columns.all.get(name, [])]


def test_no_column_agrees_because_it_says_nothing(accounts):
    """Each is known of some ads and differs among them; the lag curve alone says the same everywhere on some days."""
    level = {name for name in names() if len(set(values_of(name, accounts)) - {None}) < 2}
    assert level - set(LEDGER) == {"settled_today", *(f"settled_d{back}" for back in range(9, 15))}


def test_what_may_be_missing_is_missing_somewhere(accounts):
    """But for what the simulated accounts always know."""
    told = ("revenue_", "budget", "in_learning", "age_hours")
    missing = [one["name"] for one in catalogue()
               if not one["missing"].startswith("never") and not one["name"].startswith(told)]
    always = [name for name in missing if name not in LEDGER and None not in values_of(name, accounts)]
    assert always == []


def test_the_accounts_have_ads_of_every_kind(accounts):
    ads = [ad for account, _ in accounts for ad in account.ads.itertuples()]
    assert {ad.status for ad in ads} >= {"ACTIVE", "PAUSED", "PENDING_REVIEW"}
    assert {ad.stage for ad in ads if isinstance(ad.stage, str)} == {"testing", "validation", "scaling"}
    assert {ad.learning for ad in ads} == {0.0, 1.0}
    assert len({account.plan.currency for account, _ in accounts}) > 3


def test_the_accounts_have_days_of_every_length(accounts):
    """The share of the day that has passed is that of the clock only on a day without a change of clocks."""
    lengths = {}
    for account, _ in accounts:
        local = account.local
        passed = local.hour + local.minute / 60
        lengths[account.plan.name] = account.share_of_today == pytest.approx(passed / 24)
    assert [name for name, plain in lengths.items() if not plain] == ["yen", "island"]


def test_the_threshold_of_testing_is_the_documented_one():
    assert thresholds()["testing"] == ("testing_max", 36.0)


def test_a_stage_aims_at_its_own_threshold(another):
    """Validation is given a threshold, which the configuration knows: its target then, in place of break-even."""
    account = another(Plan("aimed", seed=14, ads=20, story=(9,), targets={"validation": 20.0}))
    assert "validation" in account.decided.values()
    check("p_cpa_above_target", [(account, Columns(account))], decided=True)


CAPS = {"testing": 100.0, "validation": 400.0, "scaling": 2500.0}


def expected_context(account, columns, stage):
    """Numbers of the account and a stage, from the rows that the server sent; NaN where not known."""
    today, of_stage = columns.days["spend"][0], account.ads["stage"] == stage
    month = list(range(1, 31))
    revenue, purchases = (columns.every[name][month].sum(axis=1, skipna=False) for name in ("revenue", "purchases"))
    valued = revenue.notna()
    bought = purchases[valued].sum()
    of_month = {name: columns.every[name][month].sum(axis=1).sum() for name in ("spend", "impressions", "clicks", "add_to_cart")}
    settled = sum(columns.every["spend"][day][valued].fillna(0.0).sum() * columns.settled[day] for day in month)
    margin = revenue[valued].sum() / bought - account.plan.cogs if bought else math.nan
    breakeven = account.plan.breakeven or (margin if margin > 0 else math.nan)
    target = account.targets.get(stage, breakeven)
    prior = columns.posteriors.bought or Gamma(GAMMA_SHAPE, GAMMA_SHAPE * target)
    midnight = datetime.combine(account.today + timedelta(days=1), time(), ZoneInfo(account.plan.zone))
    return {
        "account_spend_today": columns.every["spend"][0].sum(), "stage_spend_today": today[of_stage].sum(),
        "stage_cap": CAPS[stage], "freed_budget": 0.0, "hour": account.local.hour, "weekday": account.local.weekday(),
        "live_ads": ((account.ads["status"] == "ACTIVE") & of_stage).sum(),
        "hours_left_today": (midnight.astimezone(timezone.utc) - account.now).total_seconds() / 3600,
        "target_cpa": target, "breakeven_cpa": breakeven,
        "account_ctr": share(of_month["clicks"], of_month["impressions"]),
        "account_cpm": 1000 * share(of_month["spend"], of_month["impressions"]),
        "account_atc_rate": share(of_month["add_to_cart"], of_month["clicks"]),
        "account_aov": share(revenue[valued].sum(), bought),
        "account_roas": share(revenue[valued].sum(), settled),
        "purchase_prior_shape": prior.shape, "purchase_prior_rate": prior.rate,
    }


def share(above, below):
    return above / below if below else math.nan


def test_the_context_of_every_stage(accounts):
    told_of = [one["name"] for one in context_catalogue()]
    assert all(one["missing"] for one in context_catalogue())
    for account, columns in accounts:
        assert sorted(account.context) == ["scaling", "testing", "validation"]
        for stage, told in account.context.items():
            expected = expected_context(account, columns, stage)
            assert sorted(told) == sorted(expected) == sorted(told_of)
            for name, value in expected.items():
                assert same(name, known(float(value)), told[name]), (account.plan.name, stage, name, value, told[name])
