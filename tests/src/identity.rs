//! Who a server is to clients over TLS: a certificate that is made for one test, and streams that know it
//! and no other. Knows no server.

use crate::client::{Client, within};
use fastws_host::tls::Tls;
use futures_rustls::client::TlsStream;
use futures_rustls::{TlsConnector, rustls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use smol::net::TcpStream;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A client's end of a stream, which blocks.
pub type Stream = StreamOwned<ClientConnection, std::net::TcpStream>;

/// A certificate for `localhost`.
pub struct Identity {
    /// In PEM.
    pub chain: String,
    /// In PEM.
    pub key: String,
    certificate: CertificateDer<'static>,
}

impl Identity {
    /// A new one, which nobody else has.
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("the name is ASCII");
        Self {
            chain: cert.pem(),
            key: signing_key.serialize_pem(),
            certificate: cert.der().clone(),
        }
    }

    /// What a server shows.
    pub fn tls(&self) -> Tls {
        Tls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).expect("the key is of the chain")
    }

    /// A client of a server that has to be this.
    pub fn client(&self, address: SocketAddr) -> Client<TlsStream<TcpStream>> {
        self.try_client(address).expect("the server is who it has to be")
    }

    /// The same where the server may be another.
    pub fn try_client(&self, address: SocketAddr) -> io::Result<Client<TlsStream<TcpStream>>> {
        within(async {
            let stream = TcpStream::connect(address).await?;
            let stream = TlsConnector::from(self.known()).connect(localhost(), stream).await?;
            Ok(Client::shake("ws://localhost/ws", stream).await.expect("the server takes a client"))
        })
    }

    /// A stream to it, which blocks.
    pub fn stream(&self, address: SocketAddr) -> Stream {
        let stream = std::net::TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is not zero");
        self.over(stream)
    }

    /// The same over a socket that is connected already.
    pub fn over(&self, stream: std::net::TcpStream) -> Stream {
        let client = ClientConnection::new(self.known(), localhost());
        StreamOwned::new(client.expect("the name is one"), stream)
    }

    fn known(&self) -> Arc<ClientConfig> {
        let mut known = RootCertStore::empty();
        known.add(self.certificate.clone()).expect("it is a certificate");
        let provider = rustls::crypto::ring::default_provider();
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("the provider has what its own versions ask for");
        config.with_root_certificates(known).with_no_client_auth().into()
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}
