//! Functions that say from its first message who a connection is. Knows their arguments and results, no protocol of theirs.

use crate::client::Client;
use crate::extract::{Context, Extract, Needs, Rejection};
use crate::handler::{Async, Plain, Ran};
use crate::respond::Failure;
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::any::TypeId;
use core::future::Future;

/// A function that reads the first message of a connection: `fn` or `async fn`, of up to four arguments
/// as a handler's, with a `Result<S, E>` whose `S` is what the connection is let in with and whose `E`
/// is a [`Failure`] or becomes one.
///
/// The example is at [`Guest`](crate::extract::Guest).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate",
    label = "an argument or the result of this function does not fit",
    note = "it takes the message as `FirstMessage`, or as `Payload<T>` where it is JSON",
    note = "its other arguments are those of a handler; there are four at most",
    note = "it returns a `Result<S, E>` whose `E` is `Failure`, `Close` or an error"
)]
pub trait Authenticate<Shape>: Send + Sync + 'static {
    /// What the connection is let in with.
    type Guest: 'static;

    /// Extracts the arguments and runs, or begins to run.
    fn run(&self, context: &Context<'_>) -> Result<Ran, Rejection>;

    /// What the arguments need.
    fn require(needs: &mut Needs);
}

macro_rules! authenticators {
    ($($argument:ident)*) => {
        impl<F, S, E, $($argument: Extract),*> Authenticate<(Plain, $($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Result<S, E> + Send + Sync + 'static,
            S: 'static,
            E: Into<Failure>,
        {
            type Guest = S;

            fn run(&self, context: &Context<'_>) -> Result<Ran, Rejection> {
                let client = Client::extract(context)?;
                let result = self($($argument::extract(context)?),*);
                Ok(Ran::Now(admit(&client, result).map(|()| false)))
            }

            fn require(_needs: &mut Needs) {
                $($argument::require(_needs);)*
            }
        }

        impl<F, R, S, E, $($argument: Extract),*> Authenticate<(Async, $($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Future<Output = Result<S, E>> + 'static,
            S: 'static,
            E: Into<Failure>,
        {
            type Guest = S;

            fn run(&self, context: &Context<'_>) -> Result<Ran, Rejection> {
                let client = Client::extract(context)?;
                let result = self($($argument::extract(context)?),*);
                Ok(Ran::Later(Box::pin(async move {
                    admit(&client, result.await).map(|()| None)
                })))
            }

            fn require(_needs: &mut Needs) {
                $($argument::require(_needs);)*
            }
        }
    };
}

authenticators!();
authenticators!(A);
authenticators!(A B);
authenticators!(A B C);
authenticators!(A B C D);

/// A wish as any other, so that it has no effect on a connection that has gone meanwhile.
fn admit<S: 'static, E: Into<Failure>>(
    client: &Client,
    result: Result<S, E>,
) -> Result<(), Failure> {
    let guest = result.map_err(Into::into)?;
    if TypeId::of::<S>() != TypeId::of::<()>() {
        client.admit(Rc::new(guest));
    }
    Ok(())
}
