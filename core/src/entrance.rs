//! By which ways an API lets anybody in. Knows no connection and no path of the server's own.

use crate::door::{HttpError, Visitor};
use crate::extract::Needs;
use crate::handshake::Request;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::{Any, TypeId, type_name};

type Door = Box<dyn Fn(&Visitor<'_>) -> Result<Rc<dyn Any>, HttpError> + Send + Sync>;

/// Everybody is let in, with nothing, unless something is declared.
#[derive(Default)]
pub struct Entrance {
    door: Option<Door>,
    /// What connections are let in with.
    guest: Option<(TypeId, &'static str)>,
    pub(crate) protocols: Vec<String>,
}

impl Entrance {
    /// False: there was a door already.
    pub(crate) fn set_door<S: 'static>(
        &mut self,
        door: impl Fn(&Visitor<'_>) -> Result<S, HttpError> + Send + Sync + 'static,
    ) -> bool {
        self.guest = Some((TypeId::of::<S>(), type_name::<S>()));
        let door: Door = Box::new(move |visitor| Ok(Rc::new(door(visitor)?)));
        self.door.replace(door).is_none()
    }

    /// The type of what a handler takes without anybody being let in with it.
    pub(crate) fn missing(&self, needs: &Needs) -> Option<&'static str> {
        let missing = needs.guests.iter().find(|(id, _)| self.guest.is_none_or(|own| own.0 != *id));
        missing.map(|(_, name)| *name)
    }

    /// Asks the door, if there is one; what it yields is for the connection's handlers.
    pub fn admit(&self, visitor: &Visitor<'_>) -> Result<Option<Rc<dyn Any>>, HttpError> {
        self.door.as_ref().map(|door| door(visitor)).transpose()
    }

    /// Whether a connection that did not come by the door may be let in with this.
    pub fn takes(&self, guest: Option<&dyn Any>) -> bool {
        match self.guest {
            Some((id, _)) => guest.is_some_and(|guest| guest.type_id() == id),
            None => guest.is_none(),
        }
    }

    /// The first of the subprotocols that a client offers and the API knows.
    pub fn protocol(&self, request: &Request<'_>) -> Option<&str> {
        let known = |offer: &str| self.protocols.iter().find(|own| *own == offer);
        request.protocols().find_map(known).map(String::as_str)
    }
}
