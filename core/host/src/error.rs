//! Why a server does not start, in one sentence. Knows no binding.

use fastws_core::api::BuildError;
use std::{fmt, io};

/// Why a server does not start, or has ended.
///
/// ```
/// use fastws_host::error::Error;
/// let error = Error::from(std::io::Error::other("cannot listen on 127.0.0.1:80"));
/// // What `main` returns is printed like this.
/// assert_eq!(format!("{error:?}"), "cannot listen on 127.0.0.1:80");
/// ```
#[non_exhaustive]
pub enum Error {
    /// The API has a mistake.
    Build(BuildError),
    /// A setting has a mistake; the sentence says what to write.
    Setting(String),
    /// A socket or a thread could not be had.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Setting(sentence) => f.write_str(sentence),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// The same sentence, since `main` prints an error that it returns in this form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
