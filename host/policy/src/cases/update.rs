//! What cases expect, written anew as the policy answers now; everything else of a file stays as it is.

use super::read::{CaseError, parse};
use super::run::{Asked, Said};
use crate::runtime::Policy;
use toml_edit::{DocumentMut, Item, TableLike, Value as Toml};

/// The text of a case with what the policy says now in the place of what was expected. A question that cannot be
/// asked keeps what it expects.
///
/// # Errors
/// When the text is no case.
pub fn update(policy: &Policy, file: &str, text: &str) -> Result<String, CaseError> {
    let case = parse(file, text)?;
    let mut asked = Asked::new(policy);
    asked.learn(&case);
    let answers: Vec<Option<Said>> = case.whens.iter().map(|when| asked.ask(&case, when).ok()).collect();
    // What was read above is TOML.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(text.into()) };
    let mut answers = answers.into_iter();
    let mut write = |when: &mut dyn TableLike| {
        if let Some(Some(said)) = answers.next() {
            set(when, &said);
        }
    };
    if let Some(whens) = document.get_mut("when").and_then(Item::as_array_of_tables_mut) {
        whens.iter_mut().for_each(|when| write(when));
    } else if let Some(whens) = document.get_mut("when").and_then(Item::as_array_mut) {
        whens.iter_mut().filter_map(|when| when.as_inline_table_mut()).for_each(|when| write(when));
    }
    Ok(document.to_string())
}

/// Writes what was said into a `[[when]]`, touching only what differs.
fn set(when: &mut dyn TableLike, said: &Said) {
    let put = |when: &mut dyn TableLike, key: &str, new: Toml| match when.get_mut(key).and_then(Item::as_value_mut) {
        // With the comment that stands behind it.
        Some(was) => {
            let decor = was.decor().clone();
            *was = new;
            *was.decor_mut() = decor;
        }
        None => drop(when.insert(key, Item::Value(new))),
    };
    let text = |when: &dyn TableLike, key: &str| when.get(key).and_then(Item::as_str).map(str::to_string);
    if said.refused.is_none() && text(when, "then").as_deref() != Some(&said.then) {
        put(when, "then", said.then.as_str().into());
    }
    let amount =
        when.get("amount").and_then(Item::as_value).and_then(|v| v.as_float().or(v.as_integer().map(|n| n as f64)));
    match (amount, said.amount) {
        (Some(was), Some(is)) if (was - is).abs() > 5e-4 => put(when, "amount", is.into()),
        (Some(_), None) => drop(when.remove("amount")),
        _ => {}
    }
    for (key, is) in [("budget", &said.budget), ("refused", &said.refused)] {
        match is {
            Some(is) if text(when, key).as_ref() != Some(is) => put(when, key, is.as_str().into()),
            None if text(when, key).is_some() => drop(when.remove(key)),
            _ => {}
        }
    }
}
