//! How an account and its ledger end, held against how they end without faults.

use dean::domain::Ad;
use dean::meta::Client;
use dean::store::{ActionRow, ActionState, PromotionRow, QueueRow, Store};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An account at its end, with what is remembered of it.
#[derive(Debug)]
pub struct End {
    /// Its ads.
    pub ads: Vec<Ad>,
    /// The ledger.
    pub actions: Vec<ActionRow>,
    /// The promotions.
    pub promotions: Vec<PromotionRow>,
    /// The queue of creatives.
    pub queue: Vec<QueueRow>,
}

/// What a comparison looked at.
#[derive(Debug, Default)]
pub struct Compared {
    /// Rows of the ledger by state.
    pub states: BTreeMap<&'static str, usize>,
    /// Objects that are alike.
    pub alike: usize,
    /// Objects that a failed or dropped row of the ledger is about.
    pub set_aside: usize,
}

impl Compared {
    /// Adds what another comparison looked at.
    pub fn add(&mut self, other: &Compared) {
        other.states.iter().for_each(|(state, rows)| *self.states.entry(state).or_default() += rows);
        self.alike += other.alike;
        self.set_aside += other.set_aside;
    }
}

/// What can be changed, by what it belongs to: ids of what was there before, names of what was copied.
fn shape(ads: &[Ad]) -> BTreeMap<String, BTreeSet<String>> {
    let mut shape: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ad in ads {
        let (Some(adset), Some(campaign)) = (&ad.adset, &ad.campaign) else { continue };
        let of_adset = format!("{:?} {:?}", adset.status, adset.daily_budget.map(|budget| budget.0));
        let of_campaign = format!("{:?} {:?}", campaign.status, campaign.daily_budget.map(|budget| budget.0));
        shape.entry(format!("campaign {}", campaign.id)).or_default().insert(of_campaign);
        match ad.name.split_once(" [dean:") {
            None => {
                shape.entry(format!("ad {}", ad.id)).or_default().insert(format!("{:?}", ad.status));
                shape.entry(format!("adset {}", adset.id)).or_default().insert(of_adset);
            }
            Some((source, _)) => {
                let copy = format!("{:?} in {of_adset}", ad.status);
                shape.entry(format!("copy of {source} in {}", campaign.id)).or_default().insert(copy);
            }
        }
    }
    shape
}

impl End {
    /// An account as it is now.
    ///
    /// # Errors
    /// When it or the store cannot be read.
    pub async fn of(client: &Client, store: &dyn Store) -> anyhow::Result<Self> {
        let id = client.account_id();
        Ok(End {
            ads: client.ads().await?.value,
            actions: store.actions_since(id, Timestamp::UNIX_EPOCH).await?,
            promotions: store.promotions(id).await?,
            queue: store.queue(id).await?,
        })
    }

    /// Holds an end against what has to be true of it: every row of the ledger has ended, with a reason where it
    /// came to nothing; no copy was made twice or for nobody; and the account is as it is without faults, save for
    /// what rows that failed or were dropped are about.
    ///
    /// # Panics
    /// When that is not so; `what` says of which case.
    #[must_use]
    pub fn held_against(&self, whole: &End, what: &str) -> Compared {
        let mut compared = Compared::default();
        let aside = self.set_aside(whole, what, &mut compared);
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        for ad in &self.ads {
            let Some((_, mark)) = ad.name.split_once("[dean:") else { continue };
            let promotion = mark.split('.').next().unwrap_or_default();
            let promoted = self.promotions.iter().any(|p| p.promotion_id == promotion);
            let launched = self.queue.iter().any(|row| row.queue_id == promotion);
            assert!(promoted || launched, "{what}: an ad of nobody: {}", ad.name);
            *copies.entry(promotion).or_default() += 1;
        }
        assert!(copies.values().all(|copies| *copies == 1), "{what}: {copies:?}");
        let (is, expected) = (shape(&self.ads), shape(&whole.ads));
        for key in is.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
            if aside.contains(key) {
                compared.set_aside += 1;
                continue;
            }
            compared.alike += 1;
            assert_eq!(is.get(key), expected.get(key), "{what}: {key}\n{:#?}", self.actions);
        }
        compared
    }

    /// What rows that failed or were dropped are about.
    fn set_aside(&self, whole: &End, what: &str, compared: &mut Compared) -> BTreeSet<String> {
        let mut aside: BTreeSet<String> = BTreeSet::new();
        for action in &self.actions {
            *compared.states.entry(action.state.as_str()).or_default() += 1;
            match action.state {
                ActionState::Done => continue,
                ActionState::Failed | ActionState::Dropped => {
                    assert!(action.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "{what}: {action:?}");
                }
                ActionState::Planned | ActionState::Sent | ActionState::Unknown => panic!("{what}: {action:?}"),
            }
            let target = &action.target_id;
            aside.extend([format!("ad {target}"), format!("adset {target}"), format!("campaign {target}")]);
            aside.extend(action.ad_id.iter().map(|ad| format!("ad {ad}")));
        }
        for row in &self.queue {
            let of_row = |action: &&ActionRow| action.action_id.starts_with(&row.queue_id);
            let lost = self.actions.iter().filter(of_row).any(|action| action.state != ActionState::Done);
            if lost {
                let campaigns = whole.ads.iter().filter_map(|ad| ad.campaign_id.as_ref());
                aside.extend(campaigns.map(|campaign| format!("copy of {} in {campaign}", row.name)));
            }
        }
        for promotion in &self.promotions {
            let source = whole.ads.iter().find(|ad| ad.id == promotion.source_ad_id);
            if let Some(source) = source.filter(|source| aside.contains(&format!("ad {}", source.id))) {
                aside.insert(format!("copy of {} in {}", source.name, promotion.campaign_id));
            }
        }
        aside
    }
}
