//! How bytes come and go. Knows streams and their parts, and an engine's two ends; not what it says.

use fastws_core::dispatch::Dispatch;
use fastws_core::engine::Engine;
use fastws_core::ids::ConnectionId;
use fastws_core::time::Instant;
use std::io::{self, Read, Write};
use std::iter::once;

/// The one moment of a target.
pub const NOW: Instant = Instant::from_millis(1);

/// Ways in which so many bytes may come. A byte chooses two sizes that take turns, a small and a
/// larger one, and two parts; few bytes come one by one and in every two parts, too.
pub fn splits(len: usize, chosen: u8) -> impl Iterator<Item = Vec<usize>> {
    let sizes = [1 + usize::from(chosen & 15), (1 + usize::from(chosen >> 4)).pow(2)];
    let few = if len <= FEW { 1..len } else { 0..0 };
    let single = few.clone().map(|_| 1).chain([1]).collect();
    let first = len * usize::from(chosen) / 256;
    once(sizes.repeat(len / (sizes[0] + sizes[1]) + 1))
        .chain((first > 0).then(|| vec![first, len - first]))
        .chain((len <= FEW).then_some(single))
        .chain(few.map(move |first| vec![first, len - first]))
}

const FEW: usize = 48;

/// The parts of these sizes, the last one shorter.
pub fn parts<'a>(mut stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().map_while(move |size| {
        let (part, rest) = stream.split_at((*size).min(stream.len()));
        stream = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// Gives an engine a part of what a socket has sent, as far as it takes it. Whatever is to be
/// written is appended to `written`.
pub fn feed<D: Dispatch>(
    engine: &mut Engine<'_>,
    dispatch: &mut D,
    id: ConnectionId,
    mut part: &[u8],
    written: &mut Vec<u8>,
) {
    while !part.is_empty() {
        let Some(room) = engine.room(id) else { return };
        let (now, rest) = part.split_at(room.min(part.len()));
        part = rest;
        engine.handle_bytes(NOW, id, &mut now.to_vec(), dispatch);
        transmit(engine, dispatch, written);
        if engine.room(id) == Some(0) {
            return;
        }
    }
}

/// Does what waits, and takes all that an engine writes.
pub fn transmit<D: Dispatch>(engine: &mut Engine<'_>, dispatch: &mut D, written: &mut Vec<u8>) {
    loop {
        engine.resume(NOW, dispatch);
        while let Some(transmit) = engine.poll_transmit(NOW) {
            let (id, before) = (transmit.id(), written.len());
            transmit.parts().for_each(|part| written.extend_from_slice(part));
            engine.handle_sent(NOW, id, written.len() - before);
        }
        if !engine.is_ready() {
            return;
        }
    }
}

/// What a server has said, up to its close.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub texts: Vec<String>,
    pub pongs: Vec<Vec<u8>>,
    /// The payload of its close.
    pub closed: Option<Vec<u8>>,
}

impl Said {
    /// Reads frames as RFC 6455 section 5.2 draws them; a server sends each whole and unmasked.
    pub fn read(mut bytes: &[u8]) -> Self {
        let mut said = Self::default();
        while let [first, second, rest @ ..] = bytes {
            assert!(said.closed.is_none(), "nothing follows a close");
            let (len, rest) = match second {
                0..126 => (usize::from(*second), rest),
                126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
                _ => panic!("it is masked, or longer than anything here"),
            };
            let (payload, rest) = rest.split_at(len);
            bytes = rest;
            match first {
                0x81 => said.texts.push(String::from_utf8(payload.into()).expect("it is text")),
                0x8a => said.pongs.push(payload.into()),
                0x88 => said.closed = Some(payload.into()),
                _ => panic!("a server does not send {first:#x}"),
            }
        }
        assert!(bytes.is_empty(), "the last frame is whole");
        said
    }

    /// The code of its close, if that has one.
    pub fn code(&self) -> Option<u16> {
        let payload = self.closed.as_deref()?;
        Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]))
    }
}

/// A socket that has received a stream, is not at its end, and takes whatever is written.
pub struct Socket<'a>(pub &'a [u8]);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
