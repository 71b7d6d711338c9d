//! What happens by the clock.

use super::opening::post;
use super::{IN_TIME, SOON, Script};
use crate::set::{echo, nap};
use fastws_core::extract::FirstMessage;
use fastws_core::respond::Close;
use fastws_tests::stage::later;
use fastws_tests::world::HANDSHAKE;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("a client that says nothing at all", |play| {
            play.connect("ann");
            play.end("ann");
        })
        .config(|config| config.handshake = IN_TIME),
        Script::plain("a handshake that does not begin, and one that does not end", |play| {
            play.connect("ann");
            play.connect("bob");
            play.send("bob", &HANDSHAKE[..60]);
            play.end("ann");
            play.end("bob");
        })
        .config(|config| config.handshake = IN_TIME),
        Script::new("a body that does not end", |play| {
            play.connect("ann");
            let request = post("/double", "application/json", "21");
            play.send("ann", &request[..request.len() - 1]);
            play.end("ann");
        })
        .config(|config| config.handshake = IN_TIME),
        Script::new("an operation over HTTP that does not end", |play| {
            play.connect("ann");
            play.send("ann", post("/nap", "application/json", "3600000"));
            play.end("ann");
        })
        .config(|config| config.handshake = IN_TIME),
        Script::plain("a client that says nothing for its heartbeat", |play| {
            play.join("ann");
            play.end("ann");
        })
        .shows("E5")
        .config(|config| config.heartbeat = Some(SOON)),
        Script::plain("pongs are no messages", |play| {
            play.join("ann");
            play.end("ann");
        })
        .shows("E5")
        .config(|config| {
            config.heartbeat = Some(SOON);
            config.ping = SOON / 5;
        }),
        Script::plain("a connection that has lived its time", |play| {
            play.join("ann");
            play.end("ann");
        })
        .shows("E5")
        .config(|config| config.lifespan = Some(SOON)),
        Script::new("a connection that has lived its time while a handler waits", |play| {
            play.join("ann");
            play.say("ann", later(["wait"]));
            play.end("ann");
            play.order("nothing");
        })
        .config(|config| config.lifespan = Some(SOON)),
        Script::plain("a connection that pings and answers", |play| {
            play.join("ann");
            for number in 0..3 {
                play.hear_ping("ann");
                play.ask("ann", echo(number));
            }
        })
        .config(|config| config.ping = SOON),
        Script::plain("a client that does not answer pings", |play| {
            play.join("ann");
            play.rude("ann");
            play.hear_ping("ann");
            play.end("ann");
        })
        .config(|config| {
            config.ping = SOON;
            config.pong = SOON;
        }),
        Script::plain("a client that does not answer pings, and its subscriptions", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("bob", fastws_tests::stage::act(["subscribe a"]));
            play.rude("bob");
            play.until("ann", "subscriptions", 0);
            play.until("ann", "connections", 1);
            play.end("bob");
        })
        .config(|config| {
            config.ping = SOON * 5;
            config.pong = SOON * 5;
        }),
        Script::plain("a client that does not answer a close", |play| {
            play.join("ann");
            play.rude("ann");
            play.say("ann", "what?");
            play.end("ann");
        })
        .config(|config| config.closing = SOON),
        Script::plain("a stranger who does not say who it is", |play| {
            play.join("ann");
            play.end("ann");
        })
        .shows("E14")
        .config(|config| config.handshake = IN_TIME)
        .with(|api| {
            api.authenticate(|FirstMessage(_): FirstMessage| Err::<(), _>(Close::new(1008, "")))
        }),
        Script::new("sleeps of many clients end in their order", |play| {
            for (name, ms) in [("ann", 30), ("bob", 15), ("cat", 0)] {
                play.join(name);
                play.say(name, nap(ms));
            }
            for name in ["cat", "bob", "ann"] {
                play.hear(name);
            }
        }),
    ]
}
