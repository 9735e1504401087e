//! A creative that waits to be launched: an existing post or creative, or media with text, link and call to action.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is launched. Exactly one of `post`, `creative`, `image`, `image_url`, `video` and `video_url` says what is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreativeSpec {
    /// The ad's name: no other ad of the account has it.
    pub name: String,
    /// A post that is there: `PAGE_POST`. An ad of it keeps its likes and comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// A creative that is there, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creative: Option<String>,
    /// An image file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// An image's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// A video file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// A video's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_url: Option<String>,
    /// The text above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The line below the headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it leads; the store otherwise (`account.store_url`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The button: `SHOP_NOW` and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_to_action: Option<String>,
    /// What is added to the link: `utm_source=meta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_tags: Option<String>,
    /// What it is like, in words: creatives that share them are held to be alike.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Who new ads speak for, and where they lead unless they say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// The page.
    pub page_id: Option<String>,
    /// The Instagram account.
    pub instagram_user_id: Option<String>,
    /// The store.
    pub store_url: Option<String>,
}

/// What is seen of a creative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media<'a> {
    /// A post that is there.
    Post(&'a str),
    /// A creative that is there.
    Creative(&'a str),
    /// An image file.
    Image(&'a str),
    /// An image somewhere else.
    ImageUrl(&'a str),
    /// A video file.
    Video(&'a str),
    /// A video somewhere else.
    VideoUrl(&'a str),
}

/// Buttons that Meta knows and that make sense for a shop.
pub const CALLS_TO_ACTION: [&str; 12] = [
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
/// The longest name that Meta takes, less the marker of the ledger.
const LONGEST_NAME: usize = 300;

impl CreativeSpec {
    /// What is seen of it: `None` unless exactly one thing is named.
    #[must_use]
    pub fn media(&self) -> Option<Media<'_>> {
        let named = [
            self.post.as_deref().map(Media::Post),
            self.creative.as_deref().map(Media::Creative),
            self.image.as_deref().map(Media::Image),
            self.image_url.as_deref().map(Media::ImageUrl),
            self.video.as_deref().map(Media::Video),
            self.video_url.as_deref().map(Media::VideoUrl),
        ];
        let mut named = named.into_iter().flatten();
        named.next().filter(|_| named.next().is_none())
    }

    /// What is wrong with it, a sentence each.
    #[must_use]
    pub fn problems(&self, sender: &Sender) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_string());
            }
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let url = |text: &str| ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        require(!self.name.trim().is_empty(), "it has no name");
        require(self.name.chars().count() <= LONGEST_NAME, "its name is longer than 300 characters");
        require(!self.name.contains("[dean:"), "its name holds [dean:, which marks what was made here");
        let Some(media) = self.media() else {
            let what = "name one of post, creative, image, image_url, video and video_url, and no two";
            problems.push(format!("it does not say what is seen: {what}"));
            return problems;
        };
        match media {
            Media::Post(post) => {
                let parts = post.split_once('_');
                require(
                    parts.is_some_and(|(page, id)| digits(page) && digits(id)),
                    "post has to be PAGE_POST, both digits",
                );
            }
            Media::Creative(id) => require(digits(id), "creative has to be an id, which is digits"),
            Media::ImageUrl(at) | Media::VideoUrl(at) => {
                require(url(at), "the address of its media begins with no https://")
            }
            Media::Image(_) | Media::Video(_) => {}
        }
        if matches!(media, Media::Post(_) | Media::Creative(_)) {
            let others = [&self.text, &self.title, &self.description, &self.link, &self.call_to_action];
            require(others.iter().all(|o| o.is_none()), "what is there already brings its own text, link and button");
            return problems;
        }
        require(sender.page_id.is_some(), "no page speaks for it: set FB_PAGE_ID or account.page_id");
        match self.link.as_deref().or(sender.store_url.as_deref()) {
            None => require(false, "it leads nowhere: give it a link, or set STORE_URL"),
            Some(link) => require(url(link), "its link begins with no https://"),
        }
        let button = self.call_to_action.as_deref().unwrap_or("SHOP_NOW");
        if !CALLS_TO_ACTION.contains(&button) {
            problems.push(format!("{button} is no call to action; there are {}", CALLS_TO_ACTION.join(", ")));
        }
        problems
    }

    /// Meta's parameters of the creative, its name aside. `image` is the hash of an uploaded image; `video` the id of
    /// an uploaded video with the address of its thumbnail.
    #[must_use]
    pub fn parameters(&self, sender: &Sender, image: Option<&str>, video: Option<(&str, &str)>) -> Value {
        let mut parameters = json!({});
        if let Some(tags) = &self.url_tags {
            parameters["url_tags"] = json!(tags);
        }
        if let Some(post) = &self.post {
            parameters["object_story_id"] = json!(post);
            return parameters;
        }
        let link = self.link.as_deref().or(sender.store_url.as_deref()).unwrap_or_default();
        let button = self.call_to_action.as_deref().unwrap_or("SHOP_NOW");
        let button = json!({"type": button, "value": {"link": link}});
        let mut story = json!({"page_id": sender.page_id});
        if let Some(instagram) = &sender.instagram_user_id {
            story["instagram_user_id"] = json!(instagram);
        }
        let (kind, mut data) = match video {
            Some((id, thumbnail)) => ("video_data", json!({"video_id": id, "image_url": thumbnail})),
            None => ("link_data", json!({"link": link})),
        };
        data["call_to_action"] = button;
        let texts = match kind {
            "video_data" => [("message", &self.text), ("title", &self.title), ("link_description", &self.description)],
            _ => [("message", &self.text), ("name", &self.title), ("description", &self.description)],
        };
        for (key, text) in texts {
            if let Some(text) = text {
                data[key] = json!(text);
            }
        }
        match (image, &self.image_url) {
            (Some(hash), _) => data["image_hash"] = json!(hash),
            (None, Some(at)) => data["picture"] = json!(at),
            (None, None) => {}
        }
        story[kind] = data;
        parameters["object_story_spec"] = json!(story.to_string());
        parameters
    }

    /// What it is like: its tags, the words of its name, and its kind.
    #[must_use]
    pub fn likeness(&self) -> BTreeSet<String> {
        let mut words = words_of(&self.name);
        words.extend(self.tags.iter().map(|tag| tag.trim().to_lowercase()));
        match self.media() {
            Some(Media::Video(_) | Media::VideoUrl(_)) => words.insert("video".into()),
            Some(Media::Image(_) | Media::ImageUrl(_)) => words.insert("image".into()),
            _ => false,
        };
        words
    }
}

/// The words of a name, without numbers, which tell versions apart and not kinds.
#[must_use]
pub fn words_of(name: &str) -> BTreeSet<String> {
    let words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.filter(|word| word.len() > 1 && !word.bytes().all(|byte| byte.is_ascii_digit())).collect()
}
