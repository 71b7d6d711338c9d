//! One connection over TLS, against a client that somebody else has written, over a socket in memory.

use fastws_host::cipher::{Cipher, Ciphers};
use fastws_host::tls::Tls;
use proptest::prelude::*;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

#[test]
fn files_that_show_no_certificate_are_refused_with_a_sentence() {
    let (one, other) = (Identity::new(), Identity::new());
    let begins = |what| format!("one begins with `-----BEGIN {what}-----`");
    for (chain, key, sentence) in [
        ("", &*one.key, format!("the chain has no certificate: {}", begins("CERTIFICATE"))),
        (&one.key, &one.key, format!("the chain has no certificate: {}", begins("CERTIFICATE"))),
        (
            &one.chain,
            &one.chain,
            format!("the key has no unencrypted key: {}", begins("PRIVATE KEY")),
        ),
        (
            &one.chain,
            &other.key,
            "the key is not the key of the first certificate: the chain begins with another's"
                .into(),
        ),
    ] {
        let error = Tls::from_pem(chain.as_bytes(), key.as_bytes()).expect_err(&sentence);
        assert_eq!(error.to_string(), sentence);
    }
    let cut = &one.chain[..one.chain.len() / 2];
    let error = Tls::from_pem(cut.as_bytes(), one.key.as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("the chain cannot be used: "), "{error}");
    let error = Tls::from_files("/nowhere/chain.pem", "/nowhere/key.pem").unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nowhere/chain.pem: "), "{error}");
}

#[test]
fn a_certificate_is_shown_to_whoever_comes_after_it_and_others_go_on() {
    let (old, new) = (Identity::new(), Identity::new());
    let tls = old.tls();
    let mut before = Pair::new(&tls, old.client());
    before.greet();
    assert!(before.server_certificate() == &old.certificate);

    tls.clone().replace(&new.tls());
    before.greet();
    let mut after = Pair::new(&tls, new.client());
    after.greet();
    assert!(after.server_certificate() == &new.certificate);
}

