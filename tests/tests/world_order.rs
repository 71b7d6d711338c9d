//! What comes before what: requests, replies, control frames and ends of one connection.

use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::time::Duration;
use fastws_tests::stage::{act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use serde_json::{Value, json};

struct Stage {
    world: World,
    witness: Witness,
    gate: Gate,
}

fn on_stage(config: Config) -> Stage {
    let (witness, gate) = (Witness::default(), Gate::default());
    let world = World::with(config, 1, stage(&witness, &gate)).client("ann").client("bob");
    Stage { world, witness, gate }
}

impl Stage {
    fn order(&mut self, order: &'static str) {
        self.gate.order(order);
        self.world.run();
    }
}

fn echo(id: Value) -> Value {
    json!({"type": "echo", "payload": id, "id": id})
}

fn note(line: &str) -> Value {
    json!({"type": "note", "payload": line})
}

fn news(world: &mut World, name: &str) -> Vec<u64> {
    let messages = world.messages(name);
    let updates = messages.iter().filter(|message| message["type"] == "news");
    updates.map(|message| message["payload"]["value"].as_u64().expect("a number")).collect()
}

// protocol: M14 M15
#[test]
fn a_running_call_holds_the_messages_behind_it_and_nobody_else() {
    let Stage { mut world, witness, gate } = on_stage(Config::default());
    world.say_together("ann", [later(["wait"]), note("second"), echo(json!(3))]);
    world.say("ann", echo(json!(4)));
    world.say("bob", note("bob"));
    assert_eq!(witness.took(), ["waits", "bob"]);
    assert!(world.heard("ann").is_empty());
    gate.order("topics");
    world.run();
    assert_eq!(witness.took(), ["goes on with topics", "second"]);
    let ids: Vec<_> = world.messages("ann").iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [Value::Null, json!(3), json!(4)]);
}

#[test]
fn async_calls_of_different_clients_begin_in_the_order_in_which_they_came() {
    let Stage { mut world, witness, gate } = on_stage(Config::default());
    // One turn reads both, ann first.
    let ann = world.frame("ann", Opcode::Text, later(["wait"]).to_string());
    let bob = world.frame("bob", Opcode::Text, later(["wait"]).to_string());
    world.post("ann", ann);
    world.post("bob", bob);
    gate.order("first");
    world.run();
    assert_eq!(witness.took(), ["waits", "goes on with first", "waits"]);
    assert_eq!(world.messages("ann")[0]["payload"], json!(["first"]));
    gate.order("second");
    world.run();
    assert_eq!(world.messages("bob")[0]["payload"], json!(["second"]));
}

#[test]
fn a_ping_is_answered_while_a_call_runs_and_between_fragments() {
    let Stage { mut world, gate, .. } = on_stage(Config::default());
    world.say("ann", later(["wait"]));
    world.ping("ann", "one");
    assert_eq!(world.pongs("ann"), 1);
    let text = echo(json!(2)).to_string();
    let (first, second) = text.split_at(9);
    let mut begun = world.frame("ann", Opcode::Text, first);
    begun[0] &= 0x7f;
    world.send("ann", begun);
    world.ping("ann", "two");
    assert_eq!(world.pongs("ann"), 2);
    let mut rest = world.frame("ann", Opcode::Text, second);
    rest[0] &= 0xf0;
    world.send("ann", rest);
    world.ping("ann", "three");
    assert_eq!(world.pongs("ann"), 3);
    assert!(world.bytes("ann").ends_with(b"\x8a\x05three"));
    gate.order("topics");
    world.run();
    assert_eq!(world.heard("ann"), ["act.later.response", "echo.response"]);
}

#[test]
fn a_close_takes_effect_in_its_place_behind_a_running_call() {
    let mut stage = on_stage(Config::default());
    stage.world.say_together("ann", [later(["wait", "subscribe a"]), echo(json!(2))]);
    stage.world.close("ann", 1000, "enough");
    assert_eq!(stage.world.closed("ann"), None);
    stage.order("topics");
    assert_eq!(stage.world.heard("ann"), ["act.later.response", "echo.response"]);
    assert_eq!(stage.world.closed("ann"), Some((1000, "")));
    assert!(stage.world.gone("ann"));
}

