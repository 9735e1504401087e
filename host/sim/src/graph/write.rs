//! Writes: status, name, budget, copies, deletion.

use super::Node;
use super::error::ApiError;
use super::request::{Method, Query};
use crate::world::{Owner, Status, World};
use serde_json::{Value, json};

/// Changes a node.
pub(crate) fn update(world: &mut World, node: Node, query: &Query<'_>) -> Result<Value, ApiError> {
    let status = query.get("status").map(|text| {
        Status::parse(text).ok_or_else(|| {
            ApiError::parameter(&format!("status {text} is not one of ACTIVE, PAUSED, ARCHIVED, DELETED"))
        })
    });
    let status = status.transpose()?;
    let own = match node {
        Node::Campaign(i) => world.campaigns[i].status,
        Node::AdSet(i) => world.adsets[i].status,
        Node::Ad(i) => world.ads[i].status,
        _ => Status::Active,
    };
    // What is put away can only be deleted, and what is deleted stays so.
    let put_away = matches!(own, Status::Archived | Status::Deleted);
    if put_away && (own == Status::Deleted || status != Some(Status::Deleted)) {
        return Err(ApiError::parameter("an archived object can only be deleted, a deleted one not be changed"));
    }
    let budget = budget(world, node, query)?;
    let name = query.get("name").map(String::from);
    if query.get("lifetime_budget").is_some() {
        return Err(ApiError::parameter("a daily budget cannot be made a lifetime budget"));
    }
    let now = world.now;
    match node {
        Node::Campaign(i) => {
            let campaign = &mut world.campaigns[i];
            campaign.status = status.unwrap_or(campaign.status);
            campaign.name = name.unwrap_or_else(|| campaign.name.clone());
            campaign.updated = now;
        }
        Node::AdSet(i) => {
            let adset = &mut world.adsets[i];
            adset.status = status.unwrap_or(adset.status);
            adset.name = name.unwrap_or_else(|| adset.name.clone());
            adset.updated = now;
        }
        Node::Ad(i) => {
            let ad = &mut world.ads[i];
            ad.status = status.unwrap_or(ad.status);
            ad.name = name.unwrap_or_else(|| ad.name.clone());
            ad.updated = now;
        }
        _ => return Err(ApiError::new(3, "(#3) Application does not have the capability to make this API call.")),
    }
    if let Some((owner, minor)) = budget {
        world.set_budget(owner, minor);
    }
    Ok(json!({"success": true}))
}

/// The budget of an update, if it brings one: in minor units, on the node that holds the budget.
fn budget(world: &World, node: Node, query: &Query<'_>) -> Result<Option<(Owner, i64)>, ApiError> {
    let Some(minor) = query.number("daily_budget")? else { return Ok(None) };
    let least = world.least_budget();
    if minor < least {
        return Err(ApiError::parameter(&format!("Your budget is too low: at least {least} in minor units")));
    }
    let owner = match node {
        Node::Campaign(i) if world.campaigns[i].daily_budget.is_some() => Owner::Campaign(i),
        Node::AdSet(i) if world.campaigns[world.adsets[i].campaign].daily_budget.is_none() => Owner::AdSet(i),
        Node::AdSet(_) => {
            return Err(ApiError::parameter("Campaign budget optimization is on: the campaign holds the budget"));
        }
        Node::Campaign(_) => return Err(ApiError::parameter("The ad sets of this campaign hold the budgets")),
        _ => return Err(ApiError::parameter("daily_budget is not valid for this object")),
    };
    Ok(Some((owner, minor)))
}

