//! Which numbers an engine can work with.

use fastws_core::config::Config;
use fastws_core::time::Duration;

/// Changes one number of a config.
type Change = fn(&mut Config);

#[test]
fn a_number_with_which_nobody_is_served_is_named_with_what_to_write() {
    let cases: [(Change, &str); 25] = [
        (|c| c.connections = 0, "`connections` of `Config` is 0: write at least 1"),
        (|c| c.message_bytes = 0, "`message_bytes` of `Config` is 0: write at least 12"),
        (|c| c.message_bytes = 11, "`message_bytes` of `Config` is 11: write at least 12"),
        (
            |c| c.message_bytes = u32::MAX,
            "`message_bytes` of `Config` is 4294967295: write at most 1073741824",
        ),
        (|c| c.nesting = 0, "`nesting` of `Config` is 0: write at least 1"),
        (|c| c.nesting = 129, "`nesting` of `Config` is 129: write at most 128"),
        (|c| c.topic_bytes = 0, "`topic_bytes` of `Config` is 0: write at least 1"),
        (|c| c.topic_bytes = 1_025, "`topic_bytes` of `Config` is 1025: write at most 1024"),
        (|c| c.backlog_bytes = 0, "`backlog_bytes` of `Config` is 0: write at least 640"),
        (
            |c| (c.topic_bytes, c.backlog_bytes) = (1_000, 2_127),
            "`backlog_bytes` of `Config` is 2127: write at least 2128",
        ),
        (
            |c| c.backlog_bytes = (1 << 30) + 1,
            "`backlog_bytes` of `Config` is 1073741825: write at most 1073741824",
        ),
        (
            |c| c.messages_per_second = Some(0),
            "`messages_per_second` of `Config` is 0: write at least 1",
        ),
        (|c| c.bytes_per_second = Some(0), "`bytes_per_second` of `Config` is 0: write at least 1"),
        (|c| c.handshake_bytes = 0, "`handshake_bytes` of `Config` is 0: write at least 128"),
        (
            |c| c.handshake_bytes = u32::MAX,
            "`handshake_bytes` of `Config` is 4294967295: write at most 1073741824",
        ),
        (|c| c.turn_bytes = 0, "`turn_bytes` of `Config` is 0: write at least 1"),
        (
            |c| c.turn_bytes = u32::MAX,
            "`turn_bytes` of `Config` is 4294967295: write at most 1073741824",
        ),
        (
            |c| c.start = Duration::ZERO,
            "`start` of `Config` is no time: write a microsecond or more",
        ),
        (
            |c| c.handshake = Duration::ZERO,
            "`handshake` of `Config` is no time: write a microsecond or more",
        ),
        (
            |c| c.ping = Duration::from_nanos(999),
            "`ping` of `Config` is no time: write a microsecond or more",
        ),
        (|c| c.pong = Duration::ZERO, "`pong` of `Config` is no time: write a microsecond or more"),
        (
            |c| (c.ping, c.pong) = (Duration::ZERO, Duration::ZERO),
            "`ping` of `Config` is no time: write a microsecond or more",
        ),
        (
            |c| c.heartbeat = Some(Duration::ZERO),
            "`heartbeat` of `Config` is no time: write a microsecond or more",
        ),
        (
            |c| c.lifespan = Some(Duration::ZERO),
            "`lifespan` of `Config` is no time: write a microsecond or more",
        ),
        (
            |c| c.closing = Duration::ZERO,
            "`closing` of `Config` is no time: write a microsecond or more",
        ),
    ];
    for (change, sentence) in cases {
        let mut config = Config::default();
        change(&mut config);
        let error = config.check().expect_err(sentence);
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn numbers_at_their_ends_and_those_that_only_forbid_are_taken() {
    let cases: [Change; 7] = [
        |c| (c.topics_per_connection, c.drain) = (0, Duration::ZERO),
        |c| (c.message_bytes, c.nesting, c.handshake_bytes, c.turn_bytes) = (12, 1, 128, 1),
        |c| (c.topic_bytes, c.backlog_bytes) = (1, 130),
        |c| (c.topic_bytes, c.backlog_bytes) = (1_024, 1 << 30),
        |c| (c.ping, c.pong) = (Duration::from_micros(1), Duration::MAX),
        |c| (c.messages_per_second, c.bytes_per_second) = (Some(1), Some(u32::MAX)),
        // A message that is longer than what a second allows never comes through.
        |c| (c.message_bytes, c.bytes_per_second) = (1_000, Some(999)),
    ];
    for (at, change) in cases.into_iter().enumerate() {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.check(), Ok(()), "{at}");
    }
}

#[cfg(feature = "alloc")]
mod driven {
    use super::*;
    use fastws_core::engine::Engine;
    use fastws_core::time::Instant;
    use proptest::prelude::*;

    fn time() -> impl Strategy<Value = Duration> {
        (0_u64..4_000).prop_map(Duration::from_nanos)
    }

    proptest! {
        #[test]
        fn a_clock_that_a_checked_config_sets_always_moves_on(
            [handshake, ping, pong, closing, drain] in [time(), time(), time(), time(), time()],
            [heartbeat, lifespan] in [prop::option::of(time()), prop::option::of(time())],
            seats in prop::collection::vec((any::<bool>(), any::<bool>()), 1..4),
            drained in 0..8,
        ) {
            let config = Config {
                handshake, ping, pong, closing, drain, heartbeat, lifespan, ..Config::default()
            };
            prop_assume!(config.check().is_ok());
            let mut engine = Engine::new(config, 1);
            let mut now = Instant::ZERO;
            let ids: Vec<_> = seats
                .iter()
                .map(|&(open, writable)| {
                    let id = if open { engine.open(now, [1; 16]) } else { engine.accept(now, [1; 16]) };
                    (id.expect("owned memory grows"), writable)
                })
                .collect();
            for turn in 0.. {
                while let Some(transmit) = engine.poll_transmit(now) {
                    let id = transmit.id();
                    let sent = transmit.parts().map(<[u8]>::len).sum();
                    let writable = ids.iter().any(|&(own, writable)| own == id && writable);
                    engine.handle_sent(now, id, if writable { sent } else { 0 });
                }
                while engine.poll_gone().is_some() {}
                let Some(at) = engine.poll_timeout() else { break };
                prop_assert!(at > now, "what was due at {now:?} is due again");
                now = at;
                if turn == drained {
                    engine.drain(now);
                }
                engine.handle_timeout(now);
            }
            prop_assert!(engine.is_empty());
        }
    }
}