#[test]
fn a_client_that_comes_back_resumes_its_session_until_the_certificate_is_replaced() {
    let identity = Identity::new();
    let (tls, client) = (identity.tls(), identity.client());
    let kinds = [false, false, true].map(|replaced| {
        if replaced {
            tls.replace(&identity.tls());
        }
        let mut pair = Pair::new(&tls, client.clone());
        pair.greet();
        pair.client.handshake_kind()
    });
    let (full, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
    assert_eq!(kinds, [full, resumed, full]);
}

#[test]
fn the_only_protocol_is_http_1_1() {
    let identity = Identity::new();
    let offering = |protocols: &[&str]| {
        let mut client = ClientConfig::clone(&identity.client());
        client.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
        Pair::new(&identity.tls(), client.into())
    };
    let mut both = offering(&["h2", "http/1.1"]);
    both.greet();
    assert_eq!(both.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut neither = offering(&["h2"]);
    neither.settle();
    assert!(neither.cipher.is_over());
    assert_eq!(neither.error.as_deref(), Some("received fatal alert: NoApplicationProtocol"));
}

#[test]
fn a_request_without_tls_is_told_so_and_other_noise_gets_an_alert() {
    let tls = Identity::new().tls();
    let said = |bytes: &[u8]| {
        let (mut cipher, mut socket) = (tls.cipher(), Socket::open());
        assert_eq!(cipher.decrypt(&mut bytes.to_vec(), &mut socket), 0);
        assert!(cipher.is_over());
        cipher.finish(&mut socket);
        socket.bytes.into_iter().collect::<Vec<_>>()
    };
    let answer = String::from_utf8(said(b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    for noise in [&[0; 100][..], b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x05hello", b"hello"] {
        // The type of a record with an alert (RFC 8446 section 5.1).
        assert_eq!(said(noise)[0], 21, "{noise:?}");
    }
}

#[test]
fn a_peer_that_leaves_in_order_is_answered_in_order() {
    let identity = Identity::new();
    let mut pair = Pair::new(&identity.tls(), identity.client());
    pair.greet();
    pair.client.writer().write_all(b"last").unwrap();
    pair.client.send_close_notify();
    pair.settle();
    assert_eq!(pair.heard_by_server.split_off(5), b"last");
    assert!(pair.cipher.is_over());
    for _ in 0..2 {
        pair.cipher.finish(&mut pair.to_client);
    }
    pair.settle();
    // Without a close_notify this would be an error, of a stream that was cut.
    assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_a_full_socket_makes_wait_is_no_more_than_a_record() {
    let identity = Identity::new();
    let mut pair = Pair::new(&identity.tls(), identity.client());
    pair.greet();
    pair.to_client.window = 0;
    let offer = vec![7; 1 << 20];
    let taken = pair.offer(&offer);
    assert_eq!(taken, 16 << 10);
    assert_eq!(pair.offer(&offer[taken..]), 0);

    // All of the next fits into a record, and yet not all is taken.
    pair.to_client.window = usize::MAX;
    assert!(pair.cipher.flush(&mut pair.to_client).unwrap());
    pair.to_client.window = 10;
    assert_eq!(pair.offer(b"hello"), 4);
    assert_eq!(pair.offer(b"o"), 0);
    assert_eq!(pair.offer(b"o!"), 1);
    pair.to_client.window = usize::MAX;
    assert_eq!(pair.offer(b"!"), 1);
    pair.settle();
    let heard = pair.heard_by_client.split_off(5);
    assert!(heard[..taken].iter().all(|byte| *byte == 7));
    assert_eq!(&heard[taken..], b"hello!");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_hear_what_the_other_has_said_whatever_a_socket_takes_at_a_time(
        piece in prop_oneof![1..40_usize, 1..20_000_usize],
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let identity = Identity::new();
        let mut pair = Pair::new(&identity.tls(), identity.client());
        pair.to_client.window = piece;
        while pair.client.wants_write() || pair.client.is_handshaking() || !pair.to_server.is_empty() {
            pair.carry(piece);
            pair.to_client.window = piece;
        }
        let (mut offered, mut said_by_server, mut said_by_client) = (vec![], vec![], vec![]);
        for step in steps {
            match step {
                Step::Client(bytes) => {
                    let taken = pair.client.writer().write(&bytes).unwrap();
                    said_by_client.extend_from_slice(&bytes[..taken]);
                }
                Step::Server(bytes) => offered.extend(bytes),
                Step::Window(window) => pair.to_client.window = window,
                Step::Read(room) => pair.carry(room),
            }
            let taken = pair.offer(&offered);
            said_by_server.extend(offered.drain(..taken));
        }
        pair.to_client.window = usize::MAX;
        prop_assert_eq!(pair.offer(&offered), offered.len());
        said_by_server.append(&mut offered);
        pair.settle();
        prop_assert_eq!(&pair.error, &None);
        prop_assert!(pair.heard_by_client == said_by_server);
        prop_assert!(pair.heard_by_server == said_by_client);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// So much more the client's end takes.
    Window(usize),
    /// The server reads so much.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![1..100_usize, 1..70_000_usize];
    let bytes = || {
        (len(), any::<u8>())
            .prop_map(|(len, first)| (0..len).map(|at| (at as u8).wrapping_add(first)).collect())
    };
    prop_oneof![
        bytes().prop_map(Step::Client),
        bytes().prop_map(Step::Server),
        len().prop_map(Step::Window),
        len().prop_map(Step::Read),
    ]
}

struct Identity {
    chain: String,
    key: String,
    certificate: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = KeyPair::serialize_pem(&signing_key);
        Self { chain: cert.pem(), key, certificate: cert.der().clone() }
    }

    fn tls(&self) -> Tls {
        Tls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// Of a client that knows this identity and no other.
    fn client(&self) -> Arc<ClientConfig> {
        let mut known = RootCertStore::empty();
        known.add(self.certificate.clone()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap();
        config.with_root_certificates(known).with_no_client_auth().into()
    }
}

/// A socket's end that takes so many bytes more.
struct Socket {
    bytes: VecDeque<u8>,
    window: usize,
}

impl Socket {
    fn open() -> Self {
        Self { bytes: VecDeque::new(), window: usize::MAX }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.window);
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.window != usize::MAX {
            self.window -= taken;
        }
        self.bytes.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server's cipher and a client.
struct Pair {
    cipher: Box<dyn Cipher>,
    client: ClientConnection,
    to_server: VecDeque<u8>,
    to_client: Socket,
    heard_by_server: Vec<u8>,
    heard_by_client: Vec<u8>,
    /// What the client has found.
    error: Option<String>,
}

impl Pair {
    fn new(tls: &Tls, client: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            cipher: tls.cipher(),
            client: ClientConnection::new(client, name).unwrap(),
            to_server: VecDeque::new(),
            to_client: Socket::open(),
            heard_by_server: Vec::new(),
            heard_by_client: Vec::new(),
            error: None,
        }
    }

    /// Each says hello to the other.
    fn greet(&mut self) {
        self.client.writer().write_all(b"hello").unwrap();
        self.settle();
        assert!(self.heard_by_server.ends_with(b"hello"), "{:?}", self.error);
        assert_eq!(self.offer(b"hello"), 5);
        self.settle();
        assert!(self.heard_by_client.ends_with(b"hello"));
    }

    fn server_certificate(&self) -> &CertificateDer<'static> {
        &self.client.peer_certificates().unwrap()[0]
    }

    /// What the server says; how much of it was taken.
    fn offer(&mut self, bytes: &[u8]) -> usize {
        let (first, second) = bytes.split_at(bytes.len() / 3);
        let mut parts = [first, &[], second].map(IoSlice::new);
        let taken = self.cipher.encrypt(&mut parts, &mut self.to_client).unwrap();
        assert!(taken <= bytes.len());
        assert!(taken < bytes.len() || bytes.is_empty() || !self.cipher.is_blocked());
        taken
    }

    /// Carries what has been written, at most `room` bytes to the server.
    fn carry(&mut self, room: usize) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.to_server).unwrap();
        }
        let mut buffer = vec![0; room];
        let read = match self.cipher.is_ahead() {
            true => self.cipher.take(&mut buffer),
            false => {
                let sent = self.to_server.read(&mut buffer).unwrap();
                self.cipher.decrypt(&mut buffer[..sent], &mut self.to_client)
            }
        };
        self.heard_by_server.extend_from_slice(&buffer[..read]);
        self.cipher.flush(&mut self.to_client).unwrap();
        while !self.to_client.bytes.is_empty() && self.error.is_none() {
            self.client.read_tls(&mut self.to_client.bytes).unwrap();
            self.error = self.client.process_new_packets().err().map(|error| error.to_string());
            // Fails where nothing has come yet.
            let _ = self.client.reader().read_to_end(&mut self.heard_by_client);
        }
    }

    fn settle(&mut self) {
        loop {
            self.carry(usize::from(u16::MAX));
            let idle = self.to_server.is_empty() && self.to_client.bytes.is_empty();
            if self.error.is_some() || idle && !self.client.wants_write() && !self.cipher.is_ahead()
            {
                return;
            }
        }
    }
}
