//! The account and its ads, with ad set, campaign and creative expanded.

use super::client::Client;
use super::errors::{Class, Error};
use super::number::Number;
use crate::domain::{
    Account, AccountStatus, Ad, AdSet, Campaign, Creative, Currency, EffectiveStatus, Money, Payment, Status,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// The largest page of ads that Meta answers reliably with everything expanded.
const ADS_PAGE: usize = 200;

const ACCOUNT_FIELDS: &str = "id,account_id,name,account_status,disable_reason,currency,timezone_name,\
    balance,amount_spent,spend_cap";
/// What a run can do without: a server that does not know them is asked without.
const PAYMENT_FIELDS: &str =
    "funding_source,is_prepay_account,min_daily_budget,default_dsa_payor,default_dsa_beneficiary";
const AD_FIELDS: &str = "id,name,status,effective_status,created_time,adset_id,campaign_id,\
    adset{id,name,status,daily_budget,lifetime_budget,learning_stage_info},\
    campaign{id,name,status,daily_budget,lifetime_budget},\
    creative{id,name,effective_object_story_id}";

/// What was read, with what could not be used.
#[derive(Clone, Debug)]
pub struct Observed<T> {
    /// The usable part.
    pub value: T,
    /// What was left out or guessed, a sentence each.
    pub warnings: Vec<String>,
}

/// A list of objects of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Its ads.
    Ads,
    /// Its ad sets.
    AdSets,
    /// Its campaigns.
    Campaigns,
}

impl Edge {
    fn name(self) -> &'static str {
        match self {
            Edge::Ads => "ads",
            Edge::AdSets => "adsets",
            Edge::Campaigns => "campaigns",
        }
    }
}

/// What of an object can be changed, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// What a user set.
    pub status: Option<Status>,
    /// Its daily budget, where it has one.
    pub daily_budget: Option<Money>,
}

#[derive(Debug, Deserialize)]
struct AccountNode {
    #[serde(default)]
    name: Option<String>,
    account_status: Option<Number>,
    disable_reason: Option<Number>,
    currency: Option<String>,
    timezone_name: Option<String>,
    balance: Option<Number>,
    amount_spent: Option<Number>,
    spend_cap: Option<Number>,
    funding_source: Option<Value>,
    is_prepay_account: Option<bool>,
    min_daily_budget: Option<Number>,
    default_dsa_payor: Option<String>,
    default_dsa_beneficiary: Option<String>,
}

impl AccountNode {
    fn payment(&self) -> Payment {
        let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        let is_something = |value: &Value| !matches!(value.as_str(), Some("" | "0")) && value.as_i64() != Some(0);
        Payment {
            // Meta leaves out what is not there; a server that says neither of the two says nothing about it.
            funded: match (&self.funding_source, self.is_prepay_account) {
                (Some(source), _) => Some(is_something(source)),
                (None, Some(_)) => Some(false),
                (None, None) => None,
            },
            prepaid: self.is_prepay_account == Some(true),
            min_daily_budget: self.min_daily_budget.as_ref().and_then(Number::whole).map(Money),
            names_payer: named(&self.default_dsa_payor) && named(&self.default_dsa_beneficiary),
        }
    }
}

#[derive(Debug, Deserialize)]
struct AdNode {
    id: String,
    #[serde(default)]
    name: String,
    status: Option<String>,
    effective_status: Option<String>,
    created_time: Option<String>,
    adset_id: Option<String>,
    campaign_id: Option<String>,
    adset: Option<AdSetNode>,
    campaign: Option<CampaignNode>,
    creative: Option<CreativeNode>,
}

#[derive(Debug, Deserialize)]
struct AdSetNode {
    id: Option<String>,
    #[serde(default)]
    name: String,
    status: Option<String>,
    daily_budget: Option<Number>,
    lifetime_budget: Option<Number>,
    learning_stage_info: Option<LearningNode>,
}

