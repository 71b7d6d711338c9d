//! What the application has declared besides its operations: what it publishes, and what it shares.

use crate::envelope::Outgoing as Message;
use crate::frame::{Head, Opcode};
use crate::respond::{Failure, encode};
use crate::topic::{self, MAX_TOPIC, TopicError};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use core::fmt;
use serde::Serialize;

pub(crate) type Revise = Box<dyn Fn(&dyn Any, &mut Vec<u8>) -> Result<(), Failure> + Send + Sync>;

/// Shared by all shards, never changed.
#[derive(Default)]
pub struct Declared {
    pub(crate) updates: BTreeMap<String, Update>,
    /// Topics that start with one of these parts have a service.
    pub(crate) services: Vec<String>,
    pub(crate) states: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

/// A `recv` operation.
pub(crate) struct Update {
    pub(crate) payload: TypeId,
    /// Checks and changes what is published, if it has a handler.
    pub(crate) revise: Option<Revise>,
}

impl Declared {
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
            Some(revise) => revise(payload, &mut json).map_err(PublishError::Refused)?,
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

    /// Whether topics of this name are served by a topic route's service.
    pub(crate) fn has_service(&self, topic: &str) -> bool {
        let first = topic.split(':').next().expect("a split has a first part");
        self.services.iter().any(|service| service == first)
    }

    pub(crate) fn state<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.states.get(&TypeId::of::<S>())?.clone().downcast().ok()
    }
}

/// Why an update was not published. Nobody has got it, but for [`Full`](Self::Full).
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// No `recv` operation has this full type.
    Unknown,
    /// The `recv` operation is declared with another payload type.
    Type,
    /// The topic's name cannot be one.
    Topic(TopicError),
    /// The payload does not serialize, or its handler does not take it.
    Payload(serde_json::Error),
    /// The `recv` operation's handler refused it.
    Refused(Failure),
    /// A shard's inbox is full; its listeners have not got it.
    Full,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no `recv` operation has this type: declare it with `Router::recv`")
            }
            Self::Type => f.write_str("the `recv` operation is declared with another payload type"),
            Self::Topic(error) => error.fmt(f),
            Self::Payload(error) => write!(f, "the payload cannot be encoded: {error}"),
            Self::Refused(failure) => {
                write!(f, "the `recv` handler refused the payload: {failure}")
            }
            Self::Full => f.write_str("a shard takes no more updates at the moment"),
        }
    }
}

impl core::error::Error for PublishError {}
