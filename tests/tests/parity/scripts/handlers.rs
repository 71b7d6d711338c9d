//! Handlers: how they end, and what waits for them.

use super::Script;
use crate::set::{echo, nap};
use fastws_core::respond::{Close, Failure};
use fastws_core::router::Router;
use fastws_tests::stage::{act, later};
use serde_json::json;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::new("handlers that close", |play| {
            for (name, request) in [
                ("ann", act(["close 4001"])),
                ("bob", later(["close 4001"])),
                ("cat", act(["close 999"])),
            ] {
                play.join(name);
                play.say(name, request);
                play.end(name);
            }
        })
        .shows("E6"),
        Script::new("handlers that fail", |play| {
            for (name, request) in [("ann", act(["fail"])), ("bob", later(["fail"]))] {
                play.join(name);
                play.say(name, request);
                play.end(name);
            }
        })
        .shows("E7"),
        Script::new("handlers that panic, and somebody else", |play| {
            play.join("cat");
            for (name, request) in [("ann", act(["panic"])), ("bob", later(["wait"]))] {
                play.join(name);
                play.say(name, request);
                play.order("panic");
                play.end(name);
                play.ask("cat", echo("still there"));
            }
        }),
        Script::plain("what a handler has wished before it fails", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("bob", act(["subscribe a"]));
            play.say("ann", act(["subscribe a", "publish a 1", "fail"]));
            play.end("ann");
            play.until("bob", "subscriptions", 1);
            play.ask("bob", echo("and no update before"));
        }),
        Script::plain("a reason over 123 bytes", |play| {
            play.join("ann");
            play.say("ann", json!({"type": "long"}));
            play.end("ann");
        })
        .shows("E26")
        .with(|api| {
            let long = || Err::<(), Failure>(Close::new(4000, "ä".repeat(100)).into());
            api.include(Router::new().send("long", None, long))
        }),
        Script::new("messages and a ping while a handler waits", |play| {
            play.join("ann");
            play.join("bob");
            play.say_together("ann", [later(["wait"]), echo(1), later(["wait"]), echo(2)]);
            play.noted("waits");
            play.frame("ann", 0x89, "hi");
            play.hear("ann");
            play.ask("bob", echo("somebody else"));
            play.order("first");
            play.hear("ann");
            play.hear("ann");
            play.noted("goes on with first");
            play.order("second");
            play.hear("ann");
            play.hear("ann");
        }),
        Script::new("handlers that sleep, one after the other", |play| {
            play.join("ann");
            play.say_together("ann", [nap(10), echo(1), nap(0), nap(3), echo(2)]);
            for _ in 0..5 {
                play.hear("ann");
            }
        }),
        Script::new("more requests without a reply than a connection holds", |play| {
            play.join("ann");
            for _ in 0..20 {
                play.say("ann", json!({"type": "heed", "payload": "x".repeat(50_000)}));
            }
            play.ask("ann", echo("after them"));
        }),
        Script::new("a client that goes while its handler waits", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("bob", act(["subscribe a"]));
            play.say("ann", later(["subscribe a", "wait"]));
            play.noted("waits");
            play.reset("ann");
            play.until("bob", "connections", 1);
            play.order("publish a 7");
            play.noted("goes on with publish a 7");
            play.ask("bob", act(["publish a 8"]));
            play.hear("bob");
        }),
        Script::new("a client that closes while its handler waits", |play| {
            play.join("ann");
            play.join("bob");
            play.say("ann", later(["wait"]));
            play.noted("waits");
            play.close("ann", b"\x03\xe8");
            play.until("bob", "connections", 2);
            play.order("done");
            play.end("ann");
        }),
        Script::new("a mistake behind a handler that waits", |play| {
            play.join("ann");
            play.say_together(
                "ann",
                [later(["wait"]), json!({"type": "nothing"}), echo("too late")],
            );
            play.noted("waits");
            play.order("done");
            play.end("ann");
        }),
        Script::new("a violation behind a handler that waits", |play| {
            play.join("ann");
            play.join("bob");
            play.say("ann", later(["wait"]));
            play.noted("waits");
            play.send("ann", b"\x83\x80\0\0\0\0");
            play.end("ann");
            play.order("subscribe a");
            play.noted("goes on with subscribe a");
            play.until("bob", "subscriptions", 0);
        }),
    ]
}
