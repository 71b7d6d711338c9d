//! Ends: of a client's stream, and of the server.

use super::opening::post;
use super::{LONG, SOON, Script};
use crate::set::echo;
use fastws_tests::stage::{act, later, on};
use fastws_tests::world::HANDSHAKE;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("a client that says no more", |play| {
            play.join("ann");
            play.ask("ann", echo(1));
            play.half_close("ann");
            play.end("ann");
        }),
        Script::plain("a client that says no more in the middle of a frame", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", act(["subscribe a"]));
            play.send("ann", b"\x81\xfe\x01");
            play.half_close("ann");
            play.end("ann");
            play.until("bob", "subscriptions", 0);
        }),
        Script::plain("a client that is reset in the middle of a frame", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", act(["subscribe a"]));
            play.send("ann", b"\x01\x84\0\0\0\0{");
            play.reset("ann");
            play.until("bob", "connections", 1);
            play.until("bob", "subscriptions", 0);
        }),
        Script::plain("clients that are reset in their handshake", |play| {
            play.join("bob");
            play.connect("ann");
            play.send("ann", &HANDSHAKE[..40]);
            play.reset("ann");
            play.connect("cat");
            play.reset("cat");
            play.ask("bob", echo(1));
        }),
        Script::plain("a client that closes and does not wait", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", act(["subscribe a"]));
            play.close("ann", "");
            play.half_close("ann");
            play.end("ann");
            play.until("bob", "subscriptions", 0);
        }),
        Script::plain("the server ends with clients that do nothing", |play| {
            for name in ["ann", "bob", "cat"] {
                play.join(name);
                play.ask(name, echo(1));
            }
            play.shutdown();
            for name in ["ann", "bob", "cat"] {
                play.end(name);
            }
        })
        .shows("E20"),
        Script::plain("the server ends in the middle of handshakes", |play| {
            play.join("bob");
            play.connect("ann");
            play.send("ann", &HANDSHAKE[..40]);
            play.ask("bob", echo(1));
            play.shutdown();
            play.end("ann");
            play.end("bob");
        }),
        Script::plain("the server ends in the middle of a message", |play| {
            play.join("ann");
            play.frame("ann", 0x01, r#"{"type":"#);
            play.frame("ann", 0x89, "");
            play.hear("ann");
            play.shutdown();
            play.end("ann");
        }),
        Script::new("the server ends while a handler waits", |play| {
            play.join("ann");
            play.say_together("ann", [later(["wait"]), echo("never")]);
            play.noted("waits");
            play.shutdown();
            play.end("ann");
        }),
        Script::new("the server ends while a topic starts", |play| {
            play.join("ann");
            play.say("ann", on("SLOW"));
            play.noted("start SLOW");
            play.shutdown();
            play.end("ann");
            play.noted("drop SLOW");
        }),
        Script::new("the server ends with a service that runs", |play| {
            play.join("ann");
            play.ask("ann", on("A"));
            play.hear("ann");
            play.shutdown();
            play.end("ann");
            play.noted("drop A");
        }),
        Script::plain("the server ends while a client does not answer its close", |play| {
            play.join("ann");
            play.join("bob");
            play.rude("ann");
            play.say("ann", "what?");
            play.hear("ann");
            play.shutdown();
            play.end("ann");
            play.end("bob");
        })
        .config(|config| config.closing = SOON * 5),
        Script::plain("the server ends while a client closes", |play| {
            play.join("ann");
            play.rude("ann");
            play.ask("ann", "what?");
            play.shutdown();
            play.close("ann", b"\x03\xeb");
            play.end("ann");
        }),
        Script::new("the server ends while an operation over HTTP waits", |play| {
            play.join("bob");
            play.connect("ann");
            play.send("ann", post("/wait", "application/json", ""));
            play.noted("asked");
            play.shutdown();
            play.end("ann");
            play.end("bob");
        }),
        Script::new("a client that goes while its operation over HTTP waits", |play| {
            play.connect("ann");
            play.send("ann", post("/wait", "application/json", ""));
            play.noted("asked");
            play.reset("ann");
            play.order("for nobody");
            play.noted("answers");
            play.join("bob");
            play.say("bob", later(["wait"]));
            play.noted("waits");
            play.order("for somebody");
            play.hear("bob");
        }),
        Script::new("a client that says no more while its operation over HTTP waits", |play| {
            play.connect("ann");
            play.send("ann", post("/wait", "application/json", ""));
            play.half_close("ann");
            play.noted("asked");
            play.order("done");
            play.end("ann");
        }),
        Script::new("the server ends slowly, and serves who stays", |play| {
            for name in ["ann", "bob", "cat"] {
                play.join(name);
            }
            play.ask("cat", act(["subscribe a"]));
            play.reset("bob");
            play.until("cat", "connections", 2);
            play.shutdown();
            play.end("ann");
            play.ask("cat", act(["publish a 1"]));
            play.hear("cat");
            play.connect("dan");
            play.send("dan", HANDSHAKE);
            play.end("dan");
            play.connect("eve");
            play.send("eve", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            play.end("eve");
            play.close("cat", "");
            play.end("cat");
        })
        .config(|config| config.drain = LONG),
    ]
}
