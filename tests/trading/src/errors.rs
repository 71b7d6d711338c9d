//! What becomes of mistakes, the client's and the server's. Never sees a topic or the market.

use std::io;

use fastws_core::extract::Payload;
use fastws_core::respond::{Close, Failure};
use fastws_core::router::Router;
use fastws_core::{payload, send};

/// `strict` and `risky_operation`.
pub(crate) fn router() -> Router {
    Router::new().tags(["mistakes"]).include(strict).include(risky)
}

#[payload]
#[schemars(example = Strict { value: 42, name: "answer".into() })]
struct Strict {
    value: i64,
    name: String,
}

#[payload]
struct Received {
    received: Strict,
}

/// Sends the payload back; one that does not match closes with 1003 `Could not validate payload`.
#[send("strict", reply = "strict.response")]
fn strict(Payload(received): Payload<Strict>) -> Received {
    Received { received }
}

#[payload]
#[schemars(example = Risk { mode: Mode::Ok })]
struct Risk {
    mode: Mode,
}

#[payload]
#[serde(rename_all = "snake_case")]
enum Mode {
    Ok,
    ValueError,
    Close,
    Fail,
    Panic,
}

#[payload]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Ok { result: i64 },
    Error { message: &'static str },
}

/// Ends in the way that the client chooses: well, with an error to read, or with a closed connection.
#[send("risky_operation", reply = "result")]
fn risky(Payload(risk): Payload<Risk>) -> Result<Outcome, Failure> {
    match risk.mode {
        Mode::Ok => Ok(Outcome::Ok { result: 42 }),
        Mode::ValueError => Ok(Outcome::Error { message: "the value is out of range" }),
        Mode::Close => Err(Close::new(1011, "Internal error: the position was closed").into()),
        Mode::Fail => Err(io::Error::other("the exchange did not answer").into()),
        Mode::Panic => panic!("the risk was taken"),
    }
}
