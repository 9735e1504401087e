"""A server that answers like the Graph API out of recorded entities, reads only.

It judges a client: every request is kept, a field that Meta does not have is refused, and so is every write.
Usage as a program: python server.py [PORT]
"""

import gzip
import json
import pathlib
import re
import sys
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from graph import COMMON, INSIGHT_PARAMETERS, LIST_PARAMETERS, Account, GraphError

DATA = pathlib.Path(__file__).resolve().parent / "vsouto"
ACCOUNT, TOKEN, TODAY = "249732255070226", "EAArecorded", date(2019, 11, 14)
LISTS = {"ads": "Ad", "adsets": "AdSet", "campaigns": "Campaign"}
USAGE = {
    "X-App-Usage": '{"call_count":1,"total_time":1,"total_cputime":1}',
    "X-Ad-Account-Usage": '{"acc_id_util_pct":1,"reset_time_duration":0}',
    "x-fb-ads-insights-throttle": '{"app_id_util_pct":1,"acc_id_util_pct":1,"ads_api_access_tier":"standard_access"}',
    "X-Business-Use-Case-Usage": json.dumps({ACCOUNT: [{
        "type": "ads_insights", "call_count": 1, "total_cputime": 1, "total_time": 1,
        "estimated_time_to_regain_access": 0, "ads_api_access_tier": "standard_access"}]}),
}


class Recorded(ThreadingHTTPServer):
    """The server; `with Recorded() as meta:` runs it, `meta.url` is where.

    `fault` is (edge, kind) or (edge, kind, times): answers of that edge ("" is the account itself) are then `html`
    (not JSON), `half` (half of the JSON) or `cut` (the connection ends within the body), `times` times, or always.
    Other keywords go to `Account`.
    """

    daemon_threads = True

    def __init__(self, fault=None, port=0, today=TODAY, **account):
        super().__init__(("127.0.0.1", port), Handler)
        self.account = Account(DATA, ACCOUNT, today, **account)
        self.fault = fault
        self.requests, self.refused = [], []
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def reads(self, path=None):
        return [one for one in self.requests if one["method"] == "GET" and path in (None, one["path"])]

    def broken(self, path):
        """The kind of fault that this answer is to have."""
        if not self.fault:
            return None
        edge, kind, times = (*self.fault, None)[:3]
        if path != f"act_{ACCOUNT}/{edge}".rstrip("/"):
            return None
        with self.lock:
            return kind if times is None or len(self.reads(path)) <= times else None


class Handler(BaseHTTPRequestHandler):
    """One request: token, path, answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "recorded"

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def do_DELETE(self):
        self.answer("DELETE")

    def answer(self, method):
        parts = urlsplit(self.path)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        parameters.update(parse_qsl(body, keep_blank_values=True))
        versioned = re.fullmatch(r"/(v\d+\.\d+)/?(.*?)/?", parts.path)
        path = versioned[2] if versioned else parts.path
        seen = {"method": method, "path": path, "version": versioned and versioned[1], "rows": None, "page": None,
                "token_in": "query" if "access_token" in parameters else "header",
                "parameters": {name: value for name, value in parameters.items() if name != "access_token"}}
        with self.server.lock:
            self.server.requests.append(seen)
        try:
            self.check_token(parameters)
            if method != "GET":
                self.server.refused.append(seen)
                raise GraphError("(#10) This account is read-only", code=10, status=403)
            status, answer = 200, self.read(versioned, path, parameters, seen)
        except GraphError as error:
            status, answer = error.status, error.body
        seen["status"] = status
        self.send(status, json.dumps(answer, ensure_ascii=True).encode(), self.server.broken(path))

    def check_token(self, parameters):
        given = parameters.get("access_token") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given:
            raise GraphError("An access token is required to request this resource.", code=190)
        if given != TOKEN:
            raise GraphError("Invalid OAuth access token - Cannot parse access token", code=190)

    def read(self, versioned, path, parameters, seen):
        account, root = self.server.account, f"act_{ACCOUNT}"
        node, _, edge = path.partition("/")
        if not versioned or node != root or edge not in ("", "insights", *LISTS):
            raise GraphError(f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due "
                             "to missing permissions, or does not support this operation",
                             kind="GraphMethodException", subcode=33)
        allowed = INSIGHT_PARAMETERS if edge == "insights" else LIST_PARAMETERS if edge else COMMON
        seen["unknown"] = sorted(set(parameters) - allowed)
        if not edge:
            return account.get_node(parameters)
        page, more = (account.get_insights(parameters) if edge == "insights"
                      else account.get_list(LISTS[edge], parameters))
        seen["rows"] = len(page["data"])
        seen["page"] = min(int(parameters.get("limit", 25)), account.largest_page)
        if more:
            page["paging"]["next"] = f"{self.server.url}/{versioned[1]}/{path}?{urlencode({**parameters, **more})}"
        return page

    def send(self, status, body, broken):
        kind = "application/json; charset=UTF-8"
        if broken == "html":
            body, kind = b"<!DOCTYPE html><html><title>Error</title>Sorry, something went wrong.</html>", "text/html"
        elif broken == "half":
            body = body[:len(body) // 2]
        packed = not broken and "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(body) if packed else body
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), "facebook-api-version": "v26.0",
                            **({"Content-Encoding": "gzip"} if packed else {}), **USAGE}.items():
            self.send_header(name, value)
        self.end_headers()
        if broken == "cut":
            body, self.close_connection = body[:len(body) // 2], True
        self.wfile.write(body)


if __name__ == "__main__":
    with Recorded(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as meta:
        print(meta.url, f"act_{ACCOUNT}", TOKEN, flush=True)
        threading.Event().wait()
