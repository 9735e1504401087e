//! Nodes as JSON: every field that Meta's reference lists and a client of ads needs. A field that is
//! unknown is an error, one without a value is left out, as Meta does it.

use super::error::ApiError;
use super::fields::{Field, Fields};
use super::request::Query;
use super::{Node, edges, filter};
use crate::world::{Look, World};
use serde_json::{Map, Value, json};

/// Renders a node under a selection. The id always comes along.
pub(crate) fn render(world: &World, node: Node, fields: &Fields) -> Result<Value, ApiError> {
    let mut out = Map::new();
    for field in fields.iter() {
        if let Some(value) = value(world, node, field)? {
            out.insert(field.name.clone(), value);
        }
    }
    out.insert("id".into(), json!(id(world, node)));
    Ok(Value::Object(out))
}

pub(crate) fn id(world: &World, node: Node) -> String {
    match node {
        Node::Account => format!("act_{}", world.account),
        Node::User => "100000000000001".into(),
        Node::Pixel => world.pixel().to_string(),
        Node::Campaign(i) => world.campaigns[i].id.to_string(),
        Node::AdSet(i) => world.adsets[i].id.to_string(),
        Node::Ad(i) => world.ads[i].id.to_string(),
        Node::Creative(i) => world.creatives[i].id.to_string(),
        Node::Report(i) => (super::REPORT_IDS + i as u64).to_string(),
    }
}

fn value(world: &World, node: Node, field: &Field) -> Result<Option<Value>, ApiError> {
    if let Some(to) = edges::to_one(world, node, &field.name) {
        let inner = match &field.inner {
            Some(inner) => inner.clone(),
            None => Fields::parse("id")?,
        };
        return render(world, to, &inner).map(Some);
    }
    if let Some(members) = edges::members(world, node, &field.name) {
        let inner = match &field.inner {
            Some(inner) => inner.clone(),
            None => Fields::parse("id")?,
        };
        let query = Query::new(&field.modifiers);
        let limit = query.number("limit")?.unwrap_or(25).max(1) as usize;
        let mut data = Vec::new();
        for member in members {
            if data.len() < limit && filter::is_listed(world, member, &query.filters()?)? {
                data.push(render(world, member, &inner)?);
            }
        }
        return Ok((!data.is_empty()).then(|| json!({ "data": data })));
    }
    if field.name == "insights" {
        let mut parameters = field.modifiers.clone();
        if let Some(inner) = &field.inner {
            let names: Vec<&str> = inner.names().collect();
            parameters.push(("fields".into(), names.join(",")));
        }
        let rows = crate::insights::rows(world, super::scope(node)?, &Query::new(&parameters))?;
        // A nested answer is part of a tree.
        let rows: Vec<Value> = rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect();
        return Ok((!rows.is_empty()).then(|| json!({ "data": rows })));
    }
    match node {
        Node::Account => account(world, &field.name),
        Node::Campaign(i) => campaign(world, i, &field.name),
        Node::AdSet(i) => adset(world, i, &field.name),
        Node::Ad(i) => ad(world, i, &field.name),
        Node::Creative(i) => creative(world, i, &field.name),
        Node::User => user(&field.name),
        Node::Pixel => pixel(world, &field.name),
        Node::Report(_) => Err(ApiError::unknown_field(&field.name, "AdReportRun")),
    }
}

fn time(world: &World, at: i64) -> Value {
    json!(world.local(at).strftime("%Y-%m-%dT%H:%M:%S%z").to_string())
}

fn user(field: &str) -> Result<Option<Value>, ApiError> {
    match field {
        "id" => Ok(None),
        "name" => Ok(Some(json!("Simulated user"))),
        _ => Err(ApiError::unknown_field(field, "User")),
    }
}

fn pixel(world: &World, field: &str) -> Result<Option<Value>, ApiError> {
    let value = match field {
        "id" => return Ok(None),
        "name" => json!("Simulated pixel"),
        "creation_time" => time(world, world.params.start),
        "last_fired_time" => {
            let silent = world.standing.pixel_silent_since.filter(|_| world.pixel_is_silent());
            time(world, silent.unwrap_or(world.now))
        }
        "is_unavailable" => json!(false),
        _ => return Err(ApiError::unknown_field(field, "AdsPixel")),
    };
    Ok(Some(value))
}

