//! What is created from nothing: images, videos, creatives and ads.

use super::error::ApiError;
use super::request::Query;
use crate::world::{Look, Status, Video, World};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How often a video is looked at before it is processed.
const LOOKS_UNTIL_READY: u32 = 2;
/// Bytes of a video that one call takes.
const CHUNK: u64 = 256 << 10;
const VIDEO_IDS: u64 = 700_000_000_000_000;
const CALLS_TO_ACTION: [&str; 12] = [
    "SHOP_NOW",
    "LEARN_MORE",
    "SIGN_UP",
    "BUY_NOW",
    "ORDER_NOW",
    "GET_OFFER",
    "SUBSCRIBE",
    "DOWNLOAD",
    "CONTACT_US",
    "BOOK_TRAVEL",
    "GET_QUOTE",
    "NO_BUTTON",
];

/// An image: its bytes in base64, or a file of a form. The same bytes have the same hash.
pub(crate) fn image(world: &mut World, query: &Query<'_>, parameters: &[(String, String)]) -> Result<Value, ApiError> {
    let (name, content) = match (query.get("bytes"), parameters.iter().find(|(_, value)| is_file(value))) {
        (Some(bytes), _) => {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
            if bytes.len() < 8 || !bytes.bytes().all(is_base64) {
                return Err(ApiError::parameter("bytes is no image in base64"));
            }
            (query.get("name").unwrap_or("bytes").to_string(), bytes.to_string())
        }
        (None, Some((name, value))) => (name.rsplit('/').next().unwrap_or(name).to_string(), value.clone()),
        (None, None) => return Err(ApiError::parameter("an image needs bytes or a file")),
    };
    let hash: String = Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    world.images.insert(hash.clone());
    let url = format!("https://shop.example/{hash}.jpg");
    Ok(json!({"images": {name: {"hash": hash, "url": url}}}))
}

fn is_file(value: &str) -> bool {
    value.starts_with("file:")
}

/// A video: by address at once, or a file in pieces (start, transfer, finish).
pub(crate) fn video(world: &mut World, query: &Query<'_>, parameters: &[(String, String)]) -> Result<Value, ApiError> {
    let title = query.get("title").or_else(|| query.get("name")).unwrap_or_default().to_string();
    let id = |index: usize| (VIDEO_IDS + index as u64).to_string();
    match query.get("upload_phase") {
        None => {
            if query.get("file_url").is_none() && !parameters.iter().any(|(_, value)| is_file(value)) {
                return Err(ApiError::parameter("a video needs file_url, a file, or upload_phase"));
            }
            world.videos.push(Video { title, size: 0, received: 0, finished: true, looks: 0 });
            Ok(json!({"id": id(world.videos.len() - 1)}))
        }
        Some("start") => {
            let size = query.number("file_size")?.filter(|size| *size > 0);
            let size = size.ok_or_else(|| ApiError::parameter("file_size is missing"))? as u64;
            world.videos.push(Video { title, size, received: 0, finished: false, looks: 0 });
            let index = world.videos.len() - 1;
            let end = CHUNK.min(size);
            Ok(
                json!({"upload_session_id": id(index), "video_id": id(index), "start_offset": "0", "end_offset": end.to_string()}),
            )
        }
        Some(phase) => {
            let session = query.get("upload_session_id").and_then(|id| find_video(world, id));
            let index = session.ok_or_else(|| ApiError::parameter("there is no such upload_session_id"))?;
            let video = &mut world.videos[index];
            if phase == "finish" {
                if video.received < video.size {
                    return Err(ApiError::parameter("the video is not whole yet"));
                }
                video.finished = true;
                if !title.is_empty() {
                    video.title = title;
                }
                return Ok(json!({"success": true}));
            }
            let from = query.number("start_offset")?.unwrap_or(-1);
            if from != video.received as i64 {
                return Err(ApiError::parameter(&format!("the next piece begins at {}", video.received)));
            }
            let piece = parameters.iter().find(|(name, value)| name == "video_file_chunk" && is_file(value));
            let length: u64 = piece.and_then(|(_, value)| value.split(':').nth(1)?.parse().ok()).unwrap_or(0);
            if length == 0 || length > CHUNK {
                return Err(ApiError::parameter("video_file_chunk is missing or too large"));
            }
            video.received = (video.received + length).min(video.size);
            let end = (video.received + CHUNK).min(video.size);
            Ok(json!({"start_offset": video.received.to_string(), "end_offset": end.to_string()}))
        }
    }
}

pub(crate) fn find_video(world: &World, id: &str) -> Option<usize> {
    let index = id.parse::<u64>().ok()?.checked_sub(VIDEO_IDS)? as usize;
    (index < world.videos.len()).then_some(index)
}

