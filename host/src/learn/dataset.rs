//! A data set: rows of what was known of ads, with what followed.

use crate::domain::{Currency, Facts};
use crate::features::{INPUTS, input_unit};
use crate::store::tables::{FEATURE_ENGINEERING, FEATURE_SCHEMAS};
use crate::store::{Cell, Store};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Complete account days after a look, that of the look itself the first.
pub const DAYS_AHEAD: usize = 14;
/// What is told of each of them, and of the seven days before.
pub const FACTS: [&str; 6] = ["spend", "impressions", "clicks", "add_to_cart", "purchases", "revenue"];
/// What is true of an ad on a day, where that can be known.
pub const TRUTHS: [&str; 4] = ["ctr", "cvr", "cpa", "margin"];
/// Days after which a day's conversions have arrived.
const SETTLED_DAYS: i64 = 7;
/// Days before a look whose sum is told.
const DAYS_BEFORE: i64 = 7;

/// One ad on one day.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The account, or the seed of the world.
    pub account: String,
    /// The ad.
    pub ad_id: String,
    /// The day.
    pub date: Date,
    /// Its stage.
    pub stage: String,
    /// What a purchase was meant to cost, major units; NaN when not known.
    pub target_cpa: f32,
    /// What was known, in the order of the inputs.
    pub inputs: Vec<f32>,
    /// Sums of the seven complete days before, in the order of [`FACTS`], as they are known today.
    pub before: [f32; FACTS.len()],
    /// What happened on each day from this one on; NaN for days whose conversions may still come.
    pub ahead: [[f32; FACTS.len()]; DAYS_AHEAD],
    /// What was true on each of these days; NaN where nobody knows.
    pub truth: [[f32; TRUTHS.len()]; DAYS_AHEAD],
}

/// What is true of ads by day: click-through, purchases per click, cost per purchase, margin.
pub type Truths = HashMap<(String, Date), [f32; TRUTHS.len()]>;

/// Samples that have the same inputs.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The samples.
    pub samples: Vec<Sample>,
    /// Rows that were kept by another version under names of which some are not known any more.
    pub left_out: usize,
}

