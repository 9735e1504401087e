//! The journal's bytes: a version, then zstd over a head (postcard) and the columns.
//!
//! Columns are written against those of an earlier record: each number's bits are XORed with those
//! of the same ad and column there, so what did not change is zeros, and then split into eight
//! planes, so that equal high bytes lie together. That is exact for every NaN and every rounding.

use super::{JournalError, Outcome, Record};
use dean_policy::types::{Cohort, Plan, Setting};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// 3: the guard's record knows why a stage leads nowhere, and how sure ends a last ad.
const VERSION: u8 = 3;
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

/// Encodes a record, against an earlier one of the same stage where there is one.
#[must_use]
pub fn encode(record: &Record, base: Option<&Record>) -> Vec<u8> {
    let frame = Frame::of(record);
    let same = base.is_some_and(|base| Frame::of(base) == frame);
    let cohort = &record.cohort;
    let head = Head {
        policy: record.policy.clone(),
        policy_name: record.policy_name.clone(),
        stage: record.stage.clone(),
        frame: (!same).then_some(frame),
        now: cohort.now,
        seed: cohort.seed,
        trace: cohort.trace,
        words: cohort.words.clone(),
        codes: cohort.codes.clone(),
        context: cohort.context.clone(),
        outcome: record.outcome.clone(),
    };
    // Encoding plain data into memory cannot fail.
    let head = postcard::to_stdvec(&head).unwrap_or_default();
    let mut plain = (head.len() as u64).to_le_bytes().to_vec();
    plain.extend_from_slice(&head);
    let bases = base_bits(&record.plan, &record.ads, base);
    let bits: Vec<u64> = cohort.values.iter().zip(bases).map(|(value, base)| value.to_bits() ^ base).collect();
    for plane in 0..8 {
        plain.extend(bits.iter().map(|bits| bits.to_le_bytes()[plane]));
    }
    pack(&plain)
}

/// Decodes a record, with the one that it was written against.
///
/// # Errors
/// When the bytes are damaged or newer, or the base is not the one they were written against.
pub fn decode(bytes: &[u8], base: Option<&Record>) -> Result<Record, JournalError> {
    let damaged = |what: &str| JournalError::Damaged(what.to_string());
    let plain = unpack(bytes)?;
    let length = plain.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let length = length.ok_or_else(|| damaged("it is cut"))? as usize;
    let head = plain.get(8..).and_then(|rest| rest.get(..length)).ok_or_else(|| damaged("its head is cut"))?;
    let head: Head = postcard::from_bytes(head).map_err(|error| JournalError::Damaged(error.to_string()))?;
    let frame = match (head.frame, base) {
        (Some(frame), _) => frame,
        (None, Some(base)) => Frame::of(base),
        (None, None) => return Err(damaged("its base is missing")),
    };
    let count = frame.ads.len() * frame.plan.columns.len();
    let planes = &plain[8 + length..];
    if planes.len() != count * 8 {
        return Err(damaged("its columns are cut"));
    }
    let bases = base_bits(&frame.plan, &frame.ads, base);
    let value = |(i, base): (usize, u64)| {
        let bytes: [u8; 8] = std::array::from_fn(|plane| planes[plane * count + i]);
        f64::from_bits(u64::from_le_bytes(bytes) ^ base)
    };
    let cohort = Cohort {
        now: head.now,
        seed: head.seed,
        rows: frame.ads.len() as u32,
        groups: frame.owners.len() as u32,
        trace: head.trace,
        values: bases.into_iter().enumerate().map(value).collect(),
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

/// For every value of a record, the bits of the same ad and column in the base, or 0.
fn base_bits(plan: &Plan, ads: &[String], base: Option<&Record>) -> Vec<u64> {
    let Some(base) = base else { return vec![0; plan.columns.len() * ads.len()] };
    let rows: HashMap<&str, usize> = base.ads.iter().enumerate().map(|(i, ad)| (ad.as_str(), i)).collect();
    let columns: HashMap<&str, usize> =
        base.plan.columns.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let from: Vec<Option<usize>> = ads.iter().map(|ad| rows.get(ad.as_str()).copied()).collect();
    let mut bits = Vec::with_capacity(plan.columns.len() * ads.len());
    for name in &plan.columns {
        let column = columns.get(name.as_str()).map(|c| &base.cohort.values[c * base.ads.len()..]);
        bits.extend(from.iter().map(|row| match (column, row) {
            (Some(column), Some(row)) => column[*row].to_bits(),
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
    let damaged = |what: &str| JournalError::Damaged(what.to_string());
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
