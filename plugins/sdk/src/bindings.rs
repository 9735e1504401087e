//! The generated types of `wit/policy.wit`, the one place that generates them for guests.

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "stage-policy",
    pub_export_macro: true,
    default_bindings_module: "dean_policy_sdk::bindings",
    export_macro_name: "export",
    additional_derives: [PartialEq],
});

pub use dean::policy::{log, types};
pub use exports::dean::policy::policy::Guest;