impl Dataset {
    /// What a store remembers of an account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_account(
        store: &dyn Store,
        account: &str,
        attribution: &str,
        currency: &Currency,
        last_day: Date,
        truths: &Truths,
    ) -> anyhow::Result<Self> {
        let rows = store.rows(&FEATURE_ENGINEERING, account).await?;
        let names = schemas(store, account).await?;
        let parsed: Vec<(&[Cell], Date)> =
            rows.iter().filter_map(|row| Some((row.as_slice(), text(row.get(2)?)?.parse().ok()?))).collect();
        let Some(first) = parsed.iter().map(|(_, date)| *date).min() else { return Ok(Dataset::default()) };
        let mut days: HashMap<(String, Date), Facts> = HashMap::new();
        for day in store.days_since(account, attribution, first.saturating_sub(DAYS_BEFORE.days())).await? {
            days.insert((day.ad_id, day.date), day.facts);
        }
        let settled = last_day.saturating_sub(SETTLED_DAYS.days());
        let mut dataset = Dataset::default();
        for (row, date) in parsed {
            let Some((ad_id, inputs)) = text(&row[1]).zip(numbers(row, &names)) else {
                dataset.left_out += 1;
                continue;
            };
            let on = |date: Date| days.get(&(ad_id.to_string(), date)).copied().unwrap_or_default();
            let mut before = Facts::default();
            for ago in 1..=DAYS_BEFORE {
                before += &on(date.saturating_sub(ago.days()));
            }
            let mut ahead = [[f32::NAN; FACTS.len()]; DAYS_AHEAD];
            let mut truth = [[f32::NAN; TRUTHS.len()]; DAYS_AHEAD];
            for (i, (ahead, truth)) in ahead.iter_mut().zip(&mut truth).enumerate() {
                let date = date.saturating_add((i as i64).days());
                if date < settled {
                    *ahead = told(&on(date), currency);
                }
                if let Some(known) = truths.get(&(ad_id.to_string(), date)) {
                    *truth = *known;
                }
            }
            let major = |cell: &Cell| match cell {
                Cell::Integer(minor) => (*minor as f64 / currency.minor_units() as f64) as f32,
                _ => f32::NAN,
            };
            dataset.samples.push(Sample {
                account: account.into(),
                ad_id: ad_id.into(),
                date,
                stage: text(&row[3]).unwrap_or_default().into(),
                target_cpa: major(&row[5]),
                inputs,
                before: told(&before, currency),
                ahead,
                truth,
            });
        }
        Ok(dataset)
    }

    /// Writes the data set into a folder: `dataset.json` says what lies in the others, all of them raw
    /// little-endian 32-bit floats, row by row.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path, simulated: bool) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let about = json!({
            "version": 1,
            "simulated": simulated,
            "rows": self.samples.len(),
            "left_out": self.left_out,
            "inputs": INPUTS.as_slice(),
            "units": INPUTS.map(input_unit).as_slice(),
            "facts": FACTS,
            "days_ahead": DAYS_AHEAD,
            "truths": TRUTHS,
            "files": {
                "keys.csv": "account, ad, day and stage of each row",
                "inputs.f32": "rows x inputs: what was known",
                "target.f32": "rows: what a purchase was meant to cost, major units",
                "before.f32": "rows x facts: sums of the seven complete days before",
                "ahead.f32": "rows x days_ahead x facts: what followed; NaN where conversions may still come",
                "truth.f32": "rows x days_ahead x truths: what was true; NaN where nobody knows",
            },
        });
        std::fs::write(folder.join("dataset.json"), serde_json::to_vec_pretty(&about)?)?;
        let mut keys = BufWriter::new(File::create(folder.join("keys.csv"))?);
        writeln!(keys, "account,ad,day,stage")?;
        for sample in &self.samples {
            writeln!(keys, "{},{},{},{}", sample.account, sample.ad_id, sample.date, sample.stage)?;
        }
        keys.flush()?;
        self.floats(folder, "inputs.f32", |s, out| out.extend(&s.inputs))?;
        self.floats(folder, "target.f32", |s, out| out.push(s.target_cpa))?;
        self.floats(folder, "before.f32", |s, out| out.extend(s.before))?;
        self.floats(folder, "ahead.f32", |s, out| out.extend(s.ahead.as_flattened()))?;
        self.floats(folder, "truth.f32", |s, out| out.extend(s.truth.as_flattened()))
    }

    fn floats(&self, folder: &Path, name: &str, of: impl Fn(&Sample, &mut Vec<f32>)) -> anyhow::Result<()> {
        let mut file = BufWriter::new(File::create(folder.join(name))?);
        let mut numbers = Vec::new();
        for sample in &self.samples {
            numbers.clear();
            of(sample, &mut numbers);
            for number in &numbers {
                file.write_all(&number.to_le_bytes())?;
            }
        }
        Ok(file.flush()?)
    }
}

fn text(cell: &Cell) -> Option<&str> {
    match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn told(facts: &Facts, currency: &Currency) -> [f32; FACTS.len()] {
    let revenue = facts.revenue.map_or(f64::NAN, |revenue| currency.to_major(revenue));
    [currency.to_major(facts.spend), facts.impressions, facts.clicks, facts.add_to_cart, facts.purchases, revenue]
        .map(|number| number as f32)
}

/// For each schema the positions of today's inputs in it; an input that it has not is missing.
type Positions = BTreeMap<String, Vec<Option<usize>>>;

async fn schemas(store: &dyn Store, account: &str) -> anyhow::Result<Positions> {
    let mut schemas = BTreeMap::new();
    for row in store.rows(&FEATURE_SCHEMAS, account).await? {
        if let [_, Cell::Text(schema), Cell::Text(names)] = row.as_slice() {
            let names: Vec<String> = serde_json::from_str(names)?;
            let position = |input: &&str| names.iter().position(|name| name == input);
            schemas.insert(schema.clone(), INPUTS.iter().map(position).collect());
        }
    }
    Ok(schemas)
}

/// The inputs of a row, in today's order.
fn numbers(row: &[Cell], schemas: &Positions) -> Option<Vec<f32>> {
    let positions = schemas.get(text(&row[6])?)?;
    let numbers: Vec<Option<f32>> = serde_json::from_str(text(&row[7])?).ok()?;
    Some(positions.iter().map(|at| at.and_then(|at| *numbers.get(at)?).unwrap_or(f32::NAN)).collect())
}