#[derive(Debug, Deserialize)]
struct LearningNode {
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CampaignNode {
    id: Option<String>,
    #[serde(default)]
    name: String,
    status: Option<String>,
    daily_budget: Option<Number>,
    lifetime_budget: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct CreativeNode {
    id: String,
    #[serde(default)]
    name: String,
    effective_object_story_id: Option<String>,
}

impl Client {
    /// Reads the account.
    ///
    /// # Errors
    /// When Meta refuses, or the answer lacks what nothing works without: status, currency, zone.
    pub async fn account(&self) -> Result<Account, Error> {
        let path = self.account_id().to_string();
        let all = format!("{ACCOUNT_FIELDS},{PAYMENT_FIELDS}");
        let node: AccountNode = match self.get(&path, &[("fields", all)]).await {
            Err(error) if error.class() == Class::Invalid => {
                self.get(&path, &[("fields", ACCOUNT_FIELDS.to_string())]).await?
            }
            answer => answer?,
        };
        let payment = node.payment();
        let missing = |field: &str| Error::NotJson {
            what: format!("GET {path}"),
            status: 200,
            reason: format!("the account has no usable {field}"),
            start: String::new(),
        };
        let zone_name = node.timezone_name.ok_or_else(|| missing("timezone_name"))?;
        let zone =
            TimeZone::get(&zone_name).map_err(|_| missing(&format!("timezone_name: {zone_name:?} is no time zone")))?;
        let money = |number: &Option<Number>| number.as_ref().and_then(Number::whole).map(Money);
        let status = node.account_status.as_ref().and_then(Number::whole);
        Ok(Account {
            name: node.name.unwrap_or_else(|| path.clone()),
            status: AccountStatus::from_number(status.ok_or_else(|| missing("account_status"))?),
            currency: Currency::new(&node.currency.ok_or_else(|| missing("currency"))?),
            zone,
            zone_name,
            balance: money(&node.balance),
            amount_spent: money(&node.amount_spent),
            spend_cap: money(&node.spend_cap).filter(|cap| *cap > Money::ZERO),
            disable_reason: node.disable_reason.as_ref().and_then(Number::whole).unwrap_or(0),
            payment,
            id: path,
        })
    }

    /// Reads every ad of the account, each once.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub async fn ads(&self) -> Result<Observed<Vec<Ad>>, Error> {
        let path = format!("{}/ads", self.account_id());
        let nodes: Vec<AdNode> = self.list(&path, &[("fields", AD_FIELDS.to_string())], ADS_PAGE).await?;
        let mut warnings = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(nodes.len());
        let mut ads: Vec<Ad> = Vec::with_capacity(nodes.len());
        for node in nodes {
            budgets(&node, &mut warnings);
            let ad = convert(node);
            match seen.get(&ad.id) {
                // Pages shift while they are read: the later one is the newer one.
                Some(&at) => {
                    warnings.push(format!("ad {} came twice, the later one counts", ad.id));
                    ads[at] = ad;
                }
                None => {
                    seen.insert(ad.id.clone(), ads.len());
                    ads.push(ad);
                }
            }
        }
        Ok(Observed { value: ads, warnings })
    }
}

impl Client {
    /// Reads campaigns of the account by their ids, in one call; one that the account does not have is
    /// left out.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub async fn campaigns(&self, ids: &[&str]) -> Result<Vec<Campaign>, Error> {
        let path = format!("{}/campaigns", self.account_id());
        let filter = serde_json::json!([{"field": "id", "operator": "IN", "value": ids}]);
        let params =
            [("fields", "id,name,status,daily_budget,lifetime_budget".to_string()), ("filtering", filter.to_string())];
        let nodes: Vec<CampaignNode> = self.list(&path, &params, ADS_PAGE).await?;
        // A server that does not know the filter sends everything.
        Ok(nodes.into_iter().map(|node| campaign(node, None)).filter(|c| ids.contains(&c.id.as_str())).collect())
    }

    /// What objects of an edge are now, by their ids; those that the account does not have are left out.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub async fn present(&self, edge: Edge, ids: &[&str]) -> Result<HashMap<String, Present>, Error> {
        #[derive(Deserialize)]
        struct Node {
            id: String,
            status: Option<String>,
            daily_budget: Option<Number>,
        }
        let mut present = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(ADS_PAGE) {
            let filter = serde_json::json!([{"field": "id", "operator": "IN", "value": ids}]);
            let fields = if edge == Edge::Ads { "id,status" } else { "id,status,daily_budget" };
            let params = [("fields", fields.to_string()), ("filtering", filter.to_string())];
            let nodes: Vec<Node> =
                self.list(&format!("{}/{}", self.account_id(), edge.name()), &params, ADS_PAGE).await?;
            // A server that does not know the filter sends everything.
            present.extend(nodes.into_iter().filter(|node| ids.contains(&node.id.as_str())).map(|node| {
                let status = node.status.as_deref().and_then(Status::parse);
                (node.id, Present { status, daily_budget: node.daily_budget.as_ref().and_then(amount) })
            }));
        }
        Ok(present)
    }

    /// The ids of all campaigns that are not put away.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub(super) async fn campaign_ids(&self) -> Result<Vec<String>, Error> {
        let path = format!("{}/campaigns", self.account_id());
        let nodes: Vec<CampaignNode> = self.list(&path, &[("fields", "id".to_string())], ADS_PAGE).await?;
        Ok(nodes.into_iter().filter_map(|node| node.id).collect())
    }

    /// The campaign of an ad set; `None` when the account has no such ad set.
    ///
    /// # Errors
    /// When the account cannot be read.
    pub async fn campaign_of(&self, adset: &str) -> Result<Option<String>, Error> {
        #[derive(Deserialize)]
        struct Found {
            id: String,
            campaign_id: Option<String>,
        }
        let path = format!("{}/adsets", self.account_id());
        let filter = serde_json::json!([{"field": "id", "operator": "IN", "value": [adset]}]);
        let params = [("fields", "id,campaign_id".to_string()), ("filtering", filter.to_string())];
        let found: Vec<Found> = self.list(&path, &params, ADS_PAGE).await?;
        Ok(found.into_iter().find(|found| found.id == adset).map(|found| found.campaign_id.unwrap_or_default()))
    }

    /// Looks for objects of an edge (`ads`, `adsets`) whose name holds a marker: whether a create
    /// whose outcome is unknown happened.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub async fn find_by_marker(&self, edge: &str, marker: &str) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Found {
            id: String,
            #[serde(default)]
            name: String,
        }
        let path = format!("{}/{edge}", self.account_id());
        let filter = serde_json::json!([{"field": "name", "operator": "CONTAIN", "value": marker}]);
        let params = [("fields", "id,name".to_string()), ("filtering", filter.to_string())];
        let found: Vec<Found> = self.list(&path, &params, ADS_PAGE).await?;
        // A server that does not know the filter sends everything.
        Ok(found.into_iter().filter(|f| f.name.contains(marker)).map(|f| f.id).collect())
    }
}

