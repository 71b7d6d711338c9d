//! An allocator that counts for each thread. Knows no server.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, and a count of what each thread asks of it.
///
/// A test binary that counts makes it the global one.
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// How often the calling thread has allocated, or grown what it had.
pub fn allocations() -> usize {
    ALLOCATIONS.get()
}

// SAFETY: everything is left to the system's allocator; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    // Growing an allocation comes by here, too: `realloc` is the provided one.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}
