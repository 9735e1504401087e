//! Writes: status, budget, copies and new ads, alone or in batches.

use super::client::Client;
use super::errors::{Envelope, Error};
use crate::domain::{Money, Status};
use serde::Deserialize;
use serde_json::{Value, json};

/// One change to the account.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Sets what a user would set on an ad, ad set or campaign. Absolute: repeating it is harmless.
    SetStatus {
        /// The object.
        id: String,
        /// The status.
        status: Status,
    },
    /// Sets a daily budget. Absolute too.
    SetBudget {
        /// The owner.
        id: String,
        /// Daily, in minor units.
        daily: Money,
    },
    /// Copies an ad set without its ads, paused. Creates: never repeated blindly.
    CopyAdSet {
        /// The source.
        id: String,
        /// Where the copy goes.
        campaign_id: String,
        /// What is added to the name: the marker by which the copy is found again.
        suffix: String,
    },
    /// Copies an ad into an ad set, paused. Creates: never repeated blindly.
    CopyAd {
        /// The source.
        id: String,
        /// Where the copy goes.
        adset_id: String,
        /// What is added to the name: the marker by which the copy is found again.
        suffix: String,
    },
    /// Makes a creative of a post or a story. Creates.
    CreateCreative {
        /// The account.
        account: String,
        /// Meta's parameters.
        params: Vec<(String, String)>,
    },
    /// Makes an ad of a creative. Creates.
    CreateAd {
        /// The account.
        account: String,
        /// Meta's parameters.
        params: Vec<(String, String)>,
    },
}

/// What a write gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAnswer {
    /// The id of what was created, for a copy.
    pub created: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BatchEntry {
    code: u16,
    body: Option<String>,
}

impl Write {
    /// Whether it creates something, so that repeating it would create another.
    #[must_use]
    pub fn creates(&self) -> bool {
        !matches!(self, Write::SetStatus { .. } | Write::SetBudget { .. })
    }

    fn path(&self) -> String {
        match self {
            Write::SetStatus { id, .. } | Write::SetBudget { id, .. } => id.clone(),
            Write::CopyAdSet { id, .. } | Write::CopyAd { id, .. } => format!("{id}/copies"),
            Write::CreateCreative { account, .. } => format!("{account}/adcreatives"),
            Write::CreateAd { account, .. } => format!("{account}/ads"),
        }
    }

    fn params(&self) -> Vec<(&str, String)> {
        let rename = |suffix: &str| {
            let options = json!({"rename_strategy": "ONLY_TOP_LEVEL_RENAME", "rename_suffix": suffix});
            ("rename_options", options.to_string())
        };
        match self {
            Write::SetStatus { status, .. } => vec![("status", status.as_str().into())],
            Write::SetBudget { daily, .. } => vec![("daily_budget", daily.0.to_string())],
            Write::CopyAdSet { campaign_id, suffix, .. } => vec![
                ("campaign_id", campaign_id.clone()),
                ("deep_copy", "false".into()),
                ("status_option", "PAUSED".into()),
                rename(suffix),
            ],
            Write::CopyAd { adset_id, suffix, .. } => {
                vec![("adset_id", adset_id.clone()), ("status_option", "PAUSED".into()), rename(suffix)]
            }
            Write::CreateCreative { params, .. } | Write::CreateAd { params, .. } => {
                params.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
            }
        }
    }
}

/// What an answer to a write says; anything that does not say that it happened leaves it open.
fn answer(write: &Write, value: &Value) -> Result<WriteAnswer, String> {
    let id = |key: &str| value[key].as_str().map(String::from);
    let created = match write {
        Write::CreateCreative { .. } | Write::CreateAd { .. } => id("id"),
        _ => id("copied_ad_id").or_else(|| id("copied_adset_id")).or_else(|| id("copied_campaign_id")),
    };
    match (write.creates(), &created, &value["success"]) {
        (true, None, _) => Err("it does not name what was made".into()),
        (false, _, Value::Bool(false)) => Err("it says that it did not succeed".into()),
        _ if !value.is_object() => Err("it is no object".into()),
        _ => Ok(WriteAnswer { created }),
    }
}

impl Client {
    /// Sends one write.
    ///
    /// # Errors
    /// When it was refused, or whether it happened is not known ([`Error::may_have_happened`]).
    pub async fn write(&self, write: &Write) -> Result<WriteAnswer, Error> {
        self.count_writes(1, 0);
        let value: Value = self.post(&write.path(), &write.params(), 1).await?;
        let what = format!("POST {}", write.path());
        let start = || value.to_string().chars().take(80).collect();
        answer(write, &value).map_err(|reason| Error::NotJson { what, status: 200, reason, start: start() })
    }

    /// Sends writes in batches of up to fifty (fewer where an app may call little), each answered on its own, in order. Two ad sets of one
    /// campaign must not stand in one batch: the caller sees to that.
    pub async fn write_batch(&self, writes: &[Write]) -> Vec<Result<WriteAnswer, Error>> {
        let mut answers = Vec::with_capacity(writes.len());
        for chunk in writes.chunks(self.largest_batch()) {
            if let [write] = chunk {
                answers.push(self.write(write).await);
                continue;
            }
            self.count_writes(chunk.len(), 1);
            let entry = |write: &Write| {
                let mut body = form_urlencoded::Serializer::new(String::new());
                body.extend_pairs(write.params());
                json!({"method": "POST", "relative_url": write.path(), "body": body.finish()})
            };
            let batch: Vec<Value> = chunk.iter().map(entry).collect();
            let params = [("batch", json!(batch).to_string()), ("include_headers", "false".into())];
            let sent: Result<Vec<Option<BatchEntry>>, Error> = self.post("", &params, chunk.len()).await;
            match sent {
                Ok(entries) => {
                    for (i, write) in chunk.iter().enumerate() {
                        answers.push(self.entry(write, entries.get(i).and_then(Option::as_ref)));
                    }
                }
                Err(error) => answers.extend(chunk.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    /// One entry of a batch. An entry that is null timed out: whether it happened is not known.
    fn entry(&self, write: &Write, entry: Option<&BatchEntry>) -> Result<WriteAnswer, Error> {
        let what = format!("POST {} (in a batch)", write.path());
        let Some(BatchEntry { code, body: Some(body) }) = entry else {
            let reason = "its entry in the batch is empty".to_string();
            return Err(Error::NotJson { what, status: 200, reason, start: String::new() });
        };
        if let Ok(envelope) = serde_json::from_str::<Envelope>(body) {
            return Err(envelope.error.into_error(&what).into());
        }
        let start = || body.chars().take(80).collect();
        match serde_json::from_str::<Value>(body) {
            Ok(value) if (200..300).contains(code) => {
                answer(write, &value).map_err(|reason| Error::NotJson { what, status: *code, reason, start: start() })
            }
            Ok(_) => Err(Error::NotJson { what, status: *code, reason: "no error, no success".into(), start: start() }),
            Err(error) => Err(Error::NotJson { what, status: *code, reason: error.to_string(), start: start() }),
        }
    }
}
