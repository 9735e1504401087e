//! The generated types of `wit/policy.wit`, the one place that generates them for the host.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "stage-policy",
    require_store_data_send: true,
});

/// A next version that exists for a test only: it shares every type, and differs in what `decide` says when it cannot.
#[cfg(feature = "next")]
pub(super) mod next {
    wasmtime::component::bindgen!({
        path: ["../../wit", "tests/next"],
        world: "dean:policy/stage-policy@0.2.0",
        require_store_data_send: true,
        with: {
            "dean:policy/types@0.1.0": super::dean::policy::types,
            "dean:policy/log@0.1.0": super::dean::policy::log,
        },
    });
}
