//! The journal's bytes: a version, then zstd over a head (postcard) and the columns.
//!
//! Columns are written against those of an earlier record: each number's bits are XORed with those
//! of the same ad and column there, so what did not change is zeros. Columns of which nothing changed are
//! left out; the others are split into one plane for each byte, so that equal high bytes lie together. That
//! is exact for every NaN and every rounding.

use super::{Entry, JournalError, Outcome, Record, Scores};
use dean_policy::types::{Cohort, Plan, Setting};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

/// 5: columns that did not change are left out, and the guard's record knows how every ad and budget stands.
const VERSION: u8 = 5;
/// Fast, and within a few percent of the levels that take ten times as long on this data.
const ZSTD_LEVEL: i32 = 3;
/// No record of 100,000 ads and 200 columns comes near; beyond it a blob is a bomb.
const LARGEST: usize = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Head {
    policy: String,
    policy_name: String,
    stage: String,
    /// `None` when they are those of the base.
    frame: Option<Frame>,
    now: f64,
    seed: u32,
    trace: bool,
    words: Vec<String>,
    codes: Vec<u32>,
    context: Vec<f64>,
    outcome: Outcome,
}

/// What seldom changes from run to run.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
struct Frame {
    settings: Vec<Setting>,
    plan: Plan,
    ads: Vec<String>,
    owners: Vec<String>,
    group_of: Vec<u32>,
}

impl From<Record> for Frame {
    fn from(record: Record) -> Self {
        Frame {
            settings: record.settings,
            plan: record.plan,
            ads: record.ads,
            owners: record.owners,
            group_of: record.cohort.group_of,
        }
    }
}

impl Frame {
    fn of(record: &Record) -> Self {
        Frame {
            settings: record.settings.clone(),
            plan: record.plan.clone(),
            ads: record.ads.clone(),
            owners: record.owners.clone(),
            group_of: record.cohort.group_of.clone(),
        }
    }
}

impl Entry for Record {
    fn encode(&self, base: Option<&Self>) -> Vec<u8> {
        let frame = Frame::of(self);
        let same = base.is_some_and(|base| Frame::of(base) == frame);
        let cohort = &self.cohort;
        let head = Head {
            policy: self.policy.clone(),
            policy_name: self.policy_name.clone(),
            stage: self.stage.clone(),
            frame: (!same).then_some(frame),
            now: cohort.now,
            seed: cohort.seed,
            trace: cohort.trace,
            words: cohort.words.clone(),
            codes: cohort.codes.clone(),
            context: cohort.context.clone(),
            outcome: self.outcome.clone(),
        };
        let table = Table::of(&self.plan.columns, &self.ads, &cohort.values);
        put_together(&head, table, base.map(|base| Table::of(&base.plan.columns, &base.ads, &base.cohort.values)))
    }

    fn decode(bytes: &[u8], mut base: Option<Self>) -> Result<Self, JournalError> {
        let (head, planes) = take_apart::<Head>(bytes)?;
        let frame =
            head.frame.or_else(|| base.as_ref().map(Frame::of)).ok_or_else(|| damaged("its base is missing"))?;
        let known = base.as_mut().map(|base| std::mem::take(&mut base.cohort.values));
        let known = base.as_ref().zip(known).map(|(base, values)| (&*base.plan.columns, &*base.ads, values));
        let values = of_planes(&planes, &frame.plan.columns, &frame.ads, known)?;
        let cohort = Cohort {
            now: head.now,
            seed: head.seed,
            rows: frame.ads.len() as u32,
            groups: frame.owners.len() as u32,
            trace: head.trace,
            values,
            words: head.words,
            codes: head.codes,
            context: head.context,
            group_of: frame.group_of,
        };
        Ok(Record {
            policy: head.policy,
            policy_name: head.policy_name,
            stage: head.stage,
            settings: frame.settings,
            plan: frame.plan,
            ads: frame.ads,
            owners: frame.owners,
            cohort,
            outcome: head.outcome,
        })
    }
}

