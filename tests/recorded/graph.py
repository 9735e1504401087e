"""The Graph API's answers over recorded entities: nodes, edges, field expansion, cursors, insights. No HTTP here.

graph_fields.json holds the names that the field classes of Meta's Python SDK 26.0.3 list; any other name is refused.
"""

import base64
import json
import pathlib
import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

HERE = pathlib.Path(__file__).resolve().parent
FIELDS = {node: set(names.split()) for node, names in json.loads((HERE / "graph_fields.json").read_text()).items()}
EDGES = {
    "Ad": {"account": "AdAccount", "adset": "AdSet", "campaign": "Campaign", "creative": "AdCreative"},
    "AdSet": {"account": "AdAccount", "campaign": "Campaign"},
    "Campaign": {"account": "AdAccount"},
}
COMMON = {"access_token", "appsecret_proof", "fields", "limit", "after", "before", "summary", "locale"}
LIST_PARAMETERS = COMMON | {"effective_status", "date_preset", "time_range", "updated_since", "filtering"}
INSIGHT_PARAMETERS = COMMON | set(
    "level time_range time_ranges time_increment date_preset filtering breakdowns action_breakdowns sort "
    "action_attribution_windows action_report_time use_account_attribution_setting "
    "use_unified_attribution_setting default_summary product_id_limit".split())
WINDOWS = {"1d_click", "7d_click", "28d_click", "1d_ev", "1d_view"}
REPORT_TIMES = {"impression", "conversion", "mixed"}
BUDGETS = ("daily_budget", "lifetime_budget", "budget_remaining")
HIDDEN_BY_DEFAULT = {"ARCHIVED", "DELETED"}
LEVEL_KEYS = {"ad": "ad_id", "adset": "adset_id", "campaign": "campaign_id", "account": "account_id"}
SUMMED = ("impressions", "spend")
ACTION_LISTS = ("actions", "action_values", "outbound_clicks")


class GraphError(Exception):
    """What Meta says no with."""

    def __init__(self, message, code=100, kind="OAuthException", status=400, subcode=None):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "code": code, "fbtrace_id": "Arecorded"}}
        if subcode:
            self.body["error"]["error_subcode"] = subcode


def parse_fields(text):
    """`id,adset{id,name}` as `{"id": None, "adset": {"id": None, "name": None}}`."""
    root, stack = {}, []
    level, last = root, None
    for token in re.findall(r"[\w.:-]+|[{},()]", text):
        if token == "{" and last is not None:
            stack.append(level)
            level[last] = {}
            level, last = level[last], None
        elif token == "}" and stack:
            level, last = stack.pop(), None
        elif token == ",":
            last = None
        elif re.fullmatch(r"\w+", token):
            level[token], last = None, token
        else:
            raise GraphError(f"Syntax error in the fields parameter near `{token}`: {text}", code=2500)
    if stack:
        raise GraphError(f"Syntax error: a brace is not closed: {text}", code=2500)
    return root


def as_json(parameters, name, default=None):
    if name not in parameters:
        return default
    try:
        return json.loads(parameters[name])
    except ValueError:
        raise GraphError(f"(#100) Param {name} must be valid JSON") from None


def words(parameters, name):
    """A list that comes as JSON or as words between commas."""
    text = parameters.get(name, "")
    return as_json(parameters, name) if text.startswith("[") else [word for word in text.split(",") if word]


def day(text):
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise GraphError(f"(#100) param time_range: not a date: {text}") from None