// protocol: T5
#[test]
fn the_end_of_a_stream_takes_effect_at_once_also_while_a_call_runs() {
    for reset in [false, true] {
        let Stage { mut world, witness, gate } = on_stage(Config::default());
        world.say("bob", act(["subscribe a"]));
        world.say("ann", act(["subscribe a"]));
        world.say_together("ann", [later(["wait", "publish a 1", "subscribe b"]), note("second")]);
        match reset {
            true => world.reset("ann"),
            false => world.hang_up("ann"),
        }
        assert!(world.gone("ann"));
        assert_eq!(world.metrics().subscriptions, 1);
        gate.order("publish a 2");
        world.run();
        assert_eq!(witness.took(), ["waits", "goes on with publish a 2"]);
        assert!(news(&mut world, "bob").is_empty(), "what it wished has no effect");
        assert_eq!((world.metrics().subscriptions, world.metrics().topics), (1, 1));
    }
}

#[test]
fn the_outcome_of_a_call_misses_the_next_connection_in_the_same_place() {
    let Stage { mut world, gate, .. } = on_stage(Config::default());
    world.say("ann", later(["subscribe a", "wait"]));
    world.reset("ann");
    world.join(0, "ann");
    world.say("ann", later(["wait"]));
    gate.order("old");
    world.run();
    assert!(world.heard("ann").is_empty());
    assert_eq!(world.metrics().subscriptions, 0);
    gate.order("new");
    world.run();
    assert_eq!(world.messages("ann")[0]["payload"], json!(["new"]));
}

#[test]
fn more_undispatched_data_than_a_message_stops_reading_and_nothing_is_lost() {
    let config = Config { message_bytes: 1000, handshake_bytes: 500, ..Config::default() };
    for split in [1, 7, 100, usize::MAX] {
        let mut stage = on_stage(config.clone());
        stage.world.split("ann", split);
        stage.world.say("ann", later(["wait"]));
        stage.world.say_together("ann", (0..400).map(|id| echo(json!(id))));
        let unread = stage.world.unread("ann");
        assert!(unread > 400 * 40 - 2_000, "{unread} bytes are left in the socket");
        stage.world.advance(Duration::from_secs(120));
        assert_eq!(stage.world.unread("ann"), unread);
        stage.order("topics");
        let replies = stage.world.messages("ann");
        let ids: Vec<_> = replies[1..].iter().filter_map(|reply| reply["id"].as_u64()).collect();
        assert!(ids.into_iter().eq(0..400), "in segments of {split}");
    }
}

#[test]
fn messages_split_at_every_offset_are_the_same_messages() {
    let texts = [echo(json!("ä € 🦀")), act(["subscribe a", "topics"]), echo(json!(2))];
    let mut whole = None;
    for split in 1..200 {
        let Stage { mut world, .. } = on_stage(Config::default());
        world.split("ann", split);
        world.say_together("ann", &texts);
        let heard = world.texts("ann");
        assert_eq!(whole.get_or_insert(heard.clone()), &heard);
    }
}

