"""What Meta answers when things are broken: one clear message, the right exit code, and never a write."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import GROUPS
from runner import run
from server import Recorded

ALWAYS = {
    "account-html": ("", "html"),
    "ads-html": ("ads", "html"),
    "ads-cut": ("ads", "cut"),
    "ads-half": ("ads", "half"),
    "insights-html": ("insights", "html"),
    "insights-cut": ("insights", "cut"),
    "insights-half": ("insights", "half"),
}
PASSING = {f"{name}-twice": (*fault, 2) for name, fault in ALWAYS.items()}
ATTEMPTS = 5


@pytest.fixture(scope="module")
def broken():
    """Every run against a broken server, all at the same time because each waits before it reads again."""
    def one(fault):
        with Recorded(fault=fault) as meta:
            return run(meta, GROUPS[0])
    faults = ALWAYS | PASSING
    with ThreadPoolExecutor(len(faults)) as pool:
        return dict(zip(faults, pool.map(one, faults.values())))


def edge_reads(done, fault):
    account = done.meta.account.node["id"]
    return done.meta.reads(f"{account}/{fault[0]}".rstrip("/"))


def one_message(done):
    """The one message: the same on stderr and in the document on stdout, in few lines."""
    assert len(done.told) == 1, done.stderr
    message = done.document["error"]["message"]
    assert done.document["error"]["exit_code"] == done.code
    assert done.stderr.rstrip().endswith(message.rstrip())
    assert len(message.splitlines()) <= 3 and len(message) < 500
    return message


@pytest.mark.parametrize("name", ALWAYS)
def test_a_broken_answer_ends_the_run(broken, name):
    done, (edge, kind) = broken[name], ALWAYS[name]
    assert done.code == 1
    message = one_message(done)
    assert done.meta.account.node["id"] in message and (edge in message)
    assert ("JSON" in message) if kind in ("html", "half") else ("end of file" in message)
    assert done.meta.refused == []
    assert len(edge_reads(done, ALWAYS[name])) == ATTEMPTS


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_survived(broken, name):
    done = broken[name]
    assert done.code == 0, done.stderr
    assert done.document["api"]["retries"] == 2
    assert done.document["api"]["reads"] == len(done.meta.requests)
    with Recorded() as meta:
        whole = run(meta, GROUPS[0])
    assert done.document["decisions"] == whole.document["decisions"]
    assert done.document["skipped"] == whole.document["skipped"]


def test_a_run_as_of_a_moment_waits_before_it_reads_again():
    started = time.monotonic()
    with Recorded(fault=("", "html", 2)) as meta:
        run(meta, GROUPS[0])
    assert time.monotonic() - started > 1.5


@pytest.mark.parametrize("dry", [True, False], ids=["dry", "live"])
def test_a_disabled_account_is_read_and_left_alone(dry):
    with Recorded(status=2) as meta:
        done = run(meta, GROUPS[0], dry=dry)
    assert done.code == 1, done.stderr
    assert len(done.told) == 1 and "disabled" in done.told[0] and "Account Quality" in done.told[0]
    assert len(done.ads) == len(meta.account.ads)
    told = [one for one in done.document["health"] if "disabled" in one["message"]]
    assert len(told) == 1 and told[0]["level"] == "critical" and told[0]["stops"] == "writes"
    assert meta.refused == [] and done.document["api"]["writes"] == 0


@pytest.mark.parametrize("name", ["FB_ACCESS_TOKEN", "FB_AD_ACCOUNT_ID"])
def test_a_missing_variable_is_named(name):
    with Recorded() as meta:
        done = run(meta, GROUPS[0], environment={name: ""})
    assert done.code == 2
    assert name in one_message(done)
    assert meta.requests == []


def test_a_refused_token_is_told_once():
    with Recorded() as meta:
        done = run(meta, GROUPS[0], environment={"FB_ACCESS_TOKEN": "EAAanother"})
    assert done.code == 1
    message = one_message(done)
    assert "190" in message and "FB_ACCESS_TOKEN" in message and "EAAanother" not in done.stderr
    assert len(meta.requests) == 1


def test_an_account_that_is_not_there_is_named():
    with Recorded() as meta:
        done = run(meta, GROUPS[0], environment={"FB_AD_ACCOUNT_ID": "act_1"})
    assert done.code == 1
    message = one_message(done)
    assert "act_1" in message and "FB_AD_ACCOUNT_ID" in message
    assert len(meta.requests) == 1