class Account:
    """One ad account made of every entity in the files. `today` may be moved: rows of later days are not served.

    `real_ads_only` leaves out what the ETL made of ad sets, `awake` makes everything ACTIVE, and `hidden_ad_sets` are
    ids of ad sets that Meta does not send.
    """

    def __init__(self, folder, account_id, today, status=1, largest_page=200, real_ads_only=False, awake=False,
                 hidden_ad_sets=()):
        read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
        self.id, self.today, self.largest_page = account_id, today, largest_page
        self.ads = [ad for ad in read("ads.json") if not real_ads_only or "adset_id" in ad]
        self.ad_sets = {one["id"]: one for one in read("adsets.json") if one["id"] not in hidden_ad_sets}
        self.campaigns = {one["id"]: one for one in read("campaigns.json")}
        self.rows = [row for row in read("insights.json") if row["ad_id"] in {ad["id"] for ad in self.ads}]
        if awake:
            for one in [*self.ads, *self.ad_sets.values(), *self.campaigns.values()]:
                one.update(status="ACTIVE", effective_status="ACTIVE")
        self.node = {
            "id": f"act_{account_id}", "account_id": account_id, "name": "Recorded", "account_status": status,
            "disable_reason": 0 if status == 1 else 1, "currency": "BRL", "timezone_name": "America/Sao_Paulo",
            "timezone_id": 25, "timezone_offset_hours_utc": -3, "balance": "0", "amount_spent": "1998",
            "spend_cap": "0", "min_daily_budget": 500, "created_time": "2018-01-01T00:00:00-0300",
        }

    def pick(self, node, record, wanted):
        out = {}
        for name, inner in wanted.items():
            if name not in FIELDS[node]:
                raise GraphError(f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})")
            value = self.related(record, name) if name in EDGES.get(node, {}) else record.get(name)
            if name in EDGES.get(node, {}):
                target = EDGES[node][name]
                if inner is not None:
                    self.pick(target, {}, inner)
                value = value and self.pick(target, value, inner or {})
            elif inner is not None:
                raise GraphError(f"(#100) Subfields are not supported by {name}")
            elif name == "account_id":
                value = self.id
            elif name in BUDGETS and value is not None:
                value = str(value)
            if value is not None:
                out[name] = value
        if "id" in record:
            out.setdefault("id", record["id"])
        return out

    def related(self, record, edge):
        if edge == "account":
            return self.node
        if edge == "adset":
            return self.ad_sets.get(record.get("adset_id"))
        if edge == "campaign":
            return self.campaigns.get(record.get("campaign_id"))
        return record.get(edge)

    def get_node(self, parameters):
        wanted = parse_fields(parameters.get("fields", "account_id"))
        return self.pick("AdAccount", self.node, wanted)

    def get_list(self, node, parameters):
        """The ads, ad sets or campaigns of the account; archived and deleted ones only when asked for."""
        records = {"Ad": self.ads, "AdSet": self.ad_sets.values(), "Campaign": self.campaigns.values()}[node]
        wanted = parse_fields(parameters.get("fields", "id"))
        statuses = words(parameters, "effective_status")
        filters = as_json(parameters, "filtering", [])
        asked = statuses or any(one.get("field", "").endswith("effective_status") for one in filters)
        records = [one for one in records
                   if (one["effective_status"] in statuses if statuses
                       else asked or one["effective_status"] not in HIDDEN_BY_DEFAULT)
                   and self.passes(one, filters)]
        self.pick(node, {}, wanted)
        return self.page(parameters, records, lambda one: self.pick(node, one, wanted))

    def passes(self, record, filters):
        for one in filters:
            try:
                field, operator, value = one["field"], one["operator"], one["value"]
            except (KeyError, TypeError):
                raise GraphError("(#100) param filtering: field, operator and value are needed") from None
            level, _, name = field.rpartition(".")
            related = record if level in ("", "ad") else self.related(record, level) or {}
            have = related.get(name)
            if operator in ("IN", "NOT_IN"):
                ok = (have in value) == (operator == "IN")
            elif operator == "EQUAL":
                ok = have == value
            elif operator == "GREATER_THAN":
                ok = have is not None and float(have) > float(value)
            else:
                raise GraphError(f"(#100) Filtering operator {operator} is not recorded")
            if not ok:
                return False
        return True

    def page(self, parameters, records, render):
        """One page: `cursors` always, `next` only while there is more."""
        try:
            size = min(max(int(parameters.get("limit", 25)), 1), self.largest_page)
            start = int(base64.urlsafe_b64decode(parameters.get("after") or "MA==").decode())
        except ValueError:
            raise GraphError("(#100) Invalid limit or cursor") from None
        shown = records[start:start + size]
        if not shown:
            return {"data": []}, {}
        cursor = lambda place: base64.urlsafe_b64encode(str(place).encode()).decode()
        paging = {"cursors": {"before": cursor(start), "after": cursor(start + len(shown))}}
        more = {"after": paging["cursors"]["after"]} if start + size < len(records) else {}
        return {"data": [render(one) for one in shown], "paging": paging}, more

    def days(self, parameters):
        """The ranges that rows are wanted for."""
        if "time_range" in parameters:
            asked = as_json(parameters, "time_range")
            since, until = day(asked.get("since")), day(asked.get("until"))
        else:
            preset = parameters.get("date_preset", "last_30d")
            past = re.fullmatch(r"last_(3|7|14|28|30|90)d", preset)
            yesterday = self.today - timedelta(days=1)
            if past:
                since, until = self.today - timedelta(days=int(past[1])), yesterday
            elif preset in ("today", "yesterday"):
                since = until = self.today if preset == "today" else yesterday
            elif preset == "maximum":
                since, until = self.today - timedelta(days=37 * 30), self.today
            else:
                raise GraphError(f"(#100) date_preset {preset} is not recorded")
        if since > until:
            raise GraphError("(#100) param time_range: since is after until")
        step = parameters.get("time_increment", "all_days")
        if step == "all_days":
            return [(since, until)]
        if not step.isdigit() or not 1 <= int(step) <= 90:
            raise GraphError("(#100) param time_increment must be all_days, monthly or 1 to 90")
        starts = range(0, (until - since).days + 1, int(step))
        first = [since + timedelta(days=start) for start in starts]
        return [(one, min(one + timedelta(days=int(step) - 1), until)) for one in first]

    def get_insights(self, parameters):
        wanted = parse_fields(parameters.get("fields", "impressions,spend"))
        for name in wanted:
            if name not in FIELDS["AdsInsights"]:
                raise GraphError(f"(#100) {name} is not valid for fields param")
        level = parameters.get("level", "account")
        if level not in LEVEL_KEYS:
            raise GraphError("(#100) param level must be ad, adset, campaign or account")
        if words(parameters, "breakdowns"):
            raise GraphError("(#100) No breakdown is recorded")
        if not set(words(parameters, "action_attribution_windows")) <= WINDOWS:
            raise GraphError(f"(#100) action_attribution_windows must be of {sorted(WINDOWS)}")
        if parameters.get("action_report_time", "impression") not in REPORT_TIMES:
            raise GraphError(f"(#100) action_report_time must be of {sorted(REPORT_TIMES)}")
        filters = as_json(parameters, "filtering", [])
        by_id = {ad["id"]: ad for ad in self.ads}
        groups = {}
        for since, until in self.days(parameters):
            for row in self.rows:
                ad = by_id[row["ad_id"]]
                if since <= day(row["date_start"]) <= min(until, self.today) and self.passes(ad, filters):
                    key = {"ad_id": ad["id"], "adset_id": ad.get("adset_id"), "campaign_id": ad["campaign_id"],
                           "account_id": self.id}[LEVEL_KEYS[level]]
                    groups.setdefault((key, since, until), []).append((ad, row))
        return self.page(parameters, list(groups.items()), lambda one: self.insight(level, wanted, *one))

    def insight(self, level, wanted, key, rows):
        """One row as on the wire: numbers are strings. The reach of several days is not recorded: it is the largest."""
        ad = rows[0][0]
        whole = {"account_id": self.id, "account_currency": self.node["currency"], "account_name": self.node["name"]}
        names = {"ad_name": ad["name"], "ad_id": ad["id"], "adset_id": ad.get("adset_id"),
                 "campaign_id": ad["campaign_id"],
                 "adset_name": (self.related(ad, "adset") or {}).get("name"),
                 "campaign_name": (self.related(ad, "campaign") or {}).get("name")}
        depth = list(LEVEL_KEYS).index(level)
        whole.update({name: value for name, value in names.items()
                      if value and name.split("_")[0] in list(LEVEL_KEYS)[depth:]})
        for name in SUMMED:
            whole[name] = str(sum(Decimal(str(row[name])) for _, row in rows))
        whole["reach"] = str(max(int(row["reach"]) for _, row in rows))
        whole["frequency"] = f"{Decimal(whole['impressions']) / Decimal(whole['reach']):.6f}"
        for name in ACTION_LISTS:
            total = Counter()
            for _, row in rows:
                for action in row.get(name, []):
                    total[action["action_type"]] += Decimal(str(action["value"]))
            if total:
                whole[name] = [{"action_type": kind, "value": str(value)} for kind, value in total.items()]
        out = {name: whole[name] for name in wanted if name in whole}
        return {**out, "date_start": key[1].isoformat(), "date_stop": key[2].isoformat()}
