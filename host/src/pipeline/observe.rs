//! Observe: the account, its ads and what they did. Reads grow with pages, never with ads.

use super::quality::{self, DataQuality};
use crate::config::Config;
use crate::domain::{Account, Ad, Campaign, Clock, Currency, DayFacts, DayLook, Facts, Lifetime, Money, Unusable};
use crate::features::DAYS;
use crate::meta::{Client, DayRows, Error, Span};
use crate::store::Store;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Complete days that are read anew on every run: nearly all late conversions fall into them, and a week is
/// what most rules look at.
const RECENT_DAYS: i64 = 7;

/// Account days from whose growth the lag of conversions is learned.
const LAG_DAYS: i64 = 60;

/// An account at one moment.
#[derive(Debug)]
pub struct Observation {
    /// The moment.
    pub at: Timestamp,
    /// The account day.
    pub today: Date,
    /// When the account day began.
    pub day_start: Timestamp,
    /// Whether this is the first look on the account day.
    pub new_day: bool,
    /// The account.
    pub account: Account,
    /// Its ads, each once.
    pub ads: Vec<Ad>,
    /// The position of every ad by its id.
    pub index: HashMap<String, usize>,
    /// Days of all ads, as far back as features look.
    pub days: Vec<DayFacts>,
    /// Daily budgets of owners at the first look on the account day.
    pub morning_budgets: BTreeMap<String, Money>,
    /// What ads did before those days.
    pub lifetimes: Vec<Lifetime>,
    /// How account days looked at each age.
    pub looks: Vec<DayLook>,
    /// Campaigns of stages that no ad belongs to yet; `None` for one that the account does not have.
    pub empty_campaigns: BTreeMap<String, Option<Campaign>>,
    /// People reached in the last seven complete days.
    pub reach_7d: HashMap<String, f64>,
    /// Ads whose numbers make no sense: they are held.
    pub problems: BTreeMap<String, String>,
    /// What a person should know of the data.
    pub warnings: Vec<String>,
    /// What Meta's answers lacked, repeated, or changed.
    pub quality: DataQuality,
}

impl Observation {
    /// Account days from a date to today; negative for a date to come.
    #[must_use]
    pub fn days_ago(&self, date: Date) -> i32 {
        date.until(self.today).map_or(-1, |span| span.get_days())
    }

    /// Whether a campaign holds the budget for all of its ad sets, as far as the account shows it.
    #[must_use]
    pub fn holds_budget(&self, campaign: &str) -> bool {
        let ad = self.ads.iter().find(|ad| ad.campaign_id.as_deref() == Some(campaign));
        let empty = self.empty_campaigns.get(campaign).and_then(Option::as_ref);
        ad.is_some_and(Ad::in_shared_campaign) || empty.is_some_and(Campaign::holds_budget)
    }

    /// The share of the account day that is over: days with a clock change have 23 or 25 hours.
    #[must_use]
    pub fn elapsed(&self) -> f64 {
        let next = self.today.tomorrow().ok().and_then(|day| day.to_zoned(self.account.zone.clone()).ok());
        let length = next.map_or(86_400, |next| next.timestamp().as_second() - self.day_start.as_second());
        (self.at.as_second() - self.day_start.as_second()) as f64 / length as f64
    }
}

