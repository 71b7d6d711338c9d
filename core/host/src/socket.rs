//! What bindings do alike with the system's sockets. Knows no shard.

use std::io::{self, ErrorKind, IoSlice};

/// Writes all parts with one call of `send`, or of several slices of memory where there are several.
/// Zero: the socket takes nothing now.
#[inline]
pub fn write<'e>(
    mut parts: impl Iterator<Item = &'e [u8]>,
    send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let Some(first) = parts.next() else { return Ok(0) };
    let written = match parts.next() {
        None => send(&[IoSlice::new(first)]),
        Some(second) => {
            let mut slices = [IoSlice::new(&[]); 64];
            (slices[0], slices[1]) = (IoSlice::new(first), IoSlice::new(second));
            let mut count = 2;
            for part in parts {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
            send(&slices[..count])
        }
    };
    match written {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        written => written,
    }
}

/// The error is of the connection that would have been accepted, not of the listener (`accept(2)`).
pub fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
