//! What a run knows of the account's health, and what each finding stops.

use super::account::{self, AccountNumbers};
use super::observe::Observation;
use super::{Runner, anomaly, orders};
use crate::domain::{Account, Currency, Money, Pixel, Vitals, hours};
use crate::guard::Stopped;
use crate::health::{self, Facts, GROWTH, Health, LAUNCHES, PAUSES, WRITES};
use crate::store::{QueueRow, QueueState};
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;

/// Hours after which what keeps an account going is read again.
const VITALS_HOURS: f64 = 24.0;

/// The account's condition: what was found, and what that stops.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// The findings.
    pub found: Vec<Health>,
    /// Why nothing may be written.
    pub writes: Option<Stopped>,
    /// Why nothing may be made to spend more.
    pub growth: Option<String>,
    /// Why no ad may be paused.
    pub pauses: Option<String>,
    /// Whether nothing may be launched.
    pub launches: bool,
    /// The smallest daily budget that Meta takes.
    pub least_budget: Money,
}

impl Condition {
    /// What findings stop: of each kind the first says why.
    fn new(found: Vec<Health>, account: &Account) -> Self {
        let first = |what: &str| found.iter().find(|h| h.stops.as_deref() == Some(what));
        let reason = |what: &str| first(what).map(|h| h.message.clone());
        let stopped = |h: &Health| Stopped { by: h.source.clone(), reason: h.message.clone() };
        Condition {
            writes: first(WRITES).map(stopped),
            growth: reason(GROWTH),
            pauses: reason(PAUSES),
            launches: first(LAUNCHES).is_some(),
            least_budget: account.payment.min_daily_budget.unwrap_or(Money::ZERO),
            found,
        }
    }
}

