"""A dry run over recorded entities of real accounts: every ad is accounted for, in the account's own numbers.

Run with: DEAN_BIN=path/to/dean python -m pytest tests/recorded
"""

import json
import math
import re
from collections import Counter, defaultdict
from datetime import date, timedelta

import pytest

from conftest import GROUPS
from runner import run
from server import TODAY, Recorded

DAY_OF_RECORD = "2019-11-13"
REASONS = {
    "other campaign": r"campaign \d+ .*belongs to no stage",
    "PAUSED": r"^it is paused",
    "ADSET_PAUSED": r"ad set is paused",
    "CAMPAIGN_PAUSED": r"campaign is paused",
    "DISAPPROVED": r"reject|disapprove",
    "no ad set": r"ad set \d+ was not|sent no ad set",
}
ALIASES = {
    "purchases": ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"),
    "add_to_cart": ("omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"),
    "initiate_checkout": ("omni_initiated_checkout", "initiate_checkout",
                          "offsite_conversion.fb_pixel_initiate_checkout"),
}


def counted(actions, aliases):
    """The first alias that is there; never a sum of aliases."""
    values = {action["action_type"]: float(action["value"]) for action in actions}
    return next((values[alias] for alias in aliases if alias in values), None)


def recorded_numbers(row):
    """What the columns of a day must say, None where it is not known."""
    numbers = {name: counted(row["actions"], aliases) or 0.0 for name, aliases in ALIASES.items()}
    numbers["spend"], numbers["impressions"] = float(row["spend"]), float(row["impressions"])
    revenue = counted(row.get("action_values", []), ALIASES["purchases"])
    numbers["revenue"] = revenue if revenue is not None or numbers["purchases"] else 0.0
    return numbers


def differences(columns, window, numbers):
    """The columns of a window that say something else."""
    have = {name: columns[f"{name}_{window}"] for name in numbers}
    same = lambda one, other: one == other if None in (one, other) else math.isclose(one, other, abs_tol=1e-9)
    return {f"{name}_{window}": (have[name], numbers[name]) for name in numbers if not same(have[name], numbers[name])}


def kind(ad, campaigns, ad_sets):
    """Why this ad is skipped; None when it must be decided on. Two kinds where either is true."""
    if ad["campaign_id"] not in campaigns:
        return ["other campaign"]
    unknown = ["no ad set"] if ad.get("adset_id") not in ad_sets else []
    return unknown + ([ad["effective_status"]] if ad["effective_status"] != "ACTIVE" else [])


def test_the_run_ends_well(explained):
    done, _ = explained
    assert done.code == 0, done.stderr
    assert done.stderr == ""
    assert done.document["dry_run"] is True
    assert done.document["as_of"] == "2019-11-14T15:00:00Z"
    assert done.document["ads"] == len(done.meta.account.ads) == 340


def test_every_ad_is_decided_on_or_skipped_once(explained, awake):
    for done, _ in (explained, awake):
        told = Counter(one["ad_id"] for one in done.document["decisions"] + done.document["skipped"])
        assert told == Counter(ad["id"] for ad in done.meta.account.ads)


def test_active_ads_of_the_stages_are_decided_on(explained, awake):
    for done, campaigns in (explained, awake):
        account = done.meta.account
        expected = [ad["id"] for ad in account.ads if not kind(ad, campaigns, account.ad_sets)]
        assert sorted(one["ad_id"] for one in done.document["decisions"]) == sorted(expected)


def test_the_recorded_account_has_something_to_decide():
    with Recorded() as meta:
        account = meta.account
    decided = [len([ad for ad in account.ads if not kind(ad, group, account.ad_sets)]) for group in GROUPS]
    assert decided == [2, 3, 0]


def test_a_decision_is_of_the_stage_of_its_campaign(explained, awake):
    for done, campaigns in (explained, awake):
        stage = dict(zip(campaigns, ("testing", "validation", "scaling")))
        campaign = {ad["id"]: ad["campaign_id"] for ad in done.meta.account.ads}
        for one in done.document["decisions"]:
            assert one["stage"] == stage[campaign[one["ad_id"]]]
            assert one["why"].strip()


