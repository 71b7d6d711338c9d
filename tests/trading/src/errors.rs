//! What becomes of mistakes, the client's and the server's. Never sees a topic or the market.

use std::io;

use fastws_core::extract::Payload;
use fastws_core::respond::{Close, Failure};
use fastws_core::router::Router;
use serde::{Deserialize, Serialize};

/// `strict` and `risky_operation`.
pub(crate) fn router() -> Router {
    Router::new().send("strict", "strict.response", strict).send("risky_operation", "result", risky)
}

#[derive(Deserialize, Serialize)]
struct Strict {
    value: i64,
    name: String,
}

#[derive(Serialize)]
struct Received {
    received: Strict,
}

/// Sends the payload back; one that does not match closes with 1003 `Could not validate payload`.
fn strict(Payload(received): Payload<Strict>) -> Received {
    Received { received }
}

#[derive(Deserialize)]
struct Risk {
    mode: Mode,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Ok,
    ValueError,
    Close,
    Fail,
    Panic,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Ok { result: i64 },
    Error { message: &'static str },
}

/// Ends in the way that the client chooses: well, with an error to read, or with a closed connection.
fn risky(Payload(risk): Payload<Risk>) -> Result<Outcome, Failure> {
    match risk.mode {
        Mode::Ok => Ok(Outcome::Ok { result: 42 }),
        Mode::ValueError => Ok(Outcome::Error { message: "the value is out of range" }),
        Mode::Close => Err(Close::new(1011, "Internal error: the position was closed").into()),
        Mode::Fail => Err(io::Error::other("the exchange did not answer").into()),
        Mode::Panic => panic!("the risk was taken"),
    }
}
