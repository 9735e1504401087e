"""A policy in Python: pauses what spends without selling. It works, and is the slowest way: see plugins/README.md.

    pip install componentize-py==0.25.1
    componentize-py -d ../../../wit -w stage-policy componentize --stub-wasi app -o stop-loss-python.wasm
    dean policy pack stop-loss-python.wasm --cases cases
    dean policy test stop-loss-python.wasm
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    AdDecision, Answer, Check, Cohort, Comparison, Kind_Number, Manifest, NumberKind, Param, Plan, Problem, Rule, Setting,
    Value_Number, Verb,
)

COLUMNS = ["spend_7d", "purchases_7d"]
SPEND, PURCHASES = range(2)
LIMIT = Param("spend", "Spend of a week that has to bring a purchase.", Kind_Number(NumberKind("currency", 60.0, 1.0, 1e9, False)))


def limit(settings: list[Setting]) -> float:
    value = LIMIT.kind.value.default
    for setting in settings:
        if setting.path != LIMIT.path or not isinstance(setting.value, Value_Number):
            raise Err([Problem(setting.path, "is no setting of this policy, or not a number", LIMIT.doc)])
        value = setting.value.value
    return value


class Policy(exports.Policy):
    def describe(self) -> Manifest:
        return Manifest("stop-loss-python", "1.0.0", "Pauses what spends without selling.", ["testing"], [LIMIT])

    def prepare(self, stage: str, settings: list[Setting]) -> Plan:
        limit(settings)
        rule = Rule("stop-loss", "No purchase", "Pauses an ad that spent enough in a week without a purchase.")
        return Plan(COLUMNS, ["status"], [], [], [rule])

    def decide(self, stage: str, settings: list[Setting], cohort: Cohort) -> Answer:
        least, rows, values = limit(settings), cohort.rows, cohort.values
        ads, checks = [], []
        for row in range(rows):
            code = cohort.texts.codes[row]
            # What is not known is NaN, and no comparison with NaN holds.
            if code >= len(cohort.texts.words) or cohort.texts.words[code] != "ACTIVE":
                continue
            spend, purchases = values[SPEND * rows + row], values[PURCHASES * rows + row]
            looked = [
                Check(row, 0, SPEND, spend, Comparison.AT_LEAST, least, spend >= least),
                Check(row, 0, PURCHASES, purchases, Comparison.AT_MOST, 0.0, purchases <= 0.0),
            ]
            fires = all(check.met for check in looked)
            if fires or cohort.trace:
                checks += looked
            if fires:
                ads.append(AdDecision(row, Verb.PAUSE, 0.0, 0, 0.9))
        return Answer(ads, [], checks)
