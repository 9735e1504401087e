//! What the end-to-end tests share: a simulated account behind HTTP with Dean on it, and guests
//! made of WebAssembly text.

pub mod account;
pub mod guest;
