//! Functions that are told who subscribes to what. Knows no service and no table.

use crate::client::uid_text;
use crate::desk::Desk;
use crate::engine::Change;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;

/// The connection whose subscription has begun or ended, as a function of
/// [`Api::on_subscribe`](crate::api::Api::on_subscribe) or
/// [`Api::on_unsubscribe`](crate::api::Api::on_unsubscribe) sees it.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::door::HttpError;
/// use fastws_core::hooks::Subscriber;
///
/// struct User { name: String }
///
/// fn tell(who: &Subscriber<'_>, topic: &str) {
///     let name = who.guest::<User>().map_or("somebody".into(), |user| user.name.clone());
///     println!("{name} ({}) listens to {topic}", who.uid());
/// }
///
/// let api = Api::new("Members", "1.0.0")
///     .door(|visitor| match visitor.query("name") {
///         Some(name) => Ok(User { name: name.into() }),
///         None => Err(HttpError::new(401, "tell your name")),
///     })
///     .on_subscribe(tell);
/// assert!(api.build().is_ok());
/// ```
pub struct Subscriber<'h> {
    change: &'h Change,
    desk: &'h Desk,
}

impl Subscriber<'_> {
    /// As [`Client::uid`](crate::client::Client::uid).
    pub fn uid(&self) -> String {
        uid_text(self.change.uid)
    }

    /// What the connection was let in with, if that is an `S`. It is still there when the connection
    /// ends.
    pub fn guest<S: 'static>(&self) -> Option<Rc<S>> {
        self.desk.guest(self.change.id)
    }
}

pub(crate) type Hook = Box<dyn Fn(&Subscriber<'_>, &str) + Send + Sync>;

/// Who is told.
///
/// [`Catalog::hooks`](crate::catalog::Catalog::hooks) has them, for the driver of an engine that
/// [watches](crate::engine::Engine::watch).
#[derive(Default)]
pub struct Hooks {
    pub(crate) begun: Option<Hook>,
    pub(crate) ended: Option<Hook>,
}

impl Hooks {
    /// Nobody is told anything.
    pub fn is_empty(&self) -> bool {
        self.begun.is_none() && self.ended.is_none()
    }

    /// Tells whom it concerns. A panic in there has changed nothing here.
    pub fn tell(&self, change: &Change, desk: &Desk) {
        let hook = if change.begun { &self.begun } else { &self.ended };
        if let Some(hook) = hook {
            hook(&Subscriber { change, desk }, &change.topic);
        }
    }
}
