//! Laws of one shard that a chain of few steps shows. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::action::{Close, Denied, Unpublished};
use fastws_core::config::{Config, OnError, SlowConsumer};
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Change, Engine, Life, Sent};
use fastws_core::frame::{Head, Opcode, mask};
use fastws_core::handshake::{Request, Response};
use fastws_core::ids::{CallId, ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};

const NOW: Instant = Instant::from_millis(1);

#[test]
fn a_frame_that_was_begun_is_finished_however_long_it_is() {
    let config = Config { backlog_bytes: 1_000, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    let payload = quoted(5_000);
    engine.publish("t", "u", payload.as_bytes(), None).unwrap();
    engine.publish("t", "u", payload.as_bytes(), None).unwrap();
    let (mut heard, sent) = write(&mut engine, id, 100);
    assert_eq!(sent, Sent::Blocked);
    engine.handle_writable(id);
    heard.extend(write(&mut engine, id, usize::MAX).0);
    let update = format!(r#"{{"type":"u","topic":"t","payload":{payload}}}"#);
    assert_eq!(frames(&heard), [(0x81, update.into_bytes()), (0x88, close(1008, "Slow consumer"))]);
}

#[test]
fn on_lent_memory_a_frame_that_cannot_be_finished_ends_the_connection() {
    let mut connections = ConnectionMemory::<1, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<1, 1, 8>::new();
    let mut turn = TurnMemory::<8_000, 8>::new();
    let config = Config::default();
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let id = listener(&mut engine, &mut App::default(), "t");
    engine.publish("t", "u", quoted(5_000).as_bytes(), None).unwrap();
    write(&mut engine, id, 100);
    assert_eq!(engine.poll_gone(), Some(id));
}

#[test]
fn on_lent_memory_a_close_frame_fits_behind_a_frame_that_was_begun() {
    for len in 0..2_000 {
        let mut connections = ConnectionMemory::<1, 1_024, 1_024>::new();
        let mut topics = TopicMemory::<1, 1, 8>::new();
        let mut turn = TurnMemory::<8_000, 8>::new();
        let config = Config::default();
        let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
        let mut app = App::default();
        let id = listener(&mut engine, &mut app, "t");
        engine.publish("t", "u", quoted(len).as_bytes(), None).unwrap();
        let (mut heard, _) = write(&mut engine, id, 1);
        say(&mut engine, &mut app, id, &framed(0x89, &[b'p'; 125]));
        engine.close(NOW, id, Close { code: 4000, reason: REASON });
        assert!(engine.poll_transmit(NOW).is_none());
        if engine.poll_gone().is_some() {
            assert!(len > 500, "{len} bytes can be kept");
            continue;
        }
        engine.handle_writable(id);
        heard.extend(write(&mut engine, id, usize::MAX).0);
        let opcodes: Vec<u8> = frames(&heard).iter().map(|(first, _)| *first).collect();
        assert_eq!(opcodes, [0x81, 0x8a, 0x88], "{len}");
    }
}

#[test]
fn on_lent_memory_a_pong_and_a_close_frame_fit_wherever_the_backlog_stands() {
    let mut most = 0;
    for (cut, count) in (1..700).flat_map(|cut| (1..20).map(move |count| (cut, count))) {
        let mut connections = ConnectionMemory::<1, 1_024, 1_024>::new();
        let mut topics = TopicMemory::<1, 1, 8>::new();
        let mut turn = TurnMemory::<8_000, 64>::new();
        let config = Config::default();
        let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
        let mut app = App::default();
        let id = listener(&mut engine, &mut app, "t");
        for _ in 0..count {
            engine.publish("t", "u", b"1", None).unwrap();
        }
        write(&mut engine, id, 0);
        if !engine.listens(id, "t") {
            continue;
        }
        most = most.max(count);
        let mut heard = Vec::new();
        for first in [b'p', b'q', b'r'] {
            engine.handle_writable(id);
            heard.extend(write(&mut engine, id, cut).0);
            say(&mut engine, &mut app, id, &framed(0x89, &[first; 125]));
            write(&mut engine, id, 0);
        }
        engine.close(NOW, id, Close { code: 4000, reason: REASON });
        engine.handle_writable(id);
        heard.extend(write(&mut engine, id, usize::MAX).0);
        let heard = frames(&heard);
        let case = format!("{count} updates, cut at {cut}");
        assert_eq!(heard.last().unwrap().0, 0x88, "{case}");
        let pong = heard.iter().rfind(|(first, _)| *first == 0x8a);
        assert_eq!(pong.unwrap().1, [b'r'; 125], "{case}");
        assert_eq!(heard.iter().filter(|(first, _)| *first == 0x81).count(), count, "{case}");
    }
    assert!(most > 10, "some updates are kept");
}

#[test]
fn who_comes_between_two_updates_for_all_hears_the_second_only() {
    let mut engine = Engine::new(Config::default(), 1);
    engine.open(NOW, [0; 16]).unwrap();
    assert_eq!(engine.broadcast("u", b"1"), Ok(1));
    let second = engine.open(NOW, [0; 16]).unwrap();
    assert_eq!(engine.broadcast("u", b"2"), Ok(2));
    let heard = frames(&write(&mut engine, second, usize::MAX).0);
    assert_eq!(heard, [(0x81, br#"{"type":"u","payload":2}"#.to_vec())]);
}

#[test]
fn on_lent_memory_an_update_for_all_reaches_all_or_nobody() {
    let mut connections = ConnectionMemory::<2, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<1, 1, 8>::new();
    let mut turn = TurnMemory::<8_000, 5>::new();
    let config = Config::default();
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    assert_eq!(engine.broadcast("u", b"1"), Ok(0));
    let ids = [(); 2].map(|()| engine.open(NOW, [0; 16]).unwrap());
    assert_eq!(engine.broadcast("u", b"1"), Ok(2));
    let mut third = engine.open(NOW, [0; 16]);
    assert_eq!(third, Err(Full));
    engine.handle_end(NOW, ids[0]);
    assert_eq!(engine.poll_gone(), Some(ids[0]));
    third = engine.open(NOW, [0; 16]);
    assert_eq!(engine.broadcast("u", b"2"), Ok(2), "four notes of five are taken");
    engine.handle_end(NOW, third.unwrap());
    engine.poll_gone();
    third = engine.open(NOW, [0; 16]);
    assert_eq!(engine.broadcast("u", b"3"), Err(Full));
    assert!(write(&mut engine, third.unwrap(), usize::MAX).0.is_empty());
    assert_eq!(engine.broadcast("u", b"4"), Ok(2));
    assert_eq!(frames(&write(&mut engine, ids[1], usize::MAX).0).len(), 1);
}

// law: 9
#[test]
fn on_lent_memory_what_does_not_fit_leaves_whole_what_does() {
    const TURN: usize = 1_000;
    // A message and the longest head of a frame have room or not.
    for (way, needed) in [36 + 10, 24 + 10, 27 + 10].into_iter().enumerate() {
        for left in 0..60 {
            let mut connections = ConnectionMemory::<1, 1_024, 4_096>::new();
            let mut topics = TopicMemory::<1, 1, 8>::new();
            let mut turn = TurnMemory::<TURN, 64>::new();
            let config = Config::default();
            let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
            let mut app = App::default();
            let id = listener(&mut engine, &mut app, "t");
            say(&mut engine, &mut app, id, &text("later", ""));
            let filling = vec![b'x'; TURN - left - 4];
            let head = Head::new(Opcode::Text, filling.len(), None);
            let frame = [head.as_slice(), &filling].concat();
            engine.publish_frame("t", &frame, None).unwrap();
            let (told, text) = match way {
                0 => {
                    let told = engine.publish("t", "u", b"1", None);
                    (told.is_ok(), r#"{"type":"u","topic":"t","payload":1}"#)
                }
                1 => (engine.broadcast("u", b"1").is_ok(), r#"{"type":"u","payload":1}"#),
                _ => {
                    let call = app.calls.pop().unwrap();
                    engine
                        .settle(NOW, call, None, |answer| answer.reply("echo", Some(b"1")).done());
                    (engine.connections() > 0, r#"{"type":"echo","payload":1}"#)
                }
            };
            assert_eq!(told, left >= needed, "way {way} with {left} bytes left");
            let mut due = vec![(0x81, filling)];
            due.extend(told.then(|| (0x81, text.into())));
            if way == 2 && !told {
                due.push((0x88, close(1011, Close::INTERNAL.reason)));
            } else if engine.publish_frame("t", b"\x81\x01a", None).is_ok() {
                due.push((0x81, b"a".to_vec()));
            }
            assert_eq!(
                frames(&write(&mut engine, id, usize::MAX).0),
                due,
                "way {way}, {left} left"
            );
        }
    }
}

#[test]
fn a_frame_for_one_comes_behind_the_reply_and_is_a_whole_text_frame_or_the_end() {
    let later = |engine: &mut Engine<'_>, app: &mut App, frame: &[u8]| {
        let id = engine.open(NOW, [0; 16]).unwrap();
        engine.open(NOW, [1; 16]).unwrap();
        say(engine, app, id, &text("later", ""));
        engine.settle(NOW, app.calls.pop().unwrap(), None, |answer| {
            let mut effects = answer.reply("echo", None);
            effects.send_frame(frame);
            effects.done()
        });
        let sent = engine.counts().sent;
        (sent, frames(&write(engine, id, usize::MAX).0))
    };
    let reply = (0x81, br#"{"type":"echo"}"#.to_vec());
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let heard = later(&mut engine, &mut app, b"\x81\x01a");
    assert_eq!(heard, (2, vec![reply.clone(), (0x81, b"a".to_vec())]));
    let end = (0x88, close(1011, Close::INTERNAL.reason));
    let heard = later(&mut engine, &mut app, b"\x82\x01a");
    assert_eq!(heard, (3, vec![reply.clone(), end.clone()]));

    let mut connections = ConnectionMemory::<2, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<1, 1, 8>::new();
    let mut turn = TurnMemory::<200, 8>::new();
    let config = Config::default();
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let frame = [&[0x81, 126, 0, 200], &[b'a'; 200][..]].concat();
    assert_eq!(later(&mut engine, &mut app, &frame), (1, vec![reply, end]));
}

#[test]
fn what_is_rejected_is_answered_where_the_policy_says_so() {
    let config = Config { on_error: OnError::Reply, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, &[text("unknown", ""), text("echo", "")].concat());
    let heard = frames(&write(&mut engine, id, usize::MAX).0);
    let told = br#"{"type":"error","payload":{"type":"unknown","code":1003,"message":"No matching type"}}"#;
    let echo = br#"{"type":"echo","payload":""}"#;
    assert_eq!(heard, [(0x81, told.to_vec()), (0x81, echo.to_vec())]);
    assert_eq!(engine.connections(), 1);
}

#[test]
fn nothing_overtakes_the_answer_to_the_handshake() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let id = engine.accept(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, UPGRADE);
    write(&mut engine, id, 0);
    say(&mut engine, &mut app, id, &framed(0x89, b"!"));
    write(&mut engine, id, 0);
    engine.handle_writable(id);
    let (heard, _) = write(&mut engine, id, usize::MAX);
    assert!(heard.starts_with(b"HTTP/1.1 101 "));
    assert!(heard.ends_with(b"\r\n\r\n\x8a\x01!"));
}

#[test]
fn in_a_full_turn_a_ping_of_ours_does_not_overtake_the_answer_to_the_handshake() {
    let mut connections = ConnectionMemory::<1, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<1, 2, 8>::new();
    let mut turn = TurnMemory::<130, 64>::new();
    let config = Config::default();
    let ping = config.ping;
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let id = engine.accept(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut App::default(), id, UPGRADE);
    engine.handle_timeout(NOW + ping);
    let (heard, _) = write(&mut engine, id, usize::MAX);
    assert!(heard.starts_with(b"HTTP/1.1 101 ") && heard.ends_with(b"\r\n\r\n\x89\0"));
}

#[test]
fn what_takes_more_than_one_write_is_offered_again_and_a_side_ends_behind_it() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    listener(&mut engine, &mut app, "u");
    for _ in 0..200 {
        engine.publish("t", "u", b"1", None).unwrap();
        engine.publish("u", "u", b"1", None).unwrap();
    }
    say(&mut engine, &mut app, id, b"\xff\x80");
    let (mut heard, mut writes) = (Vec::new(), Vec::new());
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let to = transmit.id();
        let parts: Vec<&[u8]> = transmit.parts().collect();
        let (count, bytes) = (parts.len(), parts.concat());
        let sent = engine.handle_sent(NOW, to, bytes.len());
        if to == id {
            heard.extend(bytes);
            writes.push((count, sent));
        }
    }
    assert_eq!(frames(&heard).len(), 201);
    let full = (64, Sent::Idle);
    assert_eq!(writes, [full, full, full, (9, Sent::Finished)]);
}

#[test]
fn a_head_has_room_up_to_its_limit_and_a_byte_that_is_too_much() {
    let config = Config { handshake_bytes: 200, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let id = engine.accept(NOW, [0; 16]).unwrap();
    assert_eq!(engine.room(id), Some(201));
    say(&mut engine, &mut App::default(), id, b"GET /");
    assert_eq!(engine.room(id), Some(196));
}

#[test]
fn what_was_queued_since_the_last_write_is_known() {
    let mut engine = Engine::new(Config::default(), 1);
    let id = listener(&mut engine, &mut App::default(), "t");
    assert_eq!(engine.queued(), 0);
    engine.publish_frame("t", b"\x81\x01a", None).unwrap();
    engine.publish_frame("t", b"\x81\x00", None).unwrap();
    assert_eq!(engine.queued(), 5);
    write(&mut engine, id, 1);
    assert_eq!(engine.queued(), 0);
}

#[test]
fn a_place_that_is_given_back_is_free_and_a_subscription_is_none() {
    let config = Config { topics_per_connection: 1, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, &text("later", ""));
    let call = app.calls[0];
    assert_eq!(engine.reserve(call, "t", 0), Ok(()));
    assert_eq!(engine.reserve(call, "u", 0), Err(Denied::TooManyTopics));
    assert_eq!(engine.reserve(call, "u", 1), Ok(()), "it is going to leave one");
    engine.give_back(call, "t");
    engine.give_back(call, "u");
    assert_eq!(engine.reserve(call, "v", 0), Ok(()));
    engine.settle(NOW, call, None, |answer| {
        let mut effects = answer.silent();
        assert_eq!(effects.subscribe("v"), Ok(true));
        effects.done()
    });
    say(&mut engine, &mut app, id, &text("later", ""));
    engine.give_back(app.calls[1], "v");
    assert!(engine.listens(id, "v"));
}

#[test]
fn closing_everybody_drops_who_has_asked_for_nothing_yet() {
    let mut engine = Engine::new(Config::default(), 1);
    let early = engine.accept(NOW, [0; 16]).unwrap();
    let open = engine.open(NOW, [1; 16]).unwrap();
    engine.close_all(NOW, Close::SHUTDOWN);
    assert_eq!(engine.poll_gone(), Some(early));
    assert_eq!((engine.poll_gone(), engine.is_empty()), (None, false));
    assert_eq!(frames(&write(&mut engine, open, usize::MAX).0)[0].0, 0x88);
}

#[test]
fn whoever_watches_is_told_of_each_subscription_that_begins_or_ends() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    listener(&mut engine, &mut app, "t");
    assert_eq!(engine.poll_change(), None, "nobody watches");
    engine.watch();
    let id = listener(&mut engine, &mut app, "t");
    say(&mut engine, &mut app, id, &text("subscribe", "t"));
    engine.handle_end(NOW, id);
    let told = [true, false].map(|begun| Change { id, uid: [0; 16], topic: "t".into(), begun });
    assert_eq!(
        [(); 3].map(|()| engine.poll_change()),
        [Some(told[0].clone()), Some(told[1].clone()), None]
    );
}

#[test]
fn a_page_longer_than_a_backlog_is_written_to_its_end() {
    for first in [0, 1, 100] {
        let config = Config { backlog_bytes: 1_000, ..Config::default() };
        let mut engine = Engine::new(config, 1);
        let id = engine.accept(NOW, [0; 16]).unwrap();
        say(&mut engine, &mut App::default(), id, b"GET /page HTTP/1.1\r\n\r\n");
        let (mut heard, _) = write(&mut engine, id, first);
        engine.handle_writable(id);
        let (rest, sent) = write(&mut engine, id, usize::MAX);
        heard.extend(rest);
        assert!(heard.ends_with(&[b'.'; PAGE]));
        assert_eq!(sent, Sent::Finished);
    }
}

#[test]
fn a_close_frame_is_not_dropped_with_what_is_too_much_and_keeps_its_code() {
    let config = Config { backlog_bytes: 1_000, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    engine.publish("t", "u", b"1", None).unwrap();
    write(&mut engine, id, 0);
    for _ in 0..10 {
        engine.publish("t", "u", quoted(400).as_bytes(), None).unwrap();
    }
    engine.close(NOW, id, Close::SHUTDOWN);
    assert!(engine.poll_transmit(NOW).is_none());
    engine.handle_writable(id);
    let (heard, _) = write(&mut engine, id, usize::MAX);
    assert_eq!(frames(&heard), [(0x88, close(1001, "Server shutting down"))]);
    assert_eq!(engine.counts().slow, 1);
}

#[test]
fn topics_of_different_policies_share_a_backlog() {
    let config = Config { backlog_bytes: 1_000, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "close");
    for topic in ["oldest", "latest"] {
        say(&mut engine, &mut app, id, &text("subscribe", topic));
    }
    let policies = [None, Some(SlowConsumer::DropOldest), Some(SlowConsumer::Latest)];
    for number in 0..20 {
        for (topic, policy) in ["close", "oldest", "latest"].into_iter().zip(policies) {
            if topic != "close" || number < 8 {
                let payload = number.to_string();
                engine.publish(topic, "a.update", payload.as_bytes(), policy).unwrap();
            }
        }
    }
    write(&mut engine, id, 0);
    assert_eq!((engine.counts().slow, engine.counts().dropped), (0, 18 + 19));
    engine.handle_writable(id);
    let (heard, _) = write(&mut engine, id, usize::MAX);
    let update =
        |topic, number| format!(r#"{{"type":"a.update","topic":"{topic}","payload":{number}}}"#);
    let gap = |topic, number| {
        format!(
            r#"{{"type":"a.gap","topic":"{topic}","payload":{{"topic":"{topic}","dropped":{number:16}}}}}"#
        )
    };
    let mut due = vec![update("close", 0), gap("oldest", 18), gap("latest", 19)];
    due.extend((1..8).map(|number| update("close", number)));
    due.extend([update("oldest", 18), update("oldest", 19), update("latest", 19)]);
    let heard: Vec<String> =
        frames(&heard).into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect();
    assert_eq!(heard, due);
}

#[test]
fn a_gap_that_was_begun_is_finished_and_another_follows() {
    let config =
        Config { backlog_bytes: 400, slow_consumer: SlowConsumer::DropOldest, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    let publish = |engine: &mut Engine<'_>, number: u32| {
        engine.publish("t", "u", number.to_string().as_bytes(), None).unwrap();
    };
    (0..10).for_each(|number| publish(&mut engine, number));
    write(&mut engine, id, 0);
    engine.handle_writable(id);
    let (mut heard, _) = write(&mut engine, id, 1);
    (10..20).for_each(|number| publish(&mut engine, number));
    write(&mut engine, id, 0);
    engine.handle_writable(id);
    heard.extend(write(&mut engine, id, usize::MAX).0);
    let texts = frames(&heard).into_iter().map(|(_, text)| String::from_utf8(text).unwrap());
    let gaps: Vec<u64> = texts
        .filter_map(|text| {
            text.split_once("dropped\":")?.1.trim_end_matches('}').trim().parse().ok()
        })
        .collect();
    assert_eq!(gaps.len(), 2);
    assert_eq!(gaps.iter().sum::<u64>(), engine.counts().dropped);
}

#[test]
fn only_one_whole_text_frame_can_be_published() {
    let mut engine = Engine::new(Config::default(), 1);
    let id = listener(&mut engine, &mut App::default(), "t");
    let wrong: [&[u8]; 8] = [
        b"",
        b"\x81",
        b"\x81\x02a",
        b"\x81\x01ab",
        b"\x81\x00\x81\x00",
        b"\x01\x00",
        b"\x82\x00",
        b"\x81\x80\x00\x00\x00\x00",
    ];
    for bytes in wrong {
        assert_eq!(engine.publish_frame("t", bytes, None), Err(Unpublished::NotAFrame));
        assert_eq!(engine.broadcast_frame(bytes), Err(Unpublished::NotAFrame));
    }
    assert_eq!(engine.publish_frame("t", b"\x81\x01a", None).unwrap().listeners, 1);
    assert_eq!(frames(&write(&mut engine, id, usize::MAX).0), [(0x81, b"a".to_vec())]);
}

#[test]
fn the_peers_close_is_heard_behind_messages_that_waited() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(
        &mut engine,
        &mut app,
        id,
        &[text("later", ""), text("echo", ""), text("echo", "")].concat(),
    );
    engine.close(NOW, id, Close::SHUTDOWN);
    write(&mut engine, id, usize::MAX);
    say(&mut engine, &mut app, id, &framed(0x88, &[0x03, 0xe8]));
    engine.resume(NOW, &mut app);
    assert_eq!(write(&mut engine, id, usize::MAX).1, Sent::Finished);
}

#[test]
fn the_peers_close_that_waited_is_heard_once_we_close() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    let bye = framed(0x88, &[0x03, 0xe8]);
    say(&mut engine, &mut app, id, &[text("later", ""), text("echo", ""), bye].concat());
    engine.close(NOW, id, Close::SHUTDOWN);
    assert!(engine.is_ready());
    engine.resume(NOW, &mut app);
    let (heard, sent) = write(&mut engine, id, usize::MAX);
    assert_eq!(frames(&heard), [(0x88, close(1001, "Server shutting down"))]);
    assert_eq!(sent, Sent::Finished);
}

#[test]
fn a_closing_connection_is_read_however_much_waited() {
    let config = Config { message_bytes: 200, handshake_bytes: 200, ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, &text("later", ""));
    let mut stream = text("echo", "").repeat(100);
    while let Some(room @ 1..) = engine.room(id) {
        engine.handle_bytes(NOW, id, &mut stream.drain(..room).collect::<Vec<_>>(), &mut app);
    }
    engine.close(NOW, id, Close::SHUTDOWN);
    engine.resume(NOW, &mut app);
    assert_ne!(engine.room(id), Some(0));
}

#[test]
fn whoever_breaks_the_protocol_is_finished_after_the_close_frame() {
    let mut engine = Engine::new(Config::default(), 1);
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut App::default(), id, b"\xff\x80");
    let (heard, sent) = write(&mut engine, id, usize::MAX);
    assert_eq!(frames(&heard)[0].0, 0x88);
    assert_eq!(sent, Sent::Finished);
}

#[test]
fn in_a_full_turn_a_ping_costs_nobody_an_update() {
    let mut connections = ConnectionMemory::<2, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<1, 2, 8>::new();
    let mut turn = TurnMemory::<500, 64>::new();
    let config = Config::default();
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    engine.publish("t", "u", quoted(350).as_bytes(), None).unwrap();
    say(&mut engine, &mut app, id, &framed(0x89, &[b'p'; 125]));
    engine.publish("t", "u", b"1", None).unwrap();
    let (heard, _) = write(&mut engine, id, usize::MAX);
    let mut opcodes: Vec<u8> = frames(&heard).iter().map(|(first, _)| *first).collect();
    opcodes.sort();
    assert_eq!(opcodes, [0x81, 0x81, 0x8a]);
}

#[test]
fn in_a_full_turn_a_ping_drops_nothing_of_a_reader_that_keeps_up() {
    let mut connections = ConnectionMemory::<1, 1_024, 700>::new();
    let mut topics = TopicMemory::<1, 2, 8>::new();
    let mut turn = TurnMemory::<2_000, 64>::new();
    let config = Config::default();
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let mut app = App::default();
    let id = listener(&mut engine, &mut app, "t");
    for _ in 0..5 {
        engine.publish("t", "u", quoted(340).as_bytes(), None).unwrap();
    }
    say(&mut engine, &mut app, id, &framed(0x89, &[b'p'; 125]));
    let (heard, _) = write(&mut engine, id, usize::MAX);
    assert_eq!(frames(&heard).iter().filter(|(first, _)| *first == 0x81).count(), 5);
    assert_eq!(frames(&heard).iter().filter(|(first, _)| *first == 0x8a).count(), 1);
}

// law: 2
#[test]
fn a_rows_next_connection_notes_its_own_bytes() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let first = engine.accept(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, first, b"nonsense\r\n\r\n");
    engine.handle_end(NOW, first);
    assert_eq!(engine.poll_gone(), Some(first));
    let second = engine.accept(NOW, [0; 16]).unwrap();
    assert_eq!(first.slot(), second.slot());
    say(&mut engine, &mut app, second, b"nonsense\r\n\r\n");
    assert!(write(&mut engine, second, usize::MAX).0.starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn whoever_comes_within_a_turn_hears_what_follows_and_nothing_else() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut app = App::default();
    let first = listener(&mut engine, &mut app, "t");
    engine.publish("t", "u", b"1", None).unwrap();
    let second = listener(&mut engine, &mut app, "t");
    engine.publish("t", "u", b"2", None).unwrap();
    engine.publish("t", "u", b"3", None).unwrap();
    let update = |n| (0x81, format!(r#"{{"type":"u","topic":"t","payload":{n}}}"#).into_bytes());
    let mut heard = [(first, Vec::new()), (second, Vec::new())];
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let id = transmit.id();
        let bytes = transmit.parts().collect::<Vec<_>>().concat();
        engine.handle_sent(NOW, id, bytes.len());
        heard.iter_mut().find(|(to, _)| *to == id).unwrap().1.extend(bytes);
    }
    assert_eq!(frames(&heard[0].1), [update(1), update(2), update(3)]);
    assert_eq!(frames(&heard[1].1), [update(2), update(3)]);
}

#[test]
fn memory_can_be_lent_again() {
    let mut connections = ConnectionMemory::<2, 1_024, 1_024>::new();
    let mut topics = TopicMemory::<2, 2, 8>::new();
    let mut turn = TurnMemory::<2_000, 64>::new();
    for _ in 0..3 {
        let config = Config::default();
        let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
        let mut app = App::default();
        for _ in 0..2 {
            let id = listener(&mut engine, &mut app, "t");
            say(&mut engine, &mut app, id, &text("echo", "")[..5]);
            write(&mut engine, id, 3);
        }
        assert_eq!(engine.poll_life(), Some(Life::First("t")));
        engine.publish("t", "u", b"1", None).unwrap();
    }
}

#[test]
fn a_ping_that_was_answered_is_followed_by_the_next_in_time() {
    let secs = Duration::from_secs;
    let config = Config { ping: secs(5), pong: secs(60), ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    engine.handle_timeout(NOW + secs(5));
    assert_eq!(frames(&write(&mut engine, id, usize::MAX).0), [(0x89, vec![])]);
    engine.handle_bytes(NOW + secs(6), id, &mut framed(0x8a, b""), &mut app);
    assert!(engine.poll_timeout().unwrap() <= NOW + secs(11));
    engine.handle_timeout(NOW + secs(11));
    assert_eq!(frames(&write(&mut engine, id, usize::MAX).0), [(0x89, vec![])]);
}

#[test]
fn a_message_that_waits_counts_as_sent() {
    let secs = Duration::from_secs;
    let config = Config { heartbeat: Some(secs(10)), ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, &text("later", ""));
    engine.handle_bytes(NOW + secs(6), id, &mut text("echo", ""), &mut app);
    engine.handle_timeout(NOW + secs(12));
    assert_eq!(engine.connections(), 1);
    engine.handle_timeout(NOW + secs(16));
    assert_eq!(engine.connections(), 0);
}

#[test]
fn a_peer_that_waits_with_its_driver_is_not_silent() {
    let secs = Duration::from_secs;
    let config = Config { heartbeat: Some(secs(30)), ..Config::default() };
    let mut engine = Engine::new(config, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    let hand = |engine: &mut Engine<'_>, app: &mut App, kind| {
        engine.handle_message(NOW, id, Opcode::Text, &mut words(kind, ""), app)
    };
    assert!(hand(&mut engine, &mut app, "later"));
    assert!(!hand(&mut engine, &mut app, "echo"));
    for later in 1..100 {
        engine.handle_timeout(NOW + secs(later * 7));
        assert!(engine.poll_transmit(NOW).is_none());
    }
    assert_eq!(engine.connections(), 1);
}

#[test]
fn streams_whose_handshake_is_done_count_as_connections_too() {
    let mut engine = Engine::new(Config { connections: 2, ..Config::default() }, 1);
    let first = engine.open(NOW, [0; 16]).unwrap();
    engine.open(NOW, [0; 16]).unwrap();
    assert_eq!(engine.open(NOW, [0; 16]), Err(Full));
    engine.close(NOW, first, Close::SHUTDOWN);
    assert!(engine.open(NOW, [0; 16]).is_ok());
}

#[test]
fn a_turn_takes_a_message_even_where_the_limit_is_nothing() {
    let mut engine = Engine::new(Config { turn_bytes: 0, ..Config::default() }, 1);
    let mut app = App::default();
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(&mut engine, &mut app, id, &text("echo", ""));
    engine.resume(NOW, &mut app);
    assert_eq!(frames(&write(&mut engine, id, usize::MAX).0).len(), 1);
}

/// An application that answers as it is asked to.
#[derive(Default)]
struct App {
    calls: Vec<CallId>,
}

impl Dispatch for App {
    fn find(&self, name: &str) -> Option<OperationId> {
        ["echo", "later", "subscribe"]
            .iter()
            .position(|n| *n == name)
            .map(|n| OperationId(n as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        match call.operation.0 {
            0 => answer.reply("echo", call.payload.map(str::as_bytes)).done(),
            1 => {
                self.calls.push(call.id);
                answer.later()
            }
            _ => {
                let payload = call.payload.unwrap();
                let mut effects = answer.silent();
                effects.subscribe(payload.trim_matches('"')).unwrap();
                effects.done()
            }
        }
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        match request.path {
            "/ws" => Admission::Upgrade { protocol: None },
            _ => Admission::Respond(Response {
                status: 200,
                headers: "",
                content_type: "text/plain",
                body: &[b'.'; PAGE],
            }),
        }
    }
}

fn listener(engine: &mut Engine<'_>, app: &mut App, topic: &str) -> ConnectionId {
    let id = engine.open(NOW, [0; 16]).unwrap();
    say(engine, app, id, &text("subscribe", topic));
    id
}

fn say(engine: &mut Engine<'_>, app: &mut App, id: ConnectionId, bytes: &[u8]) {
    engine.handle_bytes(NOW, id, &mut bytes.to_vec(), app);
}

/// Writes until nobody has more to write; this socket takes at most `most` bytes.
fn write(engine: &mut Engine<'_>, id: ConnectionId, mut most: usize) -> (Vec<u8>, Sent) {
    let (mut heard, mut last) = (Vec::new(), Sent::Idle);
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let to = transmit.id();
        let mut bytes = transmit.parts().collect::<Vec<_>>().concat();
        if to == id {
            bytes.truncate(most);
            most -= bytes.len();
            heard.extend_from_slice(&bytes);
        }
        let sent = engine.handle_sent(NOW, to, bytes.len());
        last = if to == id { sent } else { last };
    }
    (heard, last)
}

fn text(kind: &str, payload: &str) -> Vec<u8> {
    framed(0x81, &words(kind, payload))
}

fn words(kind: &str, payload: &str) -> Vec<u8> {
    format!(r#"{{"type":"{kind}","payload":"{payload}"}}"#).into_bytes()
}

fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut frame = Head::new(Opcode::Binary, payload.len(), Some(key)).as_slice().to_vec();
    frame[0] = first;
    let at = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[at..], key, 0);
    frame
}

/// Whole frames of a server, and nothing behind them.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let (len, rest) = match len {
            126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
            len => (usize::from(*len), rest),
        };
        frames.push((*first, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty());
    frames
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

fn quoted(len: usize) -> String {
    format!("\"{}\"", "x".repeat(len))
}

const PAGE: usize = 5_000;
const REASON: &str = "a reason of a hundred and twenty-three bytes, which is all that a close frame can \
    carry besides its code, and no byte more of it!";
const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
