//! Launches: creatives of the queue become ads of the testing ad set, as many as keep it supplied, the most promising
//! first. Like promotions they are made over runs: media uploaded -> creative made -> ad made, each step a row of the
//! ledger, and a create whose outcome is unknown is looked for before anything follows.

use super::account::AccountNumbers;
use super::observe::Observation;
use super::{Runner, plain_name};
use crate::domain::{Ad, Clock, CreativeSpec, Media, Money, Sender, Status, hours, words_of};
use crate::features::Gamma;
use crate::guard::{self, Situation};
use crate::ledger::{Applied, Intent, Place, Planned, kind};
use crate::meta::Client;
use crate::store::{ActionRow, ActionState, QueueRow, QueueState, Store, StoreError};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// New ads that one run makes at most: the original's eight.
const MOST_AT_ONCE: usize = 8;
/// How often a run looks whether a video is processed, and the time between two looks.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// Hours after which a creative that cannot be made is given up.
const TIMEOUT_HOURS: f64 = 24.0;
/// The rule that stands in the ledger for launches.
const RULE: &str = "launch";

/// What is known of an ad, by what it is like.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it is like, in words.
    pub likeness: BTreeSet<String>,
    /// Spend, major units.
    pub spend: f64,
    /// Purchases.
    pub purchases: f64,
}

/// The order in which creatives are launched, as positions: by a draw from what is known of the cost per purchase of
/// ads that are alike (Thompson sampling), so that what promises most comes first and what nobody has tried gets its
/// turn. Ads count by how much they share with a creative (Jaccard's index). The same seed draws the same.
#[must_use]
pub fn launch_order(waiting: &[(String, BTreeSet<String>)], known: &[Known], prior: Gamma, seed: u32) -> Vec<usize> {
    let draw = |(id, likeness): &(String, BTreeSet<String>)| {
        let mut posterior = prior;
        for ad in known {
            let shared = likeness.intersection(&ad.likeness).count() as f64;
            let weight = shared / (likeness.union(&ad.likeness).count() as f64).max(1.0);
            posterior = posterior.after(weight * ad.purchases, weight * ad.spend);
        }
        let digest = Sha256::digest(format!("{seed}/{id}"));
        let dice = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        posterior.cost_at((f64::from(dice) + 0.5) / (f64::from(u32::MAX) + 1.0))
    };
    let costs: Vec<f64> = waiting.iter().map(draw).collect();
    let mut order: Vec<usize> = (0..waiting.len()).collect();
    order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(a.cmp(&b)));
    order
}

/// Everything that launching works with.
pub(super) struct Launcher<'a> {
    pub client: &'a Client,
    pub store: &'a dyn Store,
    pub clock: &'a Clock,
    pub observation: &'a Observation,
    pub run_id: &'a str,
    pub sender: Sender,
    /// The stage and the ad set that new ads go into.
    pub stage: String,
    pub adset: String,
}

