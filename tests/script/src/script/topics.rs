//! Who listens to what, and what they get. Every socket takes everything.

use crate::ALL;
use crate::Step::{self, *};
use crate::words::{ANN, BOB, CAT, DAN, SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C, SUBSCRIBE_D};

pub(super) const TOPICS: &[Step] = &[
    // Topics: lives, updates, the order of effects, a limit for each connection.
    Say(ANN, r#"{"type":"subscribe","payload":"news","id":1}"#),
    Turn,
    Publish("news", "1"),
    Turn,
    Say(BOB, r#"{"type":"subscribe","payload":"news"}"#),
    Say(BOB, r#"{"type":"subscribe","payload":"news"}"#),
    Turn,
    Publish("news", "2"),
    Publish("news", "3"),
    Publish("nobody:listens", "4"),
    Publish("news", "[5]"),
    Turn,
    PublishFrame("news", b"\x81\x02{}"),
    Turn,
    Burst(CAT, &[r#"{"type":"shout.join","payload":"news"}"#, r#"{"type":"who"}"#]),
    Turn,
    Publish("news", "6"),
    Turn,
    Say(CAT, r#"{"type":"subscribe","payload":""}"#),
    Say(CAT, r#"{"type":"subscribe","payload":"a \"quoted\" name"}"#),
    Turn,
    Frame(CAT, ALL, 0x88, b"\x03\xe8"),
    Turn,
    End(CAT),
    Turn,
    Open(CAT),
    Burst(CAT, &[SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C, SUBSCRIBE_D, r#"{"type":"who"}"#]),
    Turn,
    Say(CAT, r#"{"type":"unsubscribe","payload":"b"}"#),
    Say(CAT, r#"{"type":"unsubscribe","payload":"never"}"#),
    Say(CAT, SUBSCRIBE_D),
    Turn,
    Publish("a", "\"a\""),
    Publish("b", "\"b\""),
    Publish("d", "\"d\""),
    Turn,
    Burst(CAT, &[UNSUBSCRIBE_A, SUBSCRIBE_A, UNSUBSCRIBE_A]),
    Say(CAT, r#"{"type":"who"}"#),
    Turn,
    // Whoever shouts and parts hears itself.
    Say(BOB, r#"{"type":"shout.part","payload":"news"}"#),
    Turn,
    Frame(BOB, ALL, 0x88, b""),
    Turn,
    End(BOB),
    Turn,
    // A topic that ends has no listeners, and starts anew.
    EndTopic("news"),
    EndTopic("never:there"),
    Publish("news", "7"),
    Turn,
    Say(ANN, r#"{"type":"subscribe","payload":"news"}"#),
    Turn,
    Publish("news", "8"),
    Turn,
    // Interest that comes and goes within a turn is not told.
    Burst(DAN, &[SUBSCRIBE_B, r#"{"type":"unsubscribe","payload":"b"}"#]),
    Turn,
    // More updates than one write gathers.
    Say(DAN, r#"{"type":"subscribe","payload":"other"}"#),
    Say(ANN, r#"{"type":"flood","payload":"news"}"#),
    Turn,
    Say(DAN, r#"{"type":"unsubscribe","payload":"other"}"#),
    Turn,
];

const UNSUBSCRIBE_A: &str = r#"{"type":"unsubscribe","payload":"a"}"#;
