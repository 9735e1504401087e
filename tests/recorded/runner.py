"""Runs the program against a recorded server in a folder of its own, and reads what it says."""

import json
import os
import pathlib
import subprocess
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass

from server import ACCOUNT, TOKEN

NOW = "2019-11-14T15:00:00Z"
STAGES = ("testing", "validation", "scaling")
TIMEOUT = 60


@dataclass
class Result:
    """How a run ended: its exit code, the document on stdout, the text on stderr, and the server it read."""

    code: int
    document: dict
    stderr: str
    meta: object

    @property
    def told(self):
        """The lines that tell why it failed, without the log and the hint."""
        return [line for line in self.stderr.splitlines() if line.startswith("error")]

    @property
    def ads(self):
        """What is said of every ad, by id."""
        return {one["ad_id"]: one for one in self.document["decisions"] + self.document["skipped"]}


def run(meta, campaigns, *arguments, now=NOW, dry=True, environment=None, folder=None):
    """One run, in a folder of its own or a given one; an empty value in `environment` takes that variable away."""
    variables = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    variables |= {"META_GRAPH_URL": meta.url, "FB_AD_ACCOUNT_ID": f"act_{ACCOUNT}", "FB_ACCESS_TOKEN": TOKEN}
    variables = {name: value for name, value in (variables | (environment or {})).items() if value}
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "config").mkdir(exist_ok=True)
        ids = [f'{stage}_campaign_id = "{campaign}"\n' for stage, campaign in zip(STAGES, campaigns)]
        (folder / "config" / "dean.toml").write_text("[ids]\n" + "".join(ids), encoding="utf-8")
        command = [os.environ["DEAN_BIN"], "--config", folder / "config", "--data-dir", folder / "data", "run",
                   "--json", "--now", now, *(["--dry-run"] if dry else []), *arguments]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, timeout=TIMEOUT, check=False)
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    assert "panicked" not in stderr and "stack backtrace" not in stderr, stderr
    assert TOKEN not in stdout + stderr, "the token is in the output"
    return Result(done.returncode, json.loads(stdout), stderr, meta)
