//! Functions as handlers, plain or async. Knows their arguments and results, not what they are called.

use crate::desk::Local;
use crate::extract::{Context, Extract, Needs, Rejection};
use crate::respond::{Failure, Reply, Respond};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;

/// What a call of a handler came to.
///
/// [`Handler::run`] tells it to the [`Catalog`](crate::catalog::Catalog).
pub enum Ran {
    /// A plain handler has ended; with `true` its payload is written.
    Now(Result<bool, Failure>),
    /// An async handler has begun; it yields its payload.
    Later(Local<Result<Option<Vec<u8>>, Failure>>),
}

/// A function that answers an operation: `fn` or `async fn`, of up to six arguments, each of which
/// implements [`Extract`], with a result that implements [`Respond`].
///
/// Async handlers need not be `Send`: they never leave their shard.
///
/// ```
/// use fastws_core::client::Client;
/// use fastws_core::extract::{Clock, Now, Payload};
/// use fastws_core::respond::Close;
/// use fastws_core::time::Duration;
/// use fastws_core::{api::Api, router::Router};
///
/// fn nothing() {}
/// fn greet(Payload(name): Payload<String>, now: Now, client: Client) -> String {
///     format!("{name}, it is {}, and you are {}", now.unix_millis(), client.uid())
/// }
/// async fn slow(Payload(number): Payload<u32>, clock: Clock) -> Result<u32, Close> {
///     clock.sleep(Duration::from_secs(1)).await;
///     number.checked_mul(2).ok_or_else(|| Close::new(4000, "too large"))
/// }
///
/// let router = Router::new()
///     .send("nothing", None, nothing)
///     .send("greet", "greet.response", greet)
///     .send("double", "doubled", slow);
/// assert!(Api::new("Shapes", "1.0.0").include(router).build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a handler",
    label = "an argument or the result of this function does not fit",
    note = "it takes a message's payload as `Payload<T>`, whose `T` is a `#[payload]` and has `String` for `&str`",
    note = "its other arguments are `Client`, `App`, `State<S>`, `Guest<S>`, `Now` or `Clock`; there are six at most",
    note = "it returns `()`, a `T` that is a `#[payload]`, or a `Result<T, E>` whose `E` is `Failure`, `Close` or an error",
    note = "what a closure captures is owned, `Send` and `Sync`"
)]
pub trait Handler<Shape>: Send + Sync + 'static {
    /// Extracts the arguments and runs, or begins to run.
    fn run(&self, context: &Context<'_>, payload: &mut Vec<u8>) -> Result<Ran, Rejection>;

    /// What the arguments need.
    fn require(needs: &mut Needs);

    /// What there is to reply with.
    fn reply() -> Reply;
}

/// The shape of a plain function, for [`Handler`].
#[derive(Debug)]
pub struct Plain;
/// The shape of an async function, for [`Handler`].
#[derive(Debug)]
pub struct Async;

macro_rules! handlers {
    ($($argument:ident)*) => {
        impl<F, R, K, $($argument: Extract),*> Handler<(Plain, K, $($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Respond<K>,
        {
            #[inline]
            fn run(&self, _context: &Context<'_>, payload: &mut Vec<u8>) -> Result<Ran, Rejection> {
                Ok(Ran::Now(self($($argument::extract(_context)?),*).respond(payload)))
            }

            fn require(_needs: &mut Needs) {
                $($argument::require(_needs);)*
            }

            fn reply() -> Reply {
                R::REPLY()
            }
        }

        impl<F, R, K, $($argument: Extract),*> Handler<(Async, K, $($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Future<Output: Respond<K>> + 'static,
        {
            fn run(&self, _context: &Context<'_>, _payload: &mut Vec<u8>) -> Result<Ran, Rejection> {
                let outcome = self($($argument::extract(_context)?),*);
                Ok(Ran::Later(Box::pin(async move {
                    let mut payload = Vec::new();
                    Ok(outcome.await.respond(&mut payload)?.then_some(payload))
                })))
            }

            fn require(_needs: &mut Needs) {
                $($argument::require(_needs);)*
            }

            fn reply() -> Reply {
                R::Output::REPLY()
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);
