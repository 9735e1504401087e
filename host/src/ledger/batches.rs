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

/// Puts writes into batches; each batch is positions in `places`, in order.
pub(super) fn batches(places: &[Place]) -> Vec<Vec<usize>> {
    let mut batches: Vec<(Vec<usize>, BTreeMap<&str, &str>)> = Vec::new();
    for (i, place) in places.iter().enumerate() {
        let key = place.campaign.as_deref().zip(place.adset.as_deref());
        let fits = |(members, taken): &&mut (Vec<usize>, BTreeMap<&str, &str>)| {
            let free = key.is_none_or(|(campaign, adset)| taken.get(campaign).is_none_or(|a| *a == adset));
            members.len() < LARGEST_BATCH && free
        };
        let at = match batches.iter_mut().position(|mut batch| fits(&mut batch)) {
            Some(at) => at,
            None => {
                batches.push(Default::default());
                batches.len() - 1
            }
        };
        batches[at].0.push(i);
        if let Some((campaign, adset)) = key {
            batches[at].1.insert(campaign, adset);
        }
    }
    batches.into_iter().map(|(members, _)| members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_batch_holds_two_ad_sets_of_one_campaign_and_every_write_stands_once(
            tree in prop::collection::vec((0u8..4, 0u8..8), 0..200)
        ) {
            let place = |(campaign, adset): &(u8, u8)| Place {
                campaign: Some(campaign.to_string()),
                adset: Some(format!("{campaign}/{adset}")),
            };
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
    }
}
