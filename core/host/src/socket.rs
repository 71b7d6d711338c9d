//! What bindings do alike with the system's sockets. Knows no shard.

use std::io::{self, ErrorKind};

/// The error is of the connection that would have been accepted, not of the listener (`accept(2)`).
pub fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
