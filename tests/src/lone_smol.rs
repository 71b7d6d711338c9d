//! A server in a process of its own, on smol.

mod lone_server;

use fastws_smol as binding;

fn main() -> Result<(), binding::Error> {
    lone_server::serve()
}
