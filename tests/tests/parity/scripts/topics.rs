//! Topics: who listens, and the services behind them.

use super::{SOON, Script};
use crate::set::{bare, echo};
use fastws_tests::stage::{News, act, later, off, on};
use serde_json::json;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("updates between clients", |play| {
            for name in ["ann", "bob", "cat"] {
                play.join(name);
            }
            play.ask("ann", act(["subscribe a"]));
            play.ask("bob", act(["subscribe a", "subscribe b"]));
            play.ask("cat", act(["publish a 1", "publish b 2", "publish a 3"]));
            for name in ["ann", "ann", "bob", "bob", "bob"] {
                play.hear(name);
            }
        }),
        Script::plain("updates of the application, to a topic and to everybody", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", act(["subscribe a"]));
            play.ask("bob", echo(1));
            play.publish("a", "news", &News { value: 1 });
            let all = play.publisher().broadcast("news", &News { value: 2 });
            drop(all.expect("inboxes have room"));
            for name in ["ann", "ann", "bob"] {
                play.hear(name);
            }
        }),
        Script::plain("wishes in the order of their calls", |play| {
            play.join("ann");
            play.ask(
                "ann",
                act([
                    "publish a 1",
                    "subscribe a",
                    "publish a 2",
                    "unsubscribe a",
                    "publish a 3",
                    "topics",
                ]),
            );
            play.hear("ann");
            play.ask("ann", act(["unsubscribe never", "subscribe a", "subscribe a", "topics"]));
        }),
        Script::new("a topic with a service, from its start to its end", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", on("A"));
            play.hear("ann");
            play.ask("bob", on("A"));
            play.fault("update");
            play.hear("ann");
            play.hear("bob");
            play.ask("ann", off("A"));
            play.until("bob", "subscriptions", 1);
            play.ask("bob", off("A"));
            play.noted("drop A");
            play.ask("ann", on("A"));
            play.hear("ann");
        }),
        Script::new("a topic that is refused, one that panics, one that has no name", |play| {
            play.join("ann");
            for symbol in ["NOPE", "BROKEN", "A:B", ""] {
                play.ask("ann", on(symbol));
            }
            play.ask("ann", act(["topics", "subscribe bars:A"]));
        }),
        Script::new("a topic that does not start in time", |play| {
            play.join("ann");
            play.say_together("ann", [on("NEVER"), act(["topics"])]);
            play.hear("ann");
            play.hear("ann");
            play.noted("drop NEVER");
        })
        .config(|config| config.start = SOON),
        Script::new("subscribe, unsubscribe and subscribe in one segment", |play| {
            play.join("ann");
            play.say_together("ann", [on("A"), off("A"), on("A"), off("A")]);
            // Between them updates come or do not, as the service begins.
            for _ in 0..4 {
                play.hear_but("ann", "bars.update");
            }
            play.until("ann", "subscriptions", 0);
        }),
        Script::new("subscribe, unsubscribe and subscribe while the topic starts", |play| {
            play.join("ann");
            play.join("bob");
            play.say_together("ann", [on("SLOW"), off("SLOW"), on("SLOW")]);
            play.noted("start SLOW");
            play.say("bob", on("SLOW"));
            play.ping("bob");
            play.order("go");
            for _ in 0..2 {
                play.hear_but("ann", "bars.update");
            }
            play.hear_but("bob", "bars.update");
            play.hear_but("ann", "bars.update");
            play.until("ann", "subscriptions", 2);
        }),
        Script::new("two who race for a topic that starts, one of whom goes", |play| {
            for name in ["ann", "bob", "cat"] {
                play.join(name);
            }
            play.say("ann", on("SLOW"));
            play.noted("start SLOW");
            play.say("bob", on("SLOW"));
            play.ping("bob");
            play.reset("ann");
            play.until("cat", "connections", 2);
            play.order("go");
            play.hear("bob");
            play.hear("bob");
            play.reset("bob");
            play.noted("drop SLOW");
        }),
        Script::new("a topic whose only listener goes while it starts", |play| {
            play.join("ann");
            play.join("bob");
            play.say("ann", on("SLOW"));
            play.noted("start SLOW");
            play.reset("ann");
            play.noted("drop SLOW");
            play.ask("bob", on("A"));
            play.hear("bob");
        }),
        Script::new("a fault that a service gets over, and one that it does not", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", on("A"));
            play.hear("ann");
            play.ask("bob", on("A"));
            play.fault("late");
            play.hear("ann");
            play.hear("bob");
            play.fault("end");
            play.hear("ann");
            play.hear("bob");
            play.until("bob", "subscriptions", 0);
            play.ask("ann", on("A"));
            play.hear("ann");
        }),
        Script::new("a service that panics as it runs", |play| {
            play.join("ann");
            play.ask("ann", on("A"));
            play.hear("ann");
            play.fault("panic");
            play.hear("ann");
            play.ask("ann", act(["topics"]));
        }),
        Script::new("more topics than a connection may have", |play| {
            play.join("ann");
            play.ask("ann", act(["subscribe a", "subscribe b", "subscribe c", "topics"]));
            play.ask("ann", on("A"));
            play.ask("ann", act(["unsubscribe b", "topics"]));
            play.ask("ann", on("A"));
            play.hear("ann");
        })
        .shows("E13")
        .config(|config| config.topics_per_connection = 2),
        Script::new("a topic that keeps its last update", |play| {
            play.join("ann");
            play.join("bob");
            play.ask("ann", bare("last.subscribe"));
            play.publish("last", "last.update", &7_u32);
            play.hear("ann");
            play.ask("bob", bare("last.subscribe"));
            play.hear("bob");
        }),
        Script::new("a subscription of a handler that waits", |play| {
            play.join("ann");
            play.join("bob");
            play.say("ann", later(["subscribe a", "wait", "publish a 2"]));
            play.noted("waits");
            play.ask("bob", act(["publish a 1"]));
            play.order("topics");
            play.hear("ann");
            play.hear("ann");
        }),
        Script::plain("a listener that has died among others", |play| {
            for name in ["ann", "bob", "cat"] {
                play.join(name);
                play.ask(name, act(["subscribe a"]));
            }
            play.reset("bob");
            for value in ["publish a 1", "publish a 2", "publish a 3"] {
                play.ask("cat", act([value]));
                play.hear("cat");
                play.hear("ann");
            }
            play.until("ann", "subscriptions", 2);
        }),
        Script::plain("an empty name of a topic, and one that is too long", |play| {
            play.join("ann");
            let long = format!("subscribe {}", "t".repeat(17));
            play.ask("ann", json!({"type": "act", "payload": [long, "subscribe ", "topics"]}));
        })
        .config(|config| config.topic_bytes = 16),
    ]
}
