//! What bad input gets, and mistakes that are found before anybody connects.

use fastws_core::api::Api;
use fastws_core::config::{Config, OnError};
use fastws_core::extract::{Payload, State};
use fastws_core::frame::Opcode;
use fastws_core::payload;
use fastws_core::router::{Include, Router};
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::stage::{act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use serde_json::json;

const ECHO: &str = r#"{"type":"echo","payload":1}"#;

fn world(config: Config) -> World {
    World::with(config, 1, stage(&Witness::default(), &Gate::default())).client("ann").client("bob")
}

/// What ann's close frame says after she has sent this; bob must not notice.
fn close(config: &Config, opcode: Opcode, payload: impl AsRef<[u8]>) -> Option<(u16, String)> {
    close_of_bytes(config, |world| world.frame("ann", opcode, payload))
}

fn close_of_bytes(
    config: &Config,
    bytes: impl FnOnce(&mut World) -> Vec<u8>,
) -> Option<(u16, String)> {
    let mut world = world(config.clone());
    let bytes = bytes(&mut world);
    world.send("ann", bytes);
    world.say("bob", ECHO);
    assert_eq!(world.heard("bob"), ["echo.response"]);
    assert_eq!(world.gone("ann"), world.closed("ann").is_some());
    world.closed("ann").map(|(code, reason)| (code, reason.into()))
}

// protocol: E1 E2
#[test]
fn what_is_no_message_closes_with_1003_could_not_decode() {
    let nested = format!(r#"{{"type":"echo","payload":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    let texts = [
        "",
        "hello",
        "{}",
        "[]",
        "1",
        "\"echo\"",
        "null",
        r#"{"payload":1}"#,
        r#"{"type":1}"#,
        r#"{"type":null}"#,
        r#"{"type":"echo"} x"#,
        r#"{"type":"echo"}{"type":"echo"}"#,
        "\u{feff}{\"type\":\"echo\"}",
        r#"{"type":"echo","type":"echo"}"#,
        r#"{"type":"echo","payload":1,"payload":1}"#,
        r#"{"type":"echo","id":1,"id":1}"#,
        r#"{"type":"echo","\u0074ype":"echo"}"#,
        r#"{"type":"echo","payload":"\ud800"}"#,
        r#"{"type":"echo","payload":01}"#,
        r#"{"type":"echo","payload":1,}"#,
        &nested,
    ];
    let decode = Some((1003, "Could not decode message".into()));
    for text in texts {
        assert_eq!(close(&Config::default(), Opcode::Text, text), decode, "{text}");
    }
    assert_eq!(close(&Config::default(), Opcode::Binary, ECHO), decode);
    let config = Config { nesting: 3, ..Config::default() };
    let text = r#"{"type":"echo","payload":[[]]}"#;
    assert_eq!(close(&config, Opcode::Text, text), None);
    let text = r#"{"type":"echo","payload":[[[]]]}"#;
    assert_eq!(close(&config, Opcode::Text, text), decode);
}

// protocol: M13 E4
#[test]
fn a_type_that_no_operation_has_closes_with_1003_no_matching_type() {
    let unknown = Some((1003, "No matching type".into()));
    let long = "x".repeat(1000);
    for kind in ["", "ech", "echoo", "Echo", "echo.response", "news", &long] {
        let text = json!({"type": kind}).to_string();
        assert_eq!(close(&Config::default(), Opcode::Text, text), unknown, "{kind}");
    }
    assert_eq!(close(&Config::default(), Opcode::Text, r#"{"type":"\u0065cho"}"#), None);
}

// protocol: E3 P1
#[test]
fn a_payload_that_does_not_fit_closes_with_1003_could_not_validate() {
    #[payload]
    struct Order {
        _amount: i64,
    }
    let bad = [
        "",
        r#","payload":null"#,
        r#","payload":{}"#,
        r#","payload":{"_amount":1.0}"#,
        r#","payload":{"_amount":"1"}"#,
        r#","payload":{"_amount":true}"#,
        r#","payload":{"_amount":12345678901234567890}"#,
        r#","payload":{"_amount":1,"_amount":1}"#,
    ];
    for asynchronous in [false, true] {
        for payload in bad {
            let router = match asynchronous {
                false => Router::new().send("order", None, |_: Payload<Order>| ()),
                true => Router::new().send("order", None, async |_: Payload<Order>| ()),
            };
            let mut world = World::new(Api::new("Orders", "1").include(router)).client("ann");
            world.say("ann", r#"{"type":"order","payload":{"_amount":9223372036854775807,"x":1}}"#);
            assert_eq!(world.closed("ann"), None);
            world.say("ann", format!(r#"{{"type":"order"{payload}}}"#));
            assert_eq!(
                world.closed("ann"),
                Some((1003, "Could not validate payload")),
                "{payload}"
            );
        }
    }
}

// protocol: E23 E24
#[test]
fn errors_may_be_answered_with_a_message_in_order_and_the_connection_goes_on() {
    let config = Config { on_error: OnError::Reply, ..Config::default() };
    let mut world = world(config);
    let binary = world.frame("ann", Opcode::Binary, ECHO);
    world.send("ann", binary);
    world.say_together(
        "ann",
        [
            "hello",
            r#"{"type":"ech\u00f6","id":"a"}"#,
            r#"{"type":"act","payload":{},"id":1}"#,
            r#"{"type":"act.later","payload":{},"id":2}"#,
            r#"{"type":"act","payload":["subscribe a","fail"],"id":3}"#,
            r#"{"type":"act","payload":["subscribe a","panic"],"id":4}"#,
            r#"{"type":"act.later","payload":["subscribe a","fail"],"id":5}"#,
            r#"{"type":"act.later","payload":["subscribe a","panic"]}"#,
            r#"{"type":"echo","payload":1,"id":6}"#,
        ],
    );
    let error = |request: &str, code: u16, message: &str, id: &str| {
        format!(
            r#"{{"type":"error","payload":{{"type":{request},"code":{code},"message":"{message}"}}{id}}}"#
        )
    };
    let (invalid, internal) = ("Could not validate payload", "Internal error");
    assert_eq!(
        world.texts("ann"),
        [
            error("null", 1003, "Could not decode message", ""),
            error("null", 1003, "Could not decode message", ""),
            error(r#""ech\u00f6""#, 1003, "No matching type", r#","id":"a""#),
            error(r#""act""#, 1003, invalid, r#","id":1"#),
            error(r#""act.later""#, 1003, invalid, r#","id":2"#),
            error(r#""act""#, 1011, internal, r#","id":3"#),
            error(r#""act""#, 1011, internal, r#","id":4"#),
            error(r#""act.later""#, 1011, internal, r#","id":5"#),
            error(r#""act.later""#, 1011, internal, ""),
            r#"{"type":"echo.response","payload":1,"id":6}"#.into(),
        ]
    );
    assert_eq!(world.metrics().subscriptions, 0);
}

// protocol: E25
#[test]
fn what_is_no_error_of_a_request_closes_in_any_case() {
    let config = Config { on_error: OnError::Reply, message_bytes: 100, ..Config::default() };
    let script = later(["close 4000"]).to_string();
    assert_eq!(
        close(&config, Opcode::Text, script),
        Some((4000, "as the script says".into())),
        "a handler's own close stays one"
    );
    let long = "x".repeat(101);
    let over = Some((1009, "a message is over the limit".into()));
    assert_eq!(close(&config, Opcode::Text, long), over);
    assert_eq!(close(&config, Opcode::Text, b"\xff"), Some((1007, "text is not UTF-8".into())));
    let masked = close_of_bytes(&config, |_| b"\x81\x02hi".to_vec());
    assert_eq!(masked, Some((1002, "a client's frame is not masked".into())));
}

// protocol: M2
#[test]
fn a_missing_payload_is_null() {
    let mut world = world(Config::default());
    world.say("ann", r#"{"type":"echo"}"#);
    world.say("ann", r#"{"other":{"type":1},"type":"echo","payload": null }"#);
    assert_eq!(world.texts("ann"), [r#"{"type":"echo.response","payload":null}"#; 2]);
}

// protocol: E10
#[test]
fn a_message_over_the_limit_closes_with_1009_and_one_at_the_limit_does_not() {
    let config = Config { message_bytes: 100, ..Config::default() };
    let text = format!(r#"{{"type":"echo","payload":"{}"}}"#, "x".repeat(100 - 28));
    assert_eq!(text.len(), 100);
    assert_eq!(close(&config, Opcode::Text, &text), None);
    let over = Some((1009, "a message is over the limit".into()));
    assert_eq!(close(&config, Opcode::Text, format!("{text} ")), over);
    let fragmented = |world: &mut World| {
        let mut bytes = world.frame("ann", Opcode::Text, &text);
        bytes[0] &= 0x7f;
        let mut rest = world.frame("ann", Opcode::Text, " ");
        rest[0] &= 0xf0;
        bytes.extend(rest);
        bytes
    };
    assert_eq!(close_of_bytes(&config, fragmented), over);
    let told = |_: &mut World| b"\x81\xff\x00\x00\x00\x00\xff\xff\xff\xff".to_vec();
    assert_eq!(close_of_bytes(&config, told), over);
}

// protocol: E9
#[test]
fn text_that_is_not_utf_8_closes_with_1007() {
    let bad = Some((1007, "text is not UTF-8".into()));
    assert_eq!(close(&Config::default(), Opcode::Text, b"{\"type\":\"\xff\"}"), bad);
    assert_eq!(close(&Config::default(), Opcode::Close, b"\x03\xe8\xff"), bad);
}

// protocol: E8
#[test]
fn a_protocol_violation_closes_with_1002_and_what_was_violated() {
    let config = Config::default();
    let cases: [(&[u8], &str); 8] = [
        (b"\x81\x02hi", "a client's frame is not masked"),
        (b"\xc1\x80\0\0\0\0", "reserved bits are set"),
        (b"\x83\x80\0\0\0\0", "the opcode is unknown"),
        (b"\x80\x80\0\0\0\0", "a continuation has nothing to continue"),
        (b"\x09\x80\0\0\0\0", "a control frame is fragmented"),
        (b"\x89\xfe\x00\x7e\0\0\0\0", "a control frame is longer than 125 bytes"),
        (b"\x81\xfe\x00\x7d\0\0\0\0", "a length is not in its shortest form"),
        (b"\x88\x81\0\0\0\0\x03", "a close code is cut off"),
    ];
    for (bytes, reason) in cases {
        let closed = close_of_bytes(&config, |_| bytes.to_vec());
        assert_eq!(closed, Some((1002, reason.into())));
    }
    for code in [999_u16, 1004, 1005, 1006, 1015, 2999, 5000] {
        let closed = close(&config, Opcode::Close, code.to_be_bytes());
        assert_eq!(closed, Some((1002, "the close code is not allowed".into())));
    }
}

#[test]
fn what_was_said_before_a_violation_is_answered() {
    let mut world = world(Config::default());
    let mut bytes = world.frame("ann", Opcode::Text, ECHO);
    bytes.extend(b"\x81\x02hi");
    bytes.extend(world.frame("ann", Opcode::Text, ECHO));
    world.send("ann", bytes);
    assert_eq!(world.heard("ann"), ["echo.response"]);
    assert_eq!(world.closed("ann"), Some((1002, "a client's frame is not masked")));
    assert!(world.finished("ann") && world.gone("ann"));
}

// protocol: E13
#[test]
fn more_topics_than_allowed_are_refused_and_places_come_back() {
    let config = Config { topics_per_connection: 2, ..Config::default() };
    let mut world = world(config);
    let full = "this connection has as many topics as it may have";
    let mut say = |script: serde_json::Value| {
        world.say("ann", script);
        world.messages("ann").remove(0)["payload"].clone()
    };
    let first = say(act(["subscribe a", "subscribe a", "subscribe b", "subscribe c", "topics"]));
    assert_eq!(first, json!(["subscribed", "subscribed", "subscribed", full, "a b"]));
    assert_eq!(
        say(act(["subscribe c", "subscribe b", "topics"])),
        json!([full, "subscribed", "a b"])
    );
    let swap = say(act(["unsubscribe a", "subscribe c", "subscribe d", "topics"]));
    assert_eq!(swap, json!(["unsubscribed", "subscribed", full, "b c"]));
    assert_eq!(say(act(["topics"])), json!(["b c"]));
}

const RATE: Option<(u16, &str)> = Some((1008, "Rate limit"));

// protocol: E11
#[test]
fn more_messages_per_second_than_allowed_close_with_1008_after_those_before() {
    let config = Config { messages_per_second: Some(4), ..Config::default() };
    let mut world = world(config);
    for _ in 0..20 {
        world.say("ann", ECHO);
        world.ping("ann", "no message");
        world.advance(Duration::from_millis(250));
    }
    assert_eq!((world.heard("ann").len(), world.closed("ann")), (20, None));
    world.say_together("ann", [ECHO; 4]);
    assert_eq!((world.heard("ann").len(), world.closed("ann")), (4, None));
    world.advance(Duration::from_micros(249_999));
    world.say("ann", ECHO);
    assert_eq!((world.heard("ann").len(), world.closed("ann")), (0, RATE));
    world.say_together("bob", [ECHO; 6]);
    assert_eq!((world.heard("bob").len(), world.closed("bob")), (4, RATE));
    assert!(world.gone("ann") && world.gone("bob"));
}

#[test]
fn messages_that_wait_count_when_they_come() {
    let config = Config { messages_per_second: Some(4), ..Config::default() };
    let gate = Gate::default();
    let api = stage(&Witness::default(), &gate);
    let mut world = World::with(config, 1, api).client("ann").client("bob");
    for name in ["ann", "bob"] {
        world.say(name, later(["wait"]));
        world.say_together(name, [ECHO; 2]);
        world.say(name, ECHO);
        assert_eq!(world.closed(name), None);
    }
    world.say("bob", ECHO);
    assert_eq!(world.closed("bob"), RATE);
    world.advance(Duration::from_millis(500));
    world.say_together("ann", [ECHO; 2]);
    gate.order("topics");
    gate.order("topics");
    world.run();
    assert_eq!((world.heard("ann").len(), world.closed("ann")), (6, None));
    assert!(world.heard("bob").is_empty());
}

// protocol: E11
#[test]
fn more_bytes_per_second_than_allowed_close_with_1008_however_they_are_cut() {
    for cut in [1, 7, 20, 1000] {
        let mut world = world(Config { bytes_per_second: Some(100), ..Config::default() });
        world.split("ann", cut);
        let mut bytes = world.frame("ann", Opcode::Ping, "pings are bytes, too");
        for _ in 0..3 {
            bytes.extend(world.frame("ann", Opcode::Text, ECHO));
        }
        assert_eq!(bytes.len(), 26 + 3 * 33);
        world.send("ann", bytes);
        assert_eq!((world.heard("ann").len(), world.closed("ann")), (2, RATE), "in {cut}");
        assert!(world.gone("ann"), "its close is read though it is over the limit");
        world.say_together("bob", [ECHO; 3]);
        world.advance(Duration::from_millis(990));
        world.say_together("bob", [ECHO; 3]);
        assert_eq!((world.heard("bob").len(), world.closed("bob")), (6, None));
        world.say("bob", ECHO);
        assert_eq!(world.closed("bob"), RATE);
    }
}

// protocol: L5
#[test]
fn a_topic_without_a_name_or_with_a_long_one_is_refused() {
    let mut world = world(Config::default());
    let long = format!("subscribe {}", "t".repeat(257));
    let longest = format!("subscribe {}", "t".repeat(256));
    world.say("ann", act(["subscribe ", &long, &longest]));
    let said = &world.messages("ann")[0]["payload"];
    assert_eq!(
        *said,
        json!(["the topic is empty", "the topic is longer than 256 bytes", "subscribed"])
    );
    assert_eq!(world.metrics().subscriptions, 1);
}

// protocol: M11
#[test]
fn mistakes_of_the_programmer_are_told_when_the_api_is_built() {
    fn told<Kind>(router: impl Include<Kind>) -> String {
        let api = Api::new("Wrong", "1").include(router);
        api.build().err().map(|error| error.to_string()).unwrap_or_default()
    }
    struct Clock;
    let twice = Router::new().include(Router::new().prefix("bars.").send("add", None, || ())).send(
        "bars.add",
        None,
        || (),
    );
    assert_eq!(
        told(twice),
        "`bars.add` is declared twice, as a `send` operation and as a `send` operation: \
         give one of their routers another prefix"
    );
    let both = Router::new().send("bars.update", None, || ()).recv::<u32>("bars.update");
    assert_eq!(
        told(both),
        "`bars.update` is declared twice, as a `send` operation and as a `recv` operation: \
         give one of their routers another prefix"
    );
    let route = || TopicRoute::<String, u32>::new("bars");
    assert!(told(Router::new().include(route()).include(route())).starts_with("`bars."));
    let replies = Router::new().send("a", "done", || ()).send("b", "done", || ());
    assert_eq!(
        told(replies),
        "operations `a` and `b` both reply with `done`: give one of them another reply"
    );
    let nameless = r#"operation `a` returns a value but has no reply: name it, as `reply = ".."` in `#[send]` or as the second argument of `Router::send`, or return `()`"#;
    assert_eq!(told(Router::new().send("a", None, || 1)), nameless);
    assert_eq!(told(Router::new().send("a", None, async || 1)), nameless);
    let failing = || -> Result<u32, String> { Ok(1) };
    assert_eq!(
        told(Router::new().send("a", "b", failing)),
        "the handler of `a` returns `core::result::Result<u32, alloc::string::String>`, whose error is none that \
         closes or is logged: make it a `Failure`, a `Close` or an error"
    );
    let payloads = Router::new().send("a", None, |_: Payload<u32>, _: Payload<u32>| ());
    assert_eq!(told(payloads), "the handler of `a` takes two payloads: put both into one type");
    let state = Router::new().send("a", None, |_: State<Clock>| ());
    let told_state = told(state);
    assert!(
        told_state.starts_with("the handler of `a` takes `State<")
            && told_state.contains("Clock>`, which was not set: call `Api::state` with a `"),
        "{told_state}"
    );
    for (name, shown) in [("", ""), ("a\"b", "a\"b"), ("a\nb", "a\nb"), ("a\\", "a\\")] {
        let rule = format!(
            "`{shown}` cannot be a name: use 1 to 256 characters that JSON need not escape"
        );
        assert_eq!(told(Router::new().send(name, None, || ())), rule);
        assert_eq!(told(Router::new().send("a", name, || ())), rule);
        assert_eq!(told(Router::new().recv::<u32>(name)), rule);
    }
    let clocks = Api::new("Wrong", "1").state(1_u8).state(2_u8).build().err();
    assert_eq!(
        clocks.map(|error| error.to_string()).as_deref(),
        Some("`Api::state` was called twice with a `u8`: wrap one of them in a type of its own")
    );
}
