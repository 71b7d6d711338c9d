//! Rows that want attention once, in the order in which they were marked. Knows numbers only.

use crate::shelf::Shelf;

/// A queue whose rows carry their own "is marked" flag; it never holds a row twice.
pub(crate) struct Marks<'m> {
    rows: Shelf<'m, u32>,
    next: usize,
}

impl<'m> Marks<'m> {
    /// `rows` has room for every row that could be marked at once.
    pub(crate) fn new(rows: Shelf<'m, u32>) -> Self {
        Self { rows, next: 0 }
    }

    #[inline]
    pub(crate) fn mark(&mut self, row: usize, marked: &mut bool) {
        if *marked {
            return;
        }
        *marked = true;
        // A queue that is never empty does not grow with what went through it.
        if self.rows.room() == 0 || self.next > self.rows.len() / 2 {
            self.rows.discard_front(self.next);
            self.next = 0;
        }
        self.rows
            .push(row as u32)
            .expect("marked rows are distinct, and there is room for all of them");
    }

    /// The caller takes the flag off the row.
    #[inline]
    pub(crate) fn poll(&mut self) -> Option<usize> {
        let row = self.rows.get(self.next).copied();
        match row {
            Some(_) => self.next += 1,
            None => {
                self.rows.truncate(0);
                self.next = 0;
            }
        }
        row.map(|row| row as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.rows.len()
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut marks = Marks::new(Shelf::Owned(vec![]));
        let mut marked = [false; 4];
        marks.mark(0, &mut marked[0]);
        for row in (0..4).cycle().skip(1).take(1_000) {
            marks.mark(row, &mut marked[row]);
            let first = marks.poll().unwrap();
            assert_eq!((first + 1) % 4, row, "the order in which they were marked");
            marked[first] = false;
            assert!(marks.rows.len() <= 8);
        }
    }
}
