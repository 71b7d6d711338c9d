//! Frames, whole, in parts and broken.

use super::Script;
use crate::ear::masked;
use crate::set::echo;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("a message in three fragments", |play| {
            play.join("ann");
            play.frame("ann", 0x01, r#"{"type":"ec"#);
            play.frame("ann", 0x00, r#"ho","payl"#);
            play.frame("ann", 0x80, r#"oad":[1]}"#);
            play.hear("ann");
        }),
        Script::plain("control frames between fragments", |play| {
            play.join("ann");
            play.frame("ann", 0x01, r#"{"type":"#);
            play.frame("ann", 0x89, "one");
            play.frame("ann", 0x00, "");
            play.frame("ann", 0x89, "two");
            play.frame("ann", 0x8a, "not asked for");
            play.frame("ann", 0x80, r#""echo"}"#);
            for _ in 0..3 {
                play.hear("ann");
            }
        }),
        Script::plain("a close between fragments", |play| {
            play.join("ann");
            play.frame("ann", 0x01, r#"{"type":"#);
            play.close("ann", b"\x03\xe8enough");
            play.end("ann");
        }),
        Script::plain("frames in single bytes", |play| {
            play.join("ann");
            let frames = [masked(0x81, echo("ä€😀").to_string().as_bytes()), masked(0x89, b"hi")];
            play.send_split("ann", frames.concat(), 1);
            play.hear("ann");
            play.hear("ann");
        }),
        Script::plain("a character that is cut by a fragment and by a segment", |play| {
            play.join("ann");
            let text = r#"{"type":"echo","payload":"😀"}"#.as_bytes();
            let frames =
                [masked(0x01, &text[..27]), masked(0x00, &text[27..28]), masked(0x80, &text[28..])];
            play.send_split("ann", frames.concat(), 5);
            play.hear("ann");
        }),
        Script::plain("text that is not UTF-8, told at its first wrong byte", |play| {
            play.join("ann");
            play.frame("ann", 0x81, b"\xff");
            play.end("ann");
            play.join("bob");
            play.frame("bob", 0x01, b"\xf0\x9f");
            play.frame("bob", 0x00, b"\x41");
            play.end("bob");
            play.join("cat");
            play.frame("cat", 0x01, b"\xf0\x9f");
            play.frame("cat", 0x80, b"");
            play.end("cat");
        })
        .shows("E9"),
        Script::plain("no mask, reserved bits, an unknown opcode", |play| {
            broken(play, [&b"\x81\x02hi"[..], b"\xa1\x80\0\0\0\0", b"\x83\x80\0\0\0\0"]);
        })
        .shows("E8"),
        Script::plain(
            "a continuation of nothing, an interruption, a control frame in parts",
            |play| {
                let interrupted = [masked(0x01, b"{"), masked(0x81, b"{}")].concat();
                broken(play, [&b"\x80\x80\0\0\0\0"[..], &interrupted, b"\x09\x80\0\0\0\0"]);
            },
        ),
        Script::plain("a long control frame, a long form, a top bit", |play| {
            let long = masked(0x89, &[b'x'; 126]);
            let form = b"\x81\xfe\0\x01\0\0\0\0x";
            broken(play, [&long[..], form, b"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0"]);
        }),
        Script::plain("closes that are wrong", |play| {
            let closes =
                [&b"\x03"[..], b"\x03\xed", b"\x03\xe8\xff"].map(|close| masked(0x88, close));
            broken(play, [&closes[0][..], &closes[1], &closes[2]]);
        }),
        Script::plain("closes that are right", |play| {
            for (name, close) in [("ann", &b""[..]), ("bob", b"\x03\xe8bye"), ("cat", b"\x13\x87")]
            {
                play.join(name);
                play.close(name, close);
                play.end(name);
            }
        }),
        Script::plain("what comes behind a close is not read", |play| {
            play.join("ann");
            play.close("ann", b"\x03\xe9");
            play.say("ann", echo("too late"));
            play.send("ann", b"\xff\xff\xff");
            play.end("ann");
        }),
        Script::plain("what comes behind a mistake is not answered", |play| {
            play.join("ann");
            let frames = [
                masked(0x81, b"{"),
                masked(0x81, echo("too late").to_string().as_bytes()),
                masked(0x89, b"hi"),
            ];
            play.send("ann", frames.concat());
            play.end("ann");
        }),
        Script::plain("pings of every length", |play| {
            play.join("ann");
            for len in [0, 1, 125] {
                play.frame("ann", 0x89, "x".repeat(len));
                play.hear("ann");
            }
        }),
        Script::plain("lengths at which a head changes", |play| {
            play.join("ann");
            for len in [125, 126, 127, 65_535, 65_536] {
                play.ask("ann", message(len));
            }
        })
        .config(|config| config.message_bytes = 1 << 17),
        Script::plain("a message at its limit, and one over it", |play| {
            play.join("ann");
            play.ask("ann", message(64 << 10));
            play.say("ann", message((64 << 10) + 1));
            play.end("ann");
        })
        .shows("E10"),
        Script::plain("fragments that are over the limit together", |play| {
            play.join("ann");
            for first in [0x01, 0x00, 0x80] {
                play.frame("ann", first, "x".repeat(50));
            }
            play.end("ann");
        })
        .config(|config| config.message_bytes = 128),
        Script::plain("a head that promises more than the limit", |play| {
            play.join("ann");
            play.send("ann", b"\x81\xff\0\0\0\x01\0\0\0\0");
            play.end("ann");
        }),
        Script::plain("binary messages", |play| {
            play.join("ann");
            play.frame("ann", 0x82, echo(1).to_string());
            play.end("ann");
            play.join("bob");
            play.frame("bob", 0x02, "{");
            play.frame("bob", 0x80, "}");
            play.end("bob");
        })
        .shows("E2"),
    ]
}

/// Three clients, each of which sends something that ends it.
fn broken(play: &mut crate::play::Play<'_>, bytes: [&[u8]; 3]) {
    for (name, bytes) in ["ann", "bob", "cat"].into_iter().zip(bytes) {
        play.join(name);
        play.ask(name, echo("whole"));
        play.send(name, bytes);
        play.end(name);
    }
}

/// An echo of so many bytes.
fn message(len: usize) -> String {
    format!(r#"{{"type":"echo","payload":"{}"}}"#, "x".repeat(len - 28))
}
