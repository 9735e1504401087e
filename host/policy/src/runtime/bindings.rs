//! The generated types of `wit/policy.wit`, the one place that generates them for the host.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "stage-policy",
    require_store_data_send: true,
});
