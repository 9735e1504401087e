//! A table out of a file: any line end, any of the usual separators, UTF-8 or UTF-16, columns found by name.

use super::ImportError;
use std::path::{Path, PathBuf};

/// A table with its header.
#[derive(Debug)]
pub(super) struct Sheet {
    file: PathBuf,
    header: Vec<String>,
    /// Rows with the line that each begins on.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Files beyond this are no export of a person.
const LARGEST: u64 = 512 << 20;

impl Sheet {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no table.
    pub(super) fn read(file: &Path) -> Result<Self, ImportError> {
        let unreadable = |reason: String| ImportError::Unreadable { file: file.into(), reason };
        let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
        if size > LARGEST {
            return Err(unreadable(format!("it has {} MB; at most {} are read", size >> 20, LARGEST >> 20)));
        }
        let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
        let text = decode(&bytes).ok_or_else(|| unreadable("it is neither UTF-8 nor UTF-16 text".into()))?;
        let first = text.split(['\r', '\n']).find(|line| !line.trim().is_empty()).unwrap_or_default();
        // The reader takes CR, LF and CRLF alike for the end of a line.
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator(first)).flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| unreadable(error.to_string()))?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_string()).collect();
        if header.iter().all(String::is_empty) {
            return Err(unreadable("it has no header".into()));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            if record.len() != header.len() {
                let reason = format!("line {line} has {} fields, and the header {}", record.len(), header.len());
                return Err(unreadable(reason));
            }
            rows.push((line, record.iter().map(|field| field.trim().to_string()).collect()));
        }
        Ok(Sheet { file: file.into(), header, rows })
    }

    /// The position of the first column with one of some names, whatever their case.
    pub(super) fn find(&self, names: &[&'static str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }

    /// The position of a column that has to be there.
    pub(super) fn need(
        &self,
        what: &'static str,
        names: &[&'static str],
        hint: &'static str,
    ) -> Result<usize, ImportError> {
        self.find(names).ok_or_else(|| self.lacks(what, names, hint))
    }

    /// Says that a column is not there.
    pub(super) fn lacks(&self, what: &'static str, names: &[&'static str], hint: &'static str) -> ImportError {
        let (known, found) = (names.to_vec(), self.header.iter().map(|name| format!("{name:?}")).collect());
        ImportError::Column { file: self.file.clone(), what, known, found, hint }
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// Text of bytes: UTF-8 with or without a mark, or UTF-16 with one, as spreadsheets write it.
fn decode(bytes: &[u8]) -> Option<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// What parts the fields of a header: whichever of the usual marks it has most of, outside of quotes.
fn separator(header: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        counts.iter_mut().filter(|(mark, _)| !quoted && *mark == byte).for_each(|(_, count)| *count += 1);
    }
    // Of equally many the first: a comma.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(mark, _)| mark)
}
