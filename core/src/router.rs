//! Operations and their names, as the application declares them. Knows handlers, no connection.

use crate::declared::{Route, Update};
use crate::extract::{Context, Needs, Rejection};
use crate::handler::{Handler, Ran};
use crate::respond::Respond;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::TypeId;
use serde::Serialize;

pub(crate) type Run =
    Box<dyn Fn(&Context<'_>, &mut Vec<u8>) -> Result<Ran, Rejection> + Send + Sync>;

/// A client's operation, under its full name.
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) reply: Option<String>,
    pub(crate) run: Run,
    pub(crate) needs: Needs,
    /// Its handler returns something.
    pub(crate) replies: bool,
}

/// A group of operations under one prefix.
///
/// ```
/// use fastws_core::extract::{Now, Payload};
/// use fastws_core::router::Router;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Ping { timestamp: i64 }
/// #[derive(Serialize)]
/// struct Pong { timestamp: i64, server_time: i64 }
///
/// fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
///     Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
/// }
///
/// // `simple.ping`, which is answered by `simple.pong`
/// let router = Router::new().prefix("simple.").send("ping", "pong", ping);
/// ```
#[derive(Default)]
pub struct Router {
    pub(crate) prefix: String,
    pub(crate) tags: Vec<String>,
    pub(crate) sends: Vec<Sent>,
    /// The server's operations, under their full names.
    pub(crate) recvs: Vec<(String, Update)>,
    pub(crate) routes: Vec<Route>,
}

impl Router {
    /// A router without prefix and operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stands before the name of every operation and reply of this router, also of those declared
    /// before.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix.insert_str(0, prefix);
        self
    }

    /// Groups the operations in the documentation.
    pub fn tags<'t>(mut self, tags: impl IntoIterator<Item = &'t str>) -> Self {
        self.tags.extend(tags.into_iter().map(String::from));
        self
    }

    /// An operation that clients send. `reply` is the reply's name, or `None` for no reply.
    pub fn send<'r, Shape, H: Handler<Shape>>(
        mut self,
        name: &str,
        reply: impl Into<Option<&'r str>>,
        handler: H,
    ) -> Self {
        let mut needs = Needs::default();
        H::require(&mut needs);
        self.sends.push(Sent {
            name: name.into(),
            reply: reply.into().map(String::from),
            run: Box::new(move |context, payload| handler.run(context, payload)),
            needs,
            replies: H::replies(),
        });
        self
    }

    /// An operation that clients receive: updates with a payload of this type.
    pub fn recv<T: Serialize + 'static>(mut self, name: &str) -> Self {
        self.recvs.push((name.into(), Update { payload: TypeId::of::<T>(), revise: None }));
        self
    }

    /// The same with a handler that may check and change each payload before it is published.
    pub fn recv_with<T, R, K, F>(mut self, name: &str, handler: F) -> Self
    where
        T: Serialize + Clone + 'static,
        R: Respond<K>,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        self = self.recv::<T>(name);
        let (_, update) = self.recvs.last_mut().expect("it was pushed just now");
        update.revise = Some(Box::new(move |payload, json| {
            let payload = payload.downcast_ref::<T>().expect("the type was compared before");
            handler(payload.clone()).respond(json).map(drop)
        }));
        self
    }

    /// Takes over another router's operations, behind this router's prefix.
    pub fn include(mut self, router: impl Into<Router>) -> Self {
        let router = router.into();
        let full = |name: String| format!("{}{name}", router.prefix);
        self.sends.extend(router.sends.into_iter().map(|send| Sent {
            name: full(send.name),
            reply: send.reply.map(&full),
            ..send
        }));
        self.recvs.extend(router.recvs.into_iter().map(|(name, update)| (full(name), update)));
        self.routes.extend(router.routes.into_iter().map(|route| Route {
            update: full(route.update),
            error: full(route.error),
            ..route
        }));
        self
    }
}