/// What seldom changes in what models read.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
struct ScoresFrame {
    models: Vec<String>,
    stages: Vec<(String, u32)>,
    ads: Vec<String>,
    creatives: Vec<String>,
    inputs: Vec<String>,
}

impl ScoresFrame {
    fn of(scores: &Scores) -> Self {
        ScoresFrame {
            models: scores.models.clone(),
            stages: scores.stages.clone(),
            ads: scores.ads.clone(),
            creatives: scores.creatives.clone(),
            inputs: scores.inputs.clone(),
        }
    }
}

impl Entry for Scores {
    fn encode(&self, base: Option<&Self>) -> Vec<u8> {
        let frame = ScoresFrame::of(self);
        let head = (!base.is_some_and(|base| ScoresFrame::of(base) == frame)).then_some(frame);
        let table = Table::of(&self.inputs, &self.ads, &self.values);
        put_together(&head, table, base.map(|base| Table::of(&base.inputs, &base.ads, &base.values)))
    }

    fn decode(bytes: &[u8], mut base: Option<Self>) -> Result<Self, JournalError> {
        let (head, planes) = take_apart::<Option<ScoresFrame>>(bytes)?;
        let frame =
            head.or_else(|| base.as_ref().map(ScoresFrame::of)).ok_or_else(|| damaged("its base is missing"))?;
        let known = base.as_mut().map(|base| std::mem::take(&mut base.values));
        let known = base.as_ref().zip(known).map(|(base, values)| (&*base.inputs, &*base.ads, values));
        let values = of_planes(&planes, &frame.inputs, &frame.ads, known)?;
        let rows = frame.stages.iter().map(|(_, ads)| u64::from(*ads)).sum::<u64>();
        if rows != frame.ads.len() as u64 || frame.creatives.len() != frame.ads.len() {
            return Err(damaged("its stages are not those of its ads"));
        }
        Ok(Scores {
            models: frame.models,
            stages: frame.stages,
            ads: frame.ads,
            creatives: frame.creatives,
            inputs: frame.inputs,
            values,
        })
    }
}

pub(super) fn damaged(what: &str) -> JournalError {
    JournalError::Damaged(what.to_string())
}

/// Head and planes as one packed blob.
pub(super) fn put_together(head: &impl Serialize, table: Table<'_>, base: Option<Table<'_>>) -> Vec<u8> {
    // Encoding plain data into memory cannot fail.
    let head = postcard::to_stdvec(head).unwrap_or_default();
    let mut plain = (head.len() as u64).to_le_bytes().to_vec();
    plain.extend_from_slice(&head);
    let rows = table.ads.len();
    let carried = base.map(|base| base.carried(table.columns, table.ads));
    let bits = |column: usize| {
        let values = &table.values[column * rows..(column + 1) * rows];
        let base = carried.as_deref().map(|carried| &carried[column * rows..(column + 1) * rows]);
        let of_row = move |(row, value): (usize, &f64)| value.to_bits() ^ base.map_or(0, |base| base[row].to_bits());
        values.iter().enumerate().map(of_row)
    };
    let changed: Vec<usize> = (0..table.columns.len()).filter(|c| bits(*c).any(|bits| bits != 0)).collect();
    let mut flags = vec![0; table.columns.len().div_ceil(8)];
    changed.iter().for_each(|column| flags[column / 8] |= 1 << (column % 8));
    plain.extend(flags);
    let bits: Vec<u64> = changed.into_iter().flat_map(bits).collect();
    for plane in 0..8 {
        plain.extend(bits.iter().map(|bits| bits.to_le_bytes()[plane]));
    }
    pack(&plain)
}

pub(super) fn take_apart<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, Vec<u8>), JournalError> {
    let mut plain = unpack(bytes)?;
    let length = plain.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let length = length.ok_or_else(|| damaged("it is cut"))? as usize;
    let head = plain.get(8..).and_then(|rest| rest.get(..length)).ok_or_else(|| damaged("its head is cut"))?;
    let head: H = postcard::from_bytes(head).map_err(|error| JournalError::Damaged(error.to_string()))?;
    Ok((head, plain.split_off(8 + length)))
}

