//! Clients that read more slowly than they are told things. How much a socket holds is the system's to say.

use super::Script;
use crate::play::Play;
use crate::set::{bare, echo};
use fastws_core::config::SlowConsumer;
use serde_json::json;

pub(crate) fn scripts() -> Vec<Script> {
    vec![
        Script::plain("a slow reader is closed", |play| {
            listen(play);
            play.flood("subscriptions", "bob", |count| *count == json!(0));
            play.hear_noise("ann");
            play.end("ann");
        })
        .shows("E15")
        .config(|config| config.backlog_bytes = 64 << 10),
        Script::plain("a slow reader loses its oldest updates, and no reply", |play| {
            listen(play);
            play.ask("ann", echo("before the noise"));
            play.flood("dropped", "bob", |count| *count != json!(0));
            play.say("ann", echo("a reply"));
            play.hear_noise("ann");
        })
        .shows("E16 E21 E22")
        .config(|config| {
            config.backlog_bytes = 256 << 10;
            config.slow_consumer = SlowConsumer::DropOldest;
        }),
        Script::plain("a slow reader gets the newest update of a topic", |play| {
            listen(play);
            play.flood("dropped", "bob", |count| *count != json!(0));
            play.say("ann", echo("a reply"));
            play.hear_noise("ann");
        })
        .shows("E17")
        .config(|config| {
            config.backlog_bytes = 256 << 10;
            config.slow_consumer = SlowConsumer::Latest;
        }),
        Script::plain("a slow reader that goes", |play| {
            listen(play);
            play.flood("dropped", "bob", |count| *count != json!(0));
            play.reset("ann");
            play.until("bob", "subscriptions", 0);
            play.ask("bob", echo("still there"));
        })
        .config(|config| config.slow_consumer = SlowConsumer::DropOldest),
        Script::plain("a slow reader is told that the server ends", |play| {
            listen(play);
            play.flood("dropped", "bob", |count| *count != json!(0));
            play.shutdown();
            play.hear_noise("ann");
            play.end("ann");
            play.end("bob");
        })
        .shows("E20")
        .config(|config| {
            config.backlog_bytes = 256 << 10;
            config.slow_consumer = SlowConsumer::Latest;
        }),
        Script::plain("a slow reader does not answer its close", |play| {
            listen(play);
            play.rude("ann");
            play.flood("subscriptions", "bob", |count| *count == json!(0));
            play.hear_noise("ann");
        })
        .config(|config| config.backlog_bytes = 64 << 10),
    ]
}

/// A client with a narrow socket that listens to noise, and one that hears nothing of it.
fn listen(play: &mut Play<'_>) {
    play.join_narrow("ann");
    play.join("bob");
    play.ask("ann", bare("noise.subscribe"));
}
