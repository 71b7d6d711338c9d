//! Bytes on their way to one connection. Knows masks and pieces, not what the bytes mean.

use fastws_core::frame::mask;

/// What a socket has received and nobody has read yet.
pub(crate) struct Queue {
    bytes: [u8; 2048],
    from: usize,
    to: usize,
    /// Counts frames, so that each has a key of its own.
    frames: u8,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self { bytes: [0; 2048], from: 0, to: 0, frames: 0 };

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.to..][..bytes.len()].copy_from_slice(bytes);
        self.to += bytes.len();
    }

    /// A masked frame whose first byte is given, right or wrong.
    pub(crate) fn put_frame(&mut self, first: u8, payload: &[u8]) {
        self.frames = self.frames.wrapping_add(1);
        let key = [self.frames, 0x5a, self.frames.wrapping_mul(7), 0xa5];
        match payload.len() {
            len @ 0..=125 => self.put(&[first, 0x80 | len as u8]),
            len => self.put(&[first, 0x80 | 126, (len >> 8) as u8, len as u8]),
        }
        self.put(&key);
        self.put(payload);
        mask(&mut self.bytes[self.to - payload.len()..self.to], key, 0);
    }

    /// The next bytes, at most `most`; they are read.
    pub(crate) fn take(&mut self, most: usize) -> &mut [u8] {
        let from = self.from;
        self.from += most.min(self.to - from);
        let taken = from..self.from;
        if self.is_empty() {
            self.clear();
        }
        &mut self.bytes[taken]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    pub(crate) fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }
}
