//! The journal's bytes: a version, then zstd over a head (postcard) and the columns.
//!
//! Columns are written against those of an earlier record: each number's bits are XORed with those
//! of the same ad and column there, so what did not change is zeros, and then split into one plane for
//! each byte, so that equal high bytes lie together. That is exact for every NaN and every rounding.

use super::{Entry, JournalError, Outcome, Record, Scores};
use dean_policy::types::{Cohort, Plan, Setting};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// 4: the guard's record knows how often a budget was changed within the hour.
const VERSION: u8 = 4;
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
        let bits = cohort.values.iter().map(|value| value.to_bits()).collect();
        put_together(&head, bits, &base_bits(&self.plan.columns, &self.ads, base.map(Table::from)))
    }

    fn decode(bytes: &[u8], base: Option<&Self>) -> Result<Self, JournalError> {
        let (head, planes) = take_apart::<Head>(bytes)?;
        let frame = head.frame.or_else(|| base.map(Frame::of)).ok_or_else(|| damaged("its base is missing"))?;
        let bases = base_bits(&frame.plan.columns, &frame.ads, base.map(Table::from));
        let bits = of_planes(&planes, &bases)?;
        let cohort = Cohort {
            now: head.now,
            seed: head.seed,
            rows: frame.ads.len() as u32,
            groups: frame.owners.len() as u32,
            trace: head.trace,
            values: bits.into_iter().map(f64::from_bits).collect(),
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
        let bits = self.values.iter().map(|value| value.to_bits()).collect();
        put_together(&head, bits, &base_bits(&self.inputs, &self.ads, base.map(Table::from)))
    }

    fn decode(bytes: &[u8], base: Option<&Self>) -> Result<Self, JournalError> {
        let (head, planes) = take_apart::<Option<ScoresFrame>>(bytes)?;
        let frame = head.or_else(|| base.map(ScoresFrame::of)).ok_or_else(|| damaged("its base is missing"))?;
        let bases = base_bits(&frame.inputs, &frame.ads, base.map(Table::from));
        let bits = of_planes(&planes, &bases)?;
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
            values: bits.into_iter().map(f64::from_bits).collect(),
        })
    }
}

fn damaged(what: &str) -> JournalError {
    JournalError::Damaged(what.to_string())
}

/// Head and planes as one packed blob.
fn put_together(head: &impl Serialize, mut bits: Vec<u64>, bases: &[u64]) -> Vec<u8> {
    // Encoding plain data into memory cannot fail.
    let head = postcard::to_stdvec(head).unwrap_or_default();
    let mut plain = (head.len() as u64).to_le_bytes().to_vec();
    plain.extend_from_slice(&head);
    bits.iter_mut().zip(bases).for_each(|(bits, base)| *bits ^= base);
    for plane in 0..8 {
        plain.extend(bits.iter().map(|bits| bits.to_le_bytes()[plane]));
    }
    pack(&plain)
}

fn take_apart<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, Vec<u8>), JournalError> {
    let mut plain = unpack(bytes)?;
    let length = plain.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let length = length.ok_or_else(|| damaged("it is cut"))? as usize;
    let head = plain.get(8..).and_then(|rest| rest.get(..length)).ok_or_else(|| damaged("its head is cut"))?;
    let head: H = postcard::from_bytes(head).map_err(|error| JournalError::Damaged(error.to_string()))?;
    Ok((head, plain.split_off(8 + length)))
}

fn of_planes(planes: &[u8], bases: &[u64]) -> Result<Vec<u64>, JournalError> {
    let count = bases.len();
    if planes.len() != count * 8 {
        return Err(damaged("its columns are cut"));
    }
    let value = |(i, base): (usize, &u64)| {
        let bytes: [u8; 8] = std::array::from_fn(|plane| planes[plane * count + i]);
        u64::from_le_bytes(bytes) ^ base
    };
    Ok(bases.iter().enumerate().map(value).collect())
}

/// The columns of an earlier record.
struct Table<'a> {
    columns: &'a [String],
    ads: &'a [String],
    bits: Vec<u64>,
}

impl<'a> From<&'a Record> for Table<'a> {
    fn from(record: &'a Record) -> Self {
        let bits = record.cohort.values.iter().map(|value| value.to_bits()).collect();
        Table { columns: &record.plan.columns, ads: &record.ads, bits }
    }
}

impl<'a> From<&'a Scores> for Table<'a> {
    fn from(scores: &'a Scores) -> Self {
        let bits = scores.values.iter().map(|value| value.to_bits()).collect();
        Table { columns: &scores.inputs, ads: &scores.ads, bits }
    }
}

/// For every value of a record, the bits of the same ad and column in the base, or 0.
fn base_bits(columns: &[String], ads: &[String], base: Option<Table<'_>>) -> Vec<u64> {
    let Some(base) = base else { return vec![0; columns.len() * ads.len()] };
    let rows: HashMap<&str, usize> = base.ads.iter().enumerate().map(|(i, ad)| (ad.as_str(), i)).collect();
    let known: HashMap<&str, usize> = base.columns.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let from: Vec<Option<usize>> = ads.iter().map(|ad| rows.get(ad.as_str()).copied()).collect();
    let mut bits = Vec::with_capacity(columns.len() * ads.len());
    for name in columns {
        let column = known.get(name.as_str()).map(|column| column * base.ads.len());
        bits.extend(from.iter().map(|row| match (column, row) {
            (Some(column), Some(row)) => base.bits[column + row],
            _ => 0,
        }));
    }
    bits
}

/// Compresses with a version in front.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // Compressing from memory into memory cannot fail.
    bytes.extend(zstd::bulk::compress(plain, ZSTD_LEVEL).unwrap_or_default());
    bytes
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
            zstd::bulk::decompress(packed, size).map_err(|error| JournalError::Damaged(error.to_string()))
        }
        Some((version, _)) => Err(JournalError::Version(*version)),
    }
}
