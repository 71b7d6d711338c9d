//! Every law of a real server over TLS, on smol.

#[path = "real/tls.rs"]
mod tls;

use fastws_smol as binding;
