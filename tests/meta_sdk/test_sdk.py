"""Meta's official Python SDK against the simulated Graph server: what the SDK is content with, a
client of the real one can count on. A value of a type that the SDK does not expect is an error.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adcreative import AdCreative
from facebook_business.adobjects.adimage import AdImage
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.advideo import AdVideo
from facebook_business.adobjects.campaign import Campaign
from facebook_business.exceptions import FacebookRequestError

pytestmark = pytest.mark.filterwarnings(
    "error::UserWarning",
    # The SDK knows no nested selections, and says so of each.
    "ignore:.*does not allow field:UserWarning",
)

WINDOWS = {"action_attribution_windows": ["7d_click", "1d_view"], "action_report_time": "impression"}
WEEK = {"date_preset": "last_7d"}
PURCHASES = {"omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"}
ACCOUNT = (
    "account_id account_status amount_spent balance capabilities created_time currency"
    " disable_reason min_daily_budget name spend_cap timezone_id timezone_name"
    " timezone_offset_hours_utc"
)
CAMPAIGN = (
    "account_id bid_strategy budget_remaining buying_type configured_status created_time"
    " daily_budget effective_status name objective special_ad_categories start_time status"
    " updated_time"
)
ADSET = (
    "account_id attribution_spec bid_strategy billing_event budget_remaining campaign"
    " campaign_id configured_status created_time daily_budget effective_status"
    " learning_stage_info name optimization_goal promoted_object start_time status targeting"
    " updated_time"
)
AD = (
    "account_id adset adset_id bid_type campaign campaign_id configured_status created_time"
    " creative effective_status name status tracking_specs updated_time"
)
CREATIVE = (
    "account_id body call_to_action_type effective_object_story_id image_hash"
    " instagram_user_id link_url name object_story_id object_type status thumbnail_url title"
)
COUNTS = ["impressions", "reach", "clicks", "inline_link_clicks", "unique_clicks"]
RATES = ["frequency", "cpm", "cpc", "ctr"]


def ads(node, fields=("name",), **params):
    return list(node.get_ads(fields=list(fields), params={"limit": 200, **params}))


def ids(rows, key="id"):
    return [row[key] for row in rows]


def insights(node, fields, **params):
    asked = {"level": "ad", "limit": 500, **params}
    return [row.export_all_data() for row in node.get_insights(fields=fields, params=asked)]


def spent(node, **params):
    return sum(Decimal(row["spend"]) for row in insights(node, ["spend"], **params))


def near(text, value):
    return abs(Decimal(text) - value) < Decimal("0.00001")


def refusal(call, *args, **kwargs):
    with pytest.raises(FacebookRequestError) as caught:
        call(*args, **kwargs)
    return caught.value


def read(cls, sim, fbid, *fields):
    return cls(fbid, api=sim.api).api_get(fields=list(fields))


def busiest(sim, **params):
    """The ad with the most spend."""
    rows = insights(sim.account, ["ad_id", "spend"], **params)
    return Ad(max(rows, key=lambda row: Decimal(row["spend"]))["ad_id"], api=sim.api)


# Reads


def test_ads_over_several_pages_are_those_of_one_big_page(sim):
    cursor = sim.account.get_ads(fields=["name"], params={"limit": 25})
    assert len(cursor) == 25
    paged = list(cursor)
    whole = sim.account.get_ads(fields=["name"], params={"limit": 200})
    assert len(paged) == len(whole) == 60
    assert len(set(ids(paged))) == 60
    assert paged == list(whole)


def test_a_page_names_the_next_one_only_while_there_is_more(sim):
    path = (sim.facts["account"], "ads")
    first = sim.api.call("GET", path, params={"limit": 59}).json()
    last = sim.api.call("GET", first["paging"]["next"]).json()
    assert len(first["data"]) == 59 and len(last["data"]) == 1
    assert "next" not in last["paging"] and last["paging"]["cursors"]["after"]


def test_nested_fields_come_with_each_ad(sim):
    fields = [
        "adset_id",
        "adset{daily_budget,learning_stage_info}",
        "campaign{name,daily_budget}",
        "creative{effective_object_story_id}",
    ]
    by_campaign = {}
    for ad in ads(sim.account, fields):
        assert ad["adset"]["id"] == ad["adset_id"]
        learning = ad["adset"]["learning_stage_info"]
        assert learning["status"] in ("LEARNING", "SUCCESS")
        assert (learning["status"] == "LEARNING") == (learning["conversions"] < 50)
        page, post = ad["creative"]["effective_object_story_id"].split("_")
        assert page.isdigit() and post.isdigit()
        by_campaign.setdefault(ad["campaign"]["name"], []).append(ad)
    assert set(by_campaign) == {"Testing", "Validation", "Scaling", "Brand"}
    for ad in by_campaign["Testing"]:
        assert ad["adset"]["daily_budget"] == "5000" and "daily_budget" not in ad["campaign"]
    for ad in by_campaign["Scaling"]:
        assert ad["campaign"]["daily_budget"] == "20000" and "daily_budget" not in ad["adset"]


def test_every_field_is_of_the_type_that_the_sdk_expects(sim):
    ad = ads(sim.campaign("testing"), ["adset_id", "creative"])[0]
    nodes = [
        (sim.account, ACCOUNT),
        (sim.campaign("scaling"), CAMPAIGN),
        (AdSet(ad["adset_id"], api=sim.api), ADSET),
        (Ad(ad["id"], api=sim.api), AD),
        (AdCreative(ad["creative"]["id"], api=sim.api), CREATIVE),
    ]
    for node, fields in nodes:
        answer = node.api_get(fields=fields.split())
        assert set(fields.split()) == answer.keys() - {"id"}
        assert answer["id"] == node.get_id()


def test_the_account_says_what_was_spent_in_minor_units(sim):
    account = sim.account.api_get(fields=["currency", "amount_spent", "account_status", "timezone_name"])
    assert (account["currency"], account["timezone_name"]) == ("EUR", "Europe/Berlin")
    assert account["account_status"] == 1
    total = spent(sim.account, date_preset="maximum")
    assert total > 0 and account["amount_spent"] == str(int(total * 100))


def test_ads_are_listed_by_effective_status(sim):
    everything = ids(ads(sim.account))
    for fbid in (everything[3], everything[50]):
        Ad(fbid, api=sim.api).api_update(params={"status": "PAUSED"})
    paused = ads(sim.account, ["effective_status"], effective_status=["PAUSED"])
    assert ids(paused) == [everything[3], everything[50]]
    assert {ad["effective_status"] for ad in paused} == {"PAUSED"}
    assert len(ads(sim.account, effective_status=["ACTIVE"])) == len(everything) - 2


# Insights


def test_insights_by_day_have_one_row_for_each_ad_and_day(sim):
    rows = insights(sim.account, ["ad_id", "impressions", "spend"], time_increment=1, **WEEK)
    days = [(row["ad_id"], row["date_start"]) for row in rows]
    assert len(set(days)) == len(days) > 60
    assert all(row["date_start"] == row["date_stop"] for row in rows)
    assert {day for _, day in days} == {f"2026-06-0{n}" for n in range(1, 8)}
    for whole in insights(sim.account, ["ad_id", "impressions", "spend"], **WEEK):
        mine = [row for row in rows if row["ad_id"] == whole["ad_id"]]
        assert sum(int(row["impressions"]) for row in mine) == int(whole["impressions"])
        assert sum(Decimal(row["spend"]) for row in mine) == Decimal(whole["spend"])


def test_insights_over_several_pages_are_those_of_one_big_page(sim):
    asked = {"level": "ad", "time_increment": 1, **WEEK}
    paged = sim.account.get_insights(fields=["ad_id", "spend"], params={"limit": 40, **asked})
    assert len(paged) == 40
    rows = [row.export_all_data() for row in paged]
    assert len(rows) > 120
    assert rows == insights(sim.account, ["ad_id", "spend"], time_increment=1, **WEEK)


def test_numbers_of_insights_are_strings_and_spend_is_in_major_units(sim):
    rows = insights(sim.account, COUNTS + RATES + ["spend"], time_increment=1, **WEEK)
    assert len(rows) > 100
    for row in rows:
        assert all(isinstance(value, str) for value in row.values())
        assert all(row[name].isdigit() for name in COUNTS)
        spend, impressions = Decimal(row["spend"]), int(row["impressions"])
        assert spend.as_tuple().exponent == -2
        assert 0 < int(row["reach"]) <= impressions
        assert int(row["inline_link_clicks"]) <= int(row["clicks"])
        assert near(row["cpm"], spend * 1000 / impressions)
        assert near(row["ctr"], Decimal(row["clicks"]) * 100 / impressions)
        assert near(row["frequency"], Decimal(impressions) / int(row["reach"]))


def test_one_purchase_stands_under_several_types_with_equal_values(sim):
    fields = ["actions", "action_values"]
    rows = insights(sim.account, fields, time_increment=1, **WEEK, **WINDOWS)
    sold = [row for row in rows if "action_values" in row]
    assert 0 < len(sold) < len(rows)
    for row in sold:
        for name in fields:
            bought = [a for a in row[name] if "purchase" in a["action_type"]]
            assert PURCHASES <= {action["action_type"] for action in bought}
            first, *others = [{**action, "action_type": ""} for action in bought]
            assert others and all(other == first for other in others)
            assert isinstance(first["value"], str) and Decimal(first["value"]) > 0


def test_a_purchase_has_a_key_for_each_window_that_was_asked_for(sim):
    fields = ["actions", "action_values"]
    seen = set()
    for row in insights(sim.account, fields, time_increment=1, **WEEK, **WINDOWS):
        for action in row["actions"] + row.get("action_values", []):
            if action["action_type"] == "omni_purchase":
                windows = action.keys() - {"action_type", "value"}
                assert windows <= {"7d_click", "1d_view"}
                assert sum(Decimal(action[w]) for w in windows) == Decimal(action["value"])
                seen |= windows
    assert seen == {"7d_click", "1d_view"}


def test_without_windows_a_purchase_has_its_total_alone(sim):
    def purchases(**params):
        rows = insights(sim.account, ["actions"], level="account", **WEEK, **params)
        return [a for a in rows[0]["actions"] if a["action_type"] == "omni_purchase"]

    [plain] = purchases()
    [windowed] = purchases(**WINDOWS)
    assert plain == {"action_type": "omni_purchase", "value": windowed["value"]}
    assert int(plain["value"]) > 0


def test_todays_insights_grow_as_hours_pass(sim):
    assert insights(sim.account, ["spend"], date_preset="today") == []
    sim.advance(6)
    early = insights(sim.account, ["spend", "impressions"], level="account", date_preset="today")
    sim.advance(6)
    late = insights(sim.account, ["spend", "impressions"], level="account", date_preset="today")
    assert len(early) == len(late) == 1
    assert 0 < Decimal(early[0]["spend"]) < Decimal(late[0]["spend"])
    assert Decimal(late[0]["spend"]) == spent(sim.account, date_preset="today")

    offset = sim.account.api_get(fields=["timezone_offset_hours_utc"])["timezone_offset_hours_utc"]
    now = datetime.fromisoformat(sim.state()["now"].replace("Z", "+00:00"))
    assert late[0]["date_start"] == str((now + timedelta(hours=offset)).date()) == "2026-06-08"


def test_an_async_report_completes_and_reads_like_a_direct_one(sim):
    asked = {"level": "ad", "time_increment": 1, **WEEK, **WINDOWS}
    fields = ["ad_id", "spend", "actions"]
    report = sim.account.get_insights(fields=fields, params=asked, is_async=True)
    statuses = []
    while not statuses or statuses[-1] != "Job Completed":
        assert len(statuses) < 20
        report = report.api_get()
        statuses.append(report["async_status"])
        assert (report["async_percent_completion"] == 100) == (statuses[-1] == "Job Completed")
    assert set(statuses[:-1]) == {"Job Running"}

    rows = [row.export_all_data() for row in report.get_result(params={"limit": 50})]
    assert len(rows) > 100
    assert rows == insights(sim.account, fields, time_increment=1, **WEEK, **WINDOWS)


@pytest.mark.parametrize(("kind", "ends"), [("report-failed", "Job Failed"), ("report-skipped", "Job Skipped")])
def test_an_async_report_that_comes_to_nothing_says_so(sim, kind, ends):
    def ask():
        report = sim.account.get_insights(fields=["ad_id"], params={"level": "ad", **WEEK}, is_async=True)
        for _ in range(20):
            report = report.api_get()
            if report["async_status"] not in ("Job Not Started", "Job Started", "Job Running"):
                return report["async_status"]
        pytest.fail("the report never ended")

    sim.faults(kind)
    assert ask() == ends
    sim.faults()
    assert ask() == "Job Completed"


# Pace


def usage(sim, edge):
    response = sim.api.call("GET", (sim.facts["account"], edge), params={"limit": 1})
    headers = {name.lower(): value for name, value in response.headers().items()}
    business = json.loads(headers["x-business-use-case-usage"])
    account = json.loads(headers["x-ad-account-usage"])
    return headers, business[sim.facts["account"].removeprefix("act_")][0], account


def test_every_answer_says_how_much_of_the_limits_is_used_up(sim):
    headers, business, account = usage(sim, "ads")
    assert business["type"] == "ads_management" and business["estimated_time_to_regain_access"] == 0
    assert business["ads_api_access_tier"] == account["ads_api_access_tier"] == "standard_access"
    assert set(json.loads(headers["x-app-usage"])) == {"call_count", "total_time", "total_cputime"}
    assert "x-fb-ads-insights-throttle" not in headers
    for _ in range(90):
        usage(sim, "ads")
    _, more, more_account = usage(sim, "ads")
    assert more["call_count"] > business["call_count"] or more_account["acc_id_util_pct"] > account["acc_id_util_pct"]
    of_insights, business, _ = usage(sim, "insights")
    assert business["type"] == "ads_insights"
    assert {"app_id_util_pct", "acc_id_util_pct"} <= set(json.loads(of_insights["x-fb-ads-insights-throttle"]))


@pytest.mark.parametrize(
    ("kind", "code", "subcode", "transient"),
    [("throttled", 17, 2446079, False), ("transient", 2, None, True), ("policy-block", 368, None, False),
     ("permission", 200, None, False), ("token-expired", 190, 463, False)],
)
def test_what_goes_wrong_is_an_error_that_the_sdk_reads(sim, kind, code, subcode, transient):
    sim.faults(kind)
    error = refusal(sim.account.api_get, fields=["name"])
    assert (error.api_error_code(), error.api_error_subcode()) == (code, subcode)
    assert error.api_transient_error() is transient
    sim.faults()
    assert sim.account.api_get(fields=["name"])["name"]


def test_two_servers_of_one_seed_give_identical_insights(start):
    def numbers(seed):
        sim = start(seed)
        sim.advance(30)
        fields = ["ad_id", "ad_name", "spend", "reach", "actions", "action_values"]
        return insights(sim.account, fields, date_preset="maximum", time_increment=1, **WINDOWS)

    first = numbers(1)
    assert len(first) > 300
    assert first == numbers(1)
    assert first != numbers(2)


# Writes


def test_a_paused_ad_reads_paused_and_spends_no_more(sim):
    sim.advance(6)
    ad = busiest(sim, date_preset="today")
    assert read(Ad, sim, ad["id"], "effective_status")["effective_status"] == "ACTIVE"
    ad.api_update(params={"status": "PAUSED"})
    paused = read(Ad, sim, ad["id"], "status", "effective_status")
    assert (paused["status"], paused["effective_status"]) == ("PAUSED", "PAUSED")

    mine, everybodys = spent(ad, date_preset="today"), spent(sim.account, date_preset="today")
    sim.advance(6)
    assert spent(ad, date_preset="today") == mine > 0
    assert spent(sim.account, date_preset="today") > everybodys

    ad.api_update(params={"status": "ACTIVE"})
    sim.advance(6)
    assert spent(ad, date_preset="today") > mine


def test_a_paused_campaign_pauses_its_ads(sim):
    campaign = sim.campaign("scaling")
    before = ads(campaign, ["effective_status"], effective_status=["ACTIVE"])
    campaign.api_update(params={"status": "PAUSED"})
    after = ads(campaign, ["status", "effective_status"], effective_status=["CAMPAIGN_PAUSED"])
    assert ids(after) == ids(before) != []
    assert {(ad["status"], ad["effective_status"]) for ad in after} == {("ACTIVE", "CAMPAIGN_PAUSED")}


def test_a_budget_is_written_and_read_in_minor_units(sim):
    adset = sim.campaign("validation").get_ad_sets(fields=["daily_budget"])[0]
    assert adset["daily_budget"] == "6000"
    AdSet(adset["id"], api=sim.api).api_update(params={"daily_budget": 7345})
    assert read(AdSet, sim, adset["id"], "daily_budget")["daily_budget"] == "7345"


def test_a_budget_below_the_minimum_is_refused(sim):
    adset = sim.campaign("validation").get_ad_sets(fields=["daily_budget"])[0]
    least = sim.account.api_get(fields=["min_daily_budget"])["min_daily_budget"]
    error = refusal(AdSet(adset["id"], api=sim.api).api_update, params={"daily_budget": least - 1})
    assert error.api_error_code() == 100
    assert read(AdSet, sim, adset["id"], "daily_budget")["daily_budget"] == adset["daily_budget"]


def test_a_budget_is_refused_where_the_campaign_holds_it(sim):
    campaign = sim.campaign("scaling")
    adset = campaign.get_ad_sets(fields=["name"])[0]
    error = refusal(AdSet(adset["id"], api=sim.api).api_update, params={"daily_budget": 9000})
    assert error.http_status() == 400 and error.api_error_code() == 100
    assert "daily_budget" not in read(AdSet, sim, adset["id"], "daily_budget")
    assert read(Campaign, sim, campaign["id"], "daily_budget")["daily_budget"] == "20000"


def test_a_copy_of_an_ad_is_paused_renamed_and_keeps_the_post(sim):
    fields = ["name", "status", "adset_id", "source_ad_id", "creative{effective_object_story_id}"]
    source = ads(sim.campaign("testing"), fields)[0]
    target = sim.campaign("validation").get_ad_sets(fields=["name"])[0]
    made = Ad(source["id"], api=sim.api).create_copy(params={
        "adset_id": target["id"],
        "status_option": "PAUSED",
        "rename_options": {"rename_suffix": " #2"},
    })
    copy = read(Ad, sim, made["copied_ad_id"], *fields)
    assert copy["id"] != source["id"]
    assert (copy["name"], copy["status"]) == (source["name"] + " #2", "PAUSED")
    assert (copy["adset_id"], copy["source_ad_id"]) == (target["id"], source["id"])
    assert copy["creative"] == source["creative"]
    assert copy["id"] in ids(ads(AdSet(target["id"], api=sim.api)))


def test_an_active_copy_is_delivered_only_after_its_review(sim):
    made = busiest(sim, **WEEK).create_copy(params={"status_option": "ACTIVE"})["copied_ad_id"]
    copy = Ad(made, api=sim.api)
    assert read(Ad, sim, made, "effective_status")["effective_status"] == "PENDING_REVIEW"
    sim.advance(1)
    assert insights(copy, ["spend"], date_preset="today") == []
    sim.advance(12)
    assert read(Ad, sim, made, "effective_status")["effective_status"] == "ACTIVE"
    assert spent(copy, date_preset="today") > 0


def test_a_copy_of_an_ad_set_is_paused_renamed_and_empty(sim):
    fields = ["name", "status", "campaign_id", "daily_budget", "source_adset_id"]
    source = sim.campaign("testing").get_ad_sets(fields=fields)[0]
    target = sim.campaign("validation")["id"]
    made = AdSet(source["id"], api=sim.api).create_copy(params={
        "campaign_id": target,
        "status_option": "PAUSED",
        "rename_options": {"rename_suffix": " #2"},
    })
    copy = read(AdSet, sim, made["copied_adset_id"], *fields)
    assert (copy["name"], copy["status"]) == (source["name"] + " #2", "PAUSED")
    assert (copy["campaign_id"], copy["source_adset_id"]) == (target, source["id"])
    assert copy["daily_budget"] == source["daily_budget"]
    assert ads(AdSet(copy["id"], api=sim.api)) == []


def test_a_deep_copy_of_an_ad_set_renames_the_top_level_alone(sim):
    source = sim.campaign("validation").get_ad_sets(fields=["name"])[0]
    inside = ads(AdSet(source["id"], api=sim.api))
    made = AdSet(source["id"], api=sim.api).create_copy(params={
        "deep_copy": True,
        "status_option": "PAUSED",
        "rename_options": {"rename_suffix": " #2"},
    })
    copy = AdSet(made["copied_adset_id"], api=sim.api)
    copied = ads(copy, ["name", "status", "source_ad_id"])
    assert ids(copied, "source_ad_id") == ids(inside) != []
    assert {ad["status"] for ad in copied} == {"PAUSED"}
    assert read(AdSet, sim, made["copied_adset_id"], "name")["name"] == source["name"] + " #2"
    assert ids(copied, "name") == ids(inside, "name")


# Archived and deleted


@pytest.mark.parametrize("status", ["ARCHIVED", "DELETED"])
def test_what_is_archived_or_deleted_is_listed_only_when_asked_for(sim, status):
    before = ads(sim.account)
    gone = before[7]["id"]
    Ad(gone, api=sim.api).api_update(params={"status": status})
    assert ids(ads(sim.account)) == [ad for ad in ids(before) if ad != gone]
    assert ids(ads(sim.account, effective_status=[status])) == [gone]
    filtering = [{"field": "effective_status", "operator": "IN", "value": [status]}]
    assert ids(ads(sim.account, filtering=filtering)) == [gone]
    assert read(Ad, sim, gone, "effective_status")["effective_status"] == status


def test_an_ad_deleted_by_method_can_still_be_read_by_its_id(sim):
    gone = busiest(sim, **WEEK)
    gone.api_delete()
    assert gone["id"] not in ids(ads(sim.account))
    assert read(Ad, sim, gone["id"], "status")["status"] == "DELETED"
    assert spent(gone, **WEEK) > 0


def test_an_archived_ad_is_left_out_of_nested_listings(sim):
    gone = ads(sim.campaign("scaling"))[0]["id"]
    Ad(gone, api=sim.api).api_update(params={"status": "ARCHIVED"})
    campaign = read(Campaign, sim, sim.campaign("scaling")["id"], "ads{id}")
    assert len(campaign["ads"]) == 5 and gone not in ids(campaign["ads"])


def test_an_archived_ad_is_left_out_of_insights_by_ad_and_counted_in_totals(sim):
    total = spent(sim.account, level="account", **WEEK)
    gone = busiest(sim, **WEEK)
    gone.api_update(params={"status": "ARCHIVED"})
    assert spent(sim.account, level="account", **WEEK) == total
    assert spent(gone, **WEEK) > 0
    assert gone["id"] not in ids(insights(sim.account, ["ad_id"], **WEEK), "ad_id")


def test_insights_of_archived_ads_come_by_ad_when_asked_for(sim):
    gone = busiest(sim, **WEEK)
    gone.api_update(params={"status": "ARCHIVED"})
    filtering = [{"field": "ad.effective_status", "operator": "IN", "value": ["ARCHIVED"]}]
    rows = insights(sim.account, ["ad_id"], filtering=filtering, **WEEK)
    assert ids(rows, "ad_id") == [gone["id"]]


def test_an_archived_ad_cannot_be_made_active_again(sim):
    gone = ads(sim.account)[0]["id"]
    Ad(gone, api=sim.api).api_update(params={"status": "ARCHIVED"})
    error = refusal(Ad(gone, api=sim.api).api_update, params={"status": "ACTIVE"})
    assert error.api_error_code() == 100
    assert read(Ad, sim, gone, "status")["status"] == "ARCHIVED"


def test_what_is_below_an_archived_campaign_is_archived_too(sim):
    campaign = sim.campaign("scaling")
    below = ids(ads(campaign))
    campaign.api_update(params={"status": "ARCHIVED"})
    assert read(Ad, sim, below[0], "effective_status")["effective_status"] == "ARCHIVED"
    assert len(below) == 6 and not set(below) & set(ids(ads(sim.account)))


# Batches


def test_a_batch_reads_and_writes_and_calls_back_in_order(sim):
    first, second, third = ads(sim.account, ["status"], effective_status=["ACTIVE"])[:3]
    answers, failures = [], []
    calls = sim.state()["calls"]
    batch = sim.api.new_batch()
    for ad in (first, second):
        Ad(ad["id"], api=sim.api).api_get(
            fields=["name"], batch=batch, success=answers.append, failure=failures.append)
    Ad(third["id"], api=sim.api).api_update(
        params={"status": "PAUSED"}, batch=batch, success=answers.append, failure=failures.append)
    assert batch.execute() is None and failures == []
    assert [answer.status() for answer in answers] == [200, 200, 200]
    assert [answer.json().get("id") for answer in answers] == [first["id"], second["id"], None]
    assert answers[2].json() == {"success": True}
    assert {"name", "value"} == set(answers[0].headers()[0])
    assert sim.state()["calls"] == calls + 3
    assert read(Ad, sim, third["id"], "status")["status"] == "PAUSED"


def test_one_failing_entry_does_not_fail_its_batch(sim):
    good = ads(sim.account)[0]["id"]
    answers, failures = [], []
    batch = sim.api.new_batch()
    for fbid in ("1", good):
        Ad(fbid, api=sim.api).api_get(
            fields=["name"], batch=batch, success=answers.append, failure=failures.append)
    assert batch.execute() is None
    assert [answer.json()["id"] for answer in answers] == [good]
    [failure] = failures
    error = failure.error()
    assert failure.status() == 400
    assert (error.api_error_code(), error.api_error_subcode()) == (100, 33)


def test_a_batch_of_fifty_is_answered_and_one_more_refused(sim):
    ad = ads(sim.account)[0]
    entry = {"method": "GET", "relative_url": f"{ad['id']}?fields=name"}
    answers = sim.api.call("POST", (), params={"batch": [entry] * 50}).json()
    assert [answer["code"] for answer in answers] == [200] * 50
    assert all(json.loads(answer["body"])["name"] == ad["name"] for answer in answers)

    write = {"method": "POST", "relative_url": ad["id"], "body": "name=changed"}
    error = refusal(sim.api.call, "POST", (), params={"batch": [write] * 51})
    assert error.http_status() == 400
    assert "Maximum batch size is 50" in error.api_error_message()
    assert read(Ad, sim, ad["id"], "name")["name"] == ad["name"]


def test_several_ads_are_read_by_their_ids_in_one_call(sim):
    wanted = ads(sim.account)[:3]
    assert Ad.get_by_ids(ids(wanted), fields=["name"], api=sim.api) == wanted


# Filters


@pytest.mark.parametrize("edge", ["ads", "insights"])
def test_a_filter_by_campaign_is_obeyed(sim, edge):
    campaign = sim.campaign("scaling")
    filtering = [{"field": "campaign.id", "operator": "IN", "value": [campaign["id"]]}]
    if edge == "ads":
        found, wanted = ids(ads(sim.account, filtering=filtering)), ids(ads(campaign))
    else:
        found = ids(insights(sim.account, ["ad_id"], filtering=filtering, **WEEK), "ad_id")
        wanted = ids(insights(campaign, ["ad_id"], **WEEK), "ad_id")
    assert found == wanted != []


def test_insights_are_filtered_by_ad_ids(sim):
    wanted = sorted(ids(insights(sim.account, ["ad_id"], **WEEK), "ad_id")[:3])
    filtering = [{"field": "ad.id", "operator": "IN", "value": wanted}]
    rows = insights(sim.account, ["ad_id"], filtering=filtering, **WEEK)
    assert len(wanted) == 3 and sorted(ids(rows, "ad_id")) == wanted


# Errors


def test_a_wrong_token_is_code_190(sim):
    api = sim.client(token="wrong")
    error = refusal(api.call, "GET", (sim.facts["account"], "ads"))
    assert (error.api_error_code(), error.api_error_type()) == (190, "OAuthException")


def test_a_wrong_appsecret_proof_is_refused(sim):
    api = sim.client(secret="wrong")
    error = refusal(api.call, "GET", (sim.facts["account"], "ads"))
    assert error.http_status() == 400 and error.api_error_code() == 100
    assert "appsecret_proof" in error.api_error_message()


def test_an_unknown_field_is_code_100(sim):
    error = refusal(sim.account.get_ads, fields=["name", "no_such_field"])
    assert error.http_status() == 400 and error.api_error_code() == 100
    assert "(no_such_field)" in error.api_error_message()
    assert error.api_error_subcode() is None


def test_an_unknown_field_of_insights_is_code_100(sim):
    error = refusal(sim.account.get_insights, fields=["spend", "no_such_field"], params=WEEK)
    assert error.api_error_code() == 100
    assert "no_such_field" in error.api_error_message()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_object_is_code_100_and_subcode_33(sim, method):
    error = refusal(sim.api.call, method, ("123456789",))
    assert error.http_status() == 400
    assert (error.api_error_code(), error.api_error_subcode()) == (100, 33)
    assert error.api_error_type() == "GraphMethodException"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_object_is_refused_in_the_words_of_its_method(sim, method):
    error = refusal(sim.api.call, method, ("123456789",))
    assert f"Unsupported {method.lower()} request" in error.api_error_message()


def test_a_field_error_is_of_metas_type(sim):
    error = refusal(sim.account.get_ads, fields=["no_such_field"])
    assert error.api_error_type() == "OAuthException"


def test_a_cursor_that_is_none_is_refused(sim):
    for edge in (sim.account.get_ads, sim.account.get_insights):
        error = refusal(edge, fields=[], params={"after": "no-such-cursor"})
        assert error.api_error_code() == 100


# Creation: images, videos, creatives and ads as the SDK makes them.


def test_an_image_is_uploaded_from_a_file_and_has_one_hash(sim, tmp_path):
    path = tmp_path / "shoes.jpg"
    path.write_bytes(bytes(range(256)) * 40)
    hashes = []
    for _ in range(2):
        image = AdImage(parent_id=sim.account.get_id_assured(), api=sim.api)
        image[AdImage.Field.filename] = str(path)
        image.remote_create()
        hashes.append(image[AdImage.Field.hash])
    assert hashes[0] == hashes[1] and len(hashes[0]) == 32


def story(image_hash, **more):
    button = {"type": "SHOP_NOW", "value": {"link": "https://shop.example/"}}
    data = {"link": "https://shop.example/", "image_hash": image_hash, "message": "Sand", "call_to_action": button}
    return {"page_id": "200000000000001", "instagram_user_id": "400000000000001", "link_data": data, **more}


def uploaded(sim):
    made = sim.account.create_ad_image(params={"bytes": "aGVsbG8gd29ybGQ="})
    return made["images"]["bytes"]["hash"] if "images" in made else made["hash"]


def test_a_creative_and_an_ad_of_it_are_made_and_reviewed(sim):
    creative = sim.account.create_ad_creative(params={"name": "New", "object_story_spec": story(uploaded(sim))})
    read = creative.api_get(fields=["name", "object_story_spec", "instagram_user_id", "call_to_action_type"])
    assert read["name"] == "New" and read["instagram_user_id"] == "400000000000001"
    assert read["object_story_spec"]["link_data"]["message"] == "Sand"
    adset = sim.account.get_ad_sets(fields=["id"])[0]["id"]
    ad = sim.account.create_ad(
        params={"name": "New", "adset_id": adset, "creative": {"creative_id": creative["id"]}, "status": "ACTIVE"}
    )
    read = ad.api_get(fields=["name", "effective_status", "adset_id", "creative"])
    assert (read["effective_status"], read["adset_id"]) == ("PENDING_REVIEW", adset)
    assert read["creative"]["id"] == creative["id"]


def test_a_creative_of_a_post_keeps_the_post(sim):
    creative = sim.account.create_ad_creative(params={"name": "Post", "object_story_id": "200000000000001_5"})
    assert creative.api_get(fields=["effective_object_story_id"])["effective_object_story_id"] == "200000000000001_5"


def test_a_video_is_shown_once_it_is_processed(sim):
    video = sim.account.create_ad_video(params={"file_url": "https://shop.example/a.mp4", "title": "Sand"})
    button = {"type": "SHOP_NOW", "value": {"link": "https://shop.example/"}}
    data = {"video_id": video["id"], "image_url": "https://shop.example/a.jpg", "call_to_action": button}
    spec = {"page_id": "200000000000001", "video_data": data}
    with pytest.raises(FacebookRequestError) as refused:
        sim.account.create_ad_creative(params={"name": "Video", "object_story_spec": spec})
    assert "not ready" in refused.value.api_error_message()
    status = [AdVideo(video["id"], api=sim.api).api_get(fields=["status"])["status"]["video_status"] for _ in range(4)]
    assert status[0] == "processing" and status[-1] == "ready"
    assert sim.account.create_ad_creative(params={"name": "Video", "object_story_spec": spec})["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("page_id"), "page_id"),
        (lambda s: s.update(instagram_actor_id="1"), "instagram_actor_id is deprecated"),
        (lambda s: s["link_data"].update(image_hash="unknown"), "an image that was uploaded"),
        (lambda s: s["link_data"].update(call_to_action={"type": "SHOP"}), "SHOP is no call to action"),
        (lambda s: s["link_data"].pop("link"), "a link"),
    ],
)
def test_a_story_that_lacks_something_is_refused_as_meta_does(sim, change, words):
    spec = story(uploaded(sim))
    change(spec)
    with pytest.raises(FacebookRequestError) as refused:
        sim.account.create_ad_creative(params={"name": "New", "object_story_spec": spec})
    assert refused.value.api_error_code() == 100 and words in refused.value.api_error_message()
