// A policy in JavaScript: pauses ads whose purchases cost a multiple of what they cost the others of the stage.
//
// The host asks three things: who it is (describe), which columns and rules it needs under a client's settings
// (prepare), and what to do (decide). There is no clock, no randomness, no network: time and a seed come in the cohort.
// Names of the contract (wit/policy.wit) become camelCase, a variant is { tag, val }.

const NAME = "cost-outlier";
const VERSION = "1.0.0";

// `dean metrics` lists every column with its unit and formula.
const COLUMNS = ["spend_7d", "purchases_7d", "cpa_7d"];
const TEXTS = ["status"];
// What the policy computes: a check may name it as it names a column.
const DERIVED = ["times_the_median_cpa"];
const RULES = [
  {
    id: "outlier",
    title: "Costs far more than the others",
    doc: "Pauses when a purchase costs a multiple of the median of the stage's active ads.",
  },
];
const OUTLIER = 0;
const FACTS = [...COLUMNS, ...DERIVED];
const TIMES = FACTS.indexOf("times_the_median_cpa");
const PURCHASES = FACTS.indexOf("purchases_7d");

const SETTINGS = {
  times: { doc: "How many times the median a purchase may cost.", unit: "ratio", default: 2.5, min: 1, max: 100 },
  purchases: { doc: "Purchases of a week below which a cost says nothing.", unit: "count", default: 2, min: 1, max: 1000 },
  others: { doc: "Ads with a cost below which there is no median.", unit: "count", default: 5, min: 2, max: 1000 },
};

function params() {
  return Object.entries(SETTINGS).map(([path, { doc, ...number }]) => ({
    path,
    doc,
    kind: { tag: "number", val: { ...number, adaptive: false } },
  }));
}

// What a client set, over the defaults; every problem is thrown at once.
function read(settings) {
  const values = Object.fromEntries(Object.entries(SETTINGS).map(([path, of]) => [path, of.default]));
  const problems = [];
  for (const { path, value } of settings) {
    const of = SETTINGS[path];
    const wrong = (message, hint) => problems.push({ path, message, hint });
    if (!of) wrong("is not a setting of this policy", `there are ${Object.keys(SETTINGS).join(", ")}`);
    else if (value.tag !== "number") wrong("is not a number", of.doc);
    else if (value.val < of.min || value.val > of.max) wrong(`${value.val} is out of bounds`, `it is ${of.min} to ${of.max}`);
    else values[path] = value.val;
  }
  if (problems.length > 0) throw problems;
  return values;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const policy = {
  describe() {
    const doc = "Compares what purchases cost within the stage.";
    return { name: NAME, version: VERSION, doc, stages: ["testing"], params: params() };
  },

  prepare(stage, settings) {
    read(settings);
    return { columns: COLUMNS, textColumns: TEXTS, context: [], derived: DERIVED, rules: RULES };
  },

  decide(stage, settings, cohort) {
    const { times, purchases, others } = read(settings);
    const { rows, values, texts } = cohort;
    // Columns lie one after the other; what is not known is NaN, and no comparison with NaN holds.
    const column = (name, row) => values[COLUMNS.indexOf(name) * rows + row];
    const status = (row) => texts.words[texts.codes[row]];
    const counts = (row) => status(row) === "ACTIVE" && column("purchases_7d", row) >= purchases;
    const costs = [];
    for (let row = 0; row < rows; row++) {
      const cost = column("cpa_7d", row);
      if (counts(row) && cost > 0) costs.push(cost);
    }
    const usual = costs.length >= others ? median(costs) : NaN;
    const ads = [];
    const checks = [];
    for (let row = 0; row < rows; row++) {
      if (status(row) !== "ACTIVE") continue;
      const bought = column("purchases_7d", row);
      const dear = column("cpa_7d", row) / usual;
      const looked = [
        { row, rule: OUTLIER, fact: PURCHASES, value: bought, comparison: "at-least", threshold: purchases, met: bought >= purchases },
        { row, rule: OUTLIER, fact: TIMES, value: dear, comparison: "above", threshold: times, met: dear > times },
      ];
      const fires = looked.every((check) => check.met);
      // With trace, every rule that was looked at; else those that fired.
      if (fires || cohort.trace) checks.push(...looked);
      if (fires) ads.push({ row, verb: "pause", amount: 0, rule: OUTLIER, confidence: 0.8 });
    }
    return { ads, budgets: [], checks };
  },
};
