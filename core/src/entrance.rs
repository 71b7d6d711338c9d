//! By which ways an API lets anybody in. Knows no connection and no path of the server's own.

use crate::authenticate::Authenticate;
use crate::door::{HttpError, Visitor};
use crate::extract::Needs;
use crate::handler::Handler;
use crate::handshake::Request;
use crate::ids::OperationId;
use crate::respond::Reply;
use crate::router::Run;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::{Any, TypeId, type_name};

type Door = Box<dyn Fn(&Visitor<'_>) -> Result<Rc<dyn Any>, HttpError> + Send + Sync>;

/// A type by which connections are told apart.
type Guest = (TypeId, &'static str);

/// Everybody is let in, with nothing, unless something is declared.
///
/// ```
/// use fastws_core::api::Api;
/// let api = Api::new("News", "1.0.0").post("/notify", || "thanks").bearer("secret");
/// let catalog = api.build()?;
/// let entrance = catalog.entrance();
/// assert_eq!(entrance.post("/notify").map(|operation| catalog.name(operation)), Some("POST /notify"));
/// assert_eq!(entrance.bearer(), Some("secret"));
/// assert_eq!(entrance.authenticator(), None);
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
#[derive(Default)]
pub struct Entrance {
    door: Option<(Door, Guest)>,
    first: Option<First>,
    /// The operation that `first` has become.
    pub(crate) authenticator: Option<OperationId>,
    pub(crate) protocols: Vec<String>,
    pub(crate) posts: Vec<Post>,
    /// The operations that `posts` have become, by their paths.
    paths: Vec<(String, OperationId)>,
    pub(crate) bearer: Option<String>,
}

/// An operation over HTTP.
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) run: Run,
    pub(crate) needs: Needs,
    pub(crate) result: Reply,
}

/// Who calls a handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A connection.
    Member,
    /// A connection whose first message is being read.
    Stranger,
    /// A request over HTTP.
    Request,
}

/// Who reads first messages.
pub(crate) struct First {
    pub(crate) run: Run,
    pub(crate) needs: Needs,
    guest: Guest,
}

impl Entrance {
    /// False: there was a door already.
    pub(crate) fn set_door<S: 'static>(
        &mut self,
        door: impl Fn(&Visitor<'_>) -> Result<S, HttpError> + Send + Sync + 'static,
    ) -> bool {
        let door: Door = Box::new(move |visitor| Ok(Rc::new(door(visitor)?)));
        self.door.replace((door, guest::<S>())).is_none()
    }

    /// False: somebody read first messages already.
    pub(crate) fn set_first<Shape, A: Authenticate<Shape>>(&mut self, authenticate: A) -> bool {
        let mut needs = Needs::default();
        A::require(&mut needs);
        let run: Run = Box::new(move |context, _| authenticate.run(context));
        self.first.replace(First { run, needs, guest: guest::<A::Guest>() }).is_none()
    }

    /// Adds an operation over HTTP.
    pub(crate) fn add_post<Shape, H: Handler<Shape>>(&mut self, path: &str, handler: H) {
        let mut needs = Needs::default();
        H::require(&mut needs);
        let run: Run = Box::new(move |context, payload| handler.run(context, payload));
        self.posts.push(Post { path: path.into(), run, needs, result: H::reply() });
    }

    /// Hands over an operation over HTTP, to become one of this number.
    pub(crate) fn take_post(&mut self, id: OperationId) -> Option<Post> {
        let post = self.posts.pop()?;
        self.paths.push((post.path.clone(), id));
        Some(post)
    }

    /// Hands over who reads first messages, to become an operation of this number.
    pub(crate) fn take_first(&mut self, id: OperationId) -> Option<First> {
        self.authenticator = self.first.as_ref().map(|_| id);
        self.first.take()
    }

    pub(crate) fn first(&self) -> Option<&First> {
        self.first.as_ref()
    }

    /// Two sources of what connections are let in with.
    pub(crate) fn conflict(&self) -> Option<(&'static str, &'static str)> {
        let (door, first) = self.guests();
        Some((door?.1, first?.1))
    }

    /// The type of what a handler takes without this caller being let in with it.
    pub(crate) fn missing(&self, needs: &Needs, caller: Caller) -> Option<&'static str> {
        let (door, first) = self.guests();
        let own = match caller {
            Caller::Member => door.or(first),
            Caller::Stranger => door,
            Caller::Request => None,
        };
        let missing = needs.guests.iter().find(|(id, _)| own.is_none_or(|own| own.0 != *id));
        missing.map(|(_, name)| *name)
    }

    /// What the door and the first message yield, if anything.
    fn guests(&self) -> (Option<Guest>, Option<Guest>) {
        let something = |guest: &Guest| guest.0 != TypeId::of::<()>();
        (
            self.door.as_ref().map(|(_, guest)| *guest).filter(something),
            self.first.as_ref().map(|first| first.guest).filter(something),
        )
    }

    /// Asks the door, if there is one; what it yields is for the connection's handlers. Its error is the
    /// response.
    pub fn admit(&self, visitor: &Visitor<'_>) -> Result<Option<Rc<dyn Any>>, HttpError> {
        self.door.as_ref().map(|(door, _)| door(visitor)).transpose()
    }

    /// Whether a connection that did not come by the door may be let in with this.
    pub fn takes(&self, guest: Option<&dyn Any>) -> bool {
        match &self.door {
            Some((_, (id, _))) => guest.is_some_and(|guest| guest.type_id() == *id),
            None => guest.is_none(),
        }
    }

    /// Who reads the first message of a connection, if anybody.
    pub fn authenticator(&self) -> Option<OperationId> {
        self.authenticator
    }

    /// The operation that a `POST` to this path calls.
    pub fn post(&self, path: &str) -> Option<OperationId> {
        self.paths.iter().find(|(own, _)| own == path).map(|(_, id)| *id)
    }

    /// The paths of all operations over HTTP.
    pub fn posts(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|(path, _)| path.as_str())
    }

    /// What every `POST` has to bring as its bearer token.
    pub fn bearer(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    /// The first of the subprotocols that a client offers and the API knows.
    pub fn protocol(&self, request: &Request<'_>) -> Option<&str> {
        let known = |offer: &str| self.protocols.iter().find(|own| *own == offer);
        request.protocols().find_map(known).map(String::as_str)
    }
}

fn guest<S: 'static>() -> Guest {
    (TypeId::of::<S>(), type_name::<S>())
}
