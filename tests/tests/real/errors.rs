//! What bad input gets from a real server, and that nobody else notices.

use crate::binding::{
    Api, Close, Config, Failure, FirstMessage, OnError, Params, Payload, Router, payload,
};
use crate::real::{Served, serve, serve_with};
use async_tungstenite::tungstenite::Message;
use fastws_tests::client::Client;
use fastws_tests::stage::{act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::HANDSHAKE;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn on_stage(config: Config) -> Served {
    serve_with(config, stage(&Witness::default(), &Gate::default()))
}

/// How the server closes a client that says this.
fn closed(server: &Served, message: Message) -> (u16, String) {
    let mut client = server.client();
    client.send(message);
    client.closed()
}

fn close(code: u16, reason: &str) -> (u16, String) {
    (code, reason.into())
}

/// The close frame of a client that sends these bytes behind its handshake.
fn close_of_bytes(server: &Served, frames: &[u8]) -> (u16, String) {
    let answer = server.answer([HANDSHAKE.as_bytes(), frames].concat());
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head has an end");
    let frame = &answer[head + 4..];
    assert_eq!((frame[0], usize::from(frame[1])), (0x88, frame.len() - 2), "one close frame");
    let reason = std::str::from_utf8(&frame[4..]).expect("a reason is text");
    close(u16::from_be_bytes([frame[2], frame[3]]), reason)
}

// protocol: E1 L2 D1 D8 D10
#[test]
fn what_is_no_message_closes_with_1003() {
    let nested = |depth: usize| {
        format!(r#"{{"type":"echo","payload":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let server = on_stage(Config::default());
    for text in [
        "",
        "hello",
        "[]",
        "1",
        "{}",
        r#"{"payload":1}"#,
        r#"{"type":1}"#,
        r#"{"type":"echo"} {}"#,
        "\u{feff}{\"type\":\"echo\"}",
        r#"{"type":"echo","type":"echo"}"#,
        r#"{"type":"echo","payload":1,"payload":1}"#,
        r#"{"type":"echo","id":1,"id":1}"#,
        r#"{"type":"echo","payload":"\ud800"}"#,
        &nested(128),
    ] {
        let decode = close(1003, "Could not decode message");
        assert_eq!(closed(&server, Message::text(text)), decode, "{text}");
    }
    let mut client = server.client();
    client.say_text(nested(127));
    assert!(client.hear_text().starts_with(r#"{"type":"echo.response","payload":[[["#));
}

// protocol: E2 D2
#[test]
fn a_binary_message_closes_with_1003() {
    let server = on_stage(Config::default());
    let binary = Message::binary(r#"{"type":"echo"}"#);
    assert_eq!(closed(&server, binary), close(1003, "Could not decode message"));
}

// protocol: E4
#[test]
fn a_type_that_no_operation_has_closes_with_1003() {
    let server = on_stage(Config::default());
    let unknown = Message::text(r#"{"type":"nothing"}"#);
    assert_eq!(closed(&server, unknown), close(1003, "No matching type"));
}

#[payload]
struct Order {
    amount: i64,
    #[serde(default)]
    price: f64,
}

#[payload]
#[serde(deny_unknown_fields)]
struct Closed {
    amount: u8,
}

fn orders() -> Api {
    let router = Router::new()
        .send("order", "ordered", |Payload(order): Payload<Order>| order)
        .send("closed", "closed.response", |Payload(closed): Payload<Closed>| closed)
        .send("orders", "orders.response", |Payload(orders): Payload<Vec<Order>>| orders.len())
        .send("free", "free.response", |Payload(map): Payload<BTreeMap<String, i64>>| map)
        .send("params", "params.response", |Payload(params): Payload<Params>| {
            [params.text("depth", "10"), params.text("resolution", "1")]
        });
    Api::new("Orders", "1").include(router)
}

fn answer(client: &mut Client, kind: &str, payload: &str) -> Value {
    client.say_text(format!(r#"{{"type":"{kind}","payload":{payload}}}"#));
    client.hear()["payload"].take()
}

// protocol: E3 P1 D7
#[test]
fn a_payload_that_does_not_fit_closes_with_1003() {
    let server = serve(orders());
    for payload in [
        "null",
        "{}",
        "1",
        r#"{"amount":12345678901234567890}"#,
        r#"{"amount":1.0}"#,
        r#"{"amount":1e0}"#,
        r#"{"amount":"12"}"#,
        r#"{"amount":true}"#,
        r#"{"amount":1,"price":"1"}"#,
    ] {
        let text = format!(r#"{{"type":"order","payload":{payload}}}"#);
        let invalid = close(1003, "Could not validate payload");
        assert_eq!(closed(&server, Message::text(text)), invalid, "{payload}");
    }
}

// protocol: P3 D7
#[test]
fn a_duplicate_named_member_does_not_validate() {
    let server = serve(orders());
    for text in [
        r#"{"type":"order","payload":{"amount":1,"amount":1}}"#,
        r#"{"type":"order","payload":{"amount":1,"\u0061mount":1}}"#,
    ] {
        let invalid = close(1003, "Could not validate payload");
        assert_eq!(closed(&server, Message::text(text)), invalid, "{text}");
    }
}

// protocol: P7
#[test]
fn an_array_is_no_struct() {
    let server = serve(orders());
    for text in [
        r#"{"type":"order","payload":[1,1.5]}"#,
        r#"{"type":"closed","payload":[1]}"#,
        r#"{"type":"orders","payload":[{"amount":1},[1,1.5]]}"#,
    ] {
        let invalid = close(1003, "Could not validate payload");
        assert_eq!(closed(&server, Message::text(text)), invalid, "{text}");
    }
    let mut client = server.client();
    assert_eq!(answer(&mut client, "orders", r#"[{"amount":1},{"amount":2}]"#), 2);
}

// protocol: P2
#[test]
fn numbers_that_fit_are_exact() {
    let server = serve(orders());
    let mut client = server.client();
    for payload in [
        r#"{"amount":9223372036854775807,"price":0.1}"#,
        r#"{"amount":-9223372036854775808,"price":1.7976931348623157e+308}"#,
        r#"{"amount":9007199254740993,"price":5e-324}"#,
    ] {
        client.say_text(format!(r#"{{"type":"order","payload":{payload}}}"#));
        assert_eq!(client.hear_text(), format!(r#"{{"type":"ordered","payload":{payload}}}"#));
    }
}

// protocol: P4
#[test]
fn unknown_members_are_ignored_unless_the_type_denies_them() {
    let server = serve(orders());
    let mut client = server.client();
    let order = answer(&mut client, "order", r#"{"amount":1,"more":[{"amount":2}]}"#);
    assert_eq!(order, json!({"amount": 1, "price": 0.0}));
    client.say_text(r#"{"type":"closed","payload":{"amount":1,"more":2}}"#);
    assert_eq!(client.closed(), close(1003, "Could not validate payload"));
}

// protocol: P5 P6
#[test]
fn in_a_free_map_the_last_duplicate_wins_and_numbers_read_as_text() {
    let server = serve(orders());
    let mut client = server.client();
    let free = answer(&mut client, "free", r#"{"a":1,"b":2,"a":3}"#);
    assert_eq!(free, json!({"a": 3, "b": 2}));
    for depth in ["3", r#""3""#] {
        let params = answer(&mut client, "params", &format!(r#"{{"depth":1,"depth":{depth}}}"#));
        assert_eq!(params, json!(["3", "1"]), "{depth}");
    }
}

// protocol: E6
#[test]
fn a_handler_closes_with_the_code_and_the_reason_that_it_returns() {
    let server = on_stage(Config::default());
    for (code, sent) in [(1000, 1000), (4001, 4001), (1005, 1011), (999, 1011)] {
        for script in [act, later] {
            let mut client = server.client();
            client.say_text(script([&format!("close {code}")]));
            assert_eq!(client.closed(), close(sent, "as the script says"));
        }
    }
}

// protocol: E7 D3
#[test]
fn a_handler_that_fails_or_panics_closes_its_own_connection_with_1011_and_no_other() {
    // JSON has no such keys.
    let wordless = Router::new().send("wordless", "words", || BTreeMap::from([((1, 2), 3)]));
    let server = serve(stage(&Witness::default(), &Gate::default()).include(wordless));
    let mut other = server.client();
    for mistake in [act(["fail"]), act(["panic"]), later(["fail"]), later(["panic"])] {
        let mut client = server.client();
        client.say_text(&mistake);
        assert_eq!(client.closed(), close(1011, "Internal error"), "{mistake}");
        assert_eq!(other.ask("echo", "echo.response", json!(1)), 1);
    }
    assert_eq!(closed(&server, Message::text(r#"{"type":"wordless"}"#)).0, 1011);
}

// protocol: E8
#[test]
fn a_violation_of_the_protocol_closes_with_1002_and_what_was_violated() {
    let server = on_stage(Config::default());
    for (bytes, reason) in [
        (&b"\x81\x02hi"[..], "a client's frame is not masked"),
        (b"\xc1\x80\0\0\0\0", "reserved bits are set"),
        (b"\x83\x80\0\0\0\0", "the opcode is unknown"),
        (b"\x80\x80\0\0\0\0", "a continuation has nothing to continue"),
        (b"\x09\x80\0\0\0\0", "a control frame is fragmented"),
    ] {
        assert_eq!(close_of_bytes(&server, bytes), close(1002, reason));
    }
}

// protocol: E9
#[test]
fn text_that_is_not_utf_8_closes_with_1007() {
    let server = on_stage(Config::default());
    let bytes = b"\x81\x81\0\0\0\0\xff";
    assert_eq!(close_of_bytes(&server, bytes), close(1007, "text is not UTF-8"));
}

// protocol: E10 L1
#[test]
fn a_message_over_64_kib_closes_with_1009_and_one_of_64_kib_does_not() {
    let server = on_stage(Config::default());
    let text = |len: usize| format!(r#"{{"type":"echo","payload":"{}"}}"#, "x".repeat(len - 28));
    let mut client = server.client();
    client.say_text(text(64 << 10));
    assert_eq!(client.hear()["type"], "echo.response");
    client.say_text(text((64 << 10) + 1));
    assert_eq!(client.closed(), close(1009, "a message is over the limit"));
}

// protocol: L7
#[test]
fn without_a_limit_messages_come_as_fast_as_they_like() {
    let server = on_stage(Config::default());
    let mut client = server.client();
    client.say_together((0..2_000).map(|id| json!({"type": "echo", "payload": id})));
    for id in 0..2_000 {
        assert_eq!(client.hear_payload("echo.response"), id);
    }
}

// protocol: E13 L4 L5
#[test]
fn a_connection_has_1000_topics_and_a_topic_256_bytes() {
    let server = on_stage(Config::default());
    let mut client = server.client();
    let [long, longest] = [257, 256].map(|len| format!("subscribe {}", "t".repeat(len)));
    let mut steps = vec![long, longest];
    steps.extend((1..=1000).map(|number| format!("subscribe {number}")));
    client.say_text(json!({"type": "act", "payload": steps}));
    let said = client.hear_payload("act.response");
    let mut expected = vec!["subscribed"; 1002];
    expected[0] = "the topic is longer than 256 bytes";
    expected[1001] = "this connection has as many topics as it may have";
    assert_eq!(said, json!(expected));
}

// protocol: E26 D4
#[test]
fn a_reason_has_at_most_123_bytes_and_is_cut_at_a_character() {
    let long = || Err::<(), Failure>(Close::new(4000, "ä".repeat(100)).into());
    let server = serve(Api::new("Long", "1").include(Router::new().send("close", None, long)));
    let mut client = server.client();
    client.say_text(r#"{"type":"close"}"#);
    assert_eq!(client.closed(), close(4000, &"ä".repeat(61)));
}

// protocol: E23 E24 M4
#[test]
fn errors_may_be_answered_with_a_message_that_carries_the_requests_id() {
    let config = Config { on_error: OnError::Reply, ..Config::default() };
    let server = on_stage(config);
    let mut client = server.client();
    client.send(Message::binary("{}"));
    for text in [
        "hello",
        r#"{"type":"nothing","id":"a"}"#,
        r#"{"type":"act","payload":1,"id":2}"#,
        r#"{"type":"act","payload":["panic"],"id":3}"#,
        r#"{"type":"act.later","payload":["fail"],"id":4}"#,
        r#"{"type":"echo","payload":1,"id":5}"#,
    ] {
        client.say_text(text);
    }
    let error = |kind: Value, code: u16, message: &str| json!({"type": "error", "payload": {"type": kind, "code": code, "message": message}});
    let with = |mut message: Value, id: Value| {
        message["id"] = id;
        message
    };
    let decode = error(Value::Null, 1003, "Could not decode message");
    assert_eq!([client.hear(), client.hear()], [decode.clone(), decode]);
    let unknown = error(json!("nothing"), 1003, "No matching type");
    assert_eq!(client.hear(), with(unknown, json!("a")));
    let invalid = error(json!("act"), 1003, "Could not validate payload");
    assert_eq!(client.hear(), with(invalid, json!(2)));
    for (kind, id) in [("act", 3), ("act.later", 4)] {
        let internal = error(json!(kind), 1011, "Internal error");
        assert_eq!(client.hear(), with(internal, json!(id)));
    }
    assert_eq!(client.hear(), json!({"type": "echo.response", "payload": 1, "id": 5}));
}

// protocol: E14 E25
#[test]
fn a_first_message_that_does_not_say_who_it_is_from_closes_with_1008() {
    let known = |FirstMessage(text): FirstMessage| match text.strip_prefix("token ") {
        Some("secret") => Ok(()),
        _ => Err(Close::new(4000, "for the log only")),
    };
    let api = stage(&Witness::default(), &Gate::default()).authenticate(known);
    let server = serve_with(Config { on_error: OnError::Reply, ..Config::default() }, api);
    let mut ann = server.client();
    ann.say_text("token secret");
    assert_eq!(ann.ask("echo", "echo.response", json!(1)), 1);
    for text in ["token guess", r#"{"type":"echo","payload":1}"#, ""] {
        let stranger = close(1008, "Not authenticated");
        assert_eq!(closed(&server, Message::text(text)), stranger, "{text}");
    }
}

// protocol: D6
#[test]
fn a_listener_that_has_died_costs_the_others_nothing() {
    let server = on_stage(Config::default());
    let [mut ann, mut bob, mut eve] = [(); 3].map(|()| server.client());
    for client in [&mut ann, &mut bob, &mut eve] {
        client.say_text(act(["subscribe a"]));
        assert_eq!(client.hear()["type"], "act.response");
    }
    drop(bob);
    for value in 0..50_u32 {
        eve.say_text(act([&format!("publish a {value}")]));
        assert_eq!(eve.hear()["type"], "act.response");
        for client in [&mut ann, &mut eve] {
            assert_eq!(client.hear_payload("news")["value"], value);
        }
    }
}
