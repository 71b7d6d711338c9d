//! A server in a process of its own, on tokio.

mod lone_server;

use fastws_tokio as binding;

fn main() -> Result<(), binding::Error> {
    lone_server::serve()
}
