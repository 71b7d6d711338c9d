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
///
/// It is what a driver's [`Dispatch`](crate::dispatch::Dispatch) answers with, beside an engine of its own.
/// What else the driver does for its [`Desk`] is there.
///
/// ```
/// use fastws_core::catalog::{Catalog, Pending, Rest};
/// use fastws_core::desk::{Alone, Desk};
/// use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::frame::Opcode;
/// use fastws_core::ids::OperationId;
/// use fastws_core::time::Instant;
/// use fastws_core::{api::Api, router::Router};
/// use std::rc::Rc;
///
/// struct Front {
///     catalog: Catalog,
///     desk: Rc<Desk>,
///     payload: Vec<u8>,
///     /// Handlers that are futures. Whoever has run one settles its call.
///     pending: Vec<Pending>,
/// }
///
/// impl Dispatch for Front {
///     fn find(&self, name: &str) -> Option<OperationId> {
///         self.catalog.find(name)
///     }
///
///     fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
///         let Self { catalog, desk, payload, pending } = self;
///         let outcome = catalog.run(&call, &answer, desk, payload);
///         let (verdict, rest) = catalog.finish(&call, answer, payload, outcome);
///         match rest {
///             Rest::Nothing => {}
///             Rest::Pending(call) => pending.push(call),
///             Rest::Trouble(trouble) => eprintln!("{}: {trouble:?}", catalog.name(call.operation)),
///         }
///         verdict
///     }
/// }
///
/// let router = Router::new().send("greet", "greeting", || "hello");
/// let catalog = Api::new("Greetings", "1.0.0").include(router).build()?;
/// let greet = catalog.find("greet").expect("it was declared");
/// assert_eq!((catalog.name(greet), catalog.title()), ("greet", "Greetings"));
///
/// // There is no other shard.
/// let desk = Desk::new(catalog.declared().clone(), std::sync::Arc::new(Alone), 0);
/// let mut front = Front { catalog, desk, payload: Vec::new(), pending: Vec::new() };
/// let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
/// let id = engine.open(now, [7; 16])?;
/// engine.handle_message(now, id, Opcode::Text, &mut br#"{"type":"greet"}"#.to_vec(), &mut front);
/// let mut written = Vec::new();
/// let transmit = engine.poll_transmit(now).expect("there is a reply");
/// transmit.parts().for_each(|part| written.extend_from_slice(part));
/// assert!(written.ends_with(br#"{"type":"greeting","payload":"hello"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// [`Catalog::finish`] takes it; the example is at [`Catalog`].
pub struct Outcome {
    ran: Result<Ran, Rejection>,
    client: Option<Client>,
}

/// What is left to do about a call.
///
/// The example is at [`Catalog`].
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Its handler is a future, and is to be run until it ends.
    Pending(Pending),
    /// Something went wrong, for the log; the client only learns that it did.
    Trouble(Trouble),
}

/// A call whose handler is a future.
///
/// Once `outcome` has ended, [`Engine::settle`](crate::engine::Engine::settle) hands out the answer for
/// [`Catalog::settle`].
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
///
/// For a log, as the example of [`Catalog`] writes it.
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
    ///
    /// The example is at [`Api::description`](crate::api::Api::description).
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
///
/// ```
/// use fastws_core::{api::Api, catalog::ASYNCAPI};
/// let catalog = Api::new("Nothing", "1.0.0").build()?;
/// assert!(ASYNCAPI.iter().all(|version| catalog.asyncapi(version, "/ws").is_some()));
/// assert!(catalog.asyncapi("2.6.0", "/ws").is_none());
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
pub const ASYNCAPI: [&str; 2] = ["3.0.0", "3.1.0"];
