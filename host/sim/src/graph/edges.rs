//! Edges between nodes, filters and pages.

use super::error::ApiError;
use super::fields::Fields;
use super::request::{Filter, Query, Request};
use super::{Node, filter, nodes};
use crate::world::World;
use serde_json::json;

/// The largest page of entities that Meta's servers reliably answer.
const ENTITIES_PAGE: usize = 200;
/// The largest page of insight rows.
const INSIGHTS_PAGE: usize = 500;
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
        (Node::Account, "adspixels") => vec![Node::Pixel],
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
) -> Result<String, ApiError> {
    let fields = Fields::parse(query.get("fields").unwrap_or("id"))?;
    if let Some(to) = to_one(world, node, edge) {
        return Ok(nodes::render(world, to, &fields)?.to_string());
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
        if filter::is_listed(world, member, &filters)? {
            kept.push(member);
        }
    }
    let (from, to) = window(kept.len(), query, ENTITIES_PAGE)?;
    let render = |&member: &Node| nodes::render(world, member, &fields).map(|value| value.to_string());
    let rows: Vec<String> = kept[from..to].iter().map(render).collect::<Result<_, _>>()?;
    Ok(paged(&rows, (from, to), kept.len(), query, request))
}

/// A page of insight rows.
pub(crate) fn page(rows: &[String], query: &Query<'_>, request: &Request) -> Result<String, ApiError> {
    let (from, to) = window(rows.len(), query, INSIGHTS_PAGE)?;
    Ok(paged(&rows[from..to], (from, to), rows.len(), query, request))
}

type Window = (usize, usize);

fn window(total: usize, query: &Query<'_>, largest: usize) -> Result<Window, ApiError> {
    let limit = query.number("limit")?.map_or(DEFAULT_PAGE, |n| n.max(1) as usize).min(largest);
    let from = match query.get("after") {
        Some(text) => decode(text).ok_or_else(|| ApiError::parameter("after is not a cursor of this list"))?,
        None => 0,
    };
    let from = from.min(total);
    Ok((from, (from + limit).min(total)))
}

fn paged(rows: &[String], (from, to): Window, total: usize, query: &Query<'_>, request: &Request) -> String {
    if rows.is_empty() {
        return r#"{"data":[]}"#.into();
    }
    let mut paging = json!({"cursors": {"before": encode(from), "after": encode(to)}});
    if to < total {
        let mut search = form_urlencoded::Serializer::new(String::new());
        search.extend_pairs(query.without("after")).append_pair("after", &encode(to));
        let (base, path) = (request.base.trim_end_matches('/'), request.path.trim_matches('/'));
        paging["next"] = json!(format!("{base}/{path}?{}", search.finish()));
    }
    format!(r#"{{"data":[{}],"paging":{paging}}}"#, rows.join(","))
}

/// A page whose cursors lead to its own last row, as when the list grew while it was read.
pub(crate) fn overlapping(page: &str) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_str(page).ok()?;
    let next = parsed["paging"]["next"].as_str()?;
    let after = parsed["paging"]["cursors"]["after"].as_str()?;
    let rows = parsed["data"].as_array()?.len();
    let before = encode(decode(after)?.checked_sub(1)?);
    // A page of one row would lead to itself for ever.
    (rows > 1).then(|| {
        let mut page = parsed.clone();
        page["paging"]["cursors"]["after"] = json!(before);
        page["paging"]["next"] = json!(next.replace(after, &before));
        page.to_string()
    })
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
