"""What stands beside every .onnx: what it reads, what its numbers mean, how it was trained, how good it is, and rows
by which whoever loads it sees that it says there what it said here."""

import hashlib
import json

import numpy as np
import onnx

FORMAT = 1
GOLDEN = 16
TOLERANCE = 5e-6
DRIFT = (0.005, 0.1, 0.5, 0.9, 0.995)


def schema(names):
    """What tells one list of names from another: as `dean` makes it."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0")
    return digest.hexdigest()[:16]


def plain(value):
    """A number as JSON has it: what is not known is null."""
    return None if value is None or not np.isfinite(value) else float(value)


def golden(x, run, random):
    """Rows with everything missing, with much missing, and as they come; with the raw sums that they get."""
    some = x[random.choice(len(x), GOLDEN, replace=False)].copy()
    some[0] = np.nan
    for row in some[1 : GOLDEN // 3]:
        row[random.random(len(row)) < 0.4] = np.nan
    some = np.float32([[float(f"{v:.5g}") for v in row] for row in some])
    return {"tolerance": TOLERANCE, "rows": [[plain(v) for v in row] for row in some],
            "sums": [[float(v) for v in row] for row in run(some)]}


def features(data, names, x, domains):
    """Each feature with what it is and what it was in training."""
    units = dict(zip(data.names, data.units))
    with np.errstate(all="ignore"):
        quantiles = np.nanquantile(x, DRIFT, axis=0)
    return [{"name": name, "unit": units[name], "dtype": "f32", "missing": "nan", **({"domain": domains[name]} if name in domains else {}), "min": plain(np.nanmin(x[:, i])),
             "max": plain(np.nanmax(x[:, i])), "known": round(float(np.isfinite(x[:, i]).mean()), 4),
             "quantiles": [plain(float(f"{q:.5g}")) for q in quantiles[:, i]]}
            for i, name in enumerate(names)]


def write(folder, model, version, about, file, names):
    """Writes both files."""
    ops = {i.domain or "ai.onnx": i.version for i in onnx.load_from_string(file).opset_import}
    manifest = {"format": FORMAT, "model": model, "version": version, "sha256": hashlib.sha256(file).hexdigest(),
                "opsets": ops, "schema": schema(names), "drift_quantiles": DRIFT, **about}
    (folder / f"{model}.onnx").write_bytes(file)
    (folder / f"{model}.json").write_text(_lines(manifest) + "\n")


def _lines(manifest):
    """JSON with a line for each key, feature and output, so that a difference can be read."""
    lines = []
    for key, value in manifest.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = "[\n  " + ",\n  ".join(json.dumps(one) for one in value) + "\n ]"
        else:
            value = json.dumps(value)
        lines.append(f" {json.dumps(key)}: {value}")
    return "{\n" + ",\n".join(lines) + "\n}"
