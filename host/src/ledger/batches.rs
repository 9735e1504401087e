//! Which writes may stand in one batch: up to fifty, and never two ad sets of one campaign, which
//! Meta locks against each other.

use std::collections::BTreeMap;

const LARGEST_BATCH: usize = 50;

/// Where a write lands in the account's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The campaign, if known.
    pub campaign: Option<String>,
    /// The ad set, if known.
    pub adset: Option<String>,
}

/// Writes of one ad set, by their positions.
struct Group<'a> {
    campaign: Option<&'a str>,
    members: Vec<usize>,
}

/// A batch under way.
#[derive(Default)]
struct Batch<'a> {
    members: Vec<usize>,
    campaigns: Vec<&'a str>,
}

/// Puts writes into batches; each batch is positions in `places`, in order.
///
/// With one write an ad set these are as few as can be: the larger of a fiftieth of the writes and the
/// most ad sets that are written in one campaign. Each campaign's ad sets go to the batches that hold least so far
/// (McNaughton's wrap-around rule: no batch then holds more than its share).
pub(super) fn batches(places: &[Place]) -> Vec<Vec<usize>> {
    let campaigns = grouped(places);
    let widest = campaigns.iter().map(Vec::len).max().unwrap_or(0);
    let least = places.len().div_ceil(LARGEST_BATCH).max(widest);
    let mut batches: Vec<Batch<'_>> = (0..least).map(|_| Batch::default()).collect();
    for groups in campaigns {
        for group in groups {
            let mut rest = group.members.as_slice();
            while !rest.is_empty() {
                let fits = |batch: &&mut Batch<'_>| {
                    batch.members.len() < LARGEST_BATCH && group.campaign.is_none_or(|c| !batch.campaigns.contains(&c))
                };
                let lightest = batches.iter_mut().filter(fits).min_by_key(|batch| batch.members.len());
                let batch = match lightest {
                    Some(batch) => batch,
                    None => {
                        batches.push(Batch::default());
                        continue;
                    }
                };
                let (now, later) = rest.split_at(rest.len().min(LARGEST_BATCH - batch.members.len()));
                batch.members.extend(now);
                batch.campaigns.extend(group.campaign);
                rest = later;
            }
        }
    }
    let members = |batch: Batch<'_>| {
        let mut members = batch.members;
        members.sort_unstable();
        members
    };
    batches.into_iter().map(members).filter(|members| !members.is_empty()).collect()
}

/// One batch that is filled as far as it goes.
#[derive(Debug, Default)]
pub struct OneBatch {
    writes: usize,
    taken: BTreeMap<String, String>,
}

impl OneBatch {
    /// Whether writes that belong together fit in beside what is in already; then they are.
    pub fn takes(&mut self, places: &[&Place]) -> bool {
        let free = |place: &Place| match (&place.campaign, &place.adset) {
            (Some(campaign), Some(adset)) => self.taken.get(campaign).is_none_or(|taken| taken == adset),
            _ => true,
        };
        let fits = self.writes + places.len() <= LARGEST_BATCH && places.iter().all(|place| free(place));
        if fits {
            self.writes += places.len();
            let known = places.iter().filter_map(|place| place.campaign.clone().zip(place.adset.clone()));
            self.taken.extend(known);
        }
        fits
    }
}

/// Writes by campaign and ad set: the campaign with the most ad sets first, in it the ad set with the most writes.
/// A write whose place is not known stands in nobody's way.
fn grouped(places: &[Place]) -> Vec<Vec<Group<'_>>> {
    let mut by_campaign: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
    let mut anywhere = Vec::new();
    for (i, place) in places.iter().enumerate() {
        match (place.campaign.as_deref(), place.adset.as_deref()) {
            (Some(campaign), Some(adset)) => {
                by_campaign.entry(campaign).or_default().entry(adset).or_default().push(i);
            }
            _ => anywhere.push(vec![Group { campaign: None, members: vec![i] }]),
        }
    }
    let groups = |(campaign, adsets): (_, BTreeMap<_, Vec<usize>>)| {
        let group = |members| Group { campaign: Some(campaign), members };
        let mut groups: Vec<Group<'_>> = adsets.into_values().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
        groups
    };
    let mut campaigns: Vec<Vec<Group<'_>>> = by_campaign.into_iter().map(groups).collect();
    campaigns.sort_by_key(|groups| std::cmp::Reverse(groups.len()));
    campaigns.extend(anywhere);
    campaigns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place((campaign, adset): &(u8, u8)) -> Place {
        Place { campaign: Some(campaign.to_string()), adset: Some(format!("{campaign}/{adset}")) }
    }

    proptest! {
        #[test]
        fn no_batch_holds_two_ad_sets_of_one_campaign_and_every_write_stands_once(
            tree in prop::collection::vec((0u8..4, 0u8..8), 0..200)
        ) {
            let places: Vec<Place> = tree.iter().map(place).collect();
            let found = batches(&places);
            let mut all: Vec<usize> = found.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..places.len()).collect::<Vec<_>>());
            for batch in &found {
                prop_assert!(batch.len() <= LARGEST_BATCH);
                for a in batch {
                    for b in batch {
                        let (a, b) = (&places[*a], &places[*b]);
                        prop_assert!(a.campaign != b.campaign || a.adset == b.adset);
                    }
                }
            }
        }

        #[test]
        fn with_a_write_an_ad_set_there_are_as_few_batches_as_can_be(
            tree in prop::collection::btree_set((0u8..60, 0u8..8), 0..400)
        ) {
            let places: Vec<Place> = tree.iter().map(place).collect();
            let adsets = |campaign: u8| tree.iter().filter(|(of, _)| *of == campaign).count();
            let widest = (0..60).map(adsets).max().unwrap_or(0);
            prop_assert_eq!(batches(&places).len(), places.len().div_ceil(LARGEST_BATCH).max(widest));
        }
    }
}
