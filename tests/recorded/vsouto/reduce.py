"""Reduces the mocks of vsouto/vue-front-platform to what the recorded server answers with.

Usage: python reduce.py FOLDER    (the folder with ads.json, adset.json, campaign.json and campaigns.json)
Writes ads.json, adsets.json, campaigns.json and insights.json beside this file; README.md says what is changed.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
AD = "id name status effective_status created_time account_id adset_id campaign_id creative".split()
AD_SET = ("id name status effective_status created_time updated_time account_id campaign_id daily_budget "
          "lifetime_budget budget_remaining bid_strategy learning_stage_info").split()
CAMPAIGN = ("id name status effective_status created_time updated_time start_time account_id objective daily_budget "
            "lifetime_budget budget_remaining bid_strategy").split()
INSIGHT = "date_start date_stop impressions reach frequency spend actions action_values outbound_clicks".split()


def pick(record, names):
    return {name: record[name] for name in names if record.get(name) is not None}


def row(ad_id, level, insight):
    """An insights row of an ad; `recorded_for` says whether the file has it on the ad or on its campaign."""
    if "impressions" not in insight or "spend" not in insight:
        raise ValueError(f"no insight record: {sorted(insight)}")
    return {"ad_id": ad_id, "recorded_for": level, **pick(insight, INSIGHT)}


def reduced(folder):
    read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
    ads, ad_sets, campaigns = read("ads.json"), read("adset.json"), read("campaign.json")
    listed = read("campaigns.json")["response"]

    known = {ad_set["id"] for ad_set in ad_sets}
    carrier = {}
    for ad in sorted(ads, key=lambda ad: ad["id"]):
        if ad["effective_status"] == "ACTIVE" and ad["adset_id"] in known:
            carrier.setdefault(ad["campaign_id"], ad["id"])

    insights = [row(ad["id"], "ad", ad["insights"]) for ad in ads if ad.get("insights")]
    for campaign in campaigns:
        if campaign.get("insights") and campaign["id"] in carrier:
            insights.append(row(carrier[campaign["id"]], "campaign", campaign["insights"]))
    for campaign in listed:
        for insight in campaign.get("insights", []):
            if campaign["id"] in carrier:
                insights.append(row(carrier[campaign["id"]], "campaign", insight))
    insights.sort(key=lambda row: (row["ad_id"], row["date_start"]))

    have = {campaign["id"] for campaign in campaigns}
    campaigns = campaigns + [campaign for campaign in listed if campaign["id"] not in have]
    return {
        "ads.json": [pick(ad, AD) for ad in ads],
        "adsets.json": [pick(ad_set, AD_SET) for ad_set in ad_sets],
        "campaigns.json": [pick(campaign, CAMPAIGN) for campaign in campaigns],
        "insights.json": insights,
    }


def main(folder):
    for name, records in reduced(pathlib.Path(folder)).items():
        lines = ",\n".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records)
        (HERE / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{name}: {len(records)} records, {(HERE / name).stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
