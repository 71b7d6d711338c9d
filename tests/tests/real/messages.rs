//! Messages of a real server: what they look like, what they are called, in which order they come.

use crate::binding::{self, Api, Router, payload, recv};
use crate::real::{Served, bind, serve};
use fastws_core::respond::Failure;
use fastws_tests::client::{Client, within};
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use serde_json::{Value, json};
use std::io;
use std::num::NonZeroUsize;

fn on_stage() -> Served {
    serve(stage(&Witness::default(), &Gate::default()))
}

/// What the server answers to a text.
fn answer(client: &mut Client, text: &str) -> String {
    client.say_text(text);
    client.hear_text()
}

// protocol: M1 M7
#[test]
fn members_come_in_any_order_and_others_are_ignored() {
    let server = on_stage();
    let mut client = server.client();
    for text in [
        r#"{"type":"echo","payload":1}"#,
        r#"{"payload":1,"type":"echo"}"#,
        r#" { "more" : [{"type":2}] , "payload" : 1 , "topic" : null , "type" : "echo" } "#,
        r#"{"\u0074ype":"ech\u006f","payload":1}"#,
    ] {
        assert_eq!(answer(&mut client, text), r#"{"type":"echo.response","payload":1}"#, "{text}");
    }
}

// protocol: M2
#[test]
fn a_payload_that_is_missing_is_null() {
    let server = on_stage();
    let mut client = server.client();
    for text in [r#"{"type":"echo"}"#, r#"{"type":"echo","payload":null}"#] {
        assert_eq!(answer(&mut client, text), r#"{"type":"echo.response","payload":null}"#);
    }
}

// protocol: M3
#[test]
fn a_string_or_an_integer_as_id_comes_back_as_it_was_written() {
    let server = on_stage();
    let mut client = server.client();
    let long = format!("\"{}\"", "i".repeat(62));
    for id in ["\"a\"", r#""\u00e4""#, "0", "-7", "123456789012345678901234567890", &long] {
        let text = format!(r#"{{"type":"echo","id":{id},"payload":1}}"#);
        let reply = format!(r#"{{"type":"echo.response","payload":1,"id":{id}}}"#);
        assert_eq!(answer(&mut client, &text), reply);
    }
}

// protocol: M4
#[test]
fn an_id_of_another_kind_or_length_is_ignored() {
    let server = on_stage();
    let mut client = server.client();
    let long = format!("\"{}\"", "i".repeat(63));
    for id in ["null", "true", "1.5", "1e3", "[1]", r#"{"a":1}"#, &long] {
        let text = format!(r#"{{"type":"echo","id":{id},"payload":1}}"#);
        assert_eq!(answer(&mut client, &text), r#"{"type":"echo.response","payload":1}"#, "{id}");
    }
}

// protocol: M5
#[test]
fn an_update_carries_its_topic_beside_type_and_payload() {
    let server = on_stage();
    let mut client = server.client();
    client.say_text(act(["subscribe a", "subscribe b", "publish b 2", "publish a 1"]));
    assert_eq!(client.hear()["type"], "act.response");
    assert_eq!(client.hear_text(), r#"{"type":"news","topic":"b","payload":{"value":2}}"#);
    assert_eq!(client.hear_text(), r#"{"type":"news","topic":"a","payload":{"value":1}}"#);
}

// protocol: M8 M9 M10 D5
#[test]
fn names_are_prefixed_from_outside_in_and_a_missing_result_or_reply_is_left_out() {
    let inner = Router::new()
        .prefix("b.")
        .send("silent", None, || ())
        .send("done", "done.response", || ())
        .send("one", "one.response", || 1);
    let server = serve(Api::new("Names", "1").include(Router::new().prefix("a.").include(inner)));
    let mut client = server.client();
    client.say_text(r#"{"type":"a.b.silent","id":1}"#);
    let done = answer(&mut client, r#"{"type":"a.b.done","id":2}"#);
    assert_eq!(done, r#"{"type":"a.b.done.response","id":2}"#);
    let one = answer(&mut client, r#"{"type":"a.b.one"}"#);
    assert_eq!(one, r#"{"type":"a.b.one.response","payload":1}"#);
    client.say_text(r#"{"type":"b.one"}"#);
    assert_eq!(client.closed(), (1003, "No matching type".into()));
}

// protocol: M11
#[test]
fn a_server_whose_api_has_a_name_twice_does_not_start_and_says_both() {
    let start = |router: Router| match bind().start(Api::new("Twice", "1").include(router)) {
        Ok(_) => panic!("it must not start"),
        Err(error) => error.to_string(),
    };
    let other = Router::new().prefix("bars.").send("add", None, || ());
    assert_eq!(
        start(Router::new().send("bars.add", None, || ()).include(other)),
        "`bars.add` is declared twice, as a `send` operation and as a `send` operation: \
         give one of their routers another prefix"
    );
    assert_eq!(
        start(Router::new().send("a", "done", || ()).send("b", "done", || ())),
        "operations `a` and `b` both reply with `done`: give one of them another reply"
    );
}

// protocol: M17
#[test]
fn an_update_to_everybody_belongs_to_no_topic() {
    let server = on_stage();
    let mut clients = [(); 3].map(|()| server.client());
    for client in &mut clients {
        assert_eq!(client.ask("echo", "echo.response", json!(1)), 1);
    }
    let reach = server.handle().publisher().broadcast("news", &News { value: 7 });
    assert_eq!(within(reach.expect("the inboxes have room")), 3);
    for client in &mut clients {
        assert_eq!(client.hear_text(), r#"{"type":"news","payload":{"value":7}}"#);
    }
}

// protocol: M12
#[test]
fn a_recv_operation_checks_and_changes_what_its_subscribers_get() {
    #[payload]
    struct Price {
        cents: i64,
    }
    #[recv("price")]
    fn price(price: Price) -> Result<Price, Failure> {
        match price.cents {
            ..0 => Err(io::Error::other("negative").into()),
            cents => Ok(Price { cents: cents * 2 }),
        }
    }
    let server = serve(Api::new("Prices", "1").include(price).include(Router::new().send(
        "join",
        "joined",
        |client: binding::Client| client.subscribe("gold").is_ok(),
    )));
    let mut client = server.client();
    assert_eq!(client.ask("join", "joined", Value::Null), true);
    let publisher = server.handle().publisher();
    let refused = publisher.publish("gold", "price", &Price { cents: -1 }).err();
    assert_eq!(
        refused.map(|error| error.to_string()).as_deref(),
        Some("the `recv` handler refused the payload: negative")
    );
    publisher.publish("gold", "price", &Price { cents: 5 }).expect("the inbox has room");
    assert_eq!(client.hear_text(), r#"{"type":"price","topic":"gold","payload":{"cents":10}}"#);
}

// protocol: M13 E4
#[test]
fn a_client_cannot_send_what_only_the_server_sends() {
    let server = on_stage();
    for kind in ["news", "echo.response", "nothing", ""] {
        let mut client = server.client();
        client.say(kind, json!({"value": 1}));
        assert_eq!(client.closed(), (1003, "No matching type".into()), "{kind}");
    }
}

// protocol: M14 M15
#[test]
fn a_clients_messages_wait_for_one_another_and_for_nobody_else() {
    let (witness, gate) = (Witness::default(), Gate::default());
    let server = bind().shards(NonZeroUsize::MIN).start(stage(&witness, &gate));
    let server = Served::new(server.expect("the API has no mistake"));
    let [mut ann, mut bob] = [(); 2].map(|()| server.client());
    let note = json!({"type": "note", "payload": "second"});
    ann.say_together([later(["wait"]), note, json!({"type": "echo", "payload": 3})]);
    for number in 0..10 {
        assert_eq!(bob.ask("echo", "echo.response", number.into()), number);
    }
    gate.order("first");
    assert_eq!(ann.hear()["payload"], json!(["first"]));
    assert_eq!(ann.hear()["payload"], 3);
    assert_eq!(witness.took(), ["waits", "goes on with first", "second"]);
}

// More than is read of one connection in a turn.
#[test]
fn whoever_sends_without_a_pause_is_heard_to_the_end() {
    let server = on_stage();
    let mut client = server.client();
    let ignored = "x".repeat(60_000);
    let message = |number| json!({"type": "echo", "payload": number, "ignored": ignored});
    client.say_together((0..100).map(message));
    for number in 0..100 {
        assert_eq!(client.hear_payload("echo.response"), number);
    }
}

// protocol: M16
#[test]
fn replies_and_updates_come_in_the_order_in_which_they_were_made() {
    let server = on_stage();
    let [mut ann, mut bob] = [(); 2].map(|()| server.client());
    bob.say_text(act(["subscribe a"]));
    assert_eq!(bob.hear()["type"], "act.response");
    ann.say_together([
        act(["subscribe a", "publish a 1"]),
        json!({"type": "echo", "payload": 2}),
        act(["publish a 3"]),
        json!({"type": "echo", "payload": 4}),
    ]);
    let heard: Vec<_> = (0..6).map(|_| ann.hear()["type"].take()).collect();
    let expected =
        ["act.response", "news", "echo.response", "act.response", "news", "echo.response"];
    assert_eq!(heard, expected);
    assert_eq!([(); 2].map(|()| bob.hear()["payload"]["value"].take()), [1, 3]);
}

// protocol: M16
#[test]
fn what_is_published_after_the_reply_to_a_subscription_arrives_after_it() {
    let server = Served::new(
        bind()
            .shards(NonZeroUsize::new(2).expect("it is not zero"))
            .start(stage(&Witness::default(), &Gate::default()))
            .expect("the API has no mistake"),
    );
    let publisher = server.handle().publisher();
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let publishing = scope.spawn(move || {
            let mut value = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                // A full inbox is no matter here: others follow.
                let _ = publisher.publish("a", "news", &News { value });
                value += 1;
            }
        });
        for _ in 0..20 {
            let mut client = server.client();
            client.say_text(act(["subscribe a"]));
            assert_eq!(client.hear()["type"], "act.response");
            let first = client.hear_payload("news")["value"].take();
            let second = client.hear_payload("news")["value"].take();
            assert!(first.as_u64() < second.as_u64(), "{first} comes before {second}");
        }
        drop(stop);
        publishing.join().expect("it does not panic");
    });
}