impl Runner<'_> {
    /// Everything that a person should know of the account's health, and that stops something.
    pub(super) async fn condition(
        &self,
        observation: &Observation,
        numbers: &AccountNumbers,
        dry_run: bool,
    ) -> anyhow::Result<Condition> {
        let account = &observation.account;
        let mut found: Vec<Health> = self.kill_switch().into_iter().collect();
        let vitals = self.vitals(observation, dry_run).await?;
        let pixel = self.pixel().await;
        found.extend(examine(self, observation, numbers, &vitals, pixel.as_ref()));
        let line = |source: &str, level: &str, message, stops: &str| Health {
            source: source.into(),
            level: level.into(),
            message,
            stops: Some(stops.into()),
        };
        let implausible = account::implausible(numbers, self.policies, &account.currency);
        found.extend(implausible.map(|reason| line("amounts", "critical", reason, WRITES)));
        if self.effective.config.guard.anomaly_hold {
            found.extend(anomaly::tracking(observation, &numbers.settled));
        }
        found.extend(numbers.growth_stopped.clone().map(|reason| line("guard", "warning", reason, GROWTH)));
        let since = observation.at.checked_sub((orders::LOOKS_BACK_DAYS * 24).hours())?;
        let sold = self.store.orders_since(&account.id, since).await?;
        let gap = self.effective.config.guard.max_attribution_gap;
        found.extend(orders::compare(observation, &sold, &numbers.settled, gap));
        let queue = self.store.queue(&account.id).await?;
        found.extend(self.launches_nowhere(observation, &queue).await);
        for row in queue {
            let ad = row.ad_id.as_ref().and_then(|id| observation.index.get(id)).map(|&i| &observation.ads[i]);
            if let Some(ad) = ad.filter(|ad| ad.effective_status.0 == "DISAPPROVED") {
                let message = format!("{:?} was launched as ad {}: {}", row.name, ad.id, ad.effective_status.reason());
                found.push(Health { source: "queue".into(), level: "warning".into(), message, stops: None });
            }
        }
        Ok(Condition::new(found, account))
    }

    /// Why nothing can be launched though something waits: the ad set for it is not there, or belongs to nobody's stage.
    async fn launches_nowhere(&self, observation: &Observation, queue: &[QueueRow]) -> Option<Health> {
        let waits = |row: &QueueRow| matches!(row.state, QueueState::Waiting | QueueState::Launching);
        let adset = self.effective.config.ids.testing_adset_id.as_deref().filter(|id| !id.is_empty())?;
        if !queue.iter().any(waits) {
            return None;
        }
        let line = |message| Health {
            source: "configuration".into(),
            level: "critical".into(),
            message,
            stops: Some(LAUNCHES.into()),
        };
        let stage = self.policies.first().map(|policy| &policy.view)?;
        let inside = observation.ads.iter().find(|ad| ad.adset_id.as_deref() == Some(adset));
        let campaign = match inside {
            Some(ad) => ad.campaign_id.clone(),
            None => match self.client.campaign_of(adset).await {
                Ok(Some(campaign)) => Some(campaign),
                Ok(None) => {
                    let message = format!(
                        "ad set {adset} (ids.testing_adset_id) is not in this account: nothing is launched; is its id right?"
                    );
                    return Some(line(message));
                }
                // Whether it is there shows when something is made in it.
                Err(_) => return None,
            },
        };
        let belongs = campaign.as_ref().is_some_and(|campaign| stage.campaigns.contains(campaign));
        (!belongs).then(|| {
            line(format!(
                "ad set {adset} (ids.testing_adset_id) belongs to no campaign of stage {}: nothing is launched into it, since \
                 nobody would watch it there",
                stage.name
            ))
        })
    }

    /// The file with which somebody stops every write, if it is there.
    pub(super) fn kill_switch(&self) -> Option<Health> {
        let file = self.data_dir.join(&self.effective.config.guard.kill_switch_file);
        file.exists().then(|| Health {
            source: "kill-switch".into(),
            level: "critical".into(),
            message: format!("the kill-switch file {} exists; remove it to go on", file.display()),
            stops: Some(WRITES.into()),
        })
    }

    /// What keeps the account going: read once a day, since it changes rarely, by a run that may write, since it is
    /// about writes.
    async fn vitals(&self, observation: &Observation, dry_run: bool) -> anyhow::Result<Vitals> {
        let account = &observation.account.id;
        let known = self.store.vitals(account).await?;
        let token = self.client.token_digest();
        // Another token may do something else: what was known of the last one says nothing of it.
        let of_token = |vitals: &Vitals| vitals.token_digest == token;
        let fresh = |at: Timestamp| !observation.new_day && hours(at, observation.at) < VITALS_HOURS;
        if dry_run || known.as_ref().is_some_and(|(at, vitals)| fresh(*at) && of_token(vitals)) {
            let mut vitals = known.map(|(_, vitals)| vitals).unwrap_or_default();
            vitals.token = vitals.token.take().filter(|_| vitals.token_digest == token);
            return Ok(vitals);
        }
        let (vitals, left_out) = self.client.vitals(self.effective.config.api.app_id.is_some()).await;
        left_out.iter().for_each(|what| tracing::debug!("{what}"));
        self.store.save_vitals(account, observation.at, &vitals).await?;
        Ok(vitals)
    }

    async fn pixel(&self) -> Option<Result<Pixel, String>> {
        let id = self.effective.config.account.pixel_id.as_deref().filter(|id| !id.is_empty())?;
        let pixel = self.client.pixel(id).await;
        Some(pixel.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_string()))
    }
}

fn examine(
    runner: &Runner<'_>,
    observation: &Observation,
    numbers: &AccountNumbers,
    vitals: &Vitals,
    pixel: Option<&Result<Pixel, String>>,
) -> Vec<Health> {
    let currency: &Currency = &observation.account.currency;
    let money = |major: f64| currency.from_major(major).unwrap_or(Money::ZERO);
    let of_today = observation.days.iter().filter(|day| day.date == observation.today);
    let running =
        observation.ads.iter().filter(|ad| ad.effective_status.is_active()).filter_map(|ad| ad.adset.as_ref());
    let limited: BTreeMap<&str, &str> =
        running.filter(|adset| adset.learning_limited).map(|a| (a.id.as_str(), a.name.as_str())).collect();
    let limited: Vec<&str> = limited.into_values().collect();
    let min_budgets: Vec<(&str, Money)> =
        runner.policies.iter().map(|p| (p.view.name.as_str(), money(p.view.min_budget))).collect();
    health::examine(&Facts {
        account: &observation.account,
        vitals,
        pixel,
        clicks_today: of_today.map(|day| day.facts.link_clicks).sum(),
        daily_spend: money(numbers.daily_spend),
        learning_limited: &limited,
        min_budgets: &min_budgets,
        now: observation.at,
    })
}
