//! Creatives to launch, out of TOML, CSV, or rows of Supabase. A list is taken whole or not at all.

use super::sheet::Sheet;
use super::{ImportError, wrong_lines};
use crate::domain::{CreativeSpec, Media, Sender};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Columns of a CSV and fields of a row, each with other names that it may have.
const FIELDS: [(&str, &[&str]); 14] = [
    ("name", &["name", "ad_name", "creative_name"]),
    ("post", &["post", "object_story_id", "post_id"]),
    ("creative", &["creative", "creative_id"]),
    ("image", &["image", "image_file"]),
    ("image_url", &["image_url"]),
    ("video", &["video", "video_file"]),
    ("video_url", &["video_url"]),
    ("text", &["text", "primary_text", "body", "message"]),
    ("title", &["title", "headline"]),
    ("description", &["description"]),
    ("link", &["link", "link_url", "destination_url"]),
    ("call_to_action", &["call_to_action", "cta"]),
    ("url_tags", &["url_tags"]),
    ("tags", &["tags", "angle"]),
];
/// Largest files that Meta takes.
const LARGEST_IMAGE: u64 = 30 << 20;
const LARGEST_VIDEO: u64 = 4 << 30;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    creative: Vec<toml::Spanned<CreativeSpec>>,
}

/// Reads creatives from a file: `.csv`, else TOML. Paths of media are taken from the file's folder.
///
/// # Errors
/// When the file is neither, or one of its creatives cannot be launched: then none is taken.
pub fn creatives(file: &Path, sender: &Sender) -> Result<Vec<CreativeSpec>, ImportError> {
    let is_csv = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let mut read = if is_csv { of_csv(file)? } else { of_toml(file)? };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut problems = Vec::new();
    for (line, spec) in &mut read {
        let files = [(&mut spec.image, LARGEST_IMAGE), (&mut spec.video, LARGEST_VIDEO)];
        for (path, largest) in files.into_iter().filter_map(|(path, largest)| Some((path.as_mut()?, largest))) {
            let whole = folder.join(path.as_str());
            match std::fs::metadata(&whole) {
                Err(error) => problems.push(format!("line {line}: {}: {error}", whole.display())),
                Ok(data) if data.len() > largest => {
                    let (size, most) = (data.len() >> 20, largest >> 20);
                    problems.push(format!("line {line}: {} has {size} MB, and Meta takes {most}", whole.display()));
                }
                Ok(_) => *path = whole.canonicalize().unwrap_or(whole).display().to_string(),
            }
        }
    }
    problems.extend(wrong(&read, sender));
    match wrong_lines(file, problems) {
        Some(error) => Err(error),
        None => Ok(read.into_iter().map(|(_, spec)| spec).collect()),
    }
}

/// Creatives of rows such as Supabase sends. Fields that are none of ours are left alone.
///
/// # Errors
/// When one of them cannot be launched: then none is taken.
pub fn creatives_of_rows(table: &str, rows: &[Value], sender: &Sender) -> Result<Vec<CreativeSpec>, ImportError> {
    let mut read = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| row[*name].as_str());
            found.map(str::trim).filter(|text| !text.is_empty()).map(String::from)
        };
        let mut spec = build(&text);
        if let Some(tags) = row["tags"].as_array() {
            spec.tags = tags.iter().filter_map(|tag| tag.as_str().map(String::from)).collect();
        }
        read.push((at as u64 + 1, spec));
    }
    let mut problems = wrong(&read, sender);
    for (line, spec) in &read {
        if matches!(spec.media(), Some(Media::Image(_) | Media::Video(_))) {
            problems.push(format!("line {line}: files are not in a table: give image_url or video_url"));
        }
    }
    match wrong_lines(&PathBuf::from(table), problems) {
        Some(error) => Err(error),
        None => Ok(read.into_iter().map(|(_, spec)| spec).collect()),
    }
}

fn of_toml(file: &Path) -> Result<Vec<(u64, CreativeSpec)>, ImportError> {
    let unreadable = |reason: String| ImportError::Unreadable { file: file.into(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    let list: List = toml::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if list.creative.is_empty() {
        return Err(unreadable("it has no [[creative]]".into()));
    }
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() as u64 + 1;
    Ok(list.creative.into_iter().map(|spec| (line(spec.span().start), spec.into_inner())).collect())
}

fn of_csv(file: &Path) -> Result<Vec<(u64, CreativeSpec)>, ImportError> {
    let sheet = Sheet::read(file)?;
    const HINT: &str = "the first line names the columns; `dean queue add --help` lists them";
    sheet.need("the ad's name", FIELDS[0].1, HINT)?;
    let known = |column: &String| FIELDS.iter().any(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(column)));
    if let Some(unknown) = sheet.header().iter().find(|column| !known(column)) {
        let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let reason = format!("nothing reads its column {unknown:?}; there are {}", names.join(", "));
        return Err(ImportError::Unreadable { file: file.into(), reason });
    }
    let read = |(line, row): &(u64, Vec<String>)| {
        let text = |names: &[&'static str]| {
            let found = sheet.find(names).map(|at| row[at].as_str());
            found.filter(|text| !text.is_empty()).map(String::from)
        };
        (*line, build(&text))
    };
    Ok(sheet.rows.iter().map(read).collect())
}

/// A creative of texts by name.
fn build(text: &dyn Fn(&[&'static str]) -> Option<String>) -> CreativeSpec {
    let of = |field: &str| FIELDS.iter().find(|(name, _)| *name == field).and_then(|(_, names)| text(names));
    CreativeSpec {
        name: of("name").unwrap_or_default(),
        post: of("post"),
        creative: of("creative"),
        image: of("image"),
        image_url: of("image_url"),
        video: of("video"),
        video_url: of("video_url"),
        text: of("text"),
        title: of("title"),
        description: of("description"),
        link: of("link"),
        call_to_action: of("call_to_action").map(|button| button.to_ascii_uppercase().replace(' ', "_")),
        url_tags: of("url_tags"),
        tags: of("tags")
            .map(|tags| tags.split([',', ';', '|']).map(|tag| tag.trim().into()).collect())
            .unwrap_or_default(),
    }
}

/// What is wrong with creatives, and with two of one name.
fn wrong(read: &[(u64, CreativeSpec)], sender: &Sender) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for (line, spec) in read {
        problems.extend(
            spec.problems(sender).into_iter().map(|problem| format!("line {line}: {:?}: {problem}", spec.name)),
        );
        if !names.insert(spec.name.trim().to_lowercase()) {
            problems.push(format!("line {line}: {:?} is the name of another creative of this list", spec.name));
        }
    }
    problems
}
