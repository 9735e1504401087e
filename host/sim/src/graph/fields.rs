//! Field selections: `id,name,adset{id,daily_budget},insights.date_preset(today){spend}`.

use super::error::ApiError;

/// A parsed selection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Vec<Field>);

/// One field with its modifiers and its own selection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub name: String,
    pub modifiers: Vec<(String, String)>,
    pub inner: Option<Fields>,
}

impl Fields {
    /// Parses a selection; Meta answers a syntax error with code 2500.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        // The SDK may send a JSON list instead of a comma-separated text.
        if text.starts_with('[')
            && let Ok(names) = serde_json::from_str::<Vec<String>>(text)
        {
            return Fields::parse(&names.join(","));
        }
        let mut parser = Parser { rest: text.trim() };
        let fields = parser.fields()?;
        if parser.rest.is_empty() { Ok(fields) } else { Err(syntax(parser.rest)) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|field| field.name.as_str())
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn fields(&mut self) -> Result<Fields, ApiError> {
        let mut fields = Vec::new();
        loop {
            self.skip_space();
            fields.push(self.field()?);
            self.skip_space();
            if !self.take(',') {
                return Ok(Fields(fields));
            }
        }
    }

    fn field(&mut self) -> Result<Field, ApiError> {
        let name = self.word()?.to_string();
        let mut modifiers = Vec::new();
        while self.take('.') {
            let modifier = self.word()?.to_string();
            if !self.take('(') {
                return Err(syntax(self.rest));
            }
            modifiers.push((modifier, self.until_closed()?.to_string()));
        }
        let inner = if self.take('{') {
            let inner = self.fields()?;
            if !self.take('}') {
                return Err(syntax(self.rest));
            }
            Some(inner)
        } else {
            None
        };
        Ok(Field { name, modifiers, inner })
    }

    fn word(&mut self) -> Result<&'a str, ApiError> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return Err(syntax(self.rest));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn until_closed(&mut self) -> Result<&'a str, ApiError> {
        let mut depth = 1;
        for (i, c) in self.rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inside = &self.rest[..i];
                self.rest = &self.rest[i + 1..];
                return Ok(inside);
            }
        }
        Err(syntax(self.rest))
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

fn syntax(rest: &str) -> ApiError {
    ApiError::new(2500, &format!("Syntax error \"Expected name.\" at: {rest:?}"))
}