def test_skipped_ads_say_why(explained):
    done, campaigns = explained
    account = done.meta.account
    ads = {ad["id"]: ad for ad in account.ads}
    for one in done.document["skipped"]:
        kinds = kind(ads[one["ad_id"]], campaigns, account.ad_sets)
        assert any(re.search(REASONS[name], one["reason"], re.IGNORECASE) for name in kinds), (kinds, one)
        if kinds == ["other campaign"]:
            assert ads[one["ad_id"]]["campaign_id"] in one["reason"]


def test_an_ad_set_that_was_not_sent_is_named():
    campaigns = GROUPS[0]
    with Recorded() as meta:
        account = meta.account
        hidden = {ad["adset_id"]: ad["id"] for ad in account.ads if not kind(ad, campaigns, account.ad_sets)}
    with Recorded(hidden_ad_sets=set(hidden)) as meta:
        done = run(meta, campaigns)
    assert done.code == 0 and done.document["decisions"] == []
    for ad_set, ad in hidden.items():
        assert ad_set in done.ads[ad]["reason"]


def test_nothing_is_written(explained, awake):
    for done, _ in (explained, awake):
        assert done.meta.refused == []
        assert {one["method"] for one in done.meta.requests} == {"GET"}
        assert done.document["api"]["writes"] == done.document["api"]["batches"] == 0


def test_meta_understands_every_question(explained):
    done, _ = explained
    for one in done.meta.requests:
        assert one["status"] == 200, one
        assert not one["unknown"], one
        assert re.fullmatch(r"v\d+\.0", one["version"])
        if one["path"].endswith("/insights"):
            assert {"action_report_time", "action_attribution_windows", "level"} <= set(one["parameters"]), one


def questions(meta):
    """Rows, page size and number of calls of every question, whatever its page."""
    asked = defaultdict(list)
    for one in meta.reads():
        plain = {name: value for name, value in one["parameters"].items() if name != "after"}
        asked[one["path"], json.dumps(plain, sort_keys=True)].append(one)
    return {question: (sum(one["rows"] or 0 for one in calls), calls[0]["page"], len(calls))
            for question, calls in asked.items()}


def test_reads_grow_with_pages_only(explained):
    whole = questions(explained[0].meta)
    with Recorded(largest_page=7) as meta:
        small_pages = run(meta, explained[1])
    with Recorded(real_ads_only=True) as meta:
        fewer_ads = run(meta, explained[1])
    for done in (explained[0], small_pages, fewer_ads):
        asked = questions(done.meta)
        assert set(asked) == set(whole), "the questions depend on the ads or on the pages"
        for question, (rows, page, calls) in asked.items():
            assert calls == (max(1, math.ceil(rows / page)) if page else 1), question
        assert done.document["api"]["reads"] == len(done.meta.requests)
    assert len(whole) <= 6
    assert {path.rpartition("/")[2] for path, _ in whole} == {explained[0].meta.account.node["id"], "ads", "insights"}
    assert [calls for (path, _), (_, _, calls) in questions(small_pages.meta).items() if path.endswith("/ads")] == [49]


def test_every_page_counts(explained):
    done, campaigns = explained
    with Recorded(largest_page=7) as meta:
        paged = run(meta, campaigns, "--explain")
    assert paged.document["decisions"] == done.document["decisions"]
    assert paged.document["skipped"] == done.document["skipped"]


def test_the_budget_is_its_owners(explained, awake):
    seen = Counter()
    for done, _ in (explained, awake):
        account = done.meta.account
        for ad in account.ads:
            campaign, ad_set = account.related(ad, "campaign"), account.related(ad, "adset") or {}
            minor = campaign.get("daily_budget") or ad_set.get("daily_budget")
            assert done.ads[ad["id"]]["columns"]["budget"] == (int(minor) / 100 if minor else None), ad
            seen["campaign" if campaign.get("daily_budget") else "ad set" if minor else "none"] += 1
    assert min(seen.values()) > 5 and len(seen) == 3


def test_the_recorded_purchase_counts_once(explained):
    done, _ = explained
    carriers = [row["ad_id"] for row in done.meta.account.rows
                if row["date_start"] == DAY_OF_RECORD and row["recorded_for"] == "campaign"]
    assert len(carriers) == 5
    for ad in carriers:
        columns = done.ads[ad]["columns"]
        assert columns["purchases_d1"] == 1
        assert columns["spend_d1"] == pytest.approx(3.99)
        assert columns["revenue_d1"] == pytest.approx(23.05)
        assert columns["cpa_d1"] == pytest.approx(3.99)
        assert columns["frequency_d1"] == pytest.approx(1364 / 1270)