impl Runner<'_> {
    /// The stage and the ad set that new ads go into, where the configuration names one.
    fn launches_into(&self) -> Option<(String, String)> {
        let config = &self.effective.config;
        let adset = config.ids.testing_adset_id.clone().filter(|id| !id.is_empty())?;
        Some((config.stages().into_iter().next()?.name, adset))
    }

    /// The launcher, where the configuration names an ad set for new ads.
    pub(super) fn launcher<'a>(&'a self, observation: &'a Observation, run_id: &'a str) -> Option<Launcher<'a>> {
        let (stage, adset) = self.launches_into()?;
        let sender = self.effective.config.account.sender();
        Some(Launcher {
            client: self.client,
            store: self.store,
            clock: self.clock,
            observation,
            run_id,
            sender,
            stage,
            adset,
        })
    }

    /// Whether anything may be launched now: into an ad set that delivers, of a stage that acts and may grow.
    pub(super) fn may_launch(&self, observation: &Observation, situation: &Situation, only: Option<&str>) -> bool {
        let Some((stage, adset)) = self.launches_into() else { return false };
        let acts = situation.stages.get(&stage).is_some_and(|stage| !stage.ghost);
        let inside = || observation.ads.iter().filter(|ad| ad.adset_id.as_ref() == Some(&adset));
        let stands = |status: Option<Status>| status.is_none_or(|status| status == Status::Active);
        let delivers = inside().all(|ad| {
            ad.adset.as_ref().is_none_or(|a| stands(a.status)) && ad.campaign.as_ref().is_none_or(|c| stands(c.status))
        });
        // A budget that nobody spends now is spent again with the first ad.
        let idle = match inside().any(|ad| ad.effective_status.may_spend()) {
            true => Money::ZERO,
            false => inside().find_map(|ad| ad.budget_owner()?.daily).unwrap_or(Money::ZERO),
        };
        only.is_none_or(|only| only == stage) && acts && delivers && guard::may_grow(situation, &stage, idle).is_ok()
    }

    /// Lets as many creatives begin as keep the first stage supplied. Those that are under way count, and so do those
    /// that review rejected within a day, so that a page that may not advertise does not use up the queue.
    pub(super) fn supply(
        &self,
        run_id: &str,
        observation: &Observation,
        numbers: &AccountNumbers,
        queue: &mut [QueueRow],
    ) {
        let Some(launcher) = self.launcher(observation, run_id) else { return };
        let known = known(observation, queue);
        let target = self.policies.first().and_then(|p| p.ready()?.target_cpa).unwrap_or(f64::NAN);
        let prior = numbers.basis.purchase_prior(target);
        let seed = super::seed_of(run_id);
        let config = self.effective.config.stages();
        let (keep, most) = config.first().map_or((0, 0), |stage| (stage.keep_ads_live, stage.max_active_ads));
        let campaigns = config.first().map(|stage| stage.campaigns.clone()).unwrap_or_default();
        let belongs = |ad: &&Ad| ad.campaign_id.as_ref().is_some_and(|id| campaigns.contains(id));
        // What is still reviewed, or rests only because its ad set does, will deliver.
        let active = |ad: &&Ad| ad.status == Some(Status::Active) && ad.effective_status.0 != "DISAPPROVED";
        let active = launcher.observation.ads.iter().filter(belongs).filter(active).count();
        let rejected = |row: &&QueueRow| {
            let ad = row.ad_id.as_ref().and_then(|id| launcher.observation.index.get(id));
            let ad = ad.map(|&i| &launcher.observation.ads[i]);
            !launcher.is_too_long(row.step_at) && ad.is_some_and(|ad| ad.effective_status.0 == "DISAPPROVED")
        };
        let rejected = queue.iter().filter(rejected).count();
        let under_way = queue.iter().filter(|row| row.state == QueueState::Launching).count();
        let room = (keep.min(most) as usize).saturating_sub(active + under_way + rejected).min(MOST_AT_ONCE);
        let waiting: Vec<usize> = (0..queue.len()).filter(|&i| queue[i].state == QueueState::Waiting).collect();
        let likeness = |&i: &usize| (queue[i].queue_id.clone(), spec(&queue[i]).likeness());
        let order = match prior {
            Some(prior) => launch_order(&waiting.iter().map(likeness).collect::<Vec<_>>(), &known, prior, seed),
            None => (0..waiting.len()).collect(),
        };
        let chosen: Vec<usize> = order.into_iter().map(|at| waiting[at]).take(room).collect();
        for i in chosen {
            queue[i].state = QueueState::Launching;
            queue[i].step_at = launcher.clock.now();
        }
    }
}

/// What is known of the account's ads, by what they are like: those that were launched here by what was said of them,
/// others by their names.
fn known(observation: &Observation, queue: &[QueueRow]) -> Vec<Known> {
    let launched: HashMap<&str, &QueueRow> =
        queue.iter().filter_map(|row| Some((row.ad_id.as_deref()?, row))).collect();
    let currency = &observation.account.currency;
    let mut sums: HashMap<&str, (f64, f64)> = HashMap::new();
    for day in &observation.days {
        let (spend, purchases) = sums.entry(&day.ad_id).or_default();
        *spend += currency.to_major(day.facts.spend);
        *purchases += day.facts.purchases;
    }
    let of_ad = |ad: &Ad| {
        let (spend, purchases) = *sums.get(ad.id.as_str())?;
        let likeness = match launched.get(ad.id.as_str()) {
            Some(row) => spec(row).likeness(),
            None => words_of(&plain_name(&ad.name)),
        };
        Some(Known { likeness, spend, purchases })
    };
    observation.ads.iter().filter_map(of_ad).collect()
}

fn spec(row: &QueueRow) -> CreativeSpec {
    serde_json::from_str(&row.spec).unwrap_or_default()
}

