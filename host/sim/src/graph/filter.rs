//! Filters: `[{"field": "campaign.id", "operator": "IN", "value": [...]}]`, on the node itself or on
//! what holds it, and what is left out of a list unless it is asked for.

use super::error::ApiError;
use super::fields::Fields;
use super::request::Filter;
use super::{Node, edges, nodes};
use crate::world::World;

/// Whether a node belongs into a list: it passes the filters, and it is not put away, unless a filter
/// on its own status asks for that.
pub(crate) fn is_listed(world: &World, node: Node, filters: &[Filter]) -> Result<bool, ApiError> {
    let asks = |filter: &Filter| {
        filter.field == "effective_status"
            || (subject(world, node, &filter.field), filter.field.ends_with(".effective_status")) == (Some(node), true)
    };
    let has_status = matches!(node, Node::Ad(_) | Node::AdSet(_) | Node::Campaign(_));
    if has_status && !filters.iter().any(asks) {
        let rendered = nodes::render(world, node, &Fields::parse("effective_status")?)?;
        if matches!(rendered["effective_status"].as_str(), Some("DELETED" | "ARCHIVED")) {
            return Ok(false);
        }
    }
    holds(world, node, filters)
}

/// Whether a node passes all filters.
pub(crate) fn holds(world: &World, node: Node, filters: &[Filter]) -> Result<bool, ApiError> {
    for filter in filters {
        let name = filter.field.rsplit('.').next().unwrap_or_default();
        let about = subject(world, node, &filter.field)
            .ok_or_else(|| ApiError::parameter(&format!("filtering field {} is invalid", filter.field)))?;
        let rendered = nodes::render(world, about, &Fields::parse(name)?)?;
        let value = rendered[name].as_str().unwrap_or_default();
        let first = filter.values.first().map(String::as_str).unwrap_or_default();
        let holds = match filter.operator.as_str() {
            "IN" => filter.values.iter().any(|v| v == value),
            "NOT_IN" => !filter.values.iter().any(|v| v == value),
            "EQUAL" => first == value,
            "NOT_EQUAL" => first != value,
            "CONTAIN" => value.contains(first),
            "NOT_CONTAIN" => !value.contains(first),
            other => return Err(ApiError::parameter(&format!("filtering operator {other} is not supported"))),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a filter's field is about, seen from a node: `name` and `ad.name` of an ad are its own,
/// `campaign.name` its campaign's.
fn subject(world: &World, node: Node, field: &str) -> Option<Node> {
    let own = match node {
        Node::Ad(_) => "ad",
        Node::AdSet(_) => "adset",
        Node::Campaign(_) => "campaign",
        _ => "",
    };
    match field.rsplit_once('.') {
        None => Some(node),
        Some((kind, _)) if kind == own => Some(node),
        Some((kind, _)) => edges::to_one(world, node, kind),
    }
}
