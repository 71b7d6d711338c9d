//! What waits for one connection, and how much may. Knows how each frame is treated, not whose it is.

use crate::config::SlowConsumer;
use crate::gap::Labels;
use crate::records::{
    BEGUN, GAP, LINK, NEWEST, PONG, RECORD, Records, UPDATE, WHOLE, Waiting, key,
};
use crate::shelf::Buffer;

/// For whom a run of the turn's bytes is, which is also how its frames are treated in a backlog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    /// Bytes of HTTP.
    Raw(u32),
    /// Replies and control frames of one slot.
    Reply(u32),
    /// The pong of one slot: only the newest waits.
    Pong(u32),
    /// The last frame of one slot.
    Close(u32),
    /// Updates of a topic.
    Update(u32, SlowConsumer),
    /// Updates for every open connection.
    All,
}

/// What is left was not kept.
pub(crate) enum Overflow {
    /// The limit was reached.
    Slow,
    /// Lent memory has no room for the rest of something that was begun.
    Cut,
}

/// What waits for one connection, to be changed.
pub(crate) struct Backlog<'b> {
    records: Records<'b>,
    limit: usize,
    /// Counts updates that were dropped.
    dropped: &'b mut u64,
}

/// Beyond the limit, an eighth and a 512th there is always room for a pong that was begun, a pong, a close
/// frame, and the least index.
pub(crate) const SLACK: usize = 3 * (RECORD + PONG) + 4;

impl<'b> Backlog<'b> {
    pub(crate) fn new(
        buffer: Buffer<'b>,
        waiting: &'b mut Waiting,
        limit: usize,
        dropped: &'b mut u64,
    ) -> Self {
        // At most a 512th of the limit, and no chain gets long: a gap is some 100 bytes.
        let chains = 1 + limit / 2_048;
        Self { records: Records { buffer, waiting, chains }, limit, dropped }
    }

    /// Keeps a frame, or the rest of one that was begun. Older updates may be dropped for it.
    pub(crate) fn keep(&mut self, to: To, frame: &[u8], begun: bool) -> Result<(), Overflow> {
        let space = RECORD + frame.len();
        match to {
            _ if begun => return self.keep_beyond(BEGUN, frame, SLACK),
            // It comes last; whatever else comes leaves room for it.
            To::Close(_) => return self.keep_beyond(WHOLE, frame, 0),
            To::Pong(_) => {
                self.make_room(RECORD + PONG);
                self.records.put_pong(frame);
                return Ok(());
            }
            To::Update(_, policy @ (SlowConsumer::DropOldest | SlowConsumer::Latest)) => {
                if let Some(labels) = Labels::of(frame) {
                    return self.keep_update(policy, frame, &labels);
                }
            }
            To::Raw(_) | To::Reply(_) | To::Update(..) | To::All => {}
        }
        self.fit(space)?;
        self.records.push(WHOLE, frame, frame.len());
        Ok(())
    }

    /// Keeps what is not held against the limit.
    fn keep_beyond(&mut self, kind: u8, frame: &[u8], spare: usize) -> Result<(), Overflow> {
        let space = RECORD + frame.len();
        self.make_room(space);
        if self.records.buffer.room() < space + spare {
            return Err(Overflow::Cut);
        }
        self.records.push(kind, frame, frame.len());
        Ok(())
    }

    /// Keeps an update that may be dropped, or drops it.
    fn keep_update(
        &mut self,
        policy: SlowConsumer,
        frame: &[u8],
        labels: &Labels,
    ) -> Result<(), Overflow> {
        let (topic, gap_len) = (labels.topic(frame), labels.gap_len());
        // Where its gap is made of it.
        let least = labels.end().max(gap_len);
        if !self.records.is_indexed() {
            // Then nothing waits that can be dropped.
            if self.records.len() + RECORD + LINK + least > self.limit {
                return Err(Overflow::Slow);
            }
            self.records.begin_index();
        }
        let key = key(topic);
        let kind = if policy == SlowConsumer::Latest { NEWEST } else { UPDATE };
        if kind == NEWEST
            && let Some(older) = self.records.find(NEWEST, key, topic)
        {
            self.drop_update(older);
        }
        let room = frame.len().max(gap_len);
        if self.fit(RECORD + LINK + room).is_ok() {
            self.records.push_update(kind, key, frame, room);
        } else if let Some(gap) = self.records.find(GAP, key, topic) {
            *self.dropped += 1;
            self.records.add_to_gap(gap);
        } else {
            self.fit(RECORD + LINK + least)?;
            let at = self.records.push_update(UPDATE, key, &frame[..labels.end()], least);
            *self.dropped += 1;
            self.records.make_gap(at, labels);
        }
        Ok(())
    }

