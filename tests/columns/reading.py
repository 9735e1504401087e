"""What a simulated server says of its account, read over HTTP, and what the program says of itself.

Everything that is expected of a column comes from here, never from the program's store.
"""

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import requests

SECONDS = 30
STAGES = {"Testing": "testing", "Validation": "validation", "Scaling": "scaling"}
ALIASES = {
    "purchases": ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"),
    "add_to_cart": ("omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"),
    "initiate_checkout": ("omni_initiated_checkout", "initiate_checkout",
                          "offsite_conversion.fb_pixel_initiate_checkout"),
    "video": ("video_view",),
}
METRICS = ("spend", "impressions", "clicks", "link_clicks", "purchases", "revenue", "add_to_cart",
           "initiate_checkout", "video_3s", "thruplay", "watch_time")
FIELDS = ("ad_id,spend,impressions,clicks,inline_link_clicks,actions,action_values,reach,video_play_actions,"
          "video_thruplay_watched_actions,video_avg_time_watched_actions")
AD = ("id,name,created_time,effective_status,campaign{name,daily_budget},"
      "adset{id,name,daily_budget,lifetime_budget,learning_stage_info},creative{id}")
ATTRIBUTION = {"action_report_time": "impression", "action_attribution_windows": '["7d_click","1d_view"]'}
# Money of these is counted in whole units by Meta.
WHOLE = {"JPY", "KRW", "CLP", "HUF", "TWD", "VND"}


