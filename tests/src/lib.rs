//! What the end-to-end tests share: a simulated account behind HTTP with Dean on it, processes that die, and
//! guests made of WebAssembly text.

pub mod account;
pub mod ends;
pub mod guest;
pub mod mortal;
