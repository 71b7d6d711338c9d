//! What a client is told of updates that it did not get. Knows our own frames as they were encoded, no
//! connection and no backlog.

use crate::envelope;
use crate::frame::{self, Head, Opcode};
use core::ops::Range;

/// Where an update's frame names what it is about, as it was written.
pub(crate) struct Labels {
    /// The type up to its last dot.
    stem: Range<usize>,
    topic: Range<usize>,
}

impl Labels {
    /// `None` where the frame holds no message of ours, or one without a topic.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let (_, head_len, _) = frame::split(frame)?;
        let kind = string_behind(frame, head_len, TYPE)?;
        let topic = NAMED.iter().find_map(|mark| string_behind(frame, kind.end, mark))?;
        let stem = kind.start..kind.start + stem_len(&frame[kind]);
        Some(Self { stem, topic })
    }

    pub(crate) fn topic<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        &frame[self.topic.clone()]
    }

    /// Bytes of the frame up to and with its topic.
    pub(crate) fn end(&self) -> usize {
        self.topic.end
    }

    /// Bytes of the gap's frame.
    pub(crate) fn gap_len(&self) -> usize {
        self.gap_head().as_slice().len() + self.gap_text_len()
    }

    /// Makes of the update that lies in `room`, or of its beginning, the gap of its topic, which tells of
    /// one update. There is room up to the [end](Self::end) and for [all of it](Self::gap_len).
    pub(crate) fn make_gap(&self, room: &mut [u8]) {
        let head = self.gap_head();
        let head = head.as_slice();
        let stem = head.len() + TYPE.len();
        let topic = stem + self.stem.len() + TOPIC.len();
        let again = topic + self.topic.len() + AGAIN.len();
        let number = again + self.topic.len();
        // From the back to the front, so that nothing is written over before it was moved.
        room.copy_within(self.topic.clone(), again);
        room.copy_within(again..number, topic);
        room.copy_within(self.stem.clone(), stem);
        for (end, bytes) in [
            (head.len(), head),
            (stem, TYPE),
            (topic, TOPIC),
            (again, AGAIN),
            (number + NUMBER.len(), NUMBER),
        ] {
            room[end - bytes.len()..end].copy_from_slice(bytes);
        }
    }

    fn gap_head(&self) -> Head {
        Head::new(Opcode::Text, self.gap_text_len(), None)
    }

    fn gap_text_len(&self) -> usize {
        let fixed = TYPE.len() + TOPIC.len() + AGAIN.len() + NUMBER.len();
        fixed + self.stem.len() + 2 * self.topic.len()
    }
}

/// Bytes of an update's type that the type of its gap has too: up to and with the last dot.
pub(crate) fn stem_len(kind: &[u8]) -> usize {
    kind.iter().rposition(|&byte| byte == b'.').map_or(0, |dot| dot + 1)
}

/// One update more was dropped of which a gap's frame tells.
pub(crate) fn add_one(gap: &mut [u8]) {
    let end = gap.len() - END.len();
    for digit in gap[..end].iter_mut().rev() {
        match *digit {
            b'9' => *digit = b'0',
            b' ' => return *digit = b'1',
            _ => return *digit += 1,
        }
    }
}

/// The string that `mark` and its opening quote precede, without its quotes.
fn string_behind(frame: &[u8], at: usize, mark: &[u8]) -> Option<Range<usize>> {
    let start = at + mark.len();
    let end = frame[at..].starts_with(mark).then(|| envelope::string(frame, start))?.ok()?.0;
    Some(start..end - 1)
}

/// What precedes the topic, beside the payload or in it.
const NAMED: [&[u8]; 2] = [b"\",\"topic\":\"", b"\",\"payload\":{\"topic\":\""];
const TYPE: &[u8] = b"{\"type\":\"";
const TOPIC: &[u8] = b"gap\",\"topic\":\"";
const AGAIN: &[u8] = b"\",\"payload\":{\"topic\":\"";
/// JSON allows white space before a number, so that one that grows stays in its place.
const NUMBER: &[u8] = b"\",\"dropped\":               1}}";
const END: &[u8] = b"}}";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn update(kind: &str, topic: &str, payload: &str) -> Vec<u8> {
        let text = format!("{{\"type\":\"{kind}\",\"topic\":{},{payload}}}", json!(topic));
        [Head::new(Opcode::Text, text.len(), None).as_slice(), text.as_bytes()].concat()
    }

    fn wrapped(kind: &str, topic: &str, payload: &str) -> Vec<u8> {
        let topic = json!(topic);
        let text = format!(r#"{{"type":"{kind}","payload":{{"topic":{topic},{payload}}}}}"#);
        [Head::new(Opcode::Text, text.len(), None).as_slice(), text.as_bytes()].concat()
    }

    fn gap(mut frame: Vec<u8>, cut: bool) -> Vec<u8> {
        let labels = Labels::of(&frame).expect("it has a topic");
        if cut {
            frame.truncate(labels.end());
        }
        frame.resize(labels.end().max(labels.gap_len()).max(frame.len()), b'!');
        labels.make_gap(&mut frame);
        frame.truncate(labels.gap_len());
        frame
    }

    fn text(frame: &[u8]) -> String {
        let (opcode, head_len, len) = frame::split(frame).expect("it is a frame");
        assert_eq!((opcode, len), (Opcode::Text, frame.len()));
        String::from_utf8(frame[head_len..].to_vec()).expect("it is text")
    }

    #[test]
    fn a_gap_tells_its_topic_and_how_many_updates_are_missing() {
        let mut gap = gap(update("bars.update", "bars:AAPL:1", "\"payload\":1"), false);
        let told = r#"{"type":"bars.gap","topic":"bars:AAPL:1","payload":{"topic":"bars:AAPL:1","dropped":               1}}"#;
        assert_eq!(text(&gap), told);
        for dropped in 2..=1_100 {
            add_one(&mut gap);
            let told = told.replace(&format!("{:16}", 1), &format!("{dropped:16}"));
            assert_eq!(text(&gap), told);
        }
    }

    #[test]
    fn what_names_no_topic_has_no_gap() {
        let frames: [&[u8]; 6] = [
            b"",
            b"\x81\x00",
            b"\x81\x0e{\"type\":\"bye\"}",
            b"\x81\x15{\"type\":\"bye\",\"topic\":",
            b"\x81\x19{\"type\":\"bye\",\"topic\":\"to\\\"",
            b"\x81\x1a{\"topic\":\"t\",\"type\":\"bye\"}",
        ];
        for frame in frames {
            assert!(Labels::of(frame).is_none(), "{frame:?}");
        }
    }

    proptest! {
        #[test]
        fn a_gap_is_made_of_any_update(
            stem in "([a-z]{1,80}[.]){0,3}",
            name in "[a-z]{1,200}",
            topic in ".{1,100}",
            payload in 0_usize..80_000,
            cut: bool,
            inside: bool,
        ) {
            let update = if inside { wrapped } else { update };
            let frame = update(&(stem.clone() + &name), &topic, &"x".repeat(payload));
            let gap = gap(frame.clone(), cut);
            let (of_update, of_gap) = (Labels::of(&frame).unwrap(), Labels::of(&gap).unwrap());
            prop_assert_eq!(of_update.topic(&frame), of_gap.topic(&gap));
            let told: Value = serde_json::from_str(&text(&gap)).unwrap();
            let wanted = json!({
                "type": stem + "gap",
                "topic": topic,
                "payload": {"topic": topic, "dropped": 1},
            });
            prop_assert_eq!(told, wanted);
        }
    }
}
