//! What keeps an account going beside its ads. Each part is asked for on its own: a token that may not see one
//! of them, or a server that does not know it, costs no more than that part.

use super::client::{Client, Page};
use super::errors::Error;
use crate::domain::{Pixel, Token, Vitals};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

const ADSET_FIELDS: &str = "id,name,dsa_payor,dsa_beneficiary,targeting";
const ADSETS_PAGE: usize = 200;
/// Ad sets that are looked at; an account with more has been told of the first already.
const MOST_ADSETS: usize = 20_000;

/// Countries of the European Union, where ads have to name who pays for them and who gains by them (Digital Services
/// Act, article 26).
const EU: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];
/// Groups of countries that hold some of them.
const EU_GROUPS: [&str; 4] = ["eea", "europe", "emerging_markets", "worldwide"];

#[derive(Debug, Deserialize)]
struct TokenAnswer {
    data: TokenNode,
}

#[derive(Debug, Deserialize)]
struct TokenNode {
    is_valid: bool,
    #[serde(default)]
    expires_at: i64,
    #[serde(default)]
    data_access_expires_at: i64,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct AdSetNode {
    id: String,
    #[serde(default)]
    name: String,
    dsa_payor: Option<String>,
    dsa_beneficiary: Option<String>,
    #[serde(default)]
    targeting: Value,
}

#[derive(Debug, Deserialize)]
struct PixelNode {
    #[serde(default)]
    name: String,
    last_fired_time: Option<String>,
}

impl Client {
    /// Reads what keeps the account going. What Meta did not answer is left out, and said. What its token may do
    /// is told to an app that is known.
    pub async fn vitals(&self, of_app: bool) -> (Vitals, Vec<String>) {
        let mut vitals = Vitals { token_digest: self.token_digest(), ..Vitals::default() };
        let mut left_out = Vec::new();
        let mut leave_out = |what: &str, error: Error| {
            let error = error.to_string();
            left_out.push(format!("{what} could not be read: {}", error.lines().next().unwrap_or_default()));
        };
        if of_app {
            match self.token().await {
                Ok(token) => vitals.token = Some(token),
                Err(error) => leave_out("what the token may do", error),
            }
        }
        match self.adsets_without_dsa().await {
            Ok(names) => vitals.without_dsa = names,
            Err(error) => leave_out("who pays for ad sets", error),
        }
        (vitals, left_out)
    }

    async fn token(&self) -> Result<Token, Error> {
        let input = ("input_token", self.token_text());
        let answer: TokenAnswer = self.try_get("debug_token", &[input]).await?;
        let node = answer.data;
        let moment = |seconds: i64| Timestamp::from_second(seconds).ok().filter(|_| seconds > 0);
        Ok(Token {
            valid: node.is_valid,
            expires_at: moment(node.expires_at),
            data_access_expires_at: moment(node.data_access_expires_at),
            scopes: node.scopes,
        })
    }

    async fn adsets_without_dsa(&self) -> Result<Vec<String>, Error> {
        let path = format!("{}/adsets", self.account_id());
        let params = [("fields", ADSET_FIELDS.into()), ("effective_status", r#"["ACTIVE"]"#.into())];
        let mut adsets: Vec<AdSetNode> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut of_page = params.to_vec();
            of_page.push(("limit", ADSETS_PAGE.to_string()));
            of_page.extend(after.clone().map(|after| ("after", after)));
            let page: Page<AdSetNode> = self.try_get(&path, &of_page).await?;
            adsets.extend(page.data);
            after = page.paging.next.and(page.paging.cursors.and_then(|cursors| cursors.after));
            if after.is_none() || adsets.len() > MOST_ADSETS {
                break;
            }
        }
        let empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        let lacks = |adset: &AdSetNode| empty(&adset.dsa_payor) || empty(&adset.dsa_beneficiary);
        let named = |adset: AdSetNode| if adset.name.is_empty() { adset.id } else { adset.name };
        Ok(adsets.into_iter().filter(|adset| lacks(adset) && reaches_eu(&adset.targeting)).map(named).collect())
    }

    /// Reads a pixel.
    ///
    /// # Errors
    /// When Meta refuses, or there is no such pixel.
    pub async fn pixel(&self, id: &str) -> Result<Pixel, Error> {
        let node: PixelNode = self.try_get(id, &[("fields", "id,name,last_fired_time".into())]).await?;
        let last_fired = node.last_fired_time.as_deref().and_then(super::entities::moment);
        Ok(Pixel { id: id.into(), name: node.name, last_fired })
    }
}

/// Whether a targeting names a place in the European Union.
fn reaches_eu(targeting: &Value) -> bool {
    let places = &targeting["geo_locations"];
    let texts = |key: &str| places[key].as_array().into_iter().flatten();
    let is_eu = |country: &Value| country.as_str().is_some_and(|code| EU.contains(&code));
    texts("countries").any(is_eu)
        || texts("country_groups").any(|group| group.as_str().is_some_and(|group| EU_GROUPS.contains(&group)))
        || ["regions", "cities", "zips", "custom_locations"]
            .iter()
            .any(|kind| texts(kind).any(|p| is_eu(&p["country"])))
}

#[cfg(test)]
mod tests {
    use super::reaches_eu;
    use serde_json::json;

    #[test]
    fn a_place_in_the_union_is_found_however_it_is_named() {
        for places in [
            json!({"countries": ["US", "IE"]}),
            json!({"country_groups": ["eea"]}),
            json!({"cities": [{"key": "1", "country": "FR"}]}),
        ] {
            assert!(reaches_eu(&json!({"geo_locations": places})), "{places}");
        }
        for places in [json!({"countries": ["US", "GB"]}), json!({}), json!(null)] {
            assert!(!reaches_eu(&json!({"geo_locations": places})), "{places}");
        }
    }
}
