//! What a handler may ask for, by the types of its arguments. Knows one call, nothing of what follows.

use crate::client::{Caller, Client};
use crate::desk::{Desk, Sleep};
use crate::ids::CallId;
use crate::payload::Incoming;
use crate::publisher::App;
use crate::respond::SchemaOf;
use crate::strict;
use crate::time::Duration;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{TypeId, type_name};
use core::cell::OnceCell;
use core::ops::Deref;
use schemars::SchemaGenerator;

/// One call, while its handler's arguments are made.
///
/// An argument passes it on to those that it is made of: [`Extract`] shows how.
pub struct Context<'a> {
    pub(crate) call: CallId,
    pub(crate) payload: Option<&'a str>,
    pub(crate) caller: &'a dyn Caller,
    pub(crate) desk: &'a Rc<Desk>,
    /// Made for the first argument that wants it, and asked for its wishes afterwards.
    pub(crate) client: OnceCell<Client>,
}

/// The payload does not fit the operation's type; the connection closes with 1003.
///
/// Arguments hand it on: the example is at [`Extract`].
#[derive(Debug)]
pub struct Rejection(pub(crate) serde_json::Error);

/// A type that can be an argument of a handler.
///
/// An application's own are made of those that there are:
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::client::Client;
/// use fastws_core::extract::{Context, Extract, Needs, Rejection, State};
/// use fastws_core::router::Router;
///
/// struct Names;
///
/// /// What the log calls a client.
/// struct Label(String);
///
/// impl Extract for Label {
///     fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
///         let (_, client) = (State::<Names>::extract(context)?, Client::extract(context)?);
///         Ok(Self(format!("client {}", client.uid())))
///     }
///
///     fn require(needs: &mut Needs) {
///         State::<Names>::require(needs);
///         Client::require(needs);
///     }
/// }
///
/// let router = || Router::new().send("label", "label.response", |Label(label): Label| label);
/// assert!(Api::new("Labels", "1.0.0").state(Names).include(router).build().is_ok());
/// // What it needs is missing here.
/// assert!(Api::new("Labels", "1.0.0").include(router).build().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "if it is the message's payload, write `Payload<{Self}>`",
    note = "other arguments are `Client`, `App`, `State<S>`, `Guest<S>`, `Now` or `Clock`"
)]
pub trait Extract: Sized {
    /// Makes the argument. An error closes the connection before the handler has run.
    fn extract(context: &Context<'_>) -> Result<Self, Rejection>;

    /// Says what the application has to provide; checked when the API is built.
    fn require(_needs: &mut Needs) {}
}

/// What a handler's arguments need.
///
/// Arguments add theirs: the example is at [`Extract`].
#[derive(Debug, Default)]
pub struct Needs {
    /// Their schemas; an operation has one payload at most.
    pub(crate) payloads: Vec<SchemaOf>,
    pub(crate) states: Vec<(TypeId, &'static str)>,
    pub(crate) guests: Vec<(TypeId, &'static str)>,
    pub(crate) first_message: bool,
    pub(crate) client: bool,
}

/// The message's payload, as the type that the operation takes.
///
/// Numbers are exact: what does not fit its type closes the connection. A missing payload is `null`.
///
/// ```
/// use fastws_core::extract::Payload;
/// use fastws_core::{payload, router::Router};
///
/// #[payload]
/// struct Order { symbol: String, quantity: u32, price: f64 }
///
/// fn total(Payload(order): Payload<Order>) -> f64 {
///     f64::from(order.quantity) * order.price
/// }
///
/// // A handler is a function, and can be tested as one.
/// let order = Order { symbol: "AAPL".into(), quantity: 2, price: 189.5 };
/// assert_eq!(total(Payload(order)), 379.0);
/// let router = Router::new().send("orders.total", "orders.total.response", total);
/// ```
#[derive(Debug)]
pub struct Payload<T>(pub T);

impl<T: Incoming> Extract for Payload<T> {
    #[inline]
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        strict::from_str(context.payload.unwrap_or("null")).map(Payload).map_err(Rejection)
    }

    fn require(needs: &mut Needs) {
        needs.payloads.push(SchemaGenerator::subschema_for::<T>);
    }
}

impl Extract for Client {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        let client =
            context.client.get_or_init(|| Client::new(context.call, context.caller, context.desk));
        Ok(client.clone())
    }

    fn require(needs: &mut Needs) {
        needs.client = true;
    }
}

impl Extract for App {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        let Desk { shards, declared, .. } = &**context.desk;
        Ok(App { shards: shards.clone(), declared: declared.clone() })
    }
}

