//! One call of a policy: an instance of its own with every limit set, and what it cost.

use super::contract::log;
use super::{Fault, Limits, TICK};
use wasmtime::{Engine, ResourceLimiter, Store, Trap};

/// What the host keeps for one instance.
pub(super) struct State {
    limits: Limits,
    pub log: Vec<String>,
    dropped: usize,
    pub memory_bytes: usize,
    memory_refused: bool,
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        if self.log.len() >= self.limits.log_lines {
            self.dropped += 1;
            return;
        }
        let end = message.floor_char_boundary(self.limits.log_line_bytes);
        let line: String = message[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match level {
            log::Level::Debug => tracing::debug!(target: "policy", "{line}"),
            log::Level::Info => tracing::info!(target: "policy", "{line}"),
            log::Level::Warn => tracing::warn!(target: "policy", "{line}"),
        }
        self.log.push(line);
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // All memories of the instance together; none ever shrinks.
        let together = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let allowed = together <= self.limits.memory_bytes;
        if allowed {
            self.memory_bytes = together;
        } else {
            self.memory_refused = true;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= max.unwrap_or(20_000).min(20_000))
    }
}

/// One call: a store with every limit set, and the instance in it.
pub(super) struct Call {
    pub store: Store<State>,
    limits: Limits,
    pub instantiating: bool,
}

impl Call {
    pub(super) fn new(engine: &Engine, limits: Limits, rows: usize) -> Self {
        let state = State { limits, log: Vec::new(), dropped: 0, memory_bytes: 0, memory_refused: false };
        let mut store = Store::new(engine, state);
        store.limiter(|state| state);
        // One tick more than the deadline: the first may come at once.
        let ticks = limits.deadline.as_millis().div_ceil(TICK.as_millis()) as u64 + 1;
        store.set_epoch_deadline(ticks);
        // An engine that counts instructions always has fuel.
        let _ = store.set_fuel(limits.instructions);
        store.set_hostcall_fuel(limits.answer_bytes + rows * limits.answer_bytes_per_row);
        Call { store, limits, instantiating: true }
    }

    /// Makes an instance and asks it.
    pub(super) fn run<G, T>(
        &mut self,
        instantiate: impl FnOnce(&mut Store<State>) -> wasmtime::Result<G>,
        ask: impl FnOnce(&G, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.instantiating = true;
        let result = instantiate(&mut self.store).and_then(|guest| {
            self.instantiating = false;
            ask(&guest, &mut self.store)
        });
        let state = self.store.data();
        if state.dropped > 0 {
            tracing::warn!(target: "policy", "{} more log lines were dropped", state.dropped);
        }
        result.map_err(|error| self.classify(&error))
    }

    pub(super) fn instructions(&self) -> u64 {
        self.store.get_fuel().map_or(0, |left| self.limits.instructions.saturating_sub(left))
    }

    fn classify(&self, error: &wasmtime::Error) -> Fault {
        let state = self.store.data();
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Deadline(self.limits.deadline),
            Some(Trap::OutOfFuel) => Fault::Instructions(self.limits.instructions),
            // A guest that was refused memory usually panics next; the cause is what matters.
            _ if state.memory_refused => Fault::Memory(self.limits.memory_bytes),
            Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => Fault::Stack,
            Some(Trap::UnreachableCodeReached) => Fault::Panic(state.log.last().cloned()),
            Some(trap) => Fault::Trap(trap.to_string()),
            None if self.instantiating => Fault::Trap(format!("{error:#}")),
            None => Fault::Unreadable(format!("{error:#}")),
        }
    }
}
