//! Images and videos of the account's library, which creatives show.

use super::client::Client;
use super::errors::Error;
use super::http::FilePart;
use super::number::Number;
use serde::Deserialize;
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// Bytes of a video that go in one piece at most; Meta says for each piece how much it wants.
const LARGEST_PIECE: u64 = 8 << 20;
/// More pieces than this are a server that asks in a circle.
const MOST_PIECES: usize = 100_000;

/// A video of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Whether it can be shown: `Some(false)` means that it came to nothing, `None` that it is still being processed.
    pub ready: Option<bool>,
    /// The address of a picture of it.
    pub picture: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Images {
    images: std::collections::BTreeMap<String, Image>,
}

#[derive(Debug, Deserialize)]
struct Image {
    hash: String,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: super::number::Id,
}

#[derive(Debug, Deserialize)]
struct Started {
    upload_session_id: super::number::Id,
    video_id: super::number::Id,
    start_offset: Number,
    end_offset: Number,
}

#[derive(Debug, Deserialize)]
struct Next {
    start_offset: Number,
    end_offset: Number,
}

#[derive(Debug, Deserialize)]
struct VideoNode {
    #[serde(default)]
    status: Value,
    picture: Option<String>,
}

impl Client {
    /// Uploads an image; its hash. The same image has the same hash, so that repeating it is harmless.
    ///
    /// # Errors
    /// When it was refused, or no answer came.
    pub async fn upload_image(&self, name: &str, bytes: Arc<[u8]>) -> Result<String, Error> {
        let path = format!("{}/adimages", self.account_id());
        let file = FilePart { field: "filename".into(), name: name.into(), bytes };
        let images: Images = self.upload(&path, &[], Some(file)).await?;
        let hash = images.images.into_values().next().map(|image| image.hash);
        hash.ok_or_else(|| self.nothing_made(&path, "it names no image"))
    }

    /// Lets Meta fetch a video from an address; its id.
    ///
    /// # Errors
    /// When it was refused, or no answer came.
    pub async fn upload_video_from(&self, title: &str, url: &str) -> Result<String, Error> {
        let path = format!("{}/advideos", self.account_id());
        let made: Made = self.upload(&path, &[("title", title.into()), ("file_url", url.into())], None).await?;
        Ok(made.id.0)
    }

    /// Uploads a video piece by piece, as Meta asks for them, each read when it is sent; its id.
    ///
    /// # Errors
    /// When it was refused, no answer came, the file cannot be read, or Meta asks for what is not in it.
    pub async fn upload_video(&self, title: &str, mut file: std::fs::File) -> Result<String, Error> {
        let path = format!("{}/advideos", self.account_id());
        let phase = |phase: &str| ("upload_phase", phase.to_string());
        let size = file.metadata().map_err(|error| self.nothing_made(&path, &error.to_string()))?.len();
        let begin = [phase("start"), ("file_size", size.to_string())];
        let started: Started = self.upload(&path, &begin, None).await?;
        let session = ("upload_session_id", started.upload_session_id.0);
        let place = |number: &Number| number.whole().and_then(|at| u64::try_from(at).ok());
        let mut next = place(&started.start_offset).zip(place(&started.end_offset));
        for _ in 0..MOST_PIECES {
            let wrong = || self.nothing_made(&path, "it asks for a piece that is not there");
            let (from, to) = next.ok_or_else(wrong)?;
            if from == to {
                let end = [phase("finish"), session, ("title", title.to_string())];
                let _: Value = self.upload(&path, &end, None).await?;
                return Ok(started.video_id.0);
            }
            let length = to.min(size).saturating_sub(from).min(LARGEST_PIECE);
            let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
            let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut piece));
            read.map_err(|error| self.nothing_made(&path, &error.to_string()))?;
            if piece.is_empty() {
                return Err(wrong());
            }
            let part = FilePart { field: "video_file_chunk".into(), name: "piece".into(), bytes: piece.into() };
            let params = [phase("transfer"), session.clone(), ("start_offset", from.to_string())];
            let answer: Next = self.upload(&path, &params, Some(part)).await?;
            next = place(&answer.start_offset).zip(place(&answer.end_offset));
        }
        Err(self.nothing_made(&path, "its pieces do not end"))
    }

    /// Looks at a video.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn video(&self, id: &str) -> Result<Video, Error> {
        let node: VideoNode = self.look(id, &[("fields", "status,picture".into())]).await?;
        let ready = match node.status["video_status"].as_str() {
            Some("ready") => Some(true),
            Some("error" | "expired") => Some(false),
            _ => None,
        };
        Ok(Video { ready, picture: node.picture })
    }

    fn nothing_made(&self, path: &str, reason: &str) -> Error {
        Error::NotJson { what: format!("POST {path}"), status: 200, reason: reason.into(), start: String::new() }
    }
}
