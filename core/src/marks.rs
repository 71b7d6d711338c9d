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
        if self.rows.room() == 0 {
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
