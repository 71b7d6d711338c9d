//! The built API: every operation by name, and how its call is carried out. Shared by all shards, never changed.

use crate::action;
use crate::client::Client;
use crate::desk::{Desk, Pending};
use crate::dispatch::{Answer, Call, Verdict};
use crate::envelope::Outgoing as Message;
use crate::extract::{Context, Rejection};
use crate::frame::{Head, Opcode};
use crate::handler::Ran;
use crate::ids::OperationId;
use crate::publisher::PublishError;
use crate::respond::{Failure, encode};
use crate::router::{Revise, Run, Service};
use crate::topic::{self, MAX_TOPIC};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use core::cell::OnceCell;
use serde::Serialize;

/// What an [`Api`](crate::api::Api) is built into.
pub struct Catalog {
    pub(crate) title: String,
    pub(crate) version: String,
    /// Sorted by length, then by name.
    pub(crate) operations: Vec<Operation>,
    pub(crate) updates: BTreeMap<String, Update>,
    pub(crate) services: Vec<Service>,
    pub(crate) states: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) reply: Option<String>,
    pub(crate) run: Run,
}

pub(crate) struct Update {
    pub(crate) payload: TypeId,
    pub(crate) revise: Option<Revise>,
}

/// What running a handler came to, before any of it has taken effect.
pub struct Outcome {
    ran: Result<Ran, Rejection>,
    client: Option<Client>,
}

/// What went wrong in a call, for the log. The client only learns that it did.
#[derive(Debug)]
pub enum Trouble {
    /// The client sent a payload that does not fit.
    Payload(serde_json::Error),
    /// The handler failed.
    Handler(Failure),
}

impl Catalog {
    /// The API's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The API's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The operation of this full name. O(log operations).
    #[inline]
    pub fn find(&self, name: &str) -> Option<OperationId> {
        let key = (name.len(), name);
        let at =
            self.operations.binary_search_by(|known| (known.name.len(), &*known.name).cmp(&key));
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
        desk: &Rc<Desk>,
        payload: &[u8],
        outcome: Outcome,
    ) -> (Verdict, Option<Trouble>) {
        match outcome.ran {
            Err(Rejection(cause)) => {
                (answer.close(action::Close::INVALID), Some(Trouble::Payload(cause)))
            }
            Ok(Ran::Now(result)) => {
                let result = result.map(|has_payload| has_payload.then_some(payload));
                self.settle(call.operation, answer, outcome.client.as_ref(), result)
            }
            Ok(Ran::Later(future)) => {
                desk.call(Pending {
                    call: call.id,
                    operation: call.operation,
                    echo: call.echo.map(Box::from),
                    client: outcome.client,
                    outcome: future,
                });
                (answer.later(), None)
            }
        }
    }

    /// Replies and applies the wishes, or closes.
    #[inline]
    pub fn settle(
        &self,
        operation: OperationId,
        answer: Answer<'_, '_>,
        client: Option<&Client>,
        result: Result<Option<&[u8]>, Failure>,
    ) -> (Verdict, Option<Trouble>) {
        let payload = match result {
            Ok(payload) => payload,
            Err(Failure::Close(close)) => {
                return (
                    answer.close(action::Close { code: close.code, reason: &close.reason }),
                    None,
                );
            }
            Err(failure) => {
                return (answer.close(action::Close::INTERNAL), Some(Trouble::Handler(failure)));
            }
        };
        let mut effects = match &self.operations[operation.0 as usize].reply {
            Some(reply) => answer.reply(reply, payload),
            None => answer.silent(),
        };
        if let Some(client) = client {
            client.apply(&mut effects);
        }
        (effects.done(), None)
    }

    /// Encodes an update of a `recv` operation as a whole frame.
    pub fn update<T: Serialize + 'static>(
        &self,
        topic: &str,
        kind: &str,
        payload: &T,
    ) -> Result<Vec<u8>, PublishError> {
        topic::check(topic, MAX_TOPIC).map_err(PublishError::Topic)?;
        let update = self.updates.get(kind).ok_or(PublishError::Unknown)?;
        if update.payload != TypeId::of::<T>() {
            return Err(PublishError::Type);
        }
        let mut json = Vec::with_capacity(128);
        match &update.revise {
            Some(revise) => revise(payload, &mut json)
                .map_err(|failure| PublishError::Refused(failure.to_string()))?,
            None => encode(payload, &mut json).map_err(PublishError::Payload)?,
        }
        let message = Message { kind, topic: Some(topic), payload: Some(&json), id: None };
        let len = message.len();
        let head = Head::new(Opcode::Text, len, None);
        let mut frame = Vec::with_capacity(head.as_slice().len() + len);
        frame.extend_from_slice(head.as_slice());
        message.write(&mut frame).expect("a Vec grows");
        Ok(frame)
    }

    /// The service of a topic route that serves this topic.
    pub(crate) fn service(&self, topic: &str) -> Option<&Service> {
        let first = topic.split(':').next().expect("a split has a first part");
        self.services.iter().find(|service| service.name == first)
    }

    pub(crate) fn state<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.states.get(&TypeId::of::<S>())?.clone().downcast().ok()
    }
}