/// Why an account could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Meta said no, or nothing usable.
    #[error(transparent)]
    Meta(#[from] Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Observes an account and stores what was measured. On the first run of an account day everything
/// is read that Meta may still restate; on the others today and the last days.
///
/// # Errors
/// When a read fails: a run on half an observation would decide on half the truth.
pub(super) async fn observe(
    client: &Client,
    store: &dyn Store,
    clock: &Clock,
    config: &Config,
    account: Account,
) -> Result<Observation, ObserveError> {
    let attribution = &config.attribution;
    let at = clock.now();
    let local = at.to_zoned(account.zone.clone());
    let today = local.date();
    let day_start = local.start_of_day().map_or(at, |start| start.timestamp());
    let key = attribution.to_string();

    let ads = client.ads().await?;
    let mut warnings = ads.warnings;
    let yesterday = today.saturating_sub(1.days());
    let first_day = today.saturating_sub((DAYS as i64 - 1).days());
    let last = store.last_history(&account.id, &key).await?;
    let is_new_day = last.is_none_or(|at| at.to_zoned(account.zone.clone()).date() != today);
    let from = if is_new_day { first_day } else { today.saturating_sub(RECENT_DAYS.days()) };
    let count = ads.value.len();
    let looked_at = from.until(today).map_or(1, |span| span.get_days().max(0) as usize + 1);
    let mut recent =
        client.insights(Span::Days(from, today), attribution, &account.currency, count * looked_at).await?;
    refuse_beyond(most_in_a_day(config, &account.currency), &mut recent, &account.currency);
    warnings.extend(stray(&recent));
    let present: HashSet<&str> = ads.value.iter().map(|ad| ad.id.as_str()).collect();
    let mut known = store.days_since(&account.id, &key, from).await?;
    // Of what was put away Meta sends nothing any more.
    known.retain(|day| present.contains(day.ad_id.as_str()));
    let quality = quality::examine(from, today, &recent.rows, recent.duplicates, &known, &account.currency);
    store.save_unusable(&account.id, &key, at, Some((from, today)), &recent.unusable).await?;
    store.save_days(&account.id, &key, at, &recent.rows).await?;
    store.save_looks(&account.id, &key, at, &looks(today, &recent.rows)).await?;

    if is_new_day {
        // Up to yesterday: what arrives today between the two reads would be counted twice.
        let whole = Span::Whole(first_ever(&ads.value, &account, yesterday), yesterday);
        let whole = client.insights(whole, attribution, &account.currency, count).await?;
        warnings.extend(stray(&whole));
        store.save_unusable(&account.id, &key, at, None, &whole.unusable).await?;
        let complete: Vec<DayFacts> = recent.rows.iter().filter(|day| day.date < today).cloned().collect();
        let lifetimes = before(first_day, &whole.rows, &complete);
        store.save_lifetimes(&account.id, &key, at, &lifetimes).await?;
    }
    let empty_campaigns = match empty_campaigns(client, config, &ads.value).await {
        Ok(found) => found,
        Err(error) => {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            warnings.push(format!("whether the account has the campaigns that no ad belongs to is not known: {first}"));
            BTreeMap::new()
        }
    };
    if is_new_day {
        let owners = ads.value.iter().filter_map(Ad::budget_owner);
        let budgets = owners.filter_map(|owner| Some((owner.id, owner.daily?))).collect();
        store.save_morning_budgets(&account.id, today, &budgets).await?;
    }
    let week = Span::Whole(today.saturating_sub(7.days()), yesterday);
    let reach = client.insights(week, attribution, &account.currency, count).await?;
    warnings.extend(stray(&reach));
    // What made no sense when it was last read holds its ad until a usable row comes in its place.
    let stored = store.unusable(&account.id, &key, first_day).await?;
    let problems = reach.unusable.into_iter().chain(stored).map(|row| (row.ad_id, row.reason)).collect();

    Ok(Observation {
        at,
        today,
        day_start,
        new_day: is_new_day,
        index: ads.value.iter().enumerate().map(|(i, ad)| (ad.id.clone(), i)).collect(),
        ads: ads.value,
        days: store.days_since(&account.id, &key, first_day).await?,
        empty_campaigns,
        morning_budgets: store.morning_budgets(&account.id, today).await?,
        lifetimes: store.lifetimes(&account.id, &key).await?,
        looks: store.looks(&account.id, &key, today.saturating_sub(LAG_DAYS.days())).await?,
        reach_7d: reach.rows.into_iter().map(|row| (row.ad_id, row.facts.reach)).collect(),
        problems,
        warnings,
        quality,
        account,
    })
}

fn stray(rows: &DayRows) -> Option<String> {
    (rows.stray > 0).then(|| format!("{} insight row(s) were not asked for and are left out", rows.stray))
}

/// Looks up the campaigns of stages that no ad belongs to: the id may be wrong, or nothing was promoted yet.
async fn empty_campaigns(
    client: &Client,
    config: &Config,
    ads: &[Ad],
) -> Result<BTreeMap<String, Option<Campaign>>, Error> {
    let used: HashSet<&str> = ads.iter().filter_map(|ad| ad.campaign_id.as_deref()).collect();
    let stages = config.stages();
    let of_stages = stages.iter().flat_map(|stage| stage.campaigns.iter().map(String::as_str));
    let empty: Vec<&str> = of_stages.filter(|id| !used.contains(id)).collect();
    if empty.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = client.campaigns(&empty).await?;
    let of = |id: &str| found.iter().find(|campaign| campaign.id == id).cloned();
    Ok(empty.into_iter().map(|id| (id.to_string(), of(id))).collect())
}

/// Times all caps together that an ad spends in a day only in a wrong number, or in another unit.
const BEYOND_CAPS: f64 = 100.0;

/// The most that an ad's day can have cost; `None` without caps.
fn most_in_a_day(config: &Config, currency: &Currency) -> Option<Money> {
    let caps: Option<Vec<f64>> = config.stages().iter().map(|stage| stage.daily_cap).collect();
    currency.from_major(caps?.iter().sum::<f64>() * BEYOND_CAPS)
}

/// Takes out the rows that cost more than a day can cost.
fn refuse_beyond(most: Option<Money>, rows: &mut DayRows, currency: &Currency) {
    let Some(most) = most else { return };
    let DayRows { rows, unusable, .. } = rows;
    rows.retain(|day| {
        let spend = day.facts.spend;
        if spend > most {
            let (spend, most) = (currency.format(spend), currency.format(most));
            let reason = format!("on {} spend is {spend}, beyond {most}: {BEYOND_CAPS} times all caps", day.date);
            unusable.push(Unusable { ad_id: day.ad_id.clone(), date: Some(day.date), reason });
        }
        spend <= most
    });
}

/// How the account's days look now.
fn looks(today: Date, rows: &[DayFacts]) -> Vec<DayLook> {
    let mut days: BTreeMap<Date, Facts> = BTreeMap::new();
    for row in rows {
        *days.entry(row.date).or_default() += &row.facts;
    }
    let age = |date: Date| date.until(today).map_or(0, |span| span.get_days().max(0) as u32);
    let look = |(date, facts): (Date, Facts)| DayLook {
        date,
        age_days: age(date),
        spend: facts.spend,
        purchases: facts.purchases,
        revenue: facts.revenue,
    };
    days.into_iter().map(look).collect()
}

/// Meta keeps insights for 37 months.
const KEPT_MONTHS: i64 = 37;

/// The first day that an ad of the account can have done anything on: a range with an end, and not
/// Meta's `maximum`, so that a run as of a past moment does not see what came after it.
fn first_ever(ads: &[Ad], account: &Account, last: Date) -> Date {
    let kept = last.saturating_sub(KEPT_MONTHS.months()).saturating_add(1.days());
    let created = ads.iter().filter_map(|ad| ad.created).min();
    match created {
        Some(at) if ads.iter().all(|ad| ad.created.is_some()) => {
            at.to_zoned(account.zone.clone()).date().clamp(kept, last)
        }
        _ => kept,
    }
}

/// What each ad did before a day: its whole life less the days from there on.
fn before(first_day: Date, whole: &[DayFacts], days: &[DayFacts]) -> Vec<Lifetime> {
    let mut since: HashMap<&str, Facts> = HashMap::with_capacity(whole.len());
    for day in days {
        *since.entry(&day.ad_id).or_default() += &day.facts;
    }
    let less = |row: &DayFacts| {
        let since = since.get(row.ad_id.as_str()).copied().unwrap_or_default();
        if row.facts.impressions <= since.impressions && row.facts.spend <= since.spend {
            // Nothing lies before: what Meta rounds differently over a span is no remainder.
            let facts = Facts { reach: row.facts.reach, ..Facts::default() };
            return Lifetime { ad_id: row.ad_id.clone(), before: first_day, facts };
        }
        let (whole, rest) = (&row.facts, |whole: f64, since: f64| (whole - since).max(0.0));
        let money = |whole: Money, since: Money| (whole - since).max(Money::ZERO);
        let facts = Facts {
            spend: money(whole.spend, since.spend),
            impressions: rest(whole.impressions, since.impressions),
            clicks: rest(whole.clicks, since.clicks),
            link_clicks: rest(whole.link_clicks, since.link_clicks),
            purchases: rest(whole.purchases, since.purchases),
            revenue: whole.revenue.zip(since.revenue).map(|(w, s)| money(w, s)),
            add_to_cart: rest(whole.add_to_cart, since.add_to_cart),
            initiate_checkout: rest(whole.initiate_checkout, since.initiate_checkout),
            video_3s: rest(whole.video_3s, since.video_3s),
            thruplay: rest(whole.thruplay, since.thruplay),
            watch_time: rest(whole.watch_time, since.watch_time),
            // Of the whole life: people do not add up, so there is no remainder.
            reach: whole.reach,
        };
        Lifetime { ad_id: row.ad_id.clone(), before: first_day, facts }
    };
    whole.iter().map(less).collect()
}
