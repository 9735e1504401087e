//! Edges between nodes, filters and pages.

use super::error::ApiError;
use super::fields::Fields;
use super::request::{Filter, Query, Request};
use super::{Node, nodes};
use crate::world::World;
use serde_json::{Value, json};

/// The largest page of entities that Meta's servers reliably answer.
const ENTITIES_PAGE: usize = 200;
/// The largest page of insight rows.
pub(crate) const INSIGHTS_PAGE: usize = 500;
const DEFAULT_PAGE: usize = 25;

/// The one node that an edge leads to.
pub(crate) fn to_one(world: &World, node: Node, edge: &str) -> Option<Node> {
    match (node, edge) {
        (Node::Ad(i), "adset") => Some(Node::AdSet(world.ads[i].adset)),
        (Node::Ad(i), "campaign") => Some(Node::Campaign(world.adsets[world.ads[i].adset].campaign)),
        (Node::Ad(i), "creative") => Some(Node::Creative(world.ads[i].creative)),
        (Node::AdSet(i), "campaign") => Some(Node::Campaign(world.adsets[i].campaign)),
        _ => None,
    }
}

/// The nodes that an edge leads to, oldest first.
pub(crate) fn members(world: &World, node: Node, edge: &str) -> Option<Vec<Node>> {
    let seen = |i: &usize| world.ads[*i].created <= world.now;
    let ads = |inside: &dyn Fn(usize) -> bool| {
        let indices = (0..world.ads.len()).filter(seen);
        indices.filter(|&i| inside(world.ads[i].adset)).map(Node::Ad).collect()
    };
    let adsets = |inside: &dyn Fn(usize) -> bool| {
        (0..world.adsets.len()).filter(|&i| inside(world.adsets[i].campaign)).map(Node::AdSet).collect()
    };
    Some(match (node, edge) {
        (Node::Account, "ads") => ads(&|_| true),
        (Node::Campaign(c), "ads") => ads(&|s| world.adsets[s].campaign == c),
        (Node::AdSet(s), "ads") => ads(&|other| other == s),
        (Node::Account, "adsets") => adsets(&|_| true),
        (Node::Campaign(c), "adsets") => adsets(&|other| other == c),
        (Node::Account, "campaigns") => (0..world.campaigns.len()).map(Node::Campaign).collect(),
        (Node::Account, "adcreatives") => (0..world.creatives.len())
            .filter(|&i| world.creatives[i].launched <= world.now)
            .map(Node::Creative)
            .collect(),
        (Node::User, "adaccounts") => vec![Node::Account],
        _ => return None,
    })
}

/// Reads an edge: filtered, a page at a time.
pub(crate) fn read(
    world: &World,
    node: Node,
    edge: &str,
    query: &Query<'_>,
    request: &Request,
) -> Result<Value, ApiError> {
    if let Some(to) = to_one(world, node, edge) {
        return nodes::render(world, to, &Fields::parse(query.get("fields").unwrap_or("id"))?);
    }
    let members = members(world, node, edge)
        .ok_or_else(|| ApiError::parameter(&format!("Tried accessing nonexisting field ({edge})")))?;
    let mut filters = query.filters()?;
    let statuses = query.list("effective_status")?;
    if !statuses.is_empty() {
        filters.push(Filter { field: "effective_status".into(), operator: "IN".into(), values: statuses });
    }
    let mut kept = Vec::new();
    for member in members {
        if matches(world, member, &filters)? {
            kept.push(member);
        }
    }
    let fields = Fields::parse(query.get("fields").unwrap_or("id"))?;
    let (from, to, cursors) = window(kept.len(), query, ENTITIES_PAGE)?;
    let rows: Result<Vec<Value>, ApiError> =
        kept[from..to].iter().map(|&member| nodes::render(world, member, &fields)).collect();
    Ok(paged(rows?, cursors, kept.len(), query, request))
}

fn matches(world: &World, node: Node, filters: &[Filter]) -> Result<bool, ApiError> {
    // Without a filter on it Meta leaves out what was deleted or archived.
    let status_field = Fields::parse("effective_status")?;
    let asks_status = filters.iter().any(|f| f.field.ends_with("effective_status"));
    let has_status = matches!(node, Node::Ad(_) | Node::AdSet(_) | Node::Campaign(_));
    if has_status && !asks_status {
        let rendered = nodes::render(world, node, &status_field)?;
        if matches!(rendered["effective_status"].as_str(), Some("DELETED" | "ARCHIVED")) {
            return Ok(false);
        }
    }
    for filter in filters {
        let name = filter.field.rsplit('.').next().unwrap_or_default();
        let rendered = nodes::render(world, node, &Fields::parse(name)?)?;
        let value = rendered[name].as_str().unwrap_or_default();
        let holds = match filter.operator.as_str() {
            "IN" => filter.values.iter().any(|v| v == value),
            "NOT_IN" => !filter.values.iter().any(|v| v == value),
            "EQUAL" => filter.values.first().is_some_and(|v| v == value),
            "CONTAIN" => filter.values.first().is_some_and(|v| value.contains(v.as_str())),
            other => return Err(ApiError::parameter(&format!("filtering operator {other} is not supported"))),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A page of rows that are already rendered.
pub(crate) fn page(rows: Vec<Value>, query: &Query<'_>, request: &Request, largest: usize) -> Value {
    let total = rows.len();
    match window(total, query, largest) {
        Ok((from, to, cursors)) => {
            let rows = rows.into_iter().skip(from).take(to - from).collect();
            paged(rows, cursors, total, query, request)
        }
        Err(_) => json!({"data": []}),
    }
}

type Cursors = (usize, usize);

fn window(total: usize, query: &Query<'_>, largest: usize) -> Result<(usize, usize, Cursors), ApiError> {
    let limit = query.number("limit")?.map_or(DEFAULT_PAGE, |n| n.max(1) as usize).min(largest);
    let from = match query.get("after") {
        Some(text) => decode(text).ok_or_else(|| ApiError::parameter("after is not a cursor of this list"))?,
        None => 0,
    };
    let from = from.min(total);
    let to = (from + limit).min(total);
    Ok((from, to, (from, to)))
}

fn paged(rows: Vec<Value>, (from, to): Cursors, total: usize, query: &Query<'_>, request: &Request) -> Value {
    if rows.is_empty() {
        return json!({"data": []});
    }
    let mut paging = json!({"cursors": {"before": encode(from), "after": encode(to)}});
    if to < total {
        let mut search = form_urlencoded::Serializer::new(String::new());
        search.extend_pairs(query.without("after")).append_pair("after", &encode(to));
        let (base, path) = (request.base.trim_end_matches('/'), request.path.trim_matches('/'));
        let next = format!("{base}/{path}?{}", search.finish());
        paging["next"] = json!(next);
    }
    json!({"data": rows, "paging": paging})
}

/// A cursor that nobody takes for a number: clients must not count on its form.
fn encode(position: usize) -> String {
    format!("QVFI{:x}ZD", position * 7919 + 104_729)
}

fn decode(cursor: &str) -> Option<usize> {
    let digits = cursor.strip_prefix("QVFI")?.strip_suffix("ZD")?;
    let number = usize::from_str_radix(digits, 16).ok()?.checked_sub(104_729)?;
    number.is_multiple_of(7919).then_some(number / 7919)
}
