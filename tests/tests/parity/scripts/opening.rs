//! Handshakes, and requests that open nothing.

use super::Script;
use crate::ear::masked;
use crate::set::echo;
use fastws_core::door::{HttpError, Visitor};
use fastws_core::extract::FirstMessage;
use fastws_core::respond::Close;
use fastws_tests::world::HANDSHAKE;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("a handshake in single bytes, with a message right behind it", |play| {
            play.connect("ann");
            let message = masked(0x81, echo("hi").to_string().as_bytes());
            play.send_split("ann", [HANDSHAKE.as_bytes(), &message].concat(), 1);
            play.hear("ann");
            play.hear("ann");
        }),
        Script::plain("a handshake, a message and a close in one segment", |play| {
            play.connect("ann");
            let [message, close] = [(0x81, echo("hi").to_string()), (0x88, String::new())]
                .map(|(first, payload)| masked(first, payload.as_bytes()));
            play.send("ann", [HANDSHAKE.as_bytes(), &message, &close].concat());
            play.end("ann");
        }),
        Script::plain("handshakes that lack something", |play| {
            let [version, key, upgrade] = [
                ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
                ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
                ("Upgrade: websocket\r\n", ""),
            ]
            .map(|(from, to)| HANDSHAKE.replace(from, to));
            for (name, request) in [("ann", version), ("bob", key), ("cat", upgrade)] {
                play.connect(name);
                play.send(name, request);
                play.end(name);
            }
        }),
        Script::plain("what is no HTTP", |play| {
            for (name, request) in [
                ("ann", &b"\x16\x03\x01\x02\0"[..]),
                ("bob", b"\r\n"),
                ("cat", b"hello there\r\n\r\n"),
            ] {
                play.connect(name);
                play.send(name, request);
                play.end(name);
            }
        }),
        Script::plain("a head over its limit", |play| {
            play.connect("ann");
            play.send("ann", format!("GET /ws HTTP/1.1\r\nX-Long: {}", "x".repeat(500)));
            play.end("ann");
        })
        .config(|config| config.handshake_bytes = 256),
        Script::new("a page of another host", |play| {
            play.connect("ann");
            play.send("ann", with("Origin: https://evil.example"));
            play.end("ann");
            play.connect("bob");
            play.send("bob", with("Origin: https://example.org"));
            play.hear("bob");
            play.ask("bob", echo(1));
        })
        .shows("E18"),
        Script::new("a door that knows one token", |play| {
            for (name, header) in [
                ("ann", "Authorization: Bearer guess"),
                ("bob", "X-Nothing: "),
                ("cat", "Authorization: Bearer panic"),
            ] {
                play.connect(name);
                play.send(name, with(header));
                play.end(name);
            }
            play.connect("dan");
            play.send("dan", with("Authorization: Bearer secret"));
            play.hear("dan");
            play.ask("dan", echo(1));
        })
        .shows("E19")
        .with(|api| {
            api.door(|visitor: &Visitor<'_>| match visitor.bearer() {
                Some("secret") => Ok(()),
                Some("panic") => panic!("as the token says"),
                _ => Err(HttpError::new(401, "tell your token")),
            })
        }),
        Script::plain("a first message that has to say who it is from", |play| {
            for (name, token) in [("ann", "token guess"), ("bob", "{\"type\":\"echo\"}")] {
                play.join(name);
                play.say(name, token);
                play.end(name);
            }
            play.join("cat");
            play.say("cat", "token secret");
            play.ask("cat", echo(1));
        })
        .shows("E14 E25")
        .with(|api| {
            api.authenticate(|FirstMessage(text): FirstMessage| match text.as_str() {
                "token secret" => Ok(()),
                _ => Err(Close::new(4000, "for the log only")),
            })
        }),
        Script::plain("one connection more than allowed", |play| {
            play.join("ann");
            play.connect("bob");
            play.send("bob", HANDSHAKE);
            play.end("bob");
            play.close("ann", "");
            play.end("ann");
            play.join("cat");
            play.ask("cat", echo(1));
        })
        .shows("E12")
        .config(|config| config.connections = 1),
        Script::new("a subprotocol that both know", |play| {
            play.connect("ann");
            play.send("ann", with("Sec-WebSocket-Protocol: v4, v2, v1"));
            play.hear("ann");
            play.connect("bob");
            play.send("bob", with("Sec-WebSocket-Protocol: v4"));
            play.hear("bob");
        })
        .with(|api| api.protocols(["v1", "v2"])),
        Script::plain("an extension that is not negotiated, and is used", |play| {
            play.connect("ann");
            play.send("ann", with("Sec-WebSocket-Extensions: permessage-deflate"));
            play.hear("ann");
            play.frame("ann", 0xc1, "x");
            play.end("ann");
        }),
        Script::new("pages beside the WebSocket", |play| {
            for (name, line) in [
                ("ann", "GET /healthz"),
                ("bob", "HEAD /healthz"),
                ("cat", "GET /nothing"),
                ("dan", "POST /ws"),
                ("eve", "GET /double"),
            ] {
                play.connect(name);
                play.send(name, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
                play.end(name);
            }
        }),
        Script::new("a request whose sender says that it sends no more", |play| {
            play.connect("ann");
            play.send("ann", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            play.half_close("ann");
            play.end("ann");
        }),
        Script::new("an operation over HTTP", |play| {
            for (name, body) in [("ann", "21"), ("bob", "\"x\""), ("cat", "{")] {
                play.connect(name);
                play.send_split(name, post("/double", "application/json", body), 7);
                play.end(name);
            }
            play.connect("dan");
            play.send("dan", post("/double", "text/plain", "21"));
            play.end("dan");
            play.connect("eve");
            play.send(
                "eve",
                "POST /double HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n",
            );
            play.end("eve");
        }),
        Script::new("an operation over HTTP that takes its time", |play| {
            play.connect("ann");
            play.send("ann", post("/nap", "application/json", "5"));
            play.end("ann");
        }),
        Script::new("a body that is sent once it is asked for", |play| {
            play.connect("ann");
            let request = post("/double", "application/json", "4");
            let request = request.replace("Host: a", "Host: a\r\nExpect: 100-continue");
            let (head, body) = request.split_at(request.len() - 1);
            play.send("ann", head);
            play.hear("ann");
            play.send("ann", body);
            play.end("ann");
        }),
        Script::new("a body over the limit", |play| {
            play.connect("ann");
            let body = "1".repeat(65);
            play.send("ann", post("/double", "application/json", &body));
            play.end("ann");
        })
        .config(|config| config.message_bytes = 64),
    ]
}

/// A handshake with one more line.
fn with(header: &str) -> String {
    HANDSHAKE.replace("Upgrade: web", &format!("{header}\r\nUpgrade: web"))
}

pub(super) fn post(path: &str, content_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
