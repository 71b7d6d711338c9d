//! Every law of a real server over TLS, on tokio.

#[path = "real/tls.rs"]
mod tls;

use fastws_tokio as binding;
