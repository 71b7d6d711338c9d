//! What bindings do alike with the system's sockets: bytes on their way to a shard and back, through a
//! cipher or not. Knows no kind of socket.

use crate::cipher::Cipher;
use crate::settings::Doorway;
use crate::shard::Shard;
use fastws_core::engine::Transmit;
use fastws_core::ids::ConnectionId;
use std::io::{self, ErrorKind, IoSlice, Write};

/// One connection's bytes on their way in and out.
///
/// `stream` is its socket, which does not block: when it takes nothing now, it says
/// [`WouldBlock`](ErrorKind::WouldBlock).
#[derive(Default)]
// Boxed twice, so that a socket without one is smaller.
pub struct Wire(Option<Box<Box<dyn Cipher>>>);

impl Wire {
    /// For a connection that comes by this doorway.
    pub fn new(shard: &Shard, doorway: Doorway) -> Self {
        Self(shard.ciphers(doorway).map(|ciphers| Box::new(ciphers.cipher())))
    }

    /// The socket has sent bytes, at most as many as the shard has [room](Shard::room) for.
    #[inline]
    pub fn handle_bytes(
        &mut self,
        shard: &mut Shard,
        id: ConnectionId,
        bytes: &mut [u8],
        stream: &mut impl Write,
    ) {
        match &mut self.0 {
            None => shard.handle_bytes(id, bytes),
            Some(cipher) => {
                let read = cipher.decrypt(bytes, stream);
                hand_over(&***cipher, shard, id, &mut bytes[..read]);
            }
        }
    }

    /// More was sent than the shard had room for, and the socket does not know of it.
    #[inline]
    pub fn has_rest(&self) -> bool {
        self.0.as_ref().is_some_and(|cipher| cipher.is_ahead())
    }

    /// Hands that over, as much as the buffer takes, before more is read.
    pub fn take_rest(&mut self, shard: &mut Shard, id: ConnectionId, buffer: &mut [u8]) {
        if let Some(cipher) = &mut self.0 {
            let read = cipher.take(buffer);
            hand_over(&***cipher, shard, id, &mut buffer[..read]);
        }
    }

    /// Writes of at most [`Transmit::PARTS`] parts as much as the socket takes now.
    #[inline]
    pub fn write<'e>(
        &mut self,
        mut parts: impl Iterator<Item = &'e [u8]>,
        stream: &mut impl Write,
    ) -> io::Result<usize> {
        let Some(first) = parts.next() else { return Ok(0) };
        let written = match (parts.next(), &mut self.0) {
            (None, None) => stream.write(first),
            (second, cipher) => {
                let mut slices = [IoSlice::new(&[]); Transmit::PARTS];
                let mut count = 0;
                for part in [Some(first), second].into_iter().flatten().chain(parts) {
                    slices[count] = IoSlice::new(part);
                    count += 1;
                }
                match cipher {
                    None => stream.write_vectored(&slices[..count]),
                    Some(cipher) => cipher.encrypt(&mut slices[..count], stream),
                }
            }
        };
        match written {
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(0)
            }
            written => written,
        }
    }

    /// Something waits for the socket that the shard does not know of.
    #[inline]
    pub fn is_blocked(&self) -> bool {
        self.0.as_ref().is_some_and(|cipher| cipher.is_blocked())
    }

    /// The socket takes bytes again. False: it is full once more already.
    #[inline]
    pub fn handle_writable(
        &mut self,
        shard: &mut Shard,
        id: ConnectionId,
        stream: &mut impl Write,
    ) -> bool {
        if let Some(cipher) = &mut self.0
            && let Ok(false) = cipher.flush(stream)
        {
            return false;
        }
        // What has failed fails again when something is written.
        shard.handle_writable(id);
        true
    }

    /// The socket's writing side is to be shut down, or all of it dropped.
    pub fn finish(&mut self, stream: &mut impl Write) {
        if let Some(cipher) = &mut self.0 {
            cipher.finish(stream);
        }
    }
}

fn hand_over(cipher: &dyn Cipher, shard: &mut Shard, id: ConnectionId, plaintext: &mut [u8]) {
    if !plaintext.is_empty() {
        shard.handle_bytes(id, plaintext);
    }
    if cipher.is_over() {
        shard.handle_eof(id);
    }
}

/// The error is of the connection that would have been accepted, not of the listener (`accept(2)`).
pub fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
