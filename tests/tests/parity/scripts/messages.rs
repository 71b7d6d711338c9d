//! Messages, and what is wrong with them.

use super::Script;
use crate::play::Play;
use crate::set::{bare, echo};
use fastws_core::config::OnError;
use serde_json::json;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("requests with and without an id, a payload, and more", |play| {
            play.join("ann");
            for text in [
                r#"{"type":"echo"}"#,
                r#"{"id":7,"type":"echo","payload":{"a":[1,null]}}"#,
                r#" { "payload" : 1 , "id" : "\u00e4" , "more" : {} , "type" : "ech\u006f" } "#,
                r#"{"type":"echo","id":1.5}"#,
            ] {
                play.ask("ann", text);
            }
        }),
        Script::plain("many requests in one segment", |play| {
            play.join("ann");
            play.say_together("ann", [1, 2, 3, 4, 5, 6, 7, 8].map(echo));
            for _ in 0..8 {
                play.hear("ann");
            }
        }),
        Script::plain("an operation without a reply", |play| {
            play.join("ann");
            play.say("ann", json!({"type": "note", "payload": "written down"}));
            play.ask("ann", echo("and nothing before"));
            play.noted("written down");
        }),
        Script::plain("what is no JSON", |play| {
            mistakes(play, ["", "hello", "{\"type\":\"echo\"} {}"]);
        })
        .shows("E1"),
        Script::plain("what is no message", |play| {
            mistakes(play, ["[]", "{}", r#"{"type":1}"#]);
        }),
        Script::plain("what is told twice", |play| {
            mistakes(
                play,
                [
                    r#"{"type":"echo","type":"echo"}"#,
                    r#"{"type":"echo","payload":1,"payload":1}"#,
                    r#"{"type":"echo","id":1,"id":1}"#,
                ],
            );
        }),
        Script::plain("a byte order mark, a lone surrogate, and too deep a nest", |play| {
            let deep =
                format!(r#"{{"type":"echo","payload":{}{}}}"#, "[".repeat(128), "]".repeat(128));
            mistakes(
                play,
                ["\u{feff}{\"type\":\"echo\"}", r#"{"type":"echo","payload":"\ud800"}"#, &deep],
            );
        }),
        Script::plain("payloads that do not fit", |play| {
            mistakes(
                play,
                [
                    r#"{"type":"order"}"#,
                    r#"{"type":"order","payload":{"amount":12345678901234567890}}"#,
                    r#"{"type":"order","payload":{"amount":1,"amount":1}}"#,
                ],
            );
        })
        .shows("E3"),
        Script::plain("types that no operation has", |play| {
            mistakes(
                play,
                [
                    r#"{"type":"nothing"}"#,
                    r#"{"type":"news","payload":{"value":1}}"#,
                    r#"{"type":""}"#,
                ],
            );
        })
        .shows("E4"),
        Script::new("mistakes that are answered", |play| {
            play.join("ann");
            for text in [
                "hello",
                r#"{"type":"nothing","id":"a"}"#,
                r#"{"type":"order","payload":1,"id":2}"#,
                r#"{"type":"act","payload":["panic"],"id":3}"#,
                r#"{"type":"act.later","payload":["fail"],"id":4}"#,
            ] {
                play.ask("ann", text);
            }
            play.frame("ann", 0x82, "");
            play.hear("ann");
            play.ask("ann", echo("still there"));
            play.frame("ann", 0x81, b"\xff");
            play.end("ann");
        })
        .shows("E9 E23 E24")
        .config(|config| config.on_error = OnError::Reply),
        Script::plain("more messages in a second than allowed", |play| {
            play.join("ann");
            play.say_together("ann", [1, 2, 3].map(echo));
            play.end("ann");
        })
        .shows("E11")
        .config(|config| config.messages_per_second = Some(2)),
        Script::plain("more bytes in a second than allowed", |play| {
            play.join("ann");
            play.say("ann", echo("x".repeat(400)));
            play.end("ann");
        })
        .shows("E11")
        .config(|config| config.bytes_per_second = Some(300)),
        Script::new("more messages than allowed behind a handler that waits", |play| {
            play.join("ann");
            play.say_together(
                "ann",
                [json!({"type": "act.later", "payload": ["wait"]}), bare("echo"), bare("echo")],
            );
            play.end("ann");
            play.order("nothing");
        })
        .config(|config| config.messages_per_second = Some(2)),
    ]
}

/// Three clients, each of which says something that ends it.
fn mistakes(play: &mut Play<'_>, texts: [&str; 3]) {
    for (name, text) in ["ann", "bob", "cat"].into_iter().zip(texts) {
        play.join(name);
        play.ask(name, echo(1));
        play.say(name, text);
        play.end(name);
    }
}