impl Launcher<'_> {
    /// What a launch needs written now. Media are uploaded on the way: that changes nothing that runs.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn steps(&self, row: &mut QueueRow, seq: usize) -> Result<Vec<Planned>, StoreError> {
        let spec = spec(row);
        let (creative_step, ad_step) = (format!("{}.creative", row.queue_id), format!("{}.ad", row.queue_id));
        if row.creative_id.is_none() {
            row.creative_id.clone_from(&spec.creative);
        }
        while let Some((id, made)) = match (&row.creative_id, &row.ad_id) {
            (None, _) => Some((&creative_step, &mut row.creative_id)),
            (Some(_), None) => Some((&ad_step, &mut row.ad_id)),
            (Some(_), Some(_)) => None,
        } {
            match self.store.action(id).await? {
                Some(earlier) if earlier.state == ActionState::Done => match earlier.answer {
                    Some(created) => *made = Some(created),
                    None => return Ok(Vec::new()),
                },
                Some(earlier) if matches!(earlier.state, ActionState::Sent | ActionState::Unknown) => {
                    return Ok(Vec::new());
                }
                Some(earlier) if self.is_too_long(row.step_at) => {
                    fail(row, earlier.reason.as_deref().unwrap_or("it was not made"), self.clock);
                    return Ok(Vec::new());
                }
                _ => break,
            }
        }
        if row.ad_id.is_some() {
            row.state = QueueState::Launched;
            row.step_at = self.clock.now();
            return Ok(Vec::new());
        }
        let name = &row.name;
        let same = |ad: &&Ad| plain_name(&ad.name).trim().eq_ignore_ascii_case(name.trim());
        if let Some(ad) = self.observation.ads.iter().find(same) {
            let reason = format!("ad {} of the account has the same name; no two ads of one name are made", ad.id);
            fail(row, &reason, self.clock);
            return Ok(Vec::new());
        }
        let account = self.observation.account.id.clone();
        if let Some(creative) = &row.creative_id {
            let parameters = json!({
                "name": row.name, "adset_id": self.adset, "status": "ACTIVE",
                "creative": json!({"creative_id": creative}).to_string(),
            });
            let place = Place { campaign: self.campaign(), adset: Some(self.adset.clone()) };
            let action = self.action(row, seq, kind::CREATE_AD, &self.adset, parameters.to_string());
            return Ok(vec![Planned { action: ActionRow { action_id: ad_step, ..action }, place }]);
        }
        let Some((image, video)) = self.media(row, &spec).await? else {
            if row.state == QueueState::Launching && self.is_too_long(row.step_at) {
                fail(row, "its media could not be used within a day", self.clock);
            }
            return Ok(Vec::new());
        };
        let video = video.as_ref().map(|(id, picture)| (id.as_str(), picture.as_str()));
        let mut parameters = spec.parameters(&self.sender, image.as_deref(), video);
        parameters["name"] = json!(row.name);
        let action = self.action(row, seq, kind::CREATE_CREATIVE, &account, parameters.to_string());
        Ok(vec![Planned { action: ActionRow { action_id: creative_step, ..action }, place: Place::default() }])
    }

    /// Takes a launch as far as its steps brought it; what follows from that is for the next run.
    pub(super) fn settle(&self, row: &mut QueueRow, steps: &[ActionRow], applied: &Applied) {
        for step in steps {
            match (step.kind.as_str(), step.state) {
                (kind::CREATE_CREATIVE, ActionState::Done) => row.creative_id.clone_from(&step.answer),
                (kind::CREATE_AD, ActionState::Done) => {
                    row.ad_id.clone_from(&step.answer);
                    row.state = QueueState::Launched;
                    row.step_at = self.clock.now();
                }
                (_, ActionState::Failed | ActionState::Dropped)
                    if applied.refused.contains(&step.action_id) || self.is_too_long(row.step_at) =>
                {
                    fail(row, step.reason.as_deref().unwrap_or("it was not made"), self.clock);
                }
                _ => {}
            }
        }
    }

    /// The uploaded image, and the uploaded video with the address of its picture; `None` while there is more to wait
    /// for.
    async fn media(&self, row: &mut QueueRow, spec: &CreativeSpec) -> Result<Option<Uploaded>, StoreError> {
        let read = |path: &str| std::fs::read(path).map(Arc::<[u8]>::from);
        let uploaded = match spec.media() {
            Some(Media::Image(path)) if row.image_hash.is_none() => match read(path) {
                Ok(bytes) => {
                    let name = path.rsplit('/').next().unwrap_or(path).to_string();
                    self.upload(row, path, async { self.client.upload_image(&name, bytes).await }).await?
                }
                Err(error) => return Ok(self.give_up(row, &format!("{path}: {error}"))),
            },
            Some(Media::Video(path)) if row.video_id.is_none() => match std::fs::File::open(path) {
                Ok(file) => {
                    let title = row.name.clone();
                    self.upload(row, path, async { self.client.upload_video(&title, file).await }).await?
                }
                Err(error) => return Ok(self.give_up(row, &format!("{path}: {error}"))),
            },
            Some(Media::VideoUrl(url)) if row.video_id.is_none() => {
                let title = row.name.clone();
                self.upload(row, url, async { self.client.upload_video_from(&title, url).await }).await?
            }
            _ => Some(String::new()),
        };
        let Some(made) = uploaded else { return Ok(None) };
        if !made.is_empty() {
            match spec.media() {
                Some(Media::Image(_)) => row.image_hash = Some(made),
                _ => row.video_id = Some(made),
            }
            self.store.save_queue(std::slice::from_ref(row)).await?;
        }
        let Some(video) = row.video_id.clone() else { return Ok(Some((row.image_hash.clone(), None))) };
        for look in 1..=LOOKS {
            match self.client.video(&video).await {
                Ok(seen) if seen.ready == Some(false) => {
                    return Ok(self.give_up(row, "Meta could not process its video"));
                }
                Ok(seen) if seen.ready == Some(true) => {
                    let picture = seen.picture.unwrap_or_default();
                    return Ok(Some((row.image_hash.clone(), Some((video, picture)))));
                }
                _ if look < LOOKS => self.clock.sleep(BETWEEN_LOOKS).await,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Uploads something, written down before; `None` where it did not work this time.
    async fn upload(
        &self,
        row: &mut QueueRow,
        what: &str,
        upload: impl Future<Output = Result<String, crate::meta::Error>>,
    ) -> Result<Option<String>, StoreError> {
        let mut action = self.action(row, 0, kind::UPLOAD, &self.observation.account.id, what.into());
        action.action_id = format!("{}.upload", row.queue_id);
        action.state = ActionState::Sent;
        action.sent_at = Some(self.clock.now());
        self.store.save_actions(std::slice::from_ref(&action)).await?;
        let answer = upload.await;
        action.finished_at = Some(self.clock.now());
        let made = match answer {
            Ok(made) => {
                action.state = ActionState::Done;
                action.answer = Some(made.clone());
                Some(made)
            }
            Err(error) => {
                action.state = ActionState::Failed;
                action.reason = Some(error.to_string());
                if error.class() == crate::meta::Class::Invalid || self.is_too_long(row.step_at) {
                    fail(row, &error.to_string(), self.clock);
                }
                None
            }
        };
        self.store.save_actions(std::slice::from_ref(&action)).await?;
        Ok(made)
    }

    fn give_up(&self, row: &mut QueueRow, reason: &str) -> Option<Uploaded> {
        fail(row, reason, self.clock);
        None
    }

    fn is_too_long(&self, since: Timestamp) -> bool {
        hours(since, self.clock.now()) > TIMEOUT_HOURS
    }

    fn campaign(&self) -> Option<String> {
        let ad = self.observation.ads.iter().find(|ad| ad.adset_id.as_deref() == Some(&self.adset));
        ad.and_then(|ad| ad.campaign_id.clone())
    }

    fn action(&self, row: &QueueRow, seq: usize, kind: &str, target: &str, to: String) -> ActionRow {
        let intent = Intent {
            run_id: self.run_id,
            account_id: &row.account_id,
            at: self.clock.now(),
            stage: &self.stage,
            rule: RULE,
            ad_id: None,
        };
        intent.action(seq, kind, target, None, to)
    }
}

/// The hash of an image, and the id of a video with the address of its picture.
type Uploaded = (Option<String>, Option<(String, String)>);

/// Ends a launch that came to nothing.
fn fail(row: &mut QueueRow, reason: &str, clock: &Clock) {
    row.state = QueueState::Failed;
    row.reason = Some(reason.lines().next().unwrap_or_default().into());
    row.step_at = clock.now();
}
