//! What a guest without std needs: an allocator, and a panic handler that tells the host where.

use crate::bindings::log;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Without this a panic would reach the host as a bare `unreachable`.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    log::write(log::Level::Warn, &alloc::format!("{info}"));
    core::arch::wasm32::unreachable()
}
