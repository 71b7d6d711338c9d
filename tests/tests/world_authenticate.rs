//! The first message says who a connection is, and nothing happens before it has.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::{Config, OnError};
use fastws_core::door::Visitor;
use fastws_core::extract::{Clock, FirstMessage, Guest, Payload, State};
use fastws_core::frame::Opcode;
use fastws_core::respond::{Close, Failure};
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use std::fmt::Display;
use std::io;

const STRANGER: Option<(u16, &str)> = Some((1008, "Not authenticated"));
const ME: &str = r#"{"type":"me"}"#;

/// A name that was told.
struct User {
    name: String,
}

/// `pass NAME` lets in; everything else is a way not to.
fn plain(FirstMessage(text): FirstMessage) -> Result<User, Failure> {
    match text.split_once(' ') {
        Some(("pass", name)) => Ok(User { name: name.into() }),
        Some(("close", _)) => Err(Close::new(4000, "for the log only").into()),
        Some(("panic", _)) => panic!("as the message says"),
        _ => Err(io::Error::other("for the log only").into()),
    }
}

/// The same after a second.
async fn slow(first: FirstMessage, clock: Clock) -> Result<User, Failure> {
    clock.sleep(Duration::from_secs(1)).await;
    plain(first)
}

fn api() -> Api {
    let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
    Api::new("Members", "1").include(me.recv::<u32>("news"))
}

fn wait(world: &mut World, seconds: f64) {
    world.advance(Duration::from_secs_f64(seconds));
}

fn say(world: &mut World, name: &str, messages: &[&dyn Display]) {
    world.say_together(name, messages);
}

#[test]
fn who_says_the_right_thing_first_is_let_in_without_a_reply() {
    for api in [api().authenticate(plain), api().authenticate(slow)] {
        let mut world = World::new(api).client("ann");
        world.say("ann", "pass ann");
        wait(&mut world, 1.0);
        assert!(world.texts("ann").is_empty());
        world.say("ann", ME);
        assert_eq!(world.messages("ann")[0]["payload"], "ann");
    }
}

// protocol: E14
#[test]
fn who_says_anything_else_first_is_not_authenticated_and_not_told_why() {
    for on_error in [OnError::Close, OnError::Reply] {
        for first in ["fail x", "close x", "panic x", "", ME, "{}"] {
            for api in [api().authenticate(plain), api().authenticate(slow)] {
                let config = Config { on_error, ..Config::default() };
                let mut world = World::with(config, 1, api).client("ann");
                say(&mut world, "ann", &[&first, &ME, &"pass ann"]);
                wait(&mut world, 1.0);
                assert_eq!(world.closed("ann"), STRANGER, "{first}");
                assert!(world.texts("ann").is_empty());
                assert!(world.gone("ann"));
            }
        }
    }
}

#[test]
fn a_binary_message_authenticates_nobody() {
    let mut world = World::new(api().authenticate(plain)).client("ann");
    let frame = world.frame("ann", Opcode::Binary, "pass ann");
    world.send("ann", frame);
    assert_eq!(world.closed("ann"), STRANGER);
}

#[test]
fn what_breaks_the_protocol_or_a_limit_says_so_also_before_the_first_message() {
    let config = Config { message_bytes: 100, ..Config::default() };
    let mut world = World::with(config, 1, api().authenticate(plain)).client("ann").client("bob");
    let frame = world.frame("ann", Opcode::Text, b"\xff");
    world.send("ann", frame);
    assert_eq!(world.closed("ann").map(|(code, _)| code), Some(1007));
    world.say("bob", "x".repeat(101));
    assert_eq!(world.closed("bob").map(|(code, _)| code), Some(1009));
}

// protocol: E14
#[test]
fn who_says_nothing_for_the_time_of_a_handshake_is_not_authenticated() {
    let mut world = World::new(api().authenticate(plain)).client("ann").client("bob");
    wait(&mut world, 9.0);
    world.ping("ann", "a ping is no message");
    world.say("bob", "pass bob");
    wait(&mut world, 0.9);
    assert_eq!((world.closed("ann"), world.pongs("ann")), (None, 1));
    wait(&mut world, 0.1);
    assert_eq!(world.closed("ann"), STRANGER);
    wait(&mut world, 600.0);
    assert_eq!(world.closed("bob"), None);
}

#[test]
fn the_deadline_holds_while_the_first_message_is_looked_at() {
    async fn never(_: FirstMessage, gate: State<Gate>) -> Result<(), Close> {
        gate.wait().await;
        Ok(())
    }
    let gate = Gate::default();
    let api = Api::new("", "").state(gate.clone()).authenticate(never);
    let mut world = World::new(api).client("ann");
    wait(&mut world, 9.0);
    world.say("ann", "anything");
    wait(&mut world, 1.0);
    assert_eq!(world.closed("ann"), STRANGER);
    gate.order("too late");
    world.run();
    assert!(world.gone("ann"));
}

#[test]
fn a_heartbeat_and_pings_count_from_the_handshake_on() {
    let config = Config {
        heartbeat: Some(Duration::from_secs(5)),
        ping: Duration::from_secs(3),
        ..Config::default()
    };
    let mut world = World::with(config, 1, api().authenticate(plain)).client("ann");
    wait(&mut world, 4.9);
    assert_eq!((world.closed("ann"), world.pings("ann")), (None, 1));
    wait(&mut world, 0.1);
    assert_eq!(world.closed("ann").map(|(code, _)| code), Some(1003));
}

