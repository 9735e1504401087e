//! The only wasmtime: an engine, its limits, and policies loaded into it.

mod bindings;
mod cache;
mod call;
mod contract;
mod convert;
mod fault;
mod load;
mod policy;
mod ticker;

pub use fault::{Fault, LoadError, PrepareError};
pub use policy::{Called, Cost, Policy};

use crate::artifact::Artifact;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What a policy may use in one call. Always on: there is no way to run a policy without them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Linear memory of the instance.
    pub memory_bytes: usize,
    /// Wall time of one call.
    pub deadline: Duration,
    /// WebAssembly instructions of one call: where this ends a call, it ends it at the same place on every machine.
    pub instructions: u64,
    /// What an answer may take in the host, before the cohort's size is added.
    pub answer_bytes: usize,
    /// What an answer may take for each ad.
    pub answer_bytes_per_row: usize,
    /// Log lines that are kept.
    pub log_lines: usize,
    /// Bytes of a log line that are kept.
    pub log_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // 10,000 ads of 100 columns arrive as 8 MB, and a JavaScript engine needs 20 MB to start.
            memory_bytes: 128 << 20,
            // A thousand ads take a Rust policy under a millisecond and a JavaScript one 0.1 s.
            deadline: Duration::from_secs(2),
            // More than the deadline leaves time for: who wants the cut-off to be the same everywhere lowers it.
            instructions: 50_000_000_000,
            answer_bytes: 1 << 20,
            // A traced ad answers some thirty checks of 40 bytes; this leaves room for ten times that.
            answer_bytes_per_row: 16 << 10,
            log_lines: 100,
            log_line_bytes: 2_000,
        }
    }
}

/// How often the clock of deadlines ticks: the deadline's precision.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Guests recurse little; what overflows this is runaway recursion.
const MAX_STACK_BYTES: usize = 512 << 10;

/// Calls that may run at one time: the workers of a large machine.
const MAX_CONCURRENT_CALLS: u32 = 64;

/// Core modules of one policy: a Rust one has one, an interpreter with what stands in for its WASI some dozens.
const CORE_INSTANCES: u32 = 64;

/// Memories of one policy; what they hold together is limited, however many there are.
const MEMORIES: u32 = 4;

/// An engine that loads and runs policies.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    limits: Limits,
    cache: Option<cache::Cache>,
    _ticker: Arc<ticker::Ticker>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).field("cache", &self.cache).finish()
    }
}

/// Memory of an instance that stays mapped between calls: what a batch of a thousand ads with all of
/// their checks needs. Without it every call takes its pages from the kernel anew, which was half of the
/// time of a decision.
const RESIDENT_BYTES: usize = 4 << 20;

impl Runtime {
    /// Starts an engine. `cache` is a folder for compiled policies that only this user may write.
    ///
    /// # Errors
    /// When the machine cannot reserve the address space or start the ticking thread.
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Self, LoadError> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(MAX_CONCURRENT_CALLS)
            .total_core_instances(MAX_CONCURRENT_CALLS * CORE_INSTANCES)
            .total_memories(MAX_CONCURRENT_CALLS * MEMORIES)
            .total_tables(MAX_CONCURRENT_CALLS * CORE_INSTANCES)
            .max_memory_size(limits.memory_bytes)
            .linear_memory_keep_resident(RESIDENT_BYTES)
            .pagemap_scan(Enabled::Auto)
            .table_elements(20_000)
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(CORE_INSTANCES);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .epoch_interruption(true)
            .consume_fuel(true)
            .max_wasm_stack(MAX_STACK_BYTES)
            .cranelift_nan_canonicalization(true)
            // Its results are those of the machine: what was decided on one could not be made again on another.
            .wasm_relaxed_simd(false)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).map_err(LoadError::engine)?;
        let ticker = Arc::new(ticker::Ticker::start(&engine, TICK).map_err(LoadError::ticker)?);
        let cache = cache.map(|folder| cache::Cache::new(folder, &engine));
        Ok(Runtime { engine, limits, cache, _ticker: ticker })
    }

    /// What was worked out of policies before.
    pub(crate) fn cache(&self) -> Option<&cache::Cache> {
        self.cache.as_ref()
    }

    /// Loads a policy: inspects, compiles (or takes the compiled form from the cache), links,
    /// instantiates once and asks who it is.
    ///
    /// # Errors
    /// A [`LoadError`] that says what the file is instead and how to mend it.
    pub fn load(&self, artifact: &Artifact) -> Result<Policy, LoadError> {
        load::load(&self.engine, self.limits, self.cache.as_ref(), artifact)
    }
}