fn account(world: &World, field: &str) -> Result<Option<Value>, ApiError> {
    let spent: i64 = world.ads.iter().flat_map(|ad| &ad.days).map(|day| day.spend).sum();
    let value = match field {
        "id" => return Ok(None),
        "account_id" => json!(world.account.to_string()),
        "name" => json!("Simulated shop"),
        "account_status" => json!(world.standing.account_status),
        "disable_reason" => json!(world.standing.disable_reason),
        "currency" => json!(world.params.currency),
        "timezone_name" => json!(world.params.timezone),
        "timezone_id" => json!(47),
        "timezone_offset_hours_utc" => json!(f64::from(world.local(world.now).offset().seconds()) / 3600.0),
        "balance" => json!(world.standing.balance.to_string()),
        "amount_spent" => json!(spent.to_string()),
        "spend_cap" => json!(world.standing.spend_cap.to_string()),
        "min_daily_budget" => json!(world.least_budget()),
        "created_time" => time(world, world.params.start),
        "business_country_code" => json!("DE"),
        "funding_source" => return Ok(world.standing.funding.then(|| json!("20000000000001"))),
        "funding_source_details" => {
            let details = || json!({"id": "20000000000001", "display_string": "Visa ***1234", "type": 1});
            return Ok(world.standing.funding.then(details));
        }
        "is_prepay_account" => json!(world.standing.prepay),
        "default_dsa_payor" | "default_dsa_beneficiary" => return Ok(None),
        "capabilities" => json!(["CAN_USE_REACH_AND_FREQUENCY"]),
        _ => return Err(ApiError::unknown_field(field, "AdAccount")),
    };
    Ok(Some(value))
}

fn campaign(world: &World, index: usize, field: &str) -> Result<Option<Value>, ApiError> {
    let campaign = &world.campaigns[index];
    let value = match field {
        "id" => return Ok(None),
        "account_id" => json!(world.account.to_string()),
        "name" => json!(campaign.name),
        "status" | "configured_status" | "effective_status" => json!(campaign.status.as_str()),
        "objective" => json!("OUTCOME_SALES"),
        "buying_type" => json!("AUCTION"),
        "daily_budget" => return Ok(campaign.daily_budget.map(|b| json!(b.to_string()))),
        "budget_remaining" => json!(campaign.daily_budget.unwrap_or(0).to_string()),
        "lifetime_budget" | "stop_time" | "spend_cap" | "issues_info" | "source_campaign_id" => return Ok(None),
        "bid_strategy" => return Ok(campaign.daily_budget.map(|_| json!("LOWEST_COST_WITHOUT_CAP"))),
        "special_ad_categories" => json!([]),
        "smart_promotion_type" => json!("GUIDED_CREATION"),
        "created_time" | "start_time" => time(world, campaign.created),
        "updated_time" => time(world, campaign.updated),
        _ => return Err(ApiError::unknown_field(field, "Campaign")),
    };
    Ok(Some(value))
}

fn adset(world: &World, index: usize, field: &str) -> Result<Option<Value>, ApiError> {
    let adset = &world.adsets[index];
    let campaign = &world.campaigns[adset.campaign];
    let effective = world.effective_adset_status(adset);
    let value = match field {
        "id" => return Ok(None),
        "account_id" => json!(world.account.to_string()),
        "campaign_id" => json!(campaign.id.to_string()),
        "name" => json!(adset.name),
        "status" | "configured_status" => json!(adset.status.as_str()),
        "effective_status" => json!(effective),
        "daily_budget" => return Ok(adset.daily_budget.map(|b| json!(b.to_string()))),
        "budget_remaining" => json!(adset.daily_budget.unwrap_or(0).to_string()),
        "lifetime_budget" | "end_time" | "bid_amount" | "issues_info" => return Ok(None),
        "dsa_payor" | "dsa_beneficiary" => return Ok(world.standing.dsa.then(|| json!("Simulated shop"))),
        "bid_strategy" => json!("LOWEST_COST_WITHOUT_CAP"),
        "billing_event" => json!("IMPRESSIONS"),
        "optimization_goal" => json!("OFFSITE_CONVERSIONS"),
        "attribution_spec" => {
            json!([{"event_type": "CLICK_THROUGH", "window_days": 7}, {"event_type": "VIEW_THROUGH", "window_days": 1}])
        }
        "promoted_object" => json!({"pixel_id": world.pixel().to_string(), "custom_event_type": "PURCHASE"}),
        "targeting" => json!({"geo_locations": {"countries": ["DE"]}, "age_min": 18, "age_max": 65}),
        "learning_stage_info" => json!({
            "status": world.learning_status(index),
            "conversions": adset.learned,
            "last_sig_edit_ts": adset.edited,
            "attribution_windows": ["1d_view", "7d_click"],
        }),
        "source_adset_id" => return Ok(adset.source.map(|id| json!(id.to_string()))),
        "created_time" | "start_time" => time(world, adset.created),
        "updated_time" => time(world, adset.updated),
        _ => return Err(ApiError::unknown_field(field, "AdSet")),
    };
    Ok(Some(value))
}