#[test]
fn later_messages_wait_in_order_until_the_first_has_been_looked_at() {
    let mut world = World::new(api().authenticate(slow)).client("ann");
    say(&mut world, "ann", &[&"pass ann", &ME, &r#"{"type":"me","id":1}"#]);
    world.say("ann", r#"{"type":"me","id":2}"#);
    wait(&mut world, 0.9);
    assert!(world.texts("ann").is_empty());
    wait(&mut world, 0.1);
    let ids: Vec<_> = world.messages("ann").iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, [serde_json::Value::Null, 1.into(), 2.into()]);
}

#[test]
fn a_stranger_counts_as_a_connection_and_gets_no_broadcast() {
    let config = Config { connections: 2, ..Config::default() };
    let mut world = World::with(config, 1, api().authenticate(plain)).client("ann").client("bob");
    assert_eq!(world.metrics().connections, 2);
    world.connect(0, "cat");
    world.send("cat", fastws_tests::world::HANDSHAKE);
    assert!(world.answer("cat").starts_with("HTTP/1.1 503 "));
    world.say("ann", "pass ann");
    drop(world.publisher().broadcast("news", &7_u32).expect("it is declared"));
    world.run();
    assert_eq!((world.heard("ann"), world.heard("bob")), (vec!["news".into()], vec![]));
    world.say("bob", "pass bob");
    drop(world.publisher().broadcast("news", &8_u32).expect("it is declared"));
    world.run();
    assert_eq!((world.heard("ann").len(), world.heard("bob").len()), (1, 1));
}

#[test]
fn wishes_of_who_reads_the_first_message_take_effect_with_it() {
    fn join(FirstMessage(text): FirstMessage, client: Client) -> Result<(), Failure> {
        client.subscribe(&text)?;
        if text == "secret" { Err(io::Error::other("nobody may").into()) } else { Ok(()) }
    }
    let api = Api::new("", "").include(Router::new().recv::<u32>("news")).authenticate(join);
    let mut world = World::new(api).client("ann").client("bob");
    world.say("ann", "bars");
    world.say("bob", "secret");
    assert_eq!(world.closed("bob"), STRANGER);
    world.publish("bars", "news", &1_u32);
    world.publish("secret", "news", &2_u32);
    assert_eq!(world.heard("ann"), ["news"]);
    assert_eq!(world.metrics().subscriptions, 1);
}

#[test]
fn a_first_message_may_be_json_of_any_shape() {
    fn read(Payload((name, number)): Payload<(String, u8)>) -> Result<User, Failure> {
        Ok(User { name: format!("{name} {number}") })
    }
    let mut world = World::new(api().authenticate(read)).client("ann").client("bob");
    world.say("ann", r#"["ann", 7]"#);
    world.say("ann", ME);
    assert_eq!(world.messages("ann")[0]["payload"], "ann 7");
    world.say("bob", r#"["bob"]"#);
    assert_eq!(world.closed("bob"), STRANGER);
}

#[test]
fn a_server_that_ends_says_so_to_strangers_too() {
    let mut world = World::new(api().authenticate(plain)).client("ann");
    world.shutdown();
    assert_eq!(world.closed("ann"), Some((1001, "Server shutting down")));
}

#[test]
fn the_first_message_may_follow_what_the_door_yields() {
    struct Page {
        path: String,
    }
    let door = |visitor: &Visitor<'_>| Ok(Page { path: visitor.path().into() });
    fn check(
        FirstMessage(text): FirstMessage,
        page: Guest<Page>,
        log: State<Witness>,
    ) -> Result<(), Close> {
        log.note(format!("{text} on {}", page.path));
        Ok(())
    }
    let log = Witness::default();
    let page = Router::new().send("page", "page.response", |page: Guest<Page>| page.path.clone());
    let api = Api::new("", "").state(log.clone()).door(door).authenticate(check).include(page);
    let mut world = World::new(api).client("ann");
    say(&mut world, "ann", &[&"ann", &r#"{"type":"page"}"#]);
    assert_eq!(world.messages("ann")[0]["payload"], "/ws");
    assert_eq!(log.took(), ["ann on /ws"]);
}

#[test]
fn who_has_left_while_its_first_message_was_looked_at_is_not_let_in() {
    let mut world = World::new(api().authenticate(slow)).client("ann");
    world.say("ann", "pass ann");
    world.reset("ann");
    // The row is another's now.
    world.join(0, "bob");
    wait(&mut world, 0.5);
    world.say("bob", "pass bob");
    wait(&mut world, 0.5);
    say(&mut world, "bob", &[&ME]);
    assert!(world.texts("bob").is_empty());
    wait(&mut world, 0.5);
    assert_eq!(world.messages("bob")[0]["payload"], "bob");
}

#[test]
fn mistakes_about_the_first_message_are_told_when_the_api_is_built() {
    let told = |api: Api| api.build().expect_err("there is a mistake").to_string();
    assert_eq!(
        told(api().authenticate(plain).authenticate(slow)),
        "`Api::authenticate` was called twice: make one function of both"
    );
    let two = told(api().authenticate(plain).door(|_| Ok(7_u8)));
    assert!(two.starts_with("`Api::door` yields a `u8` and `Api::authenticate` a `"), "{two}");
    assert!(two.ends_with("User`: let one of them yield `()`"), "{two}");
    assert!(api().authenticate(plain).door(|_| Ok(())).build().is_ok());
    let early = |_: Guest<u8>| Ok::<_, Close>(1_u8);
    let told_early = told(Api::new("", "").authenticate(early));
    assert!(told_early.starts_with("the handler of `first message` takes `Guest<u8>`"));
    let late = Router::new().send("late", None, |_: FirstMessage| ());
    assert_eq!(
        told(Api::new("", "").include(late)),
        "the handler of `late` takes `FirstMessage`, which only the function of \
         `Api::authenticate` gets: take `Payload<T>`"
    );
}
