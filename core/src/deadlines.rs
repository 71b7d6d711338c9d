//! Which slot's deadline comes first. Knows slots and moments, not what is due.

use crate::shelf::{Full, Shelf};
use crate::time::Instant;

const NOWHERE: u32 = u32::MAX;

/// A binary heap of at most one moment per slot, so that it is never larger than the table of slots.
pub(crate) struct Deadlines<'m> {
    pub(crate) heap: Shelf<'m, (Instant, u32)>,
    /// Where a slot stands in the heap.
    pub(crate) places: Shelf<'m, u32>,
}

impl Deadlines<'_> {
    /// Makes room for one more slot than before.
    pub(crate) fn grow(&mut self) -> Result<(), Full> {
        self.places.push(NOWHERE)
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|&(at, _)| at)
    }

    /// The first slot whose moment has come. It stays until it is set again.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        self.heap.first().filter(|&&(at, _)| at <= now).map(|&(_, slot)| slot as usize)
    }

    /// O(log slots).
    pub(crate) fn set(&mut self, slot: usize, at: Option<Instant>) {
        let mut place = self.places[slot] as usize;
        match at {
            Some(at) => {
                if self.places[slot] == NOWHERE {
                    place = self.heap.len();
                    self.heap.push((at, slot as u32)).expect("the heap has a row for each slot");
                    self.places[slot] = place as u32;
                }
                self.heap[place].0 = at;
            }
            None => {
                if self.places[slot] == NOWHERE {
                    return;
                }
                let last =
                    self.heap.pop().expect("a slot that stands in the heap fills a row of it");
                self.places[slot] = NOWHERE;
                if place == self.heap.len() {
                    return;
                }
                self.heap[place] = last;
                self.places[last.1 as usize] = place as u32;
            }
        }
        self.settle(place);
    }

    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place].0 < self.heap[(place - 1) / 2].0 {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let children = 2 * place + 1..self.heap.len().min(2 * place + 3);
            match children.min_by_key(|&child| self.heap[child].0) {
                Some(child) if self.heap[child].0 < self.heap[place].0 => {
                    self.swap(place, child);
                    place = child;
                }
                _ => return,
            }
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            let slot = self.heap[place].1 as usize;
            self.places[slot] = place as u32;
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    #[test]
    fn the_first_is_always_the_smallest_and_a_slot_stands_once() {
        let mut deadlines = Deadlines { heap: Shelf::Owned(vec![]), places: Shelf::Owned(vec![]) };
        let mut model = vec![None; 40];
        for _ in 0..40 {
            deadlines.grow().unwrap();
        }
        let mut seed = 1_u64;
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let slot = (seed >> 33) as usize % 40;
            let at = (!seed.is_multiple_of(3)).then(|| Instant::from_micros(seed >> 50));
            deadlines.set(slot, at);
            model[slot] = at;
            let left: Vec<Instant> = model.iter().flatten().copied().collect();
            assert_eq!(deadlines.first(), left.iter().min().copied());
            assert_eq!(deadlines.heap.len(), left.len());
        }
    }
}