/// A video as it is seen; it is processed after some looks.
pub(crate) fn show_video(world: &mut World, index: usize) -> Value {
    let video = &mut world.videos[index];
    video.looks += 1;
    let status = match (video.finished, video.looks > LOOKS_UNTIL_READY) {
        (true, true) => "ready",
        (true, false) => "processing",
        (false, _) => "uploading",
    };
    json!({"id": (VIDEO_IDS + index as u64).to_string(), "title": video.title,
        "picture": "https://shop.example/picture.jpg", "status": {"video_status": status}})
}

/// A creative: an existing post, or a page's story with a link or a video.
pub(crate) fn creative(world: &mut World, query: &Query<'_>) -> Result<Value, ApiError> {
    let name = query.get("name").unwrap_or("Creative").to_string();
    if query.get("instagram_actor_id").is_some() {
        return Err(ApiError::parameter("instagram_actor_id is deprecated: use instagram_user_id"));
    }
    let look = match (query.get("object_story_id"), query.get("object_story_spec")) {
        (Some(post), None) => Look { post: Some(post.into()), spec: None, instagram: None },
        (None, Some(spec)) => {
            let spec: Value =
                serde_json::from_str(spec).map_err(|_| ApiError::parameter("object_story_spec is no JSON"))?;
            story(world, &spec)?;
            let instagram = spec["instagram_user_id"].as_str().map(String::from);
            Look { post: None, spec: Some(spec), instagram }
        }
        _ => return Err(ApiError::parameter("a creative needs object_story_id or object_story_spec")),
    };
    let index = world.new_creative(name, look);
    Ok(json!({"id": world.creatives[index].id.to_string()}))
}

/// What is wrong with a page's story.
fn story(world: &World, spec: &Value) -> Result<(), ApiError> {
    let missing = |what: &str| ApiError::parameter(&format!("object_story_spec needs {what}"));
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if !text(&spec["page_id"]) {
        return Err(missing("page_id"));
    }
    if !spec["instagram_actor_id"].is_null() {
        return Err(ApiError::parameter("instagram_actor_id is deprecated: use instagram_user_id"));
    }
    let known_image = |hash: &Value| hash.as_str().is_some_and(|hash| world.images.contains(hash));
    let (link, video) = (&spec["link_data"], &spec["video_data"]);
    let (button, url) = match (link.is_object(), video.is_object()) {
        (true, false) => {
            if !text(&link["picture"]) && !known_image(&link["image_hash"]) {
                return Err(missing("an image that was uploaded"));
            }
            (&link["call_to_action"], &link["link"])
        }
        (false, true) => {
            let known = video["video_id"].as_str().and_then(|id| find_video(world, id));
            let known = known.ok_or_else(|| missing("a video that was uploaded"))?;
            if world.videos[known].looks <= LOOKS_UNTIL_READY {
                return Err(ApiError::new(100, "(#100) The video is not ready for use in an ad yet"));
            }
            if !text(&video["image_url"]) && !known_image(&video["image_hash"]) {
                return Err(missing("a thumbnail"));
            }
            (&video["call_to_action"], &video["call_to_action"]["value"]["link"])
        }
        _ => return Err(missing("link_data or video_data")),
    };
    if !text(url) {
        return Err(missing("a link"));
    }
    let kind = button["type"].as_str().unwrap_or("NO_BUTTON");
    if !CALLS_TO_ACTION.contains(&kind) {
        return Err(ApiError::parameter(&format!("{kind} is no call to action")));
    }
    Ok(())
}

/// An ad of a creative in an ad set.
pub(crate) fn ad(world: &mut World, query: &Query<'_>) -> Result<Value, ApiError> {
    let missing = |what: &str| ApiError::parameter(&format!("an ad needs {what}"));
    let name = query.get("name").ok_or_else(|| missing("name"))?.to_string();
    let adset = query.get("adset_id").and_then(|id| id.parse::<u64>().ok());
    let adset = world.adsets.iter().position(|a| Some(a.id) == adset && a.status != Status::Deleted);
    let adset = adset.ok_or_else(|| missing("the adset_id of an ad set of this account"))?;
    if !world.standing.dsa {
        return Err(ApiError::parameter("ads in the European Union need dsa_payor and dsa_beneficiary"));
    }
    let given = query.get("creative").unwrap_or_default();
    let given: Value = serde_json::from_str(given).unwrap_or_else(|_| json!({"creative_id": given}));
    let id = given["creative_id"].as_str().or_else(|| given["id"].as_str()).and_then(|id| id.parse::<u64>().ok());
    let creative = world.creatives.iter().position(|c| Some(c.id) == id);
    let creative = creative.ok_or_else(|| missing("the creative_id of a creative of this account"))?;
    let status = query.get("status").unwrap_or("PAUSED");
    let status = Status::parse(status).ok_or_else(|| ApiError::parameter(&format!("status {status} is none")))?;
    let index = world.launch(adset, creative, name, status);
    Ok(json!({"id": world.ads[index].id.to_string()}))
}