// protocol: M3 M4
#[test]
fn a_reply_carries_its_id_back_as_it_was_written() {
    let ids = [
        (r#""a""#, true),
        (r#""\u00e4\"""#, true),
        ("0", true),
        ("-17", true),
        ("123456789012345678901234567890", true),
        ("1.0", false),
        ("1e3", false),
        ("null", false),
        ("true", false),
        ("[1]", false),
        (r#"{"a":1}"#, false),
    ];
    for (id, carried) in ids {
        let mut stage = on_stage(Config::default());
        let plain = format!(r#"{{"id":{id},"type":"echo","payload":1}}"#);
        let running = format!(r#"{{"type":"act.later","id": {id} ,"payload":["wait"]}}"#);
        stage.world.say_together("ann", [&plain, &running]);
        stage.order("done");
        let echo = match carried {
            true => format!(r#","id":{id}"#),
            false => String::new(),
        };
        let replies = [
            format!(r#"{{"type":"echo.response","payload":1{echo}}}"#),
            format!(r#"{{"type":"act.later.response","payload":["done"]{echo}}}"#),
        ];
        assert_eq!(stage.world.texts("ann"), replies);
    }
    let mut stage = on_stage(Config::default());
    for len in [62, 63] {
        let id = "i".repeat(len);
        stage.world.say("ann", json!({"type": "echo", "id": id}));
        let reply = stage.world.messages("ann").remove(0);
        assert_eq!(reply.get("id").is_some(), len == 62, "64 bytes as written are carried");
    }
}

// protocol: M8 M9 M10
#[test]
fn an_operation_without_a_reply_says_nothing_and_one_without_a_result_says_no_payload() {
    use fastws_core::{api::Api, router::Router};
    let router = Router::new().prefix("a.").include(
        Router::new().prefix("b.").send("silent", None, || ()).send("done", "done.response", || ()),
    );
    let mut world = World::new(Api::new("Quiet", "1").include(router)).client("ann");
    world.say("ann", r#"{"type":"a.b.silent","id":1}"#);
    world.say("ann", r#"{"type":"a.b.done"}"#);
    world.say("ann", r#"{"type":"a.b.done","id":2}"#);
    assert_eq!(
        world.texts("ann"),
        [r#"{"type":"a.b.done.response"}"#, r#"{"type":"a.b.done.response","id":2}"#]
    );
}

// protocol: E7
#[test]
fn a_handler_that_fails_or_panics_closes_only_its_connection_and_has_no_effect() {
    for last in ["fail", "panic"] {
        for script in [act, later] {
            let Stage { mut world, .. } = on_stage(Config::default());
            world.say("bob", act(["subscribe a"]));
            world.say("ann", script(["subscribe a", "publish a 1", last]));
            assert_eq!(world.closed("ann"), Some((1011, "Internal error")));
            assert!(world.gone("ann"));
            assert_eq!(world.metrics().subscriptions, 1);
            assert_eq!(world.heard("bob"), ["act.response"]);
            world.say("bob", echo(json!(1)));
            assert_eq!(world.heard("bob"), ["echo.response"]);
        }
    }
}

// protocol: E6 E7
#[test]
fn a_call_that_fails_after_it_has_waited_closes_with_what_it_says_and_drops_what_waited() {
    for (order, close) in [
        ("fail", (1011, "Internal error")),
        ("panic", (1011, "Internal error")),
        ("close 4001", (4001, "as the script says")),
        ("close 1005", (1011, "as the script says")),
    ] {
        let mut stage = on_stage(Config::default());
        stage.world.say_together("ann", [later(["subscribe a", "wait"]), note("second")]);
        stage.order(order);
        assert_eq!(stage.world.closed("ann"), Some(close));
        assert!(stage.world.gone("ann") && stage.world.heard("ann").is_empty());
        assert_eq!(stage.witness.took().len(), 2, "the second message is not handled");
        assert_eq!(stage.world.metrics().topics, 0);
    }
}

// protocol: E26
#[test]
fn a_reason_that_is_too_long_is_cut_at_a_character() {
    use fastws_core::respond::{Close, Failure};
    use fastws_core::{api::Api, router::Router};
    let close = || Err::<(), Failure>(Close::new(4000, "ä".repeat(100)).into());
    let api = Api::new("Long", "1").include(Router::new().send("close", None, close));
    let mut world = World::new(api).client("ann");
    world.say("ann", r#"{"type":"close"}"#);
    assert_eq!(world.closed("ann"), Some((4000, "ä".repeat(61).as_str())));
}

#[test]
fn a_full_turn_is_written_before_more_is_dispatched_and_nothing_is_lost() {
    let config = Config { turn_bytes: 2_000, ..Config::default() };
    let Stage { mut world, .. } = on_stage(config);
    let long = json!({"type": "echo", "payload": "x".repeat(900), "id": 1});
    world.say_together("ann", vec![long; 30]);
    assert_eq!(world.heard("ann").len(), 30);
    world.say_together("ann", vec![act(["close 4000"]); 2]);
    assert_eq!(world.closed("ann"), Some((4000, "as the script says")));
}
