//! Writes down what came of a script, one event a line. Knows text, not where it goes.

use crate::player::Event;
use core::fmt::{self, Write};

/// Events as lines, and a hash of them at the end, so that a transcript that was cut off is none.
pub struct Transcript<W: Write> {
    out: W,
    hash: u64,
}

impl<W: Write> Transcript<W> {
    /// An empty page.
    pub const fn new(out: W) -> Self {
        Self { out, hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// The next event.
    ///
    /// # Errors
    /// Those of `W`.
    pub fn add(&mut self, event: Event<'_>) -> fmt::Result {
        writeln!(self, "{event:?}")
    }

    /// The last line: FNV-1a of all before it.
    ///
    /// # Errors
    /// Those of `W`.
    pub fn end(mut self) -> Result<W, fmt::Error> {
        writeln!(self.out, "hash {:016x}", self.hash)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Transcript<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.out.write_str(text)
    }
}