fn ad(world: &World, index: usize, field: &str) -> Result<Option<Value>, ApiError> {
    let ad = &world.ads[index];
    let adset = &world.adsets[ad.adset];
    let value = match field {
        "id" => return Ok(None),
        "account_id" => json!(world.account.to_string()),
        "campaign_id" => json!(world.campaigns[adset.campaign].id.to_string()),
        "adset_id" => json!(adset.id.to_string()),
        "name" => json!(ad.name),
        "status" | "configured_status" => json!(ad.status.as_str()),
        "effective_status" => json!(world.effective_status(ad)),
        "created_time" => time(world, ad.created),
        "updated_time" => time(world, ad.updated),
        "source_ad_id" => return Ok(ad.source.map(|id| json!(id.to_string()))),
        "tracking_specs" => json!([{"action.type": ["offsite_conversion"], "fb_pixel": ["300000000000001"]}]),
        "issues_info" | "ad_review_feedback" | "recommendations" => return Ok(None),
        "bid_type" => json!("ABSOLUTE_OCPM"),
        _ => return Err(ApiError::unknown_field(field, "Ad")),
    };
    Ok(Some(value))
}

/// A field of a creative that somebody made here, where its look decides it.
fn looks(look: &Look, field: &str) -> Option<Option<Value>> {
    let spec = look.spec.as_ref();
    let data = spec.map(|spec| if spec["link_data"].is_object() { &spec["link_data"] } else { &spec["video_data"] });
    let of_data = |key: &str| data.and_then(|data| data.get(key)).cloned();
    Some(match field {
        "object_story_id" | "effective_object_story_id" => match &look.post {
            Some(post) => Some(json!(post)),
            None => return None,
        },
        "object_story_spec" => spec.cloned(),
        "body" => of_data("message"),
        "title" => of_data("name").or_else(|| of_data("title")),
        "image_hash" => of_data("image_hash"),
        "video_id" => of_data("video_id"),
        "object_type" => Some(json!(if of_data("video_id").is_some() { "VIDEO" } else { "SHARE" })),
        "call_to_action_type" => of_data("call_to_action").map(|button| button["type"].clone()),
        "instagram_user_id" => look.instagram.as_ref().map(|id| json!(id)),
        _ => return None,
    })
}

fn creative(world: &World, index: usize, field: &str) -> Result<Option<Value>, ApiError> {
    let creative = &world.creatives[index];
    if let Some(look) = &creative.look
        && let Some(value) = looks(look, field)
    {
        return Ok(value);
    }
    let post = format!("200000000000001_{}", creative.id);
    let value = match field {
        "id" => return Ok(None),
        "account_id" => json!(world.account.to_string()),
        "name" => json!(creative.name),
        "status" => json!("ACTIVE"),
        "title" => json!(format!("Title of {}", creative.name)),
        "body" => json!(format!("Text of {}", creative.name)),
        "object_type" => json!(if index.is_multiple_of(3) { "VIDEO" } else { "SHARE" }),
        "object_story_id" | "effective_object_story_id" => json!(post),
        "call_to_action_type" => json!("SHOP_NOW"),
        "link_url" | "object_url" => json!("https://shop.example/"),
        "instagram_user_id" => json!("400000000000001"),
        "image_hash" => json!(format!("{:032x}", creative.id)),
        "thumbnail_url" | "image_url" => json!(format!("https://shop.example/{}.jpg", creative.id)),
        "video_id" => return Ok(index.is_multiple_of(3).then(|| json!((creative.id + 1).to_string()))),
        "url_tags" | "object_story_spec" | "asset_feed_spec" => return Ok(None),
        _ => return Err(ApiError::unknown_field(field, "AdCreative")),
    };
    Ok(Some(value))
}