/// Copies an ad into an ad set, or an ad set into a campaign.
pub(crate) fn copy(world: &mut World, node: Node, query: &Query<'_>) -> Result<Value, ApiError> {
    let status = match query.get("status_option") {
        None | Some("PAUSED") => Status::Paused,
        Some("ACTIVE" | "INHERITED_FROM_SOURCE") => Status::Active,
        Some(other) => return Err(ApiError::parameter(&format!("status_option {other} is not supported"))),
    };
    let target = |name: &str| -> Result<Option<u64>, ApiError> {
        let Some(text) = query.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ApiError::parameter(&format!("{name} is not an id")))
    };
    match node {
        Node::Ad(source) => {
            let adset = match target("adset_id")? {
                None => world.ads[source].adset,
                Some(id) => position(world.adsets.iter().map(|a| a.id), id)?,
            };
            let name = renamed(&world.ads[source].name.clone(), query)?;
            let copy = world.copy_ad(source, adset, name, status);
            let id = world.ads[copy].id.to_string();
            Ok(json!({"copied_ad_id": id, "ad_object_ids": [
                {"ad_object_type": "ad", "source_id": world.ads[source].id.to_string(), "copied_id": id}]}))
        }
        Node::AdSet(source) => {
            let campaign = match target("campaign_id")? {
                None => world.adsets[source].campaign,
                Some(id) => position(world.campaigns.iter().map(|c| c.id), id)?,
            };
            let name = renamed(&world.adsets[source].name.clone(), query)?;
            // In a campaign that holds the budget an ad set has none; elsewhere it needs one.
            let budget = match world.campaigns[campaign].daily_budget {
                Some(_) => None,
                None => world.adsets[source].daily_budget.or(Some(world.minor(1.0))),
            };
            let copy = world.add_adset(campaign, name, status, budget, Some(source));
            let id = world.adsets[copy].id.to_string();
            let mut objects = vec![json!({"ad_object_type": "ad_set",
                "source_id": world.adsets[source].id.to_string(), "copied_id": id})];
            let deep_rename = query.get("rename_options").is_some_and(|text| text.contains("DEEP_RENAME"));
            if query.get("deep_copy") == Some("true") {
                let inside: Vec<usize> = (0..world.ads.len()).filter(|&i| world.ads[i].adset == source).collect();
                for ad in inside {
                    let name = match deep_rename {
                        true => renamed(&world.ads[ad].name.clone(), query)?,
                        false => world.ads[ad].name.clone(),
                    };
                    let made = world.copy_ad(ad, copy, name, status);
                    objects.push(json!({"ad_object_type": "ad",
                        "source_id": world.ads[ad].id.to_string(), "copied_id": world.ads[made].id.to_string()}));
                }
            }
            Ok(json!({"copied_adset_id": id, "ad_object_ids": objects}))
        }
        _ => Err(ApiError::parameter("this object cannot be copied here")),
    }
}

fn position(mut ids: impl Iterator<Item = u64>, id: u64) -> Result<usize, ApiError> {
    ids.position(|other| other == id).ok_or_else(|| ApiError::missing_object(Method::Get, &id.to_string()))
}

fn renamed(name: &str, query: &Query<'_>) -> Result<String, ApiError> {
    let Some(text) = query.get("rename_options") else { return Ok(format!("{name} - Copy")) };
    let options: Value = serde_json::from_str(text).map_err(|_| ApiError::parameter("rename_options is not JSON"))?;
    let part = |key: &str| options[key].as_str().unwrap_or_default().to_string();
    if options["rename_strategy"].as_str() == Some("NO_RENAME") {
        return Ok(name.to_string());
    }
    Ok(format!("{}{name}{}", part("rename_prefix"), part("rename_suffix")))
}

/// Deletes a node: it stays readable by id.
pub(crate) fn delete(world: &mut World, node: Node) -> Result<Value, ApiError> {
    match node {
        Node::Campaign(i) => world.campaigns[i].status = Status::Deleted,
        Node::AdSet(i) => world.adsets[i].status = Status::Deleted,
        Node::Ad(i) => world.ads[i].status = Status::Deleted,
        _ => return Err(ApiError::parameter("this object cannot be deleted")),
    }
    Ok(json!({"success": true}))
}
