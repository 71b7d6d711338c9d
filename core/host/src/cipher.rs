//! What a connection's bytes are encrypted with, if they are. Knows no protocol and no socket.

use std::fmt::Debug;
use std::io::{self, IoSlice, Write};

/// What a listener's connections are encrypted with.
pub trait Ciphers: Debug + Send + Sync {
    /// A new connection's.
    fn cipher(&self) -> Box<dyn Cipher>;
}

/// One connection's, on its shard's thread.
///
/// What is passed as `stream` does not block: when it takes nothing now, it says
/// [`WouldBlock`](io::ErrorKind::WouldBlock).
pub trait Cipher {
    /// Decrypts in place what the socket has sent, while nothing [is ahead](Self::is_ahead); how many bytes of
    /// plaintext there are now. What this has to answer is written at once.
    fn decrypt(&mut self, bytes: &mut [u8], stream: &mut dyn Write) -> usize;

    /// Plaintext that [`decrypt`](Self::decrypt) had no room for.
    fn take(&mut self, bytes: &mut [u8]) -> usize;

    /// There is plaintext to be [taken](Self::take).
    fn is_ahead(&self) -> bool;

    /// Nothing more comes from the peer, or nothing that can be understood.
    fn is_over(&self) -> bool;

    /// Encrypts and writes as much as the socket takes, and a little that waits for it; how much of the
    /// plaintext that is. All of it, only when none of it waits. The next call offers first what this one did
    /// not take.
    fn encrypt(
        &mut self,
        plaintext: &mut [IoSlice<'_>],
        stream: &mut dyn Write,
    ) -> io::Result<usize>;

    /// Writes ciphertext that waits. False: the socket takes no more now.
    fn flush(&mut self, stream: &mut dyn Write) -> io::Result<bool>;

    /// Ciphertext waits for the socket.
    fn is_blocked(&self) -> bool;

    /// Tells the peer that nothing more comes, once.
    fn finish(&mut self, stream: &mut dyn Write);
}
