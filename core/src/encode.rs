//! Messages of ours as JSON, written once. Knows members and their bytes; never what they are about.

use crate::envelope::special;
use crate::shelf::{Full, Shelf, Sink};

/// A message of ours. `kind` needs no escaping, `payload` and `id` are JSON already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: &'a str,
    pub(crate) topic: Option<&'a str>,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) id: Option<&'a str>,
}

/// The same for an update that names its topic inside its payload.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapped<'a> {
    pub(crate) kind: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
}

/// What a request gets instead of a close. `kind` is its type as JSON writes it, without the quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed<'a> {
    pub(crate) kind: Option<&'a str>,
    pub(crate) code: u16,
    pub(crate) reason: &'a str,
    pub(crate) id: Option<&'a str>,
}

/// What can be written as one message.
pub(crate) trait Encode {
    /// Puts the message in pieces: where [`len`](Self::len) bytes do not fit, [`Full`] leaves a part.
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full>;

    /// The same at the end of a shelf, with one look at whose memory that is.
    #[inline]
    fn write_to(&self, shelf: &mut Shelf<'_, u8>) -> Result<(), Full> {
        match shelf {
            #[cfg(feature = "alloc")]
            Shelf::Owned(row) => self.write(row),
            Shelf::Lent(row) => self.write(row),
        }
    }

    /// The bytes that [`write`](Self::write) puts. O(what has to be escaped).
    #[inline]
    fn len(&self) -> usize {
        let mut count = Count(0);
        self.write(&mut count).expect("counting needs no room");
        count.0
    }
}

impl Encode for &[u8] {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        sink.put(self)
    }
}

impl Encode for Outgoing<'_> {
    #[inline(always)]
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        debug_assert!(!needs_escape(self.kind), "the builder refuses such names");
        sink.put(b"{\"type\":\"")?;
        sink.put(self.kind.as_bytes())?;
        if let Some(topic) = self.topic {
            sink.put(b"\",\"topic\":\"")?;
            write_escaped(topic.as_bytes(), sink)?;
        }
        if let Some(payload) = self.payload {
            sink.put(b"\",\"payload\":")?;
            sink.put(payload)?;
        }
        if let Some(id) = self.id {
            sink.put(if self.payload.is_some() { b",\"id\":" } else { b"\",\"id\":" })?;
            sink.put(id.as_bytes())?;
        }
        sink.put(if self.payload.is_some() || self.id.is_some() { b"}" } else { b"\"}" })
    }
}

#[cfg(feature = "alloc")]
impl Encode for Wrapped<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        sink.put(b"{\"type\":\"")?;
        sink.put(self.kind.as_bytes())?;
        sink.put(b"\",\"payload\":{\"topic\":\"")?;
        write_escaped(self.topic.as_bytes(), sink)?;
        sink.put(b"\",\"payload\":")?;
        sink.put(self.payload)?;
        sink.put(b"}}")
    }
}

impl Encode for Failed<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        sink.put(b"{\"type\":\"error\",\"payload\":{\"type\":")?;
        match self.kind {
            Some(kind) => {
                sink.put(b"\"")?;
                sink.put(kind.as_bytes())?;
                sink.put(b"\"")?;
            }
            None => sink.put(b"null")?,
        }
        sink.put(b",\"code\":")?;
        let digits = [10_000, 1_000, 100, 10, 1].map(|unit| b'0' + (self.code / unit % 10) as u8);
        let first = digits.iter().position(|&digit| digit != b'0').unwrap_or(4);
        sink.put(&digits[first..])?;
        sink.put(b",\"message\":\"")?;
        write_escaped(self.reason.as_bytes(), sink)?;
        sink.put(b"\"}")?;
        if let Some(id) = self.id {
            sink.put(b",\"id\":")?;
            sink.put(id.as_bytes())?;
        }
        sink.put(b"}")
    }
}

/// What a request over HTTP gets that could not be answered.
pub(crate) struct Problem<'a>(pub(crate) &'a str);

impl Encode for Problem<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        sink.put(b"{\"error\":\"")?;
        write_escaped(self.0.as_bytes(), sink)?;
        sink.put(b"\"}")
    }
}

/// Whether `name` differs from what a JSON string of it would hold.
pub(crate) fn needs_escape(name: &str) -> bool {
    special(name.as_bytes(), 0).1 < name.len()
}

struct Count(usize);

impl Sink for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.0 += bytes.len();
        Ok(())
    }
}

