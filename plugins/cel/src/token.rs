//! From text to tokens, each with the place where it begins.

use alloc::{format, string::String, vec::Vec};

/// What is wrong with an expression, and where: a position in characters, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SyntaxError {
    /// Where it begins.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it, or empty.
    pub hint: String,
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Number(f64),
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// A token with the bytes that it stands on.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// Longer signs before the shorter ones that they begin with.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", "[", "]", ",", ".", "?", ":",
];

/// Signs that other languages have, with what is meant here.
const STRANGE: [(&str, &str); 5] = [
    ("&", "write && for and"),
    ("|", "write || for or"),
    ("=", "write == to compare"),
    ("^", "there are no powers; multiply"),
    ("{", "an expression has no blocks"),
];

pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = one(text, at, first)?;
        tokens.push(Placed { token, start: at, end: at + length });
        at += length;
    }
    tokens.push(Placed { token: Token::End, start: text.len(), end: text.len() });
    Ok(tokens)
}

fn one(text: &str, at: usize, first: char) -> Result<(Token, usize), SyntaxError> {
    let rest = &text[at..];
    if first.is_ascii_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        return Ok((Token::Name(rest[..length].into()), length));
    }
    if first.is_ascii_digit() {
        return number(text, at);
    }
    if first == '"' || first == '\'' {
        return quoted(text, at, first);
    }
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let strange = STRANGE.iter().find(|(sign, _)| rest.starts_with(*sign));
    let hint = strange.map_or("", |(_, hint)| hint);
    Err(error(text, at, format!("{first:?} means nothing here"), hint))
}

/// 12, 1_000, 0.5, 1e3.
fn number(text: &str, at: usize) -> Result<(Token, usize), SyntaxError> {
    let rest = &text[at..];
    let mut length = 0;
    let bytes = rest.as_bytes();
    while let Some(byte) = bytes.get(length) {
        let exponent = matches!(byte, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent) {
            break;
        }
        length += 1;
    }
    let written: String = rest[..length].chars().filter(|c| *c != '_').collect();
    match written.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((Token::Number(value), length)),
        _ => Err(error(text, at, format!("{} is no number", &rest[..length]), "write it like 12, 0.5 or 1e3")),
    }
}

fn quoted(text: &str, at: usize, quote: char) -> Result<(Token, usize), SyntaxError> {
    let mut value = String::new();
    let mut escaped = false;
    for (i, c) in text[at + 1..].char_indices() {
        match c {
            _ if escaped => {
                value.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '\\' | '"' | '\'' => c,
                    _ => {
                        let message = format!("\\{c} stands for nothing in a text");
                        return Err(error(text, at + i, message, "write the character itself, and a backslash twice"));
                    }
                });
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => return Ok((Token::Text(value), i + 2)),
            _ => value.push(c),
        }
    }
    Err(error(text, at, "this text does not end".into(), "close it with the quote that it begins with"))
}

/// An error at a byte of the text.
pub(crate) fn error(text: &str, at: usize, message: String, hint: &str) -> SyntaxError {
    SyntaxError { at: text[..at].chars().count() + 1, message, hint: hint.into() }
}
