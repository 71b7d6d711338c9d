//! How long a connection lives, and how it ends.

use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::time::Duration;
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::{HANDSHAKE, World};

const ECHO: &str = r#"{"type":"echo","payload":1}"#;

fn world(config: Config) -> World {
    World::with(config, 1, stage(&Witness::default(), &Gate::default()))
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn wait(world: &mut World, seconds: f64) {
    world.advance(Duration::from_secs_f64(seconds));
}

// protocol: E5
#[test]
fn a_client_without_a_message_for_the_heartbeat_interval_is_closed() {
    let config = Config { heartbeat: seconds(10), ..Config::default() };
    let mut world = world(config).client("ann").client("bob");
    wait(&mut world, 6.0);
    world.say("bob", ECHO);
    world.ping("ann", "a ping is no message");
    wait(&mut world, 3.9);
    assert_eq!(world.closed("ann"), None);
    wait(&mut world, 0.1);
    let reason = "Connection timed out. Heartbeat interval 10. Max connection lifespan unset";
    assert_eq!(world.closed("ann"), Some((1003, reason)));
    assert!(world.gone("ann"));
    wait(&mut world, 5.9);
    assert_eq!(world.closed("bob"), None);
    wait(&mut world, 0.1);
    assert_eq!(world.closed("bob"), Some((1003, reason)));
}

// protocol: E5
#[test]
fn a_connection_older_than_the_lifespan_is_closed_however_lively_it_is() {
    let config = Config { heartbeat: seconds(10), lifespan: seconds(300), ..Config::default() };
    let mut world = world(config).client("ann");
    for _ in 0..299 {
        wait(&mut world, 1.0);
        world.say("ann", ECHO);
    }
    wait(&mut world, 0.9);
    assert_eq!(world.closed("ann"), None);
    wait(&mut world, 0.1);
    let reason = "Connection timed out. Heartbeat interval 10. Max connection lifespan 300";
    assert_eq!(world.closed("ann"), Some((1003, reason)));
}

#[test]
fn the_handshake_counts_neither_as_heartbeat_nor_as_lifespan() {
    let config = Config { lifespan: seconds(20), ..Config::default() };
    let mut world = world(config);
    world.connect(0, "ann");
    wait(&mut world, 9.0);
    world.send("ann", HANDSHAKE);
    wait(&mut world, 19.0);
    assert_eq!(world.closed("ann"), None);
    wait(&mut world, 1.0);
    assert!(world.closed("ann").is_some());
}

// protocol: L10 L15
#[test]
fn a_silent_client_is_pinged_after_25_seconds_and_gone_10_seconds_later() {
    let mut world = world(Config::default()).client("ann");
    world.rude("ann");
    wait(&mut world, 24.9);
    assert_eq!(world.pings("ann"), 0);
    wait(&mut world, 0.1);
    assert_eq!(world.pings("ann"), 1);
    wait(&mut world, 9.9);
    assert!(!world.gone("ann"));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
    assert_eq!((world.pings("ann"), world.closed("ann")), (1, None));
}

// protocol: L11
#[test]
fn a_client_that_answers_pings_lives_for_ever() {
    let mut world = world(Config::default()).client("ann");
    wait(&mut world, 25.0 * 40.0);
    assert_eq!(world.pings("ann"), 40);
    assert!(!world.gone("ann"));
}

// protocol: L10
#[test]
fn any_frame_answers_a_ping_and_begins_the_silence_anew() {
    let frames = [
        (Opcode::Text, ECHO),
        (Opcode::Ping, "hello"),
        (Opcode::Pong, "unasked"),
        (Opcode::Pong, ""),
    ];
    for (opcode, payload) in frames {
        let mut world = world(Config::default()).client("ann");
        world.rude("ann");
        wait(&mut world, 34.9);
        let frame = world.frame("ann", opcode, payload);
        world.send("ann", frame);
        wait(&mut world, 24.9);
        assert_eq!((world.pings("ann"), world.gone("ann")), (1, false), "{opcode:?}");
        wait(&mut world, 0.1);
        assert_eq!(world.pings("ann"), 2);
        wait(&mut world, 10.0);
        assert!(world.gone("ann"));
    }
}

#[test]
fn a_ping_is_sent_in_time_also_where_its_deadline_is_the_longer_one() {
    let config =
        Config { ping: Duration::from_secs(5), pong: Duration::from_secs(20), ..Config::default() };
    let mut world = world(config).client("ann");
    wait(&mut world, 25.0);
    assert_eq!(world.pings("ann"), 5);
    world.rude("ann");
    wait(&mut world, 24.9);
    assert_eq!((world.pings("ann"), world.gone("ann")), (6, false));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
}

// protocol: L15
#[test]
fn a_silent_client_is_gone_also_while_a_call_of_it_runs() {
    let gate = Gate::default();
    let mut world = World::new(stage(&Witness::default(), &gate)).client("ann");
    world.rude("ann");
    world.say("ann", later(["wait"]));
    wait(&mut world, 34.9);
    assert_eq!((world.pings("ann"), world.gone("ann")), (1, false));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
    gate.order("topics");
    world.run();
    assert!(world.heard("ann").is_empty());
}

#[test]
fn a_message_counts_for_the_heartbeat_when_it_comes_also_while_a_call_runs() {
    let config = Config { heartbeat: seconds(10), ..Config::default() };
    let gate = Gate::default();
    let mut world = World::with(config, 1, stage(&Witness::default(), &gate)).client("ann");
    world.say("ann", later(["wait"]));
    wait(&mut world, 6.0);
    world.say("ann", ECHO);
    wait(&mut world, 9.9);
    assert_eq!(world.closed("ann"), None);
    gate.order("topics");
    world.run();
    assert_eq!(world.heard("ann"), ["act.later.response", "echo.response"]);
}

#[test]
fn pings_and_heartbeat_pause_while_nothing_is_read() {
    let config = Config {
        message_bytes: 1000,
        handshake_bytes: 500,
        heartbeat: seconds(10),
        ..Config::default()
    };
    let gate = Gate::default();
    let mut world = World::with(config, 1, stage(&Witness::default(), &gate)).client("ann");
    world.say("ann", later(["wait"]));
    let flood = [ECHO; 100];
    world.say_together("ann", flood);
    assert!(world.unread("ann") > 0);
    world.rude("ann");
    wait(&mut world, 100.0);
    assert_eq!((world.closed("ann"), world.gone("ann")), (None, false));
    assert_eq!(world.pings("ann"), 0);
    gate.order("topics");
    world.run();
    assert_eq!(world.heard("ann").len(), 101);
    wait(&mut world, 9.9);
    assert_eq!(world.closed("ann"), None);
    wait(&mut world, 0.1);
    assert!(world.closed("ann").is_some());
}

// protocol: L8 L13
#[test]
fn a_handshake_that_does_not_end_is_refused_after_10_seconds() {
    for begun in ["", "GET /ws HTTP/1.1\r\nHost: example.org\r\n"] {
        let mut world = world(Config::default());
        world.connect(0, "ann");
        world.send("ann", begun);
        wait(&mut world, 9.9);
        assert_eq!(world.answer("ann"), "");
        wait(&mut world, 0.1);
        assert!(world.answer("ann").starts_with("HTTP/1.1 408 "));
        assert!(world.finished("ann") && world.gone("ann"));
    }
}

#[test]
fn who_never_ends_after_a_refusal_is_dropped_5_seconds_later() {
    let mut world = world(Config::default());
    world.connect(0, "ann");
    world.rude("ann");
    world.send("ann", "GET /elsewhere HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert!(world.answer("ann").starts_with("HTTP/1.1 404 "));
    assert!(world.finished("ann"));
    world.send("ann", "more");
    wait(&mut world, 4.9);
    assert!(!world.gone("ann"));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
}

// protocol: L13
#[test]
fn an_oversized_handshake_is_refused() {
    let mut world = world(Config { handshake_bytes: 200, ..Config::default() });
    world.connect(0, "ann");
    world.send("ann", format!("GET /ws HTTP/1.1\r\nCookie: {}", "c".repeat(500)));
    assert!(world.answer("ann").starts_with("HTTP/1.1 431 "));
    assert!(world.gone("ann"));
}

#[test]
fn a_handshake_may_come_in_any_pieces_with_the_first_messages_behind_it() {
    let mut whole = HANDSHAKE.as_bytes().to_vec();
    {
        let mut world = world(Config::default()).client("ann");
        for _ in 0..3 {
            whole.extend(world.frame("ann", Opcode::Text, ECHO));
        }
    }
    for size in 1..whole.len() {
        let mut world = world(Config::default());
        world.connect(0, "ann");
        world.split("ann", size);
        world.send("ann", &whole);
        assert_eq!(world.heard("ann"), ["echo.response"; 3], "in pieces of {size}");
    }
}

// protocol: E12
#[test]
fn more_connections_than_allowed_are_refused() {
    let config = Config { connections: 2, ..Config::default() };
    let mut world = world(config).client("ann").client("bob");
    world.connect(0, "eve");
    world.send("eve", HANDSHAKE);
    assert!(world.answer("eve").starts_with("HTTP/1.1 503 "));
    world.close("ann", 1000, "");
    world.connect(0, "eve");
    world.send("eve", HANDSHAKE);
    assert!(world.answer("eve").starts_with("HTTP/1.1 101 "));
}

// protocol: E12
#[test]
fn of_those_who_come_together_only_as_many_are_let_in_as_all_shards_have_room_for() {
    let config = Config { connections: 3, ..Config::default() };
    let stage = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 2, stage).client("ann");
    let names = ["bob", "eve", "joe", "zoe"];
    for name in names {
        world.connect(1, name);
        world.post(name, HANDSHAKE);
    }
    world.run();
    let answers = names.map(|name| world.answer(name)[9..12].to_owned());
    assert_eq!(answers, ["101", "101", "503", "503"]);
}

#[test]
fn a_client_that_closes_gets_its_code_back_and_then_the_end() {
    for code in [1000, 1001, 4321] {
        let mut world = world(Config::default()).client("ann");
        world.close("ann", code, "enough");
        assert_eq!(world.closed("ann"), Some((code, "")));
        assert!(world.finished("ann") && world.gone("ann"));
    }
    let mut world = world(Config::default()).client("ann");
    let close = world.frame("ann", Opcode::Close, "");
    world.send("ann", close);
    assert_eq!(world.closed("ann"), Some((1005, "")));
    assert!(world.gone("ann"));
}

#[test]
fn a_client_that_closes_and_never_ends_is_dropped_5_seconds_later() {
    let mut world = world(Config::default()).client("ann");
    world.rude("ann");
    world.close("ann", 1000, "");
    assert!(world.finished("ann"));
    wait(&mut world, 4.9);
    assert!(!world.gone("ann"));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
}

#[test]
fn a_server_that_closes_waits_5_seconds_for_the_answer() {
    let mut world = world(Config::default()).client("ann");
    world.rude("ann");
    world.say("ann", act(["close 4000"]));
    assert_eq!(world.closed("ann"), Some((4000, "as the script says")));
    assert!(!world.finished("ann"));
    wait(&mut world, 4.9);
    assert!(!world.gone("ann"));
    wait(&mut world, 0.1);
    assert!(world.gone("ann"));
}

#[test]
fn a_server_that_closes_ends_as_soon_as_it_has_the_answer() {
    let mut world = world(Config::default()).client("ann");
    world.rude("ann");
    world.say("ann", act(["close 4000"]));
    world.close("ann", 1000, "");
    assert!(world.finished("ann") && !world.gone("ann"));
    world.hang_up("ann");
    assert!(world.gone("ann"));
}

#[test]
fn messages_after_either_close_frame_are_ignored() {
    let witness = Witness::default();
    let note = r#"{"type":"note","payload":"too late"}"#;
    let mut world =
        World::new(stage(&witness, &Gate::default())).client("ann").client("bob").client("eve");
    world.rude("ann");
    world.say("ann", act(["close 4000"]));
    world.say("ann", note);
    world.ping("ann", "no pong comes back");
    world.rude("bob");
    world.close("bob", 1000, "");
    world.say("bob", note);
    let mut bytes = world.frame("eve", Opcode::Close, "");
    bytes.extend(world.frame("eve", Opcode::Text, note));
    bytes.extend(b"\xff\xff not even a frame");
    world.send("eve", bytes);
    assert!(witness.took().is_empty());
    assert_eq!(world.pongs("ann"), 0);
    assert_eq!(world.closed("ann"), Some((4000, "as the script says")));
    assert_eq!(world.closed("bob"), Some((1000, "")));
    assert_eq!(world.closed("eve"), Some((1005, "")));
}

#[test]
fn messages_that_waited_when_the_server_closed_are_ignored_but_a_close_among_them_is_not() {
    let (witness, gate) = (Witness::default(), Gate::default());
    let mut world = World::new(stage(&witness, &gate)).client("ann");
    world.rude("ann");
    world.say("ann", later(["wait"]));
    world.say("ann", r#"{"type":"note","payload":"too late"}"#);
    world.close("ann", 1000, "");
    assert_eq!(world.closed("ann"), None);
    world.shutdown();
    assert_eq!(world.closed("ann"), Some((1001, "Server shutting down")));
    assert!(world.finished("ann"));
    world.hang_up("ann");
    gate.order("topics");
    world.run();
    assert!(world.heard("ann").is_empty());
    assert_eq!(witness.took(), ["waits", "goes on with topics"]);
}

#[test]
fn a_shutdown_closes_everybody_and_lets_nobody_in() {
    let drain = Duration::ZERO;
    let mut world = world(Config { drain, ..Config::default() }).client("ann").client("bob");
    world.rude("bob");
    world.connect(0, "eve");
    world.connect(0, "joe");
    world.send("joe", "GET /ws HTTP/1.1\r\n");
    world.shutdown();
    assert_eq!(world.closed("ann"), Some((1001, "Server shutting down")));
    assert_eq!(world.closed("bob"), Some((1001, "Server shutting down")));
    assert!(world.gone("ann") && world.gone("eve") && world.gone("joe"));
    assert!(!world.is_drained());
    wait(&mut world, 5.0);
    assert!(world.gone("bob") && world.is_drained());
}

// protocol: E20 L12
#[test]
fn a_shutdown_is_spread_over_the_drain_time_and_serves_those_who_stay() {
    let gate = Gate::default();
    let mut world = World::new(stage(&Witness::default(), &gate));
    let names = ["ann", "bob", "eve", "joe", "zoe"];
    for name in names {
        world.join(0, name);
        world.say(name, act(["subscribe a"]));
    }
    world.connect(0, "sam");
    world.say("zoe", later(["wait"]));
    world.shutdown();
    assert!(world.gone("sam"));
    for (stays, name) in (0..5).rev().zip(names) {
        assert_eq!(world.closed(name), Some((1001, "Server shutting down")), "{name}");
        assert_eq!(world.metrics().connections, stays);
        wait(&mut world, 0.999);
        assert_eq!(world.metrics().connections, stays);
        world.publish("a", "news", &News { value: 1 });
        wait(&mut world, 0.001);
    }
    for (heard, name) in names.iter().enumerate() {
        assert_eq!(world.heard(name).len(), 1 + heard, "a reply, and an update for each second");
    }
    assert!(world.is_drained());
}

// protocol: H5
#[test]
fn a_server_that_drains_answers_pages_and_lets_nobody_in() {
    let mut world = world(Config::default()).client("ann").client("bob");
    world.shutdown();
    world.connect(0, "eve");
    world.send("eve", HANDSHAKE);
    assert!(world.answer("eve").starts_with("HTTP/1.1 503 "));
    world.connect(0, "joe");
    world.send("joe", "GET /healthz HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert!(world.answer("joe").starts_with("HTTP/1.1 503 "));
    world.say("bob", ECHO);
    assert_eq!(world.heard("bob"), ["echo.response"]);
    world.close("bob", 1000, "");
    assert!(world.is_drained(), "nobody is waited for");
}

#[test]
fn a_driver_that_is_woken_too_early_changes_nothing() {
    let story = |restless: Option<Duration>| {
        let config = Config {
            heartbeat: seconds(40),
            lifespan: seconds(200),
            message_bytes: 1000,
            handshake_bytes: 500,
            ..Config::default()
        };
        let gate = Gate::default();
        let mut world = World::with(config, 1, stage(&Witness::default(), &gate));
        if let Some(step) = restless {
            world = world.restless(step);
        }
        let names = ["ann", "bob", "eve", "joe", "zoe"];
        for name in names {
            world.join(0, name);
        }
        world.rude("bob");
        world.say("eve", later(["wait"]));
        world.say_together("eve", [ECHO; 50]);
        for round in 0..10 {
            wait(&mut world, 19.3);
            world.say("joe", ECHO);
            if round == 3 {
                gate.order("topics");
            }
            if round == 5 && !world.gone("zoe") {
                world.close("zoe", 1000, "");
            }
        }
        names.map(|name| (world.transcript(name).to_vec(), world.gone(name)))
    };
    let calm = story(None);
    assert_eq!(story(Some(Duration::from_millis(70))), calm);
    assert_eq!(story(Some(Duration::from_secs(1))), calm);
}
