//! How those types look in `{:?}` of which nothing is to be read there: memory, closures, what is secret. Knows their names only.

/// `Name { .. }`, for the host's types too.
#[doc(hidden)]
#[macro_export]
macro_rules! opaque {
    ($($([$($generic:tt)*])? $name:ident $(<$($argument:tt),*>)?,)*) => {$(
        impl<$($($generic)*)?> ::core::fmt::Debug for $name $(<$($argument),*>)? {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

mod bare {
    use crate::dispatch::{Answer, Effects};
    use crate::engine::{Engine, Transmit};
    use crate::handshake::Headers;
    use crate::memory::{ConnectionMemory, TopicMemory, TurnMemory};

    opaque! {
        Answer<'_, '_>,
        Effects<'_, '_>,
        Engine<'_>,
        Transmit<'_>,
        Headers<'_>,
        [const C: usize, const I: usize, const B: usize] ConnectionMemory<C, I, B>,
        [const T: usize, const L: usize, const N: usize] TopicMemory<T, L, N>,
        [const B: usize, const N: usize] TurnMemory<B, N>,
    }
}

#[cfg(feature = "alloc")]
mod typed {
    use crate::api::Api;
    use crate::catalog::{Catalog, Outcome, Pending, Rest};
    use crate::client::Client;
    use crate::declared::Declared;
    use crate::desk::{Ask, Desk, Feed, Reach, Reservation, Sleep};
    use crate::door::Visitor;
    use crate::entrance::Entrance;
    use crate::extract::{Clock, Context, FirstMessage};
    use crate::handler::Ran;
    use crate::hooks::{Hooks, Subscriber};
    use crate::publisher::{App, Publisher};
    use crate::retained::Retained;
    use crate::router::Router;
    use crate::service::Updates;
    use crate::topic_route::TopicRoute;

    opaque! {
        Api,
        App,
        Ask,
        Catalog,
        Client,
        Clock,
        Context<'_>,
        Declared,
        Desk,
        Entrance,
        Feed,
        FirstMessage,
        Hooks,
        Outcome,
        Pending,
        Publisher,
        Ran,
        Reach,
        Reservation,
        Rest,
        Retained,
        Router,
        Sleep,
        Subscriber<'_>,
        [Request, Update] TopicRoute<Request, Update>,
        [Update] Updates<Update>,
        Visitor<'_>,
    }
}
