//! Counts what Rust code allocates, so that a run can say how much it held at its peak.
//!
//! `main.rs` makes it the program's allocator; `run.rs` asks it. What C libraries take (SQLite, zstd) is not seen. Where a
//! run asks for far more than any input may, it gets nothing, and the program ends before the machine suffers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator with a count.
pub struct Counting;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

/// More than this is refused; Rust then aborts.
const MOST_BYTES: usize = 1 << 30;

/// Starts a measurement: what is held now, in bytes.
pub fn begin() -> usize {
    let held = HELD_BYTES.load(Relaxed);
    PEAK_BYTES.store(held, Relaxed);
    held
}

/// The most that was held at once since [`begin`], in bytes, beyond what it returned.
pub fn peak_since(begun: usize) -> usize {
    PEAK_BYTES.load(Relaxed).saturating_sub(begun)
}

/// Takes note of an allocation; `false` when it is too much.
fn take(bytes: usize) -> bool {
    let held = HELD_BYTES.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if held > MOST_BYTES {
        HELD_BYTES.fetch_sub(bytes, Relaxed);
        return false;
    }
    PEAK_BYTES.fetch_max(held, Relaxed);
    true
}

// SAFETY: passes every call on to the system's allocator unchanged, or answers that there is no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !take(new_size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps `realloc`'s contract.
        let moved = unsafe { System.realloc(pointer, layout, new_size) };
        HELD_BYTES.fetch_sub(if moved.is_null() { new_size } else { layout.size() }, Relaxed);
        moved
    }
}