/// The values of a table, from what of them changed and the values that they were written against.
pub(super) fn of_planes(
    planes: &[u8],
    columns: &[String],
    ads: &[String],
    base: Option<(&[String], &[String], Vec<f64>)>,
) -> Result<Vec<f64>, JournalError> {
    let rows = ads.len();
    let flags = columns.len().div_ceil(8);
    let (flags, planes) = planes.split_at_checked(flags).ok_or_else(|| damaged("its columns are cut"))?;
    let changed: Vec<usize> = (0..columns.len()).filter(|c| flags[c / 8] & 1 << (c % 8) != 0).collect();
    let count = changed.len() * rows;
    if planes.len() != count * 8 {
        return Err(damaged("its columns are cut"));
    }
    let mut values = match base {
        // Nothing has to move: what did not change stays where it is.
        Some((of, by, values)) if same(of, columns) && same(by, ads) => values,
        Some((of, by, values)) => Table::of(of, by, &values).carried(columns, ads).into_owned(),
        None => vec![0.0; columns.len() * rows],
    };
    for (place, column) in changed.into_iter().enumerate() {
        for (row, value) in values[column * rows..(column + 1) * rows].iter_mut().enumerate() {
            let bytes: [u8; 8] = std::array::from_fn(|plane| planes[plane * count + place * rows + row]);
            *value = f64::from_bits(value.to_bits() ^ u64::from_le_bytes(bytes));
        }
    }
    Ok(values)
}

/// Whether two lists of names are equal, at once where they are one.
fn same(a: &[String], b: &[String]) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// Numbers by column and ad.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    columns: &'a [String],
    ads: &'a [String],
    values: &'a [f64],
}

impl<'a> Table<'a> {
    pub(super) fn of(columns: &'a [String], ads: &'a [String], values: &'a [f64]) -> Self {
        Table { columns, ads, values }
    }

    /// For every value of another table the one of the same column and ad here, or 0.
    fn carried(self, columns: &[String], ads: &[String]) -> Cow<'a, [f64]> {
        let same_ads = self.ads == ads;
        if same_ads && self.columns == columns {
            return Cow::Borrowed(self.values);
        }
        let known: HashMap<&str, usize> = self.columns.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let rows: HashMap<&str, usize> = self.ads.iter().enumerate().map(|(i, ad)| (ad.as_str(), i)).collect();
        let from: Vec<Option<usize>> = ads.iter().map(|ad| rows.get(ad.as_str()).copied()).collect();
        let mut values = Vec::with_capacity(columns.len() * ads.len());
        for name in columns {
            match known.get(name.as_str()) {
                None => values.resize(values.len() + ads.len(), 0.0),
                Some(column) => {
                    let column = &self.values[column * self.ads.len()..(column + 1) * self.ads.len()];
                    match same_ads {
                        true => values.extend_from_slice(column),
                        false => values.extend(from.iter().map(|row| row.map_or(0.0, |row| column[row]))),
                    }
                }
            }
        }
        Cow::Owned(values)
    }
}

/// Compresses with a version in front.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Compressing from memory into memory cannot fail.
    bytes.extend(zstd::bulk::compress(plain, ZSTD_LEVEL).unwrap_or_default());
    bytes
}

thread_local! {
    /// One for all records of a thread: beginning anew costs more than a small record itself.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        RefCell::new(zstd::bulk::Decompressor::new().ok());
}

pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, JournalError> {
    match bytes.split_first() {
        None => Err(damaged("it is empty")),
        Some((&VERSION, packed)) => {
            let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
            let size = size.ok_or_else(|| damaged("it does not begin like zstd"))? as usize;
            if size > LARGEST {
                return Err(damaged("it claims more than a gibibyte"));
            }
            let unpacked = DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
                Some(decompressor) => decompressor.decompress(packed, size),
                // Where memory for one that stays is missing, another try says so.
                None => zstd::bulk::decompress(packed, size),
            });
            unpacked.map_err(|error| JournalError::Damaged(error.to_string()))
        }
        Some((version, _)) => Err(JournalError::Version(*version)),
    }
}
