//! Certificates, and one connection over TLS: ciphertext in, plaintext out, and back. Knows no shard and
//! no kind of socket.

use crate::cipher::{Cipher, Ciphers};
use crate::error::Error;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig, ServerConnection};
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The certificates and the key by which a server shows who it is. A clone is the same.
///
/// TLS 1.3 and 1.2, for HTTP/1.1 alone (ALPN), and clients that come back resume their sessions.
///
/// ```
/// use fastws_host::tls::Tls;
/// let error = Tls::from_pem(b"", b"").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the chain has no certificate: one begins with `-----BEGIN CERTIFICATE-----`"
/// );
/// ```
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// From PEM texts: the server's certificate, then those that lead from it to one that clients know;
    /// and the key of the first, unencrypted.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        read((chain, &"the chain"), (key, &"the key"))
    }

    /// From files of such texts.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let texts = (open(chain)?, open(key)?);
        read((&texts.0, &chain.display()), (&texts.1, &key.display()))
    }

    /// Makes a running server show another certificate: to whoever connects from now on, also where a
    /// session would be resumed. Connections that are there go on.
    pub fn replace(&self, by: &Self) {
        let by = by.config();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = by;
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn open(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())).into()
    })
}

/// Texts, each with what it is called.
fn read(chain: (&[u8], &dyn Display), key: (&[u8], &dyn Display)) -> Result<Tls, Error> {
    let (chain, chain_name) = chain;
    let (key, key_name) = key;
    let certificates = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(chain_name, error))?;
    if certificates.is_empty() {
        return Err(mistake(
            chain_name,
            "has no certificate: one begins with `-----BEGIN CERTIFICATE-----`",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => mistake(
            key_name,
            "has no unencrypted key: one begins with `-----BEGIN PRIVATE KEY-----`",
        ),
        error => unusable(key_name, error),
    })?;
    let provider = ring::default_provider();
    let shown =
        CertifiedKey::from_der(certificates, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => mistake(
                key_name,
                format_args!(
                    "is not the key of the first certificate: {chain_name} begins with another's"
                ),
            ),
            rustls::Error::InvalidCertificate(_) => unusable(chain_name, error),
            error => unusable(key_name, error),
        })?;
    let shown: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(shown));
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the provider has what its own versions ask for")
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".into()];
    config.ticketer = ring::Ticketer::new().expect("the operating system has randomness");
    Ok(Tls(Arc::new(RwLock::new(config.into()))))
}

fn unusable(name: &dyn Display, error: impl Display) -> Error {
    mistake(name, format_args!("cannot be used: {error}"))
}

fn mistake(whose: &dyn Display, what: impl Display) -> Error {
    Error::Setting(format!("{whose} {what}"))
}

impl Ciphers for Tls {
    fn cipher(&self) -> Box<dyn Cipher> {
        Box::new(Session::new(self))
    }
}

/// One connection's state. It holds at most one record that is incomplete, one that is decrypted and has not
/// been taken, and one that the socket has not taken: each 16 KiB and a few bytes.
struct Session {
    tls: ServerConnection,
    /// Bytes that are decrypted and not taken.
    ahead: usize,
    over: bool,
    /// The peer does not speak TLS, and was told so.
    is_plain: bool,
    /// The first byte of the next offer is encrypted already.
    withheld: bool,
}

impl Session {
    fn new(tls: &Tls) -> Self {
        let mut tls = ServerConnection::new(tls.config()).expect("the configuration has a version");
        tls.set_buffer_limit(Some(RECORD));
        Self { tls, ahead: 0, over: false, is_plain: false, withheld: false }
    }
}

impl Cipher for Session {
    fn decrypt(&mut self, bytes: &mut [u8], stream: &mut dyn Write) -> usize {
        let is_http = bytes.first().is_some_and(u8::is_ascii_uppercase);
        let (mut read, mut filled) = (0, 0);
        while read < bytes.len() && !self.over {
            // It takes some, since less than a record is ahead: what is not whole was the rest of one, and
            // every byte that was read since has made room for a byte.
            let taken = self.tls.read_tls(&mut &bytes[read..]).unwrap_or(0);
            read += taken;
            match self.tls.process_new_packets() {
                Ok(state) => {
                    self.ahead = state.plaintext_bytes_to_read();
                    self.over = taken == 0 || state.peer_has_closed();
                }
                Err(error) => {
                    log::debug!("a client does not speak TLS: {error}");
                    self.over = true;
                    if is_http && self.tls.is_handshaking() {
                        self.is_plain = true;
                        // It only fails where the peer has gone already.
                        let _ = stream.write(PLAIN);
                        return 0;
                    }
                }
            }
            filled += self.take(&mut bytes[filled..read]);
        }
        // An error tells itself when something is read or written again.
        let _ = self.flush(stream);
        filled
    }

    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let taken = self.tls.reader().read(bytes).unwrap_or(0);
        self.ahead = self.ahead.saturating_sub(taken);
        taken
    }

    fn is_ahead(&self) -> bool {
        self.ahead > 0
    }

    fn is_over(&self) -> bool {
        self.over && self.ahead == 0
    }

    /// The last byte of all is withheld until the socket has taken its ciphertext, so that whoever offers
    /// knows that the socket is full.
    fn encrypt(
        &mut self,
        mut plaintext: &mut [IoSlice<'_>],
        stream: &mut dyn Write,
    ) -> io::Result<usize> {
        let offered: usize = plaintext.iter().map(|part| part.len()).sum();
        if offered == 0 || self.tls.is_handshaking() {
            // A peer that never got as far as to hear it.
            return Ok(offered);
        }
        let mut taken = usize::from(std::mem::take(&mut self.withheld));
        IoSlice::advance_slices(&mut plaintext, taken);
        while self.flush(stream)? {
            if taken == offered {
                return Ok(offered);
            }
            let encrypted = self.tls.writer().write_vectored(plaintext)?;
            taken += encrypted;
            IoSlice::advance_slices(&mut plaintext, encrypted);
        }
        self.withheld = taken == offered;
        Ok(taken - usize::from(self.withheld))
    }

    fn flush(&mut self, stream: &mut dyn Write) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn is_blocked(&self) -> bool {
        self.tls.wants_write()
    }

    fn finish(&mut self, stream: &mut dyn Write) {
        if self.is_plain {
            return;
        }
        self.tls.send_close_notify();
        // A socket that is full or gone ends without.
        let _ = self.flush(stream);
    }
}

/// The longest plaintext of one record (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;
/// What a client is told that sends a request as it is.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 57\r\n\
    Connection: close\r\n\r\nthis address is served over TLS: write https:// or wss://";
