//! Budget owners: ads of one owner added up, and money shared out among owners.

use crate::declare::Column;
use crate::table::Table;
use alloc::{vec, vec::Vec};

/// The owners of a cohort, each with the ads that count for it.
#[derive(Debug)]
pub struct Groups<'a> {
    table: Table<'a>,
    counts: Vec<bool>,
    leads: Vec<Option<u32>>,
}

impl<'a> Groups<'a> {
    /// Groups the rows for which `counts` holds. Of each group the row with the most of `weight` leads:
    /// the checks of a budget decision are made on it.
    #[must_use]
    pub fn of(table: Table<'a>, weight: Column, counts: impl Fn(u32) -> bool) -> Self {
        let mut leads: Vec<Option<u32>> = vec![None; table.groups() as usize];
        let counts: Vec<bool> = (0..table.rows()).map(counts).collect();
        for row in (0..table.rows()).filter(|row| counts[*row as usize]) {
            let heavier = |lead: u32| is_heavier(table, weight, row, lead);
            if let Some(lead) = leads.get_mut(table.group(row) as usize)
                && lead.is_none_or(heavier)
            {
                *lead = Some(row);
            }
        }
        Groups { table, counts, leads }
    }

    /// Every group that has an ad, with the row that leads it.
    pub fn leads(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.leads.iter().enumerate().filter_map(|(group, lead)| lead.map(|lead| (group as u32, lead)))
    }

    /// How many ads count for each group.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes = vec![0; self.leads.len()];
        for row in (0..self.table.rows()).filter(|row| self.counts[*row as usize]) {
            if let Some(size) = sizes.get_mut(self.table.group(row) as usize) {
                *size += 1;
            }
        }
        sizes
    }

    /// The value of a column for each group's lead; NaN for a group without one.
    #[must_use]
    pub fn lead_values(&self, column: Column) -> Vec<f64> {
        self.leads.iter().map(|lead| lead.map_or(f64::NAN, |row| self.table.number(column, row))).collect()
    }

    /// The sum of a column over each group; NaN where it is not known for one of its ads.
    #[must_use]
    pub fn sum(&self, column: Column) -> Vec<f64> {
        self.fold(column, |sum, value| sum + value)
    }

    /// The sum of what is known of a column over each group.
    #[must_use]
    pub fn sum_known(&self, column: Column) -> Vec<f64> {
        self.fold(column, |sum, value| if value.is_nan() { sum } else { sum + value })
    }

    /// The mean of a column over each group, by a weight, of the ads of which both are known; NaN without one.
    #[must_use]
    pub fn mean(&self, column: Column, weight: Column) -> Vec<f64> {
        self.weighed(column, weight, |value| value)
    }

    /// What the ads of each group cost together, where a column is the cost of one of its kind and `spend` what is
    /// spent on them: the harmonic mean, of the ads of which both are known; NaN without one.
    #[must_use]
    pub fn mean_cost(&self, cost: Column, spend: Column) -> Vec<f64> {
        self.weighed(cost, spend, |cost| 1.0 / cost).into_iter().map(|mean| 1.0 / mean).collect()
    }

    fn weighed(&self, column: Column, weight: Column, of: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); self.leads.len()];
        for row in (0..self.table.rows()).filter(|row| self.counts[*row as usize]) {
            let (value, weight) = (of(self.table.number(column, row)), self.table.number(weight, row));
            if let Some((sum, weights)) = sums.get_mut(self.table.group(row) as usize)
                && value.is_finite()
                && weight > 0.0
            {
                *sum += value * weight;
                *weights += weight;
            }
        }
        sums.into_iter().map(|(sum, weights)| if weights > 0.0 { sum / weights } else { f64::NAN }).collect()
    }

    /// Whether a flag of 0 and 1 is set for any ad of each group.
    #[must_use]
    pub fn any(&self, flag: Column) -> Vec<bool> {
        self.fold(flag, f64::max).into_iter().map(|found| found >= 1.0).collect()
    }

    fn fold(&self, column: Column, step: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mut found = vec![0.0; self.leads.len()];
        for row in (0..self.table.rows()).filter(|row| self.counts[*row as usize]) {
            if let Some(value) = found.get_mut(self.table.group(row) as usize) {
                *value = step(*value, self.table.number(column, row));
            }
        }
        found
    }
}

/// Whether a row weighs more than another. Between equals all of their columns decide, so that the
/// order of rows never does.
fn is_heavier(table: Table<'_>, weight: Column, row: u32, other: u32) -> bool {
    let by = |column| table.number(column, row).total_cmp(&table.number(column, other));
    let all = (0..table.columns()).map(|column| by(Column(column)));
    core::iter::once(by(weight)).chain(all).find(|order| order.is_ne()).is_some_and(|order| order.is_gt())
}

/// An owner whose budget may rise by a share of money that is free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// The owner.
    pub group: u32,
    /// Its daily budget.
    pub budget: f64,
    /// Shares are in proportion to this; above 0.
    pub weight: f64,
    /// The most that it can take.
    pub most: f64,
    /// How sure it is that the money is well spent there.
    pub confidence: f64,
}

/// Shares `total` out in proportion to weights, none more than it can take; what one cannot take goes
/// to the others, again in proportion. Returns each claim's share, in order.
#[must_use]
pub(crate) fn share_out(total: f64, claims: &[Claim]) -> Vec<f64> {
    let mut shares = vec![0.0; claims.len()];
    let mut left = total.max(0.0);
    // Each round fills at least one claim or shares out all that is left.
    for _ in 0..claims.len() {
        let open = |i: usize| claims[i].weight > 0.0 && shares[i] < claims[i].most;
        let open: Vec<usize> = (0..claims.len()).filter(|&i| open(i)).collect();
        let weights: f64 = open.iter().map(|&i| claims[i].weight).sum();
        if open.is_empty() || left <= 0.0 {
            break;
        }
        let mut given = 0.0;
        let mut filled = false;
        for i in open {
            let wanted = left * claims[i].weight / weights;
            let room = claims[i].most - shares[i];
            filled |= wanted >= room;
            let share = if wanted < room { wanted } else { room };
            shares[i] += share;
            given += share;
        }
        left -= given;
        if !filled {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(weight: f64, most: f64) -> Claim {
        Claim { group: 0, budget: 0.0, weight, most, confidence: 1.0 }
    }

    #[test]
    fn shares_go_by_weight_and_what_one_cannot_take_goes_to_the_others() {
        assert_eq!(share_out(100.0, &[claim(3.0, 1e9), claim(1.0, 1e9)]), [75.0, 25.0]);
        assert_eq!(share_out(100.0, &[claim(3.0, 15.0), claim(1.0, 1e9)]), [15.0, 85.0]);
        assert_eq!(share_out(100.0, &[claim(3.0, 15.0), claim(1.0, 5.0)]), [15.0, 5.0]);
        assert_eq!(share_out(100.0, &[claim(0.0, 50.0), claim(2.0, 50.0)]), [0.0, 50.0]);
        assert_eq!(share_out(0.0, &[claim(1.0, 50.0)]), [0.0]);
        assert_eq!(share_out(-3.0, &[claim(1.0, 50.0)]), [0.0]);
        assert!(share_out(10.0, &[]).is_empty());
    }
}
