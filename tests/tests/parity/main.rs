//! Scripts of messages and faults have one transcript: on the simulated clock, on each binding's sockets, plain and
//! over TLS, and, where they ask for plain handlers only, on the sockets of a loop of one's own.

mod ear;
mod ground;
mod own;
mod play;
mod scripts;
mod set;

use crate::ground::{Clockwork, Ground, Sockets};
use crate::own::Own;
use crate::play::{Inside, Play};
use crate::scripts::Script;
use fastws_host::server::{Binding, Server};
use fastws_host::simulation::Simulation;
use fastws_smol::Smol;
use fastws_tests::identity::Identity;
use fastws_tests::server::Served;
use fastws_tokio::Tokio;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

#[test]
fn what_is_said_before_the_first_message_is_the_same_everywhere() {
    hold(scripts::opening::scripts());
}

#[test]
fn frames_are_the_same_everywhere() {
    hold(scripts::frames::scripts());
}

#[test]
fn messages_and_their_mistakes_are_the_same_everywhere() {
    hold(scripts::messages::scripts());
}

#[test]
fn handlers_are_the_same_everywhere() {
    hold(scripts::handlers::scripts());
}

#[test]
fn topics_are_the_same_everywhere() {
    hold(scripts::topics::scripts());
}

#[test]
fn slow_readers_are_the_same_everywhere() {
    hold(scripts::slow::scripts());
}

#[test]
fn deadlines_are_the_same_everywhere() {
    hold(scripts::clock::scripts());
}

#[test]
fn ends_are_the_same_everywhere() {
    hold(scripts::ends::scripts());
}

#[test]
fn there_are_at_least_60_scripts_and_each_has_a_name_of_its_own() {
    let names: BTreeSet<_> = scripts::all().iter().map(|script| script.name).collect();
    assert_eq!(names.len(), scripts::all().len());
    assert!(names.len() >= 60, "{}", names.len());
}

#[test]
fn at_least_half_of_the_scripts_are_played_on_a_loop_of_ones_own() {
    let plain = scripts::all().iter().filter(|script| script.is_plain).count();
    assert!(2 * plain >= scripts::all().len(), "{plain} of {}", scripts::all().len());
}

#[test]
fn each_mistake_that_the_protocol_names_is_in_a_transcript() {
    let protocol = include_str!("../../../core/docs/protocol.md");
    let mut owed: BTreeSet<&str> = protocol.lines().filter_map(mistake).collect();
    assert!(owed.len() > 20, "the protocol was read");
    for script in scripts::all() {
        let transcript = on_clock(&script, 1).join("\n");
        for label in script.shows.split_whitespace() {
            let sign = sign(protocol, label);
            assert!(transcript.contains(&sign), "{}: no {sign} in\n{transcript}", script.name);
            owed.remove(label);
        }
    }
    assert!(owed.is_empty(), "no script shows {owed:?}");
}

/// The label of a line about bad input.
fn mistake(line: &str) -> Option<&str> {
    let label = line.strip_prefix("| E").or(line.strip_prefix("* E"))?;
    let end = label.find(|c: char| !c.is_ascii_digit())?;
    Some(&line[2..3 + end])
}

/// What a transcript has where such a line is shown.
fn sign(protocol: &str, label: &str) -> String {
    let words = |text: &str| text.to_owned();
    match label {
        "E5" => words("close 1003 Connection timed out. Heartbeat interval "),
        "E6" => words("close 4001 as the script says"),
        "E8" => words("close 1002 "),
        "E12" => words("HTTP/1.1 503 "),
        "E13" => words("this connection has as many topics as it may have"),
        "E16" | "E22" => words("noise, a gap, more noise"),
        "E17" => words("noise, a gap, the newest noise"),
        "E18" => words("HTTP/1.1 403 "),
        "E19" => words("HTTP/1.1 401 "),
        "E21" => words(r#"{"type":"echo.response","payload":"a reply"}"#),
        "E23" => words(r#""payload":{"type":"nothing","code":1003,"message":"No matching type"}"#),
        "E24" => words(r#"{"type":null,"code":1003,"message":"Could not decode message"}"#),
        "E25" => words("close 1008 Not authenticated"),
        "E26" => format!("close 4000 {}\n", "ä".repeat(61)),
        _ => {
            let row = protocol.lines().find(|line| line.starts_with(&format!("| {label} |")));
            let cells: Vec<&str> = row.expect("it has a row").split('|').map(str::trim).collect();
            let reason = cells[5].split('`').nth(1).expect("a reason is in code");
            format!("close {} {reason}", cells[4])
        }
    }
}

/// Plays scripts on everything, and compares.
fn hold(scripts: Vec<Script>) {
    for script in scripts {
        let expected = on_clock(&script, 1);
        let own = script.is_plain.then(|| ("a loop of one's own", on_own_loop(&script)));
        let others = [
            ("two simulated shards", on_clock(&script, 2)),
            ("smol", on_sockets::<Smol>(&script, None)),
            ("tokio", on_sockets::<Tokio>(&script, None)),
            ("smol over TLS", on_sockets::<Smol>(&script, Some(Identity::new()))),
            ("tokio over TLS", on_sockets::<Tokio>(&script, Some(Identity::new()))),
        ];
        for (ground, transcript) in others.into_iter().chain(own) {
            for line in 0..expected.len().max(transcript.len()) {
                let [heard, expected] = [&transcript, &expected].map(|lines| lines.get(line));
                let name = script.name;
                assert_eq!(heard, expected, "{name}: line {line} of {ground} and of one shard");
            }
        }
    }
}

fn on_clock(script: &Script, shards: usize) -> Vec<String> {
    let inside = Inside::default();
    let catalog = script.api(&inside).build().expect("the API has no mistake");
    let simulation = Simulation::new(catalog, script.config.clone(), shards);
    play(script, &mut Clockwork::new(simulation), inside)
}

fn on_sockets<B: Binding>(script: &Script, identity: Option<Identity>) -> Vec<String> {
    let inside = Inside::default();
    let server = Server::<B>::bind("127.0.0.1:0").expect("there is a free port");
    let mut server = server.config(script.config.clone()).shards(NonZeroUsize::MIN);
    if let Some(identity) = &identity {
        server = server.tls(identity.tls());
    }
    let running = server.start(script.api(&inside)).expect("the API has no mistake");
    play(script, &mut Sockets { server: Served::new(running), identity }, inside)
}

fn on_own_loop(script: &Script) -> Vec<String> {
    let inside = Inside::default();
    play(script, &mut Own::new(script, &inside), inside)
}

fn play(script: &Script, ground: &mut dyn Ground, inside: Inside) -> Vec<String> {
    let _name = Name(script.name);
    let mut play = Play::new(ground, inside);
    (script.play)(&mut play);
    play.finish()
}

/// Tells which script it was that panicked.
struct Name(&'static str);

impl Drop for Name {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was the script \"{}\"", self.0);
        }
    }
}
