"""Starts simulated Graph servers and points Meta's official SDK at them.

`DEAN_BIN` names the program. Every test has a server of its own, on a loopback port that the
system chooses; it is interrupted when the test ends.
"""

import json
import os
import signal
import subprocess
import threading
from contextlib import ExitStack, contextmanager

import pytest
import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.campaign import Campaign
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

ADS = 60
SECONDS = 30


class Sim:
    """A running server, as the SDK sees it and through its own doors."""

    def __init__(self, facts):
        self.facts = facts
        self.url = facts["url"]
        self.doors = requests.Session()
        self.doors.trust_env = False
        self.sessions = [self.doors]
        self.api = self.client()
        self.account = AdAccount(facts["account"], api=self.api)

    def client(self, token=None, secret=None):
        """An SDK client of its own, with other credentials where they are given."""
        session = FacebookSession(
            app_id="1",
            app_secret=secret or self.facts["app_secret"],
            access_token=token or self.facts["token"],
            timeout=SECONDS,
        )
        session.GRAPH = self.url
        session.requests.trust_env = False
        self.sessions.append(session.requests)
        return FacebookAdsApi(session, api_version=self.facts["api_version"])

    def campaign(self, stage):
        return Campaign(self.facts["campaigns"][stage], api=self.api)

    def advance(self, hours):
        url = f"{self.url}/sim/advance"
        self.doors.post(url, json={"hours": hours}, timeout=SECONDS).raise_for_status()

    def faults(self, *kinds):
        """Lets every request that fits go wrong in one of these ways; without kinds none."""
        plan = {"seed": 1, "share": 1.0, "kinds": kinds}
        self.doors.post(f"{self.url}/sim/faults", json=plan, timeout=SECONDS).raise_for_status()

    def state(self):
        url = f"{self.url}/sim/state"
        return self.doors.get(url, timeout=SECONDS).json()

    def close(self):
        for session in self.sessions:
            session.close()


@contextmanager
def serving(folder, seed):
    program = os.environ.get("DEAN_BIN")
    if not program:
        pytest.fail("DEAN_BIN does not name the program")
    command = [os.path.abspath(program), "sim", "serve", "--json", "--port", "0"]
    command += ["--seed", str(seed), "--ads", str(ADS)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    patience = threading.Timer(SECONDS, process.kill)
    patience.start()
    try:
        line = process.stdout.readline()
        patience.cancel()
        if not line:
            pytest.fail("the server ended before it was ready")
        sim = Sim(json.loads(line))
        try:
            yield sim
        finally:
            sim.close()
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


@pytest.fixture
def start(tmp_path):
    """Starts servers by seed."""
    with ExitStack() as servers:
        yield lambda seed=1: servers.enter_context(serving(tmp_path, seed))


@pytest.fixture
def sim(start):
    """A server of seed 1."""
    return start()
