"""Simulated accounts to check the columns on: a server of each, what it says, and what the program says of it.

Everything that is expected is read here from the server over HTTP, never from the program's store.
"""

import hashlib
import hmac
import json
import os
import pathlib
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
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
AD = ("id,created_time,effective_status,campaign{name,daily_budget},"
      "adset{id,daily_budget,learning_stage_info}")
ATTRIBUTION = {"action_report_time": "impression", "action_attribution_windows": '["7d_click","1d_view"]'}
# What the rules aim at where nothing is configured.
TARGETS = {"testing": 36.0}
# Money of these is counted in whole units by Meta.
WHOLE = {"JPY", "KRW", "CLP", "HUF", "TWD", "VND"}


@dataclass
class Plan:
    """An account to make: what the server is started with, what happens to it, and how the program is configured.

    A step of `story` is a number of hours that pass, or a function that changes something through the API. The
    program runs `minutes` after the last of them.
    """

    name: str
    seed: int
    ads: int
    story: tuple
    currency: str = "EUR"
    zone: str = "Europe/Berlin"
    settings: str = ""
    targets: dict = field(default_factory=lambda: dict(TARGETS))
    breakeven: float | None = None
    cogs: float = 0.0
    minutes: int = 0


@dataclass
class Account:
    """All that is known of an account at one moment, and the columns that the program made of it."""

    plan: Plan
    now: datetime
    days: pd.DataFrame
    reach_7d: pd.Series
    reach_lifetime: pd.Series
    ads: pd.DataFrame
    found: dict
    decided: dict
    told_once: bool

    @property
    def local(self):
        return self.now.astimezone(ZoneInfo(self.plan.zone))

    @property
    def today(self):
        return self.local.date()

    @property
    def share_of_today(self):
        """How much of the account day has passed; a day with a change of clocks has 23 or 25 hours."""
        zone = ZoneInfo(self.plan.zone)
        begin, end = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(timezone.utc)
                      for day in (self.today, self.today + timedelta(days=1)))
        return (self.now - begin) / (end - begin)


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
        page = self.call("GET", url, limit=200, **parameters)
        while True:
            rows += page["data"]
            if "next" not in page.get("paging", {}):
                return rows
            page = self.call("GET", url, limit=200, **parameters, after=page["paging"]["cursors"]["after"])

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
    budget = ad["campaign"].get("daily_budget") or ad["adset"].get("daily_budget")
    return {
        "id": ad["id"], "created": created, "first_day": created.astimezone(ZoneInfo(zone)).date(),
        "status": ad["effective_status"], "stage": STAGES.get(ad["campaign"]["name"]),
        "budget": float(budget) / minor if budget else float("nan"),
        "learning": float(ad["adset"]["learning_stage_info"]["status"] == "LEARNING"),
    }


def reach(graph, since, until):
    """People whom each ad reached in a span of days as a whole."""
    span = json.dumps({"since": str(since), "until": str(until)})
    rows = graph.rows("insights", level="ad", fields="ad_id,reach", time_range=span, **ATTRIBUTION)
    return pd.Series({row["ad_id"]: float(row["reach"]) for row in rows}, dtype=float)


def program():
    """Where the program is; None when DEAN_BIN does not say."""
    named = os.environ.get("DEAN_BIN")
    return os.path.abspath(named) if named else None


def catalogue():
    """What the program says its columns are."""
    done = subprocess.run([program(), "metrics", "--json"], capture_output=True, timeout=SECONDS, check=True)
    return json.loads(done.stdout)


def explain(graph, plan, now, folder):
    """A dry run in a fresh folder, every ad with every column."""
    (folder / "config").mkdir()
    ids = "".join(f'{stage}_campaign_id = "{campaign}"\n' for stage, campaign in graph.facts["campaigns"].items())
    (folder / "config" / "dean.toml").write_text(f"[ids]\n{ids}{plan.settings}", encoding="utf-8")
    rules = "".join(f"{stage}_max = {most}\n" for stage, most in plan.targets.items() if TARGETS.get(stage) != most)
    (folder / "config" / "rules.toml").write_text(f"[thresholds.cpa]\n{rules}", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "META_GRAPH_URL": graph.facts["url"],
                   "FB_AD_ACCOUNT_ID": graph.facts["account"], "FB_ACCESS_TOKEN": graph.facts["token"],
                   "FB_APP_SECRET": graph.facts["app_secret"], "FB_APP_ID": "1"}
    command = [program(), "--config", folder / "config", "--data-dir", folder / "data", "--json", "run",
               "--dry-run", "--explain", "--now", now.isoformat().replace("+00:00", "Z")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


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


def live(plan, folder):
    """Lives through a plan and reads the account twice: here over HTTP, and as the program explains it."""
    folder = pathlib.Path(folder)
    with serving(plan, folder) as graph:
        for step in plan.story:
            step(graph) if callable(step) else graph.advance(step)
        now = graph.now() + timedelta(minutes=plan.minutes)
        today = now.astimezone(ZoneInfo(plan.zone)).date()
        begin = today - timedelta(days=400)
        span = json.dumps({"since": str(begin), "until": str(today)})
        rows = graph.rows("insights", level="ad", fields=FIELDS, time_increment=1, time_range=span, **ATTRIBUTION)
        minor = 1 if plan.currency in WHOLE else 100
        ads = pd.DataFrame([described(ad, plan.zone, minor) for ad in graph.ads()]).set_index("id")
        weeks, lifetime = reach(graph, today - timedelta(days=7), today - timedelta(days=1)), reach(graph, begin, today)
        report = explain(graph, plan, now, folder)
    told = report["decisions"] + report["skipped"]
    return Account(
        plan=plan, now=now, days=pd.DataFrame([numbers(row) for row in rows]), reach_7d=weeks,
        reach_lifetime=lifetime, ads=ads, found={one["ad_id"]: one["columns"] for one in told},
        decided={one["ad_id"]: one["stage"] for one in report["decisions"]}, told_once=len({one["ad_id"] for one in told}) == len(told),
    )
