"""Every column of the catalogue, for every ad of accounts that Dean has run for days, against an independent
computation from what was seen from outside.

Run with: DEAN_BIN=path/to/dean python -m pytest tests/columns/test_history.py
"""

from collections import Counter
from dataclasses import replace

import pytest

from compute import LEDGER, usual
from lived import SOURCE_PURCHASES
from stories import moments, stories  # noqa: F401
from test_columns import check, differences, known, names, pytest_generate_tests  # noqa: F401


def moved(columns, ad):
    """What an ad had done in other stages; None where it had not been in any."""
    entry = columns.entries.get(ad)
    return entry.before if entry is not None and len(entry.before) else None


def only(moments, wanted):
    """The moments with nothing told but of the ads that are wanted."""
    told = lambda account, columns: {ad: one for ad, one in account.found.items() if wanted(columns, ad)}
    return [(replace(account, found=told(account, columns)), columns) for account, columns in moments]


def nothing_differs(name, moments):
    """Of the ads that are told of, decided or skipped."""
    told = [differences(name, moments, decided) for decided in (True, False)]
    if not any(asked for _, asked in told):
        pytest.skip("no ad came into this")
    assert [one for wrong, _ in told for one in wrong] == []


def test_of_a_decided_ad(column, moments):
    check(column, moments, decided=True)


def test_of_a_skipped_ad(column, moments):
    check(column, moments, decided=False)


@pytest.mark.parametrize("name", ["hours_in_stage", "spend_in_stage", "impressions_in_stage"])
def test_an_ad_that_comes_back_into_a_stage_begins_anew(name, stories):
    nothing_differs(name, only(stories["back"][0], lambda columns, ad: moved(columns, ad) is not None))


@pytest.mark.parametrize("name", ["hours_since_change", "paused_by_dean", "hours_since_pause", "hours_since_copy"])
def test_what_dean_did_a_month_ago_is_known(name, stories):
    long_ago = lambda columns, ad: columns.all["hours_since_change"][ad] > 30 * 24
    nothing_differs(name, only(stories["rested"][0], long_ago))


def test_every_ad_is_told_once_with_every_column(moments):
    for account, columns in moments:
        assert sorted(account.found) == sorted(account.ads.index) and account.told_once, account.plan.name
        assert all(sorted(told) == sorted(names()) for told in account.found.values()), account.plan.name
        assert sorted(columns.all) == sorted(names())


def test_everything_that_dean_does_was_done(stories):
    chronicles = [stories[name][1] for name in ("euro", "yen")]
    done = [(chronicle, one) for chronicle in chronicles for one in chronicle.done]
    kinds = Counter(one.kind for _, one in done)
    assert all(kinds[kind] > 1 for kind in ("pause", "resume", "activate", "refresh", "set-budget", "copy-ad")), kinds
    steps = [to - before for chronicle, one in done for _, before, to in chronicle.steps(one.target)]
    assert min(steps) < 0 < max(steps)
    for chronicle in chronicles:
        assert {pause.by_handing_over for pause in chronicle.paused.values()} == {True, False}


def test_copies_went_into_the_next_stage_into_a_shared_budget_and_beside_their_source(stories):
    of = {name: chronicle.ads["campaign_name"] for name, (_, chronicle) in stories.items()}
    ways = Counter((name, of[name][source], of[name][copy]) for name in ("euro", "yen")
                   for copy, source in stories[name][1].source_of.items() if copy in of[name])
    for way in (("Testing", "Validation"), ("Validation", "Scaling")):
        assert ways["euro", *way] > 0 and ways["yen", *way] > 0, ways
    assert ways["euro", "Validation", "Validation"] > 0, ways


@pytest.mark.parametrize("name", [name for name in LEDGER if name != "paused_by_dean"])
def test_the_ledger_says_something_of_some_ads(name, moments):
    """Something else than a fresh ledger would, and not the same of all."""
    values = {known(columns.all[name][ad]) for account, columns in moments for ad in account.decided
             } - {known(LEDGER[name][0])}
    assert len(values) > (name not in ("copies_today", "changes_24h")), values


@pytest.mark.parametrize("name", ["hours_since_change", "changes_24h", "hours_since_copy",
                                  "hours_since_pause", "hours_since_budget_change", "hours_since_budget_fall"])
def test_the_ledger_says_something_of_some_ads_that_are_skipped(name, moments):
    values = {known(columns.all[name][ad]) for account, columns in moments for ad in account.found
              if ad not in account.decided} - {known(LEDGER[name][0])}
    assert values


def test_dean_paused_some_ads_that_are_watched_and_some_that_are_not(moments):
    for account, columns in moments:
        paused = columns.all["paused_by_dean"]
        assert {(paused[ad], ad in account.decided) for ad in account.found} >= {(1, True), (1, False), (0, True)}


def test_budgets_began_the_day_as_they_are_not_now(moments):
    differ = [ad for _, columns in moments for ad in columns.ads.index
              if columns.all["budget_day_start"][ad] != columns.all["budget"][ad]]
    assert len(differ) > 1


@pytest.mark.parametrize("name", ["spend", "impressions", "clicks", "purchases", "revenue", "add_to_cart"])
def test_ads_that_moved_did_a_part_of_it_elsewhere(name, stories):
    for story in ("euro", "yen"):
        ended = stories[story][0][-1][1]
        in_stage, life = ended.all[f"{name}_in_stage"], ended.all[f"{name}_lifetime"]
        assert any(moved(ended, ad) is not None for ad in ended.ads.index)
        assert story == "yen" or (in_stage[in_stage > 0] < life[in_stage > 0]).sum() > 1, name


def test_the_lag_curve_is_the_accounts_own(moments):
    # On the first day nothing was looked at twice yet.
    later = [(account, columns) for account, columns in moments
             if len({day for day, _ in account.chronicle.looks}) < len(account.chronicle.looks)]
    assert len(later) > 3
    for account, columns in later:
        assert max(abs(columns.at_end(age) - usual(age)) for age in range(4)) > 0.01, account.plan.name
    assert len({columns.all["settled_d1"].iloc[0] for _, columns in moments}) == len(moments)


def test_copies_inherit_half_or_ten_purchases_of_what_their_source_brought(moments):
    inherited = {decided: {columns.inherited["purchases"][ad] for account, columns in moments for ad in account.found
                           if (ad in account.decided) == decided} for decided in (True, False)}
    for decided, purchases in inherited.items():
        assert any(0 < number < SOURCE_PURCHASES for number in purchases), decided
    assert SOURCE_PURCHASES in inherited[True]