/// What the application shares with its handlers, one value per type; set by
/// [`Api::state`](crate::api::Api::state).
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::extract::{Payload, State};
/// use fastws_core::router::Router;
/// use std::sync::Arc;
///
/// struct Fees { per_trade: f64 }
///
/// fn cost(Payload(trades): Payload<u32>, fees: State<Fees>) -> f64 {
///     f64::from(trades) * fees.per_trade
/// }
///
/// assert_eq!(cost(Payload(3), State(Arc::new(Fees { per_trade: 0.5 }))), 1.5);
///
/// let router = || Router::new().send("cost", "cost.response", cost);
/// let api = Api::new("Fees", "1.0.0").state(Fees { per_trade: 0.5 }).include(router);
/// assert!(api.build().is_ok());
/// assert!(Api::new("Fees", "1.0.0").include(router).build().is_err());
/// ```
#[derive(Debug)]
pub struct State<S>(pub Arc<S>);

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: Send + Sync + 'static> Extract for State<S> {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        let state = context.desk.declared.state();
        Ok(Self(state.expect("an API is only built when each state that is asked for is there")))
    }

    fn require(needs: &mut Needs) {
        needs.states.push((TypeId::of::<S>(), type_name::<S>()));
    }
}

/// What the connection was let in with, by [`Api::door`](crate::api::Api::door) or
/// [`Api::authenticate`](crate::api::Api::authenticate). Lives as long as the
/// connection, and as the handlers that hold it.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::extract::{FirstMessage, Guest};
/// use fastws_core::respond::Close;
/// use fastws_core::router::Router;
/// use std::rc::Rc;
///
/// struct User { name: String }
///
/// async fn authenticate(FirstMessage(token): FirstMessage) -> Result<User, Close> {
///     match token.strip_prefix("Bearer ") {
///         Some(name) => Ok(User { name: name.into() }),
///         None => Err(Close::new(1008, "no token")),
///     }
/// }
///
/// fn who_am_i(user: Guest<User>) -> String {
///     user.name.clone()
/// }
///
/// assert_eq!(who_am_i(Guest(Rc::new(User { name: "ann".into() }))), "ann");
/// let router = Router::new().send("who", "who.response", who_am_i);
/// let api = Api::new("Members", "1.0.0").authenticate(authenticate).include(router);
/// assert!(api.build().is_ok());
/// ```
#[derive(Debug)]
pub struct Guest<S>(pub Rc<S>);

impl<S> Deref for Guest<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: 'static> Extract for Guest<S> {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        let guest = context.desk.guest(context.call.connection());
        Ok(Self(
            guest.expect("an API is only built when everybody is let in with what is asked for"),
        ))
    }

    fn require(needs: &mut Needs) {
        needs.guests.push((TypeId::of::<S>(), type_name::<S>()));
    }
}

/// The text of a connection's first message, whatever it is; for the function that reads it,
/// [`Api::authenticate`](crate::api::Api::authenticate). The example is at [`Guest`].
pub struct FirstMessage(pub String);

impl Extract for FirstMessage {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        Ok(Self(context.payload.unwrap_or_default().into()))
    }

    fn require(needs: &mut Needs) {
        needs.first_message = true;
    }
}

/// The time since 1970 when the message was taken, by the driver's clock.
///
/// ```
/// use fastws_core::extract::Now;
/// use fastws_core::time::Duration;
///
/// fn age_of(opened: i64, now: Now) -> i64 {
///     now.unix_millis() - opened
/// }
/// assert_eq!(age_of(1_500, Now(Duration::from_secs(2))), 500);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now(pub Duration);

impl Now {
    /// In milliseconds.
    pub fn unix_millis(self) -> i64 {
        self.0.as_millis() as i64
    }
}

impl Extract for Now {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        Ok(Self(context.desk.unix()))
    }
}

/// The driver's clock, for handlers that wait.
///
/// ```
/// use fastws_core::extract::Clock;
/// use fastws_core::time::Duration;
/// use fastws_core::{api::Api, router::Router};
///
/// async fn slow(clock: Clock) {
///     clock.sleep(Duration::from_millis(10)).await;
/// }
/// let router = Router::new().send("slow", "slow.response", slow);
/// assert!(Api::new("Patience", "1.0.0").include(router).build().is_ok());
/// ```
#[derive(Clone)]
pub struct Clock(Rc<Desk>);

impl Clock {
    /// Sleeps from the present turn on. Only the next message of this connection waits meanwhile.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.0.sleep(time)
    }
}

impl Extract for Clock {
    fn extract(context: &Context<'_>) -> Result<Self, Rejection> {
        Ok(Self(context.desk.clone()))
    }
}