@pytest.mark.parametrize("now, first", [
    ("2019-11-14T15:00:00Z", 1),
    ("2019-11-14T02:59:59Z", 0),
    ("2019-11-14T03:00:00Z", 1),
    ("2019-11-13T15:00:00Z", 0),
    ("2019-11-20T15:00:00Z", 7),
], ids=["afternoon", "before-midnight-in-sao-paulo", "midnight-in-sao-paulo", "the-day-itself", "a-week-later"])
def test_a_recorded_day_is_on_its_own_day(now, first):
    """`first` is how many days the day of the record lies back; the day before it is one more."""
    with Recorded(today=date(2019, 11, 21)) as meta:
        done = run(meta, GROUPS[1], "--explain", now=now)
    assert done.code == 0, done.stderr
    wrong = {}
    for row in meta.account.rows:
        back = first + (date.fromisoformat(DAY_OF_RECORD) - date.fromisoformat(row["date_start"])).days
        columns = done.ads[row["ad_id"]]["columns"]
        wrong |= differences(columns, f"d{back}" if back else "today", recorded_numbers(row))
    assert not wrong


def test_windows_are_the_sum_of_their_days(explained):
    done, _ = explained
    rows = defaultdict(list)
    for row in done.meta.account.rows:
        assert TODAY - timedelta(days=3) <= date.fromisoformat(row["date_start"]) < TODAY
        rows[row["ad_id"]].append(recorded_numbers(row))
    wrong = {}
    for ad in done.meta.account.ads:
        names = ("spend", "impressions", "purchases", "revenue", "add_to_cart", "initiate_checkout")
        days = {name: [row[name] for row in rows[ad["id"]]] for name in names}
        total = {name: None if None in values else sum(values) for name, values in days.items()}
        for window in ("3d", "7d", "14d", "30d", "lifetime"):
            wrong |= {(ad["id"], key): value
                      for key, value in differences(done.ads[ad["id"]]["columns"], window, total).items()}
    assert not wrong


def test_run_after_run_knows_what_one_run_knows(tmp_path):
    """Later runs read less; what they kept and what they read must be the same numbers as when all is read at once."""
    days = [TODAY - timedelta(days=back) for back in (2, 1, 0)]
    moments = [f"{day}T{hour:02}:00:00Z" for day in days for hour in (9, 15)]
    with Recorded() as meta:
        for now in moments:
            meta.account.today = date.fromisoformat(now[:10])
            done = run(meta, GROUPS[1], "--explain", now=now, folder=tmp_path)
            assert done.code == 0, done.stderr
        fresh = run(meta, GROUPS[1], "--explain", now=moments[-1])
    metrics = ("spend", "impressions", "purchases", "revenue", "add_to_cart", "initiate_checkout", "frequency")
    names = [f"{metric}_{window}" for metric in metrics for window in ("today", "d1", "d2", "7d", "lifetime")]
    wrong = {(ad, name): (done.ads[ad]["columns"][name], one["columns"][name]) for ad, one in fresh.ads.items()
             for name in names if done.ads[ad]["columns"][name] != one["columns"][name]}
    assert not wrong


def test_unknown_revenue_stays_unknown_in_the_stage():
    """Two purchases without a value on one day, one of 23.05 on the next: ROAS is not known, certainly not 0."""
    with Recorded() as meta:
        done = run(meta, ["23843676632450104"], "--explain")
    columns = done.ads["23843676632440104"]["columns"]
    assert columns["purchases_in_stage"] == 3
    assert columns["revenue_lifetime"] is None
    assert (columns["revenue_in_stage"], columns["roas_in_stage"]) == (None, None)


def test_a_run_as_of_the_past_does_not_know_what_came_later():
    with Recorded() as meta:
        done = run(meta, GROUPS[1], "--explain", now="2019-11-12T15:00:00Z")
    later = {ad: one["columns"]["spend_lifetime"] - one["columns"]["spend_today"] for ad, one in done.ads.items()}
    assert {ad: spend for ad, spend in later.items() if spend} == {}


def test_the_token_is_never_shown():
    """`run` looks for the token in what is printed, here with everything logged."""
    with Recorded() as meta:
        done = run(meta, GROUPS[0], "-vv")
    assert done.code == 0 and done.stderr
