//! The loop around an engine: packets in, packets out. Knows no board, no application and no memory.

use crate::line::{Head, Kind, LONGEST, SOCKETS};
use fastws_core::dispatch::Dispatch;
use fastws_core::engine::{Engine, Life, Sent};
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};

/// A serial line.
pub trait Serial {
    /// Waits until all of `bytes` have come.
    fn read(&mut self, bytes: &mut [u8]);
    /// Waits until all of `bytes` have gone.
    fn write(&mut self, bytes: &[u8]);
}

/// An application with work of its own.
pub trait Device: Dispatch {
    /// The clock has moved on.
    fn handle_time(&mut self, now: Instant, engine: &mut Engine<'_>);
    /// Somebody came to a topic, or the last one left.
    fn handle_life(&mut self, life: Life<'_>);
}

/// Everything that runs until the board is switched off.
pub struct Driver<'m, S, D> {
    engine: Engine<'m>,
    device: D,
    serial: S,
    now: Instant,
    sockets: [Socket; SOCKETS],
    bytes: &'m mut [u8; LONGEST],
}

struct Socket {
    id: Option<ConnectionId>,
    /// How many bytes it takes.
    space: usize,
}

impl<'m, S: Serial, D: Device> Driver<'m, S, D> {
    /// `bytes` is room for what the line brings.
    pub fn new(engine: Engine<'m>, device: D, serial: S, bytes: &'m mut [u8; LONGEST]) -> Self {
        let sockets = [const { Socket { id: None, space: usize::MAX } }; SOCKETS];
        Self { engine, device, serial, now: Instant::ZERO, sockets, bytes }
    }

    /// Serves until the host switches the board off.
    ///
    /// # Panics
    /// If what comes is no packet.
    pub fn run(&mut self) {
        loop {
            let mut head = [0; 4];
            self.serial.read(&mut head);
            let head = Head::decode(head).expect("the host sends packets");
            let (socket, len) = (usize::from(head.socket), usize::from(head.len));
            self.serial.read(&mut self.bytes[..len]);
            let mut taken = len;
            match head.kind {
                Kind::Connect => self.connect(socket),
                Kind::Bytes => taken = self.receive(socket, len),
                Kind::Takes => self.set_space(socket),
                Kind::End => self.end(socket),
                Kind::Clock => self.pass_time(),
                Kind::Off => return,
                Kind::Finished | Kind::Gone | Kind::Done => panic!("the host is no board"),
            }
            self.turn();
            self.say(Kind::Done, socket, &(taken as u32).to_le_bytes());
        }
    }

    fn connect(&mut self, socket: usize) {
        // The emulated board has nothing random. One that has takes its uids from there.
        match self.engine.accept(self.now, [socket as u8; 16]) {
            Ok(id) => self.sockets[socket] = Socket { id: Some(id), space: usize::MAX },
            Err(_) => self.say(Kind::Gone, socket, &[]),
        }
    }

    /// Tells how many bytes there was room for.
    fn receive(&mut self, socket: usize, len: usize) -> usize {
        let mut taken = 0;
        while taken < len {
            let Some(id) = self.sockets[socket].id else { return len };
            let Some(room) = self.engine.room(id) else { return len };
            if room == 0 {
                return taken;
            }
            let end = len.min(taken.saturating_add(room));
            let Self { engine, device, bytes, .. } = self;
            engine.handle_bytes(self.now, id, &mut bytes[taken..end], device);
            taken = end;
            self.turn();
        }
        taken
    }

    fn set_space(&mut self, socket: usize) {
        self.sockets[socket].space = self.number() as usize;
        if let Some(id) = self.sockets[socket].id {
            self.engine.handle_writable(id);
        }
    }

    fn end(&mut self, socket: usize) {
        if let Some(id) = self.sockets[socket].id {
            self.engine.handle_end(self.now, id);
        }
    }

    fn pass_time(&mut self) {
        self.now = self.now + Duration::from_millis(self.number().into());
        self.engine.handle_timeout(self.now);
        self.device.handle_time(self.now, &mut self.engine);
    }

    /// What came as a number.
    fn number(&self) -> u32 {
        let [a, b, c, d, ..] = *self.bytes;
        u32::from_le_bytes([a, b, c, d])
    }

    /// Until nothing more can be done without another packet.
    fn turn(&mut self) {
        loop {
            self.engine.resume(self.now, &mut self.device);
            self.transmit();
            while let Some(life) = self.engine.poll_life() {
                self.device.handle_life(life);
            }
            while let Some(id) = self.engine.poll_gone() {
                let socket = socket(&self.sockets, id);
                self.sockets[socket].id = None;
                self.say(Kind::Gone, socket, &[]);
            }
            if !self.engine.is_ready() {
                return;
            }
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit(self.now) {
            let id = transmit.id();
            let socket = socket(&self.sockets, id);
            let space = &mut self.sockets[socket].space;
            let mut sent = 0;
            for part in transmit.parts() {
                let taken = &part[..part.len().min(*space - sent)];
                for piece in taken.chunks(LONGEST) {
                    say(&mut self.serial, Kind::Bytes, socket, piece);
                }
                sent += taken.len();
            }
            if *space != usize::MAX {
                *space -= sent;
            }
            if self.engine.handle_sent(self.now, id, sent) == Sent::Finished {
                self.say(Kind::Finished, socket, &[]);
            }
        }
    }

    fn say(&mut self, kind: Kind, socket: usize, bytes: &[u8]) {
        say(&mut self.serial, kind, socket, bytes);
    }
}

fn say(serial: &mut impl Serial, kind: Kind, socket: usize, bytes: &[u8]) {
    let head = Head { kind, socket: socket as u8, len: bytes.len() as u16 };
    serial.write(&head.encode());
    serial.write(bytes);
}

fn socket(sockets: &[Socket], id: ConnectionId) -> usize {
    let place = sockets.iter().position(|socket| socket.id == Some(id));
    place.expect("an engine names only who is there")
}