class Graph:
    """The server's API, signed as Meta wants it."""

    def __init__(self, facts):
        self.facts = facts
        self.session = requests.Session()
        self.session.trust_env = False
        proof = hmac.new(facts["app_secret"].encode(), facts["token"].encode(), hashlib.sha256).hexdigest()
        self.signed = {"access_token": facts["token"], "appsecret_proof": proof}
        self.root = f"{facts['url']}/{facts['api_version']}"

    def call(self, method, url, **parameters):
        answer = self.session.request(method, url, params=self.signed | parameters, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json()

    def rows(self, edge, **parameters):
        """Every row of an edge of the account, over all its pages."""
        url, rows = f"{self.root}/{self.facts['account']}/{edge}", []
        page = self.call("GET", url, limit=500, **parameters)
        while True:
            rows += page["data"]
            if "next" not in page.get("paging", {}):
                return rows
            page = self.call("GET", url, limit=500, **parameters, after=page["paging"]["cursors"]["after"])

    def ads(self):
        return self.rows("ads", fields=AD)

    def change(self, node, **parameters):
        self.call("POST", f"{self.root}/{node}", **parameters)

    def advance(self, hours):
        self.session.post(f"{self.facts['url']}/sim/advance", json={"hours": hours}, timeout=SECONDS).raise_for_status()

    def now(self):
        told = self.session.get(f"{self.facts['url']}/sim/state", timeout=SECONDS).json()["now"]
        return datetime.fromisoformat(told.replace("Z", "+00:00"))


def first_of(actions, name):
    """The value of the first action type that is there; None without one."""
    values = {action["action_type"]: float(action["value"]) for action in actions or []}
    return next((values[alias] for alias in ALIASES[name] if alias in values), None)


def numbers(row):
    """A row of insights as the metrics of the catalogue; unknown revenue is NaN."""
    actions, plays = row.get("actions"), first_of(row.get("video_play_actions"), "video") or 0.0
    purchases = first_of(actions, "purchases") or 0.0
    revenue = first_of(row.get("action_values"), "purchases")
    return {
        "ad": row["ad_id"], "day": datetime.fromisoformat(row["date_start"]).date(),
        "spend": float(row["spend"]), "impressions": float(row["impressions"]), "clicks": float(row["clicks"]),
        "link_clicks": float(row["inline_link_clicks"]), "purchases": purchases,
        "revenue": (float("nan") if purchases else 0.0) if revenue is None else revenue,
        "add_to_cart": first_of(actions, "add_to_cart") or 0.0,
        "initiate_checkout": first_of(actions, "initiate_checkout") or 0.0,
        "video_3s": plays,
        "thruplay": first_of(row.get("video_thruplay_watched_actions"), "video") or 0.0,
        "watch_time": plays * (first_of(row.get("video_avg_time_watched_actions"), "video") or 0.0),
        "reach": float(row["reach"]),
    }


def described(ad, zone, minor):
    """What the account's structure says of an ad; a budget is its campaign's or else its ad set's."""
    created = datetime.fromisoformat(ad["created_time"])
    owner = ad["campaign"] if ad["campaign"].get("daily_budget") else ad["adset"]
    budget = owner.get("daily_budget")
    return {
        "id": ad["id"], "campaign": ad["campaign"]["id"], "campaign_name": ad["campaign"]["name"], "owner": owner["id"],
        # What Dean marks the names of its own copies with is none of theirs.
        "ad_name": re.sub(r" \[dean:[^\]]*\]", "", ad["name"]), "adset_name": ad["adset"]["name"],
        "created": created, "first_day": created.astimezone(ZoneInfo(zone)).date(),
        "status": ad["effective_status"], "stage": STAGES.get(ad["campaign"]["name"]),
        "budget": float(budget) / minor if budget else float("nan"),
        "copyable": float("creative" in ad and not ad["campaign"].get("daily_budget")
                          and not ad["adset"].get("lifetime_budget")),
        "creative": ad["creative"]["id"] if "creative" in ad else ad["id"],
        "learning": float(ad["adset"]["learning_stage_info"]["status"] == "LEARNING"),
    }


def table_of(ads, zone, minor):
    """What the account's structure says of its ads, a row each."""
    return pd.DataFrame([described(ad, zone, minor) for ad in ads]).set_index("id")


def span(since, until):
    return json.dumps({"since": str(since), "until": str(until)})


def reach(graph, since, until):
    """People whom each ad reached in a span of days as a whole."""
    rows = graph.rows("insights", level="ad", fields="ad_id,reach", time_range=span(since, until), **ATTRIBUTION)
    return pd.Series({row["ad_id"]: float(row["reach"]) for row in rows}, dtype=float)


def program():
    """Where the program is; None when DEAN_BIN does not say."""
    named = os.environ.get("DEAN_BIN")
    return os.path.abspath(named) if named else None


def asked(*words):
    """What the program says of itself, in a folder of its own; None where it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program(), *words, "--json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


@lru_cache(maxsize=None)
def catalogue():
    """What the program says its columns are."""
    return asked("metrics")["columns"]


@lru_cache(maxsize=None)
def context_catalogue():
    """What the program says its numbers of the account and a stage are."""
    return asked("metrics")["context"]


@lru_cache(maxsize=None)
def thresholds():
    """Name and default of each stage's threshold on the cost per purchase, from those that have a policy."""
    found = {}
    for stage in STAGES.values():
        policy = asked("policy", "show", stage)
        settings = policy["params"] if policy else []
        found |= {stage: (one["path"].removeprefix("thresholds.cpa."), one["kind"]["number"]["default"])
                  for one in settings if one["path"].startswith("thresholds.cpa.")}
    return found


@contextmanager
def serving(plan, folder):
    """A server of the plan, ended however the block ends."""
    command = [program(), "sim", "serve", "--json", "--port", "0", "--seed", str(plan.seed), "--ads", str(plan.ads),
               "--currency", plan.currency, "--timezone", plan.zone]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    patience = threading.Timer(SECONDS, process.kill)
    patience.start()
    try:
        line = process.stdout.readline()
        patience.cancel()
        if not line:
            pytest.fail("the server ended before it was ready")
        graph = Graph(json.loads(line))
        with graph.session:
            yield graph
    finally:
        patience.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
