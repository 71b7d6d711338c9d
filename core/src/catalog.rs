//! The built API: every operation by name, and how its call is carried out. Shared by all shards, never changed.

use crate::action;
use crate::client::Client;
use crate::declared::Declared;
use crate::desk::{Desk, Local};
use crate::dispatch::{Answer, Call, Verdict};
use crate::entrance::Entrance;
use crate::extract::{Context, Rejection};
use crate::handler::Ran;
use crate::hooks::Hooks;
use crate::ids::{CallId, OperationId};
use crate::respond::Failure;
use crate::router::Run;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use serde_json::Value;

/// What an [`Api`](crate::api::Api) is built into.
pub struct Catalog {
    pub(crate) document: Value,
    /// Those that are called by name, sorted by its length, then by name; behind them the others.
    pub(crate) operations: Vec<Operation>,
    pub(crate) named: usize,
    pub(crate) declared: Arc<Declared>,
    pub(crate) entrance: Entrance,
    pub(crate) hooks: Hooks,
}

pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) reply: Option<String>,
    pub(crate) run: Run,
}

/// What running a handler came to, before any of it has taken effect.
pub struct Outcome {
    ran: Result<Ran, Rejection>,
    client: Option<Client>,
}

/// What is left to do about a call.
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Its handler is a future, and is to be run until it ends.
    Pending(Pending),
    /// Something went wrong, for the log; the client only learns that it did.
    Trouble(Trouble),
}

/// A call whose handler is a future.
pub struct Pending {
    /// The call to settle.
    pub call: CallId,
    /// Its operation.
    pub operation: OperationId,
    /// The request's id, as it was written.
    pub echo: Option<Box<str>>,
    /// Holds the handler's wishes, if it has a client.
    pub client: Option<Client>,
    /// The handler; it yields the reply's payload.
    pub outcome: Local<Result<Option<Vec<u8>>, Failure>>,
}

/// What went wrong in a call.
#[derive(Debug)]
pub enum Trouble {
    /// The client sent a payload that does not fit.
    Payload(serde_json::Error),
    /// The handler failed.
    Handler(Failure),
    /// The first message does not say who it is from.
    Stranger(Failure),
}

impl Catalog {
    /// The API's title.
    pub fn title(&self) -> &str {
        self.document["info"]["title"].as_str().unwrap_or_default()
    }

    /// The AsyncAPI document as JSON, for a server whose WebSocket is at `path`. `version` is `3.0.0`
    /// or `3.1.0`; there is none of another.
    pub fn asyncapi(&self, version: &str, path: &str) -> Option<String> {
        if !ASYNCAPI.contains(&version) {
            return None;
        }
        let mut document = self.document.clone();
        document["asyncapi"] = version.into();
        document["channels"]["connection"]["address"] = path.into();
        Some(document.to_string())
    }

    /// What is published and shared.
    pub fn declared(&self) -> &Arc<Declared> {
        &self.declared
    }

    /// Who is let in.
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// Who is told of subscriptions.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The full names of all operations, in the order of their ids.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = &str> {
        self.operations.iter().map(|operation| &*operation.name)
    }

    /// The operation of this full name. O(log operations).
    #[inline]
    pub fn find(&self, name: &str) -> Option<OperationId> {
        let key = (name.len(), name);
        let at = self.operations[..self.named]
            .binary_search_by(|known| (known.name.len(), &*known.name).cmp(&key));
        at.ok().map(|at| OperationId(at as u16))
    }

    /// The full name of an operation.
    pub fn name(&self, operation: OperationId) -> &str {
        &self.operations[operation.0 as usize].name
    }

    /// Runs an operation's handler, or begins to. Nothing has taken effect yet, so a panic in here
    /// leaves nothing half done. `payload` takes the reply's.
    #[inline]
    pub fn run(
        &self,
        call: &Call<'_>,
        answer: &Answer<'_, '_>,
        desk: &Rc<Desk>,
        payload: &mut Vec<u8>,
    ) -> Outcome {
        payload.clear();
        let context = Context {
            call: call.id,
            payload: call.payload,
            caller: answer,
            desk,
            client: OnceCell::new(),
        };
        let ran = (self.operations[call.operation.0 as usize].run)(&context, payload);
        Outcome { ran, client: context.client.into_inner() }
    }

    /// Carries out what came of a call.
    #[inline]
    pub fn finish(
        &self,
        call: &Call<'_>,
        answer: Answer<'_, '_>,
        payload: &[u8],
        outcome: Outcome,
    ) -> (Verdict, Rest) {
        match outcome.ran {
            Err(Rejection(cause)) => {
                let verdict = match usize::from(call.operation.0) < self.named {
                    true => answer.reject(self.name(call.operation), action::Close::INVALID),
                    // A request over HTTP is a machine's, whose author wants to know.
                    false => answer.close(action::Close {
                        reason: &cause.to_string(),
                        ..action::Close::INVALID
                    }),
                };
                (verdict, Rest::Trouble(Trouble::Payload(cause)))
            }
            Ok(Ran::Now(result)) => {
                let result = result.map(|has_payload| has_payload.then_some(payload));
                self.settle(call.operation, answer, outcome.client.as_ref(), result)
            }
            Ok(Ran::Later(future)) => {
                let pending = Pending {
                    call: call.id,
                    operation: call.operation,
                    echo: call.echo.map(Box::from),
                    client: outcome.client,
                    outcome: future,
                };
                (answer.later(), Rest::Pending(pending))
            }
        }
    }

    /// Replies and applies the wishes, or closes or rejects.
    #[inline]
    pub fn settle(
        &self,
        operation: OperationId,
        answer: Answer<'_, '_>,
        client: Option<&Client>,
        result: Result<Option<&[u8]>, Failure>,
    ) -> (Verdict, Rest) {
        let payload = match result {
            Ok(payload) => payload,
            Err(failure) if self.entrance.authenticator == Some(operation) => {
                let verdict = answer.close(action::Close::STRANGER);
                return (verdict, Rest::Trouble(Trouble::Stranger(failure)));
            }
            Err(Failure::Close(close)) => {
                return (
                    answer.close(action::Close { code: close.code, reason: &close.reason }),
                    Rest::Nothing,
                );
            }
            Err(failure) => {
                let verdict = answer.reject(self.name(operation), action::Close::INTERNAL);
                return (verdict, Rest::Trouble(Trouble::Handler(failure)));
            }
        };
        let mut effects = match &self.operations[operation.0 as usize].reply {
            Some(reply) => answer.reply(reply, payload),
            None => answer.silent(),
        };
        if let Some(client) = client {
            client.apply(&mut effects);
        }
        (effects.done(), Rest::Nothing)
    }
}

/// The versions of AsyncAPI that can be had, the first by default.
pub const ASYNCAPI: [&str; 2] = ["3.0.0", "3.1.0"];
