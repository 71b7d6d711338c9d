//! Holds the envelope scanner against serde_json, and what an engine makes of a message against what
//! the message says. Knows what the scanner promises; must not know how it scans. The first byte is
//! the nesting that is allowed, the rest is the message.

#![no_main]

use fastws_core::config::{Config, OnError};
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::envelope::{MAX_ID, MAX_NAME, MAX_NESTING, read};
use fastws_core::frame::Opcode;
use fastws_core::ids::OperationId;
use fastws_fuzz::json::{Members, depth};
use fastws_fuzz::wire::{NOW, Said, transmit};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

fuzz_target!(|data: &[u8]| {
    let Some((&nesting, message)) = data.split_first() else {
        return;
    };
    let nesting = usize::from(nesting);
    let Ok(text) = str::from_utf8(message) else {
        return;
    };
    let seen = read(text, nesting);
    let expected = Expected::of(text, nesting);
    echo(text, nesting, expected.as_ref());
    assert_eq!(seen.is_ok(), expected.is_some(), "{text}");
    let (Ok(seen), Some(expected)) = (seen, expected) else {
        return;
    };
    let fits = (expected.kind.len() <= MAX_NAME).then_some(expected.kind.as_str());
    assert_eq!(seen.kind.decode(&mut [0; MAX_NAME]), fits, "{text}");
    assert_eq!(seen.payload, expected.payload, "{text}");
    assert_eq!(seen.id, expected.id, "{text}");
});

/// Says a message to an engine, and reads what that has written.
fn echo(text: &str, nesting: usize, expected: Option<&Expected<'_>>) {
    let nesting = nesting as u16;
    let mut engine =
        Engine::new(Config { nesting, on_error: OnError::Reply, ..Config::default() }, 1);
    let id = engine.open(NOW, [7; 16]).expect("owned memory grows");
    let (mut app, mut written) = (Echo::default(), Vec::new());
    engine.handle_message(NOW, id, Opcode::Text, &mut text.as_bytes().to_vec(), &mut app);
    transmit(&mut engine, &mut app, &mut written);
    let said = Said::read(&written);
    let heard: Vec<_> = said.texts.iter().map(|text| Members::expect(text)).collect();
    assert!(said.texts.iter().all(|text| read(text, MAX_NESTING).is_ok()), "{said:?}");

    let error = |kind: Option<&str>, reason: &str, id: Option<&str>| {
        let [members] = &heard[..] else { panic!("one error, not {heard:?}") };
        let payload = Members::expect(members[1].1);
        assert_eq!(serde_json::from_str::<Option<String>>(payload[0].1).unwrap().as_deref(), kind);
        assert_eq!(payload[1..], [("code".into(), "1003"), ("message".into(), reason)]);
        assert_eq!((&*members[0].0, members[0].1), ("type", r#""error""#));
        assert_eq!(members.get(2).map(|(name, id)| (&**name, *id)), id.map(|id| ("id", id)));
    };
    let Some(&Expected { ref kind, payload, id }) = expected else {
        return error(None, r#""Could not decode message""#, None);
    };
    if kind.len() > MAX_NAME || kind.starts_with('?') {
        return error(Some(kind), r#""No matching type""#, id);
    }
    let names = |name: &'static str| move |value| (String::from(name), value);
    let members =
        [Some(r#""r""#).map(names("type")), payload.map(names("payload")), id.map(names("id"))];
    assert_eq!(heard[0], members.into_iter().flatten().collect::<Vec<_>>());
    // It has subscribed to a topic that its type names, and heard of it.
    let Some(update) = heard.get(1) else { return assert!(kind.is_empty()) };
    let [(first, u), (second, topic), (third, value)] = &update[..] else { panic!("{update:?}") };
    assert_eq!((&**first, &**second, &**third), ("type", "topic", "payload"));
    assert_eq!((*u, *value), (r#""u""#, payload.unwrap_or("null")));
    assert_eq!(serde_json::from_str::<String>(topic).unwrap(), *kind);
}

/// Replies to whatever is no longer than a name and does not begin with a question mark, and publishes
/// it to a topic of its name.
#[derive(Default)]
struct Echo {
    name: RefCell<String>,
}

impl Dispatch for Echo {
    fn find(&self, name: &str) -> Option<OperationId> {
        *self.name.borrow_mut() = name.into();
        (name.len() <= MAX_NAME && !name.starts_with('?')).then_some(OperationId(0))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let mut effects = answer.reply("r", call.payload.map(str::as_bytes));
        let name = self.name.borrow();
        if effects.subscribe(&name).is_ok() {
            let update = call.payload.unwrap_or("null").as_bytes();
            effects.publish(&name, "u", update, None).expect("owned memory grows");
        }
        effects.done()
    }
}

/// What serde_json makes of a message.
struct Expected<'a> {
    kind: String,
    payload: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Expected<'a> {
    fn of(text: &'a str, nesting: usize) -> Option<Self> {
        let Members(members) = Members::read(text)?;
        if depth(text)? > nesting {
            return None;
        }
        let mut named = [None; 3];
        for (name, value) in &members {
            let Some(place) = ["type", "payload", "id"].iter().position(|known| known == name)
            else {
                continue;
            };
            if named[place].replace(value.get()).is_some() {
                return None;
            }
        }
        let [kind, payload, id] = named;
        Some(Expected {
            kind: serde_json::from_str(kind?).ok()?,
            payload,
            id: id.filter(|id| is_carried(id)),
        })
    }
}

fn is_carried(id: &str) -> bool {
    let integer = id.strip_prefix('-').unwrap_or(id).bytes().all(|byte| byte.is_ascii_digit());
    id.len() <= MAX_ID && (id.starts_with('"') || integer)
}