/// Says which budgets are no amounts: they are not known, and so not changed.
fn budgets(node: &AdNode, warnings: &mut Vec<String>) {
    let adset =
        node.adset.iter().flat_map(|a| [("ad set", &a.id, &a.daily_budget), ("ad set", &a.id, &a.lifetime_budget)]);
    let campaign = node
        .campaign
        .iter()
        .flat_map(|c| [("campaign", &c.id, &c.daily_budget), ("campaign", &c.id, &c.lifetime_budget)]);
    for (kind, id, budget) in adset.chain(campaign) {
        let Some(budget) = budget.as_ref().filter(|budget| amount(budget).is_none()) else { continue };
        let id = id.as_deref().unwrap_or_default();
        let warning =
            format!("{kind} {id} has the budget {budget}, which is no amount: it is not known, and not changed");
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

fn amount(number: &Number) -> Option<Money> {
    number.whole().filter(|minor| *minor >= 0).map(Money)
}

fn campaign(node: CampaignNode, id: Option<String>) -> Campaign {
    Campaign {
        id: node.id.or(id).unwrap_or_default(),
        name: node.name,
        status: node.status.as_deref().and_then(Status::parse),
        daily_budget: node.daily_budget.as_ref().and_then(amount),
        lifetime_budget: node.lifetime_budget.as_ref().and_then(amount),
    }
}

fn convert(node: AdNode) -> Ad {
    let money = |number: Option<Number>| number.as_ref().and_then(amount);
    let status = |word: Option<String>| word.as_deref().and_then(Status::parse);
    let learning = node.adset.as_ref().and_then(|n| n.learning_stage_info.as_ref()?.status.clone());
    let adset = node.adset.map(|n| AdSet {
        id: n.id.or_else(|| node.adset_id.clone()).unwrap_or_default(),
        name: n.name,
        status: status(n.status),
        daily_budget: money(n.daily_budget),
        lifetime_budget: money(n.lifetime_budget),
        learning: learning.as_deref().map(|status| status == "LEARNING"),
        learning_limited: learning.as_deref() == Some("FAIL"),
    });
    let campaign = node.campaign.map(|n| campaign(n, node.campaign_id.clone()));
    Ad {
        adset_id: node.adset_id.or_else(|| adset.as_ref().map(|a| a.id.clone())),
        campaign_id: node.campaign_id.or_else(|| campaign.as_ref().map(|c| c.id.clone())),
        id: node.id,
        name: node.name,
        status: status(node.status),
        effective_status: EffectiveStatus(node.effective_status.unwrap_or_else(|| "UNKNOWN".into())),
        created: node.created_time.as_deref().and_then(moment),
        adset,
        campaign,
        creative: node.creative.map(|c| Creative { id: c.id, name: c.name, story_id: c.effective_object_story_id }),
    }
}

/// Meta's times: `2026-06-01T00:13:07+0200`, an offset without a colon.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok();
    parsed.and_then(|time| time.to_timestamp().ok()).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_a_colon_in_the_offset() {
        let expected: Timestamp = "2019-08-01T22:12:56Z".parse().unwrap();
        assert_eq!(moment("2019-08-01T19:12:56-0300"), Some(expected));
        assert_eq!(moment("2019-08-01T19:12:56-03:00"), Some(expected));
        assert_eq!(moment("yesterday"), None);
    }
}
