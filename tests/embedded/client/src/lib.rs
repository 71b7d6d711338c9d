//! Clients on the host for a firmware in an emulator. Knows the line between both, and no application.
//!
//! Nothing here waits for a clock: a board answers each packet before the next one is sent, and the
//! emulator's wrapper ends a board that does not.

pub mod client;

use fastws_firmware::line::{Head, Kind, LONGEST, SOCKETS};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

/// A board that runs a firmware.
#[derive(Clone)]
pub struct Board {
    line: Rc<RefCell<Line>>,
}

struct Line {
    emulator: Child,
    to_board: ChildStdin,
    from_board: ChildStdout,
    sockets: [Wire; SOCKETS],
    off: bool,
}

/// What the host has of a socket.
#[derive(Clone, Default)]
struct Wire {
    connected: bool,
    received: Vec<u8>,
    finished: bool,
    gone: bool,
}

impl Board {
    /// Switches a board on that QEMU calls `machine`, with the firmware that this variable of the
    /// environment names.
    ///
    /// # Panics
    /// If `tests/embedded/run` has not set it.
    pub fn on(machine: &str, firmware: &str) -> Self {
        let path = |name| {
            env::var_os(name).unwrap_or_else(|| panic!("{name} is set by tests/embedded/run"))
        };
        let mut emulator = Command::new(path("EMULATOR"))
            .arg(machine)
            .arg(path(firmware))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the emulator can be run");
        let to_board = emulator.stdin.take().expect("it is piped");
        let from_board = emulator.stdout.take().expect("it is piped");
        let line = Line { emulator, to_board, from_board, sockets: Default::default(), off: false };
        Self { line: Rc::new(RefCell::new(line)) }
    }

    /// A socket of its own, whose connection the board may have refused.
    ///
    /// # Panics
    /// If the line has no more.
    pub fn connect(&self) -> Socket {
        let mut line = self.line.borrow_mut();
        let number = line.sockets.iter().position(|wire| !wire.connected || wire.gone);
        let number = number.expect("the line has sockets enough");
        line.sockets[number] = Wire { connected: true, ..Wire::default() };
        line.say(Kind::Connect, number, &[]);
        drop(line);
        Socket { board: self.clone(), number }
    }

    /// Has the board's clock move on.
    pub fn wait(&self, millis: u32) {
        self.line.borrow_mut().say(Kind::Clock, 0, &millis.to_le_bytes());
    }

    /// Switches it off, and tells what it prints then: how many bytes of what.
    ///
    /// # Panics
    /// If it has failed.
    pub fn off(&self) -> BTreeMap<String, usize> {
        let (success, printed) = self.end(&Head { kind: Kind::Off, socket: 0, len: 0 }.encode());
        assert!(success, "the firmware has failed: {printed}");
        // The emulator has words of its own.
        let figures = printed.lines().filter_map(|line| line.rsplit_once(' '));
        figures.filter_map(|(name, bytes)| Some((name.to_owned(), bytes.parse().ok()?))).collect()
    }

    /// Sends last bytes; whether the firmware ended well, and what it has printed.
    pub fn end(&self, bytes: &[u8]) -> (bool, String) {
        let line = &mut *self.line.borrow_mut();
        line.off = true;
        line.to_board.write_all(bytes).expect("the board reads");
        let mut printed = String::new();
        let mut errors = line.emulator.stderr.take().expect("it is piped, and ends once");
        errors.read_to_string(&mut printed).expect("boards print text");
        (line.emulator.wait().expect("it has ended").success(), printed)
    }
}

impl Line {
    /// Sends a packet and reads what it causes. Of its bytes so many were taken.
    fn say(&mut self, kind: Kind, socket: usize, bytes: &[u8]) -> usize {
        let head = Head { kind, socket: socket as u8, len: bytes.len() as u16 };
        let packet = [&head.encode()[..], bytes].concat();
        self.to_board.write_all(&packet).unwrap_or_else(|error| self.fail(&error));
        loop {
            let (head, bytes) = self.read().unwrap_or_else(|error| self.fail(&error));
            let wire = &mut self.sockets[usize::from(head.socket)];
            match head.kind {
                Kind::Bytes => wire.received.extend(bytes),
                Kind::Finished => wire.finished = true,
                Kind::Gone => wire.gone = true,
                Kind::Done => {
                    let taken = bytes.try_into().expect("a number has four bytes");
                    return u32::from_le_bytes(taken) as usize;
                }
                _ => panic!("a board says no {head:?}"),
            }
        }
    }

    fn read(&mut self) -> io::Result<(Head, Vec<u8>)> {
        let mut head = [0; 4];
        self.from_board.read_exact(&mut head)?;
        let head = Head::decode(head).ok_or(io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; head.len.into()];
        self.from_board.read_exact(&mut bytes)?;
        Ok((head, bytes))
    }

    fn fail(&mut self, error: &io::Error) -> ! {
        self.off = true;
        let mut printed = String::new();
        if let Some(mut errors) = self.emulator.stderr.take() {
            let _ = errors.read_to_string(&mut printed);
        }
        panic!("the board does not answer ({error}): {printed}")
    }
}

/// A client's end of a socket. It never blocks, and has gone without a word when it is dropped.
pub struct Socket {
    board: Board,
    number: usize,
}

impl Socket {
    /// From now on the board can write so many bytes, and then no more.
    pub fn takes(&self, bytes: u32) {
        self.say(Kind::Takes, &bytes.to_le_bytes());
    }

    /// The client has gone without a word.
    pub fn end(&self) {
        self.say(Kind::End, &[]);
    }

    /// The board has dropped it.
    pub fn is_gone(&self) -> bool {
        self.board.line.borrow().sockets[self.number].gone
    }

    fn say(&self, kind: Kind, bytes: &[u8]) -> usize {
        self.board.line.borrow_mut().say(kind, self.number, bytes)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.is_gone() && !self.board.line.borrow().off {
            self.end();
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = &mut self.board.line.borrow_mut().sockets[self.number];
        if wire.received.is_empty() && !wire.finished && !wire.gone {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(wire.received.len());
        buffer[..len].copy_from_slice(&wire.received[..len]);
        wire.received.drain(..len);
        Ok(len)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_gone() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.say(Kind::Bytes, &bytes[..bytes.len().min(LONGEST)]) {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
