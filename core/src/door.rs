//! Who comes in: a request as the application's door sees it, and the words that send it away. Knows one request, no open connection.

use crate::handshake::Request;
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::net::SocketAddr;
use core::str::from_utf8;

/// A request that asks for a connection.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::door::{HttpError, Visitor};
/// use fastws_core::extract::Guest;
/// use fastws_core::router::Router;
///
/// struct User { name: String }
///
/// fn door(visitor: &Visitor<'_>) -> Result<User, HttpError> {
///     match visitor.query("name") {
///         Some(name) => Ok(User { name: name.into() }),
///         None => Err(HttpError::new(401, "tell your name")),
///     }
/// }
///
/// let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
/// assert!(Api::new("Members", "1.0.0").door(door).include(me).build().is_ok());
/// ```
pub struct Visitor<'a> {
    request: &'a Request<'a>,
    peer: Option<SocketAddr>,
}

impl<'a> Visitor<'a> {
    /// What this peer asks for.
    ///
    /// ```
    /// use fastws_core::door::Visitor;
    /// use fastws_core::handshake::{Headers, read};
    ///
    /// let bytes = b"GET /ws?name=J%C3%BCrgen HTTP/1.1\r\nHost: example.org\r\n\
    ///     Cookie: theme=dark; session=7\r\nAuthorization: Bearer secret\r\n\r\n";
    /// let mut headers = Headers::new();
    /// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
    /// let visitor = Visitor::new(&request, None);
    /// assert_eq!(visitor.path(), "/ws");
    /// assert_eq!(visitor.query("name").as_deref(), Some("Jürgen"));
    /// assert_eq!(visitor.header("host"), Some("example.org"));
    /// assert_eq!(visitor.cookie("session"), Some("7"));
    /// assert_eq!(visitor.bearer(), Some("secret"));
    /// assert_eq!(visitor.peer(), None);
    /// # Ok::<(), fastws_core::handshake::Refusal>(())
    /// ```
    pub fn new(request: &'a Request<'a>, peer: Option<SocketAddr>) -> Self {
        Self { request, peer }
    }

    /// The path as it was written, without the query.
    pub fn path(&self) -> &'a str {
        self.request.path
    }

    /// The address at the other end of the socket, which may be a proxy's. `None` where there is none.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The first header of a name, in whatever case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.request.header(name).and_then(|value| from_utf8(value).ok())
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&'a str> {
        self.request.bearer().and_then(|token| from_utf8(token).ok())
    }

    /// The first cookie of this very name, as it was written.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let headers = self.request.headers().filter(|(own, _)| own.eq_ignore_ascii_case("cookie"));
        let cookies = headers.flat_map(|(_, value)| value.split(|byte| *byte == b';'));
        let mut pairs = cookies.filter_map(|cookie| from_utf8(cookie).ok()?.trim().split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The first parameter of this name in the query, decoded; what is no UTF-8 in it is replaced.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = form_urlencoded::parse(self.request.query?.as_bytes());
        pairs.find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

/// A request is refused: a status and a sentence for whoever sent it.
///
/// ```
/// use fastws_core::door::HttpError;
/// let error = HttpError::new(403, "members only");
/// assert_eq!((error.status(), error.into_body()), (403, "members only".into()));
/// assert_eq!(HttpError::new(200, "that is no error").status(), 500);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    status: u16,
    sentence: Cow<'static, str>,
}

impl HttpError {
    /// A status from 400 to 599; another one becomes 500.
    pub fn new(status: u16, sentence: impl Into<Cow<'static, str>>) -> Self {
        let status = if matches!(status, 400..=599) { status } else { 500 };
        Self { status, sentence: sentence.into() }
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The sentence, as the body of the response.
    pub fn into_body(self) -> String {
        self.sentence.into_owned()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl core::error::Error for HttpError {}
