//! What a script is played on: shards on the simulated clock, or a binding's real sockets. Knows streams of bytes, no frame.

use fastws_core::publisher::Publisher;
use fastws_core::time::Duration;
use fastws_host::peer::Peer;
use fastws_host::server::Binding;
use fastws_host::simulation::Simulation;
use fastws_tests::client::until;
use fastws_tests::identity::{Identity, Stream};
use fastws_tests::server::Served;
use socket2::{Domain, SockRef, Socket, Type};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;

/// A server that a script is played on. When it is dropped, nothing may be left of anybody.
pub(crate) trait Ground {
    /// A stream to it. One that is narrow takes little that is not asked for.
    fn connect(&mut self, narrow: bool) -> Box<dyn Line>;

    fn publisher(&self) -> Publisher;

    fn shutdown(&mut self);

    /// Waits until something holds that no stream tells.
    fn wait(&mut self, holds: &mut dyn FnMut() -> bool);
}

/// A client's end of a stream.
pub(crate) trait Line {
    /// What the server does not take any more is lost.
    fn send(&mut self, bytes: &[u8]);

    /// Waits for bytes. `None`: the server has ended the stream or dropped it.
    fn receive(&mut self) -> Option<Vec<u8>>;

    /// Says nothing more.
    fn finish(&mut self);

    /// Ends in both directions without a word.
    fn reset(self: Box<Self>);
}

/// Shards and clients in this thread.
pub(crate) struct Clockwork {
    simulation: Rc<RefCell<Simulation>>,
    clients: usize,
}

impl Clockwork {
    pub(crate) fn new(simulation: Simulation) -> Self {
        Self { simulation: Rc::new(RefCell::new(simulation)), clients: 0 }
    }
}

impl Ground for Clockwork {
    fn connect(&mut self, narrow: bool) -> Box<dyn Line> {
        let mut simulation = self.simulation.borrow_mut();
        let (shard, name) = (self.clients % simulation.shards().len(), self.clients.to_string());
        self.clients += 1;
        simulation.connect(shard, &name).expect("owned memory has room");
        let peer = simulation.peer_mut(&name);
        peer.rude = true;
        if narrow {
            peer.window = 0;
        }
        simulation.run();
        Box::new(Thread { simulation: self.simulation.clone(), name, narrow, heard: 0 })
    }

    fn publisher(&self) -> Publisher {
        self.simulation.borrow().shared().publisher()
    }

    fn shutdown(&mut self) {
        self.simulation.borrow().shared().shutdown();
        self.simulation.borrow_mut().run();
    }

    fn wait(&mut self, holds: &mut dyn FnMut() -> bool) {
        let outcome = |_: &mut Simulation| holds().then_some(());
        let outcome = self.simulation.borrow_mut().wait(PATIENCE, outcome);
        outcome.expect("what is waited for happens");
    }
}

/// A client of the simulation.
struct Thread {
    simulation: Rc<RefCell<Simulation>>,
    name: String,
    narrow: bool,
    heard: usize,
}

impl Line for Thread {
    fn send(&mut self, bytes: &[u8]) {
        let mut simulation = self.simulation.borrow_mut();
        simulation.peer_mut(&self.name).send(bytes);
        simulation.run();
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let Self { simulation, name, narrow, heard } = self;
        let mut simulation = simulation.borrow_mut();
        simulation.peer_mut(name).window = usize::MAX;
        let come = |peer: &Peer| peer.answer.len() + peer.bytes.len();
        let outcome = simulation.wait(PATIENCE, |simulation| {
            let peer = simulation.peer(name);
            let ended = peer.finished || simulation.is_gone(name);
            (come(peer) > *heard || ended).then_some(())
        });
        outcome.expect("something comes, or an end");
        let peer = simulation.peer_mut(name);
        if *narrow {
            peer.window = 0;
        }
        let bytes = [&peer.answer[..], &peer.bytes].concat().split_off(*heard);
        *heard += bytes.len();
        (!bytes.is_empty()).then_some(bytes)
    }

    fn finish(&mut self) {
        let mut simulation = self.simulation.borrow_mut();
        simulation.peer_mut(&self.name).ended = true;
        simulation.run();
    }

    fn reset(self: Box<Self>) {
        let mut simulation = self.simulation.borrow_mut();
        simulation.reset(&self.name);
        simulation.run();
    }
}

/// A server of a binding, and clients on real sockets.
pub(crate) struct Sockets<B: Binding> {
    pub(crate) server: Served<B>,
    /// Who it is over TLS, if it is served over it.
    pub(crate) identity: Option<Identity>,
}

impl<B: Binding> Ground for Sockets<B> {
    fn connect(&mut self, narrow: bool) -> Box<dyn Line> {
        let stream = connect(self.server.address(), narrow);
        match &self.identity {
            None => Box::new(stream),
            Some(identity) => {
                let mut stream = identity.over(stream);
                while stream.conn.is_handshaking() {
                    let shaken = stream.conn.complete_io(&mut stream.sock);
                    shaken.expect("the server is who it has to be");
                }
                Box::new(stream)
            }
        }
    }

    fn publisher(&self) -> Publisher {
        self.server.handle().publisher()
    }

    fn shutdown(&mut self) {
        self.server.handle().shutdown();
    }

    fn wait(&mut self, holds: &mut dyn FnMut() -> bool) {
        until(holds);
    }
}

/// A client's socket. One that is narrow takes little that is not asked for.
pub(crate) fn connect(address: SocketAddr, narrow: bool) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    if narrow {
        socket.set_recv_buffer_size(4 << 10).expect("it is open");
    }
    socket.connect(&address.into()).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("it is open");
    let patience = Some(std::time::Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("it is not zero");
    stream.set_write_timeout(patience).expect("it is not zero");
    stream
}

impl Line for TcpStream {
    fn send(&mut self, bytes: &[u8]) {
        send(self, bytes);
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        receive(self)
    }

    fn finish(&mut self) {
        // It only fails where the server has gone already.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn reset(self: Box<Self>) {
        reset(&self);
    }
}

impl Line for Stream {
    fn send(&mut self, bytes: &[u8]) {
        send(self, bytes);
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        receive(self)
    }

    fn finish(&mut self) {
        self.conn.send_close_notify();
        // It only fails where the server has gone already.
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }

    fn reset(self: Box<Self>) {
        reset(&self.sock);
    }
}

fn send(stream: &mut impl Write, bytes: &[u8]) {
    if let Err(error) = stream.write_all(bytes).and_then(|()| stream.flush()) {
        assert!(is_end(error.kind()), "{error}");
    }
}

fn receive(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 64 << 10];
    let read = match stream.read(&mut bytes) {
        Err(error) if is_end(error.kind()) => 0,
        read => read.expect("something comes, or an end"),
    };
    bytes.truncate(read);
    (read > 0).then_some(bytes)
}

/// The socket is dropped next.
fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)).expect("it is open");
}

/// The last is TLS's word for a stream that ends without a close_notify.
fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

/// On the simulated clock.
const PATIENCE: Duration = Duration::from_secs(3_600);