fn write_escaped(text: &[u8], sink: &mut impl Sink) -> Result<(), Full> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    loop {
        let end = special(text, at).1;
        sink.put(&text[at..end])?;
        let Some(&byte) = text.get(end) else {
            return Ok(());
        };
        match byte {
            b'"' | b'\\' => sink.put(&[b'\\', byte])?,
            b'\n' => sink.put(b"\\n")?,
            b'\r' => sink.put(b"\\r")?,
            b'\t' => sink.put(b"\\t")?,
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
                sink.put(&[b'\\', b'u', b'0', b'0', high, low])?;
            }
        }
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::laws::awkward;
    use crate::envelope::read;
    use proptest::prelude::*;
    use std::str::from_utf8;
    use std::vec::Vec;

    #[test]
    fn members_are_written_in_one_order_and_left_out_where_absent() {
        let rows = [
            ([false, false, false], r#"{"type":"k"}"#),
            ([true, false, false], r#"{"type":"k","topic":"a:1"}"#),
            ([false, true, false], r#"{"type":"k","payload":{"o":1}}"#),
            ([false, false, true], r#"{"type":"k","id":"7"}"#),
            ([true, true, false], r#"{"type":"k","topic":"a:1","payload":{"o":1}}"#),
            ([true, false, true], r#"{"type":"k","topic":"a:1","id":"7"}"#),
            ([false, true, true], r#"{"type":"k","payload":{"o":1},"id":"7"}"#),
            ([true, true, true], r#"{"type":"k","topic":"a:1","payload":{"o":1},"id":"7"}"#),
        ];
        for ([topic, payload, id], expected) in rows {
            let outgoing = Outgoing {
                kind: "k",
                topic: topic.then_some("a:1"),
                payload: payload.then_some(b"{\"o\":1}"),
                id: id.then_some("\"7\""),
            };
            let mut sink = Grown(Vec::new());
            outgoing.write(&mut sink).unwrap();
            assert_eq!(from_utf8(&sink.0).unwrap(), expected);
            assert_eq!(outgoing.len(), expected.len());
        }
    }

    #[test]
    fn an_error_message_is_json_whatever_it_is_about() {
        let rows = [
            (None, 1003, "no", None, r#"{"type":null,"code":1003,"message":"no"}}"#),
            (Some("a"), 0, "", None, r#"{"type":"a","code":0,"message":""}}"#),
            (
                Some(r"\u0061"),
                65535,
                "\"\n",
                None,
                r#"{"type":"\u0061","code":65535,"message":"\"\n"}}"#,
            ),
            (
                Some("a"),
                1011,
                "no",
                Some("7"),
                r#"{"type":"a","code":1011,"message":"no"},"id":7}"#,
            ),
        ];
        for (kind, code, reason, id, expected) in rows {
            let failed = Failed { kind, code, reason, id };
            let mut sink = Grown(Vec::new());
            failed.write(&mut sink).unwrap();
            let expected = std::format!(r#"{{"type":"error","payload":{expected}"#);
            assert_eq!(from_utf8(&sink.0).unwrap(), expected);
            assert_eq!(failed.len(), expected.len());
            assert!(serde_json::from_str::<serde_json::Value>(&expected).is_ok(), "{expected}");
        }
    }

    #[test]
    fn a_message_that_does_not_fit_is_full() {
        struct Small(usize);
        impl Sink for Small {
            fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(Full)?;
                Ok(())
            }
        }
        let outgoing = Outgoing { kind: "k", topic: Some("t"), payload: Some(b"1"), id: Some("2") };
        assert_eq!(outgoing.write(&mut Small(outgoing.len())), Ok(()));
        for room in 0..outgoing.len() {
            assert_eq!(outgoing.write(&mut Small(room)), Err(Full));
        }
    }

    struct Grown(Vec<u8>);

    impl Sink for Grown {
        fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_topic_is_read_as_it_was_named(topic in awkward(), with_payload: bool) {
            let payload = with_payload.then_some(&b"[1]"[..]);
            let outgoing = Outgoing { kind: "k", topic: Some(&topic), payload, id: None };
            let mut sink = Grown(Vec::new());
            outgoing.write(&mut sink).unwrap();
            prop_assert_eq!(sink.0.len(), outgoing.len());
            let text = from_utf8(&sink.0).unwrap();
            prop_assert_eq!(read(text, 2).unwrap().payload.map(str::as_bytes), payload);
            let seen: serde_json::Value = serde_json::from_slice(&sink.0).unwrap();
            prop_assert_eq!(seen["topic"].as_str(), Some(topic.as_str()));
        }

        #[test]
        fn a_name_needs_escaping_where_serde_json_escapes_it(name in awkward()) {
            let written = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(needs_escape(&name), written.len() != name.len() + 2);
        }
    }
}