    /// The socket has taken `sent` bytes. Returns those that were not of what waits here.
    pub(crate) fn sent(&mut self, sent: usize) -> usize {
        self.records.sent(sent)
    }

    /// Forgets what waits, but finishes the frame that was begun.
    pub(crate) fn drop_waiting(&mut self) {
        self.records.drop_waiting();
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }

    /// Makes `space` fit into the limit, if dropping the oldest updates does.
    fn fit(&mut self, space: usize) -> Result<(), Overflow> {
        while self.records.len() + space > self.limit {
            let oldest = self.records.oldest().ok_or(Overflow::Slow)?;
            self.drop_update(oldest);
        }
        self.make_room(space);
        Ok(())
    }

    /// Makes a gap of an update, or counts it in the one that its topic has.
    fn drop_update(&mut self, at: usize) {
        let frame = self.records.record(at).expect("an update waits there").frame();
        let labels = Labels::of(frame).expect("it was kept for its topic");
        let topic = labels.topic(frame);
        *self.dropped += 1;
        match self.records.find(GAP, key(topic), topic) {
            Some(gap) => {
                self.records.drop(at);
                self.records.add_to_gap(gap);
            }
            None => self.records.make_gap(at, &labels),
        }
    }

    /// What was sent and dropped keeps its place until that is an eighth of the limit, so that little is
    /// moved for each byte that comes.
    fn make_room(&mut self, space: usize) {
        let most = self.limit + self.limit / 8 + self.limit / 512 + SLACK;
        if self.records.buffer.len() + space > most {
            self.records.compact();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{self, Head, Opcode};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::format;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    const LIMIT: usize = 8_000;

    /// A backlog whose buffer is no longer than it may get.
    #[derive(Clone)]
    struct Keeper {
        bytes: Vec<u8>,
        len: u32,
        waiting: Waiting,
        dropped: u64,
        heard: Vec<u8>,
    }

    impl Keeper {
        fn new() -> Self {
            let bytes = vec![0; LIMIT + LIMIT / 8 + LIMIT / 512 + SLACK];
            Self { bytes, len: 0, waiting: Waiting::NOTHING, dropped: 0, heard: vec![] }
        }

        fn backlog(&mut self) -> Backlog<'_> {
            let buffer = Buffer::Lent { bytes: &mut self.bytes, len: &mut self.len };
            Backlog::new(buffer, &mut self.waiting, LIMIT, &mut self.dropped)
        }

        /// False: too much waits.
        fn keep(&mut self, to: To, opcode: Opcode, payload: &str) -> bool {
            let head = Head::new(opcode, payload.len(), None);
            let frame = [head.as_slice(), payload.as_bytes()].concat();
            self.backlog().keep(to, &frame, false).is_ok()
        }

        fn update(&mut self, topic: usize, policy: SlowConsumer, number: u64, len: usize) -> bool {
            let filling = "x".repeat(len);
            let text = format!(
                r#"{{"type":"t.update","topic":"t{topic}","payload":[{number},"{filling}"]}}"#
            );
            self.keep(To::Update(0, policy), Opcode::Text, &text)
        }

        fn len(&self) -> usize {
            self.waiting.len(&self.bytes[..self.len as usize])
        }

        fn frames(&self) -> Vec<&[u8]> {
            self.waiting.frames(&self.bytes[..self.len as usize]).collect()
        }

        fn read(&mut self, bytes: usize) {
            let mut taken = self.frames().concat();
            taken.truncate(bytes);
            self.heard.extend_from_slice(&taken);
            assert_eq!(self.backlog().sent(taken.len()), 0);
        }

        fn messages(&self) -> Vec<Value> {
            let mut rest = &*self.heard;
            let mut messages = Vec::new();
            while let Some((opcode, head, len)) = frame::split(rest) {
                if opcode == Opcode::Text {
                    messages.push(serde_json::from_slice(&rest[head..len]).expect("it is JSON"));
                }
                rest = &rest[len..];
            }
            assert!(rest.is_empty(), "only whole frames are heard");
            messages
        }
    }

    fn policy(topic: usize) -> SlowConsumer {
        [SlowConsumer::DropOldest, SlowConsumer::Latest, SlowConsumer::Close][topic % 3]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Update { topic: usize, len: usize },
        Reply { len: usize },
        Pong { len: usize },
        Read { bytes: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            9 => (0_usize..60, prop_oneof![9 => 0_usize..200, 1 => 0_usize..2_000])
                .prop_map(|(topic, len)| Step::Update { topic, len }),
            1 => (0_usize..300).prop_map(|len| Step::Reply { len }),
            1 => (0_usize..126).prop_map(|len| Step::Pong { len }),
            2 => prop_oneof![1 => 0_usize..300, 1 => 0_usize..3_000]
                .prop_map(|bytes| Step::Read { bytes }),
        ]
    }

    proptest! {
        // law: 5 6
        #[test]
        fn of_every_topic_all_is_heard_or_told_in_its_order(
            steps in prop::collection::vec(step(), 0..400),
        ) {
            let mut keeper = Keeper::new();
            let (mut published, mut replies) = ([0; 60], 0);
            for step in steps {
                match step {
                    Step::Update { topic, len } => {
                        // Too many that may not be dropped are not the matter here.
                        let topic = if published[topic] < 20 { topic } else { topic / 3 * 3 };
                        if !keeper.update(topic, policy(topic), published[topic], len) {
                            break;
                        }
                        published[topic] += 1;
                        if policy(topic) == SlowConsumer::Latest {
                            let update = format!(r#"t.update","topic":"t{topic}""#);
                            let waits = |frame: &&&[u8]| String::from_utf8_lossy(frame).contains(&update);
                            // The first may have been begun.
                            prop_assert!(keeper.frames()[1..].iter().filter(waits).count() <= 1);
                        }
                    }
                    Step::Reply { len } => {
                        let reply = json!({"type": "reply", "number": replies, "x": "x".repeat(len)});
                        if !keeper.keep(To::Reply(0), Opcode::Text, &reply.to_string()) {
                            break;
                        }
                        replies += 1;
                    }
                    Step::Pong { len } => {
                        prop_assert!(keeper.keep(To::Pong(0), Opcode::Pong, &"p".repeat(len)));
                    }
                    Step::Read { bytes } => keeper.read(bytes),
                }
                let mut compacted = keeper.clone();
                compacted.backlog().records.compact();
                prop_assert_eq!(keeper.len(), compacted.len(), "holes are known");
                prop_assert_eq!(keeper.frames(), compacted.frames());
            }
            keeper.read(usize::MAX);
            prop_assert_eq!(keeper.len, 0);
            let (mut heard, mut heard_replies, mut missed) = ([0; 60], 0, 0);
            for message in keeper.messages() {
                let topic = message["topic"].as_str().map_or(0, |topic| topic[1..].parse().unwrap());
                match message["type"].as_str().unwrap() {
                    "t.update" => {
                        prop_assert_eq!(message["payload"][0].as_u64(), Some(heard[topic]));
                        heard[topic] += 1;
                    }
                    "t.gap" => {
                        prop_assert!(policy(topic) != SlowConsumer::Close);
                        prop_assert_eq!(&message["payload"]["topic"], &message["topic"]);
                        let dropped = message["payload"]["dropped"].as_u64().unwrap();
                        heard[topic] += dropped;
                        missed += dropped;
                    }
                    _ => {
                        prop_assert_eq!(message["number"].as_u64(), Some(heard_replies));
                        heard_replies += 1;
                    }
                }
            }
            prop_assert_eq!((heard, heard_replies), (published, replies));
            prop_assert_eq!(missed, keeper.dropped);
        }
    }

    #[test]
    fn what_is_moved_is_paid_for_by_what_comes() {
        for policy in [SlowConsumer::Close, SlowConsumer::DropOldest, SlowConsumer::Latest] {
            let mut keeper = Keeper::new();
            let mut number = 0;
            while keeper.len() < LIMIT - 500 {
                assert!(keeper.update(number, policy, 0, 100));
                number += 1;
            }
            let (mut moves, rounds) = (0, 1_000);
            for round in 0..rounds {
                let before = keeper.len;
                match policy {
                    SlowConsumer::Close => keeper.read(keeper.frames()[0].len()),
                    _ => keeper.read(1),
                }
                assert!(keeper.update(round % number, policy, 1, 100));
                moves += usize::from(keeper.len < before);
            }
            // A record is less than 200 bytes, and an eighth of the limit 1000.
            assert!(moves <= rounds / 5 + 1, "{policy:?}: {moves} moves");
        }
    }

    #[test]
    fn a_reader_for_which_not_even_gaps_fit_is_too_slow() {
        let mut keeper = Keeper::new();
        let kept =
            (0..1_000).take_while(|&topic| keeper.update(topic, SlowConsumer::DropOldest, 0, 0));
        let kept = kept.count();
        let gap = r#"{"type":"t.gap","topic":"t10","payload":{"topic":"t10","dropped":               1}}"#;
        assert_eq!(kept, LIMIT / (RECORD + LINK + 2 + gap.len()));
        assert_eq!(keeper.dropped, kept as u64);
    }

    #[test]
    fn an_update_that_does_not_fit_is_dropped_itself() {
        for policy in [SlowConsumer::DropOldest, SlowConsumer::Latest] {
            let mut keeper = Keeper::new();
            let reply = "r".repeat(6_000);
            assert!(keeper.keep(To::Reply(0), Opcode::Binary, &reply));
            for number in 0..3 {
                assert!(keeper.update(1, policy, number, 3_000));
            }
            assert!(keeper.update(1, policy, 3, 1));
            keeper.read(usize::MAX);
            let payloads: Vec<Value> =
                keeper.messages().iter().map(|message| message["payload"].clone()).collect();
            assert_eq!(payloads, [json!({"topic": "t1", "dropped": 3}), json!([3, "x"])]);
        }
    }

    #[test]
    fn topics_have_keys_of_their_own() {
        let keys: BTreeSet<u32> =
            (0..10_000).map(|topic| key(format!("t{topic}").as_bytes())).collect();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn the_limit_holds_to_the_byte() {
        let gap =
            r#"{"type":"t.gap","topic":"t1","payload":{"topic":"t1","dropped":               1}}"#;
        let gap = RECORD + LINK + 2 + gap.len();
        let update = r#"{"type":"t.update","topic":"t1","payload":[0,""]}"#.len() + 500;
        let update = RECORD + LINK + 4 + update;
        // What is left when a reply waits; whether an update is kept then; and how many were dropped.
        for policy in [SlowConsumer::DropOldest, SlowConsumer::Latest] {
            for (left, kept, dropped) in
                [(update, true, 0), (update - 1, true, 1), (gap, true, 1), (gap - 1, false, 0)]
            {
                let mut keeper = Keeper::new();
                let reply = "r".repeat(LIMIT - left - RECORD - 4);
                assert!(keeper.keep(To::Reply(0), Opcode::Binary, &reply));
                assert_eq!(keeper.update(1, policy, 0, 500), kept, "{policy:?} with {left} left");
                assert_eq!(keeper.dropped, dropped, "{policy:?} with {left} left");
            }
        }
        for beyond in [0, 1] {
            let mut keeper = Keeper::new();
            let reply = "r".repeat(1_000);
            let space = RECORD + 4 + reply.len();
            for _ in 0..LIMIT / space {
                assert!(keeper.keep(To::Reply(0), Opcode::Binary, &reply));
            }
            let rest = "r".repeat(LIMIT % space + beyond - RECORD - 4);
            assert_eq!(keeper.keep(To::Reply(0), Opcode::Binary, &rest), beyond == 0);
        }
    }

    #[test]
    fn a_topic_has_one_gap_also_where_that_comes_first() {
        let mut keeper = Keeper::new();
        for number in 0..4 {
            assert!(keeper.update(1, SlowConsumer::Latest, number, 0));
        }
        assert_eq!((keeper.frames().len(), keeper.dropped), (2, 3));
    }

    #[test]
    fn no_more_is_kept_of_what_was_sent_than_still_waits() {
        let mut keeper = Keeper::new();
        while keeper.update(0, SlowConsumer::Close, 0, 100) {}
        while keeper.len() > 0 {
            keeper.read(keeper.frames()[0].len());
            assert!(keeper.len as usize <= 2 * keeper.len());
        }
    }

    #[test]
    fn what_a_gap_does_not_take_of_its_update_is_free() {
        let mut keeper = Keeper::new();
        assert!(keeper.keep(To::Reply(0), Opcode::Binary, &"r".repeat(3_000)));
        assert!(keeper.update(1, SlowConsumer::DropOldest, 0, 2_000));
        assert!(keeper.keep(To::Reply(0), Opcode::Binary, &"r".repeat(4_500)));
        assert_eq!(keeper.dropped, 1);
    }

    #[test]
    fn a_frame_that_was_begun_leaves_room_for_pongs_and_a_close() {
        for beyond in [0, 1] {
            let mut keeper = Keeper::new();
            let rest = vec![b'x'; keeper.bytes.len() - SLACK - RECORD + beyond];
            let kept = keeper.backlog().keep(To::Reply(0), &rest, true).is_ok();
            assert_eq!(kept, beyond == 0);
        }
    }
}
