//! Typed, topic-based JSON APIs over WebSocket, on smol.
//!
//! ```no_run
//! use fastws_smol::{Api, Now, Payload, Router, Server, payload, send};
//!
//! #[payload]
//! struct Ping { timestamp: i64 }
//! #[payload]
//! struct Pong { timestamp: i64, server_time: i64 }
//!
//! /// Client pings, server pongs back.
//! #[send("ping", reply = "pong")]
//! fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
//!     Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
//! }
//!
//! fn main() -> Result<(), fastws_smol::Error> {
//!     let simple = Router::new().prefix("simple.").include(ping);
//!     let api = Api::new("Trading WebSockets", "1.0.0").include(simple);
//!     Server::bind("127.0.0.1:8000")?.serve(api)
//! }
//! ```
//!
//! Handlers and services run on the thread of their shard, on a smol `LocalExecutor`: they need not
//! be `Send`, and one that blocks holds up the connections of its shard.
//!
//! A server that is told more, and that another thread publishes from and ends:
//!
//! ```
//! use fastws_smol::{Api, Config, Pages, Place, Router, Server};
//! use std::num::NonZeroUsize;
//! use std::thread;
//!
//! # fn main() -> Result<(), fastws_smol::Error> {
//! let api = Api::new("Alerts", "1.0.0").include(Router::new().recv::<String>("alert"));
//! let running = Server::bind("127.0.0.1:0")?
//!     // For the operator: what is private is served there, and nothing else.
//!     .private("127.0.0.1:0")?
//!     .pages(Pages { health: Place::Private("/healthz".into()), ..Pages::default() })
//!     .path("/stream")
//!     .origin("https://example.org")
//!     .shards(NonZeroUsize::MIN)
//!     .config(Config { connections: 1_000, ..Config::default() })
//!     .start(api)?;
//!
//! let handle = running.handle();
//! assert_eq!(handle.addresses().len(), 2);
//! thread::spawn(move || {
//!     let alert = String::from("it rains");
//!     handle.publisher().publish("alerts", "alert", &alert).expect("it was declared");
//!     handle.shutdown();
//! });
//! // Until everybody has gone.
//! running.wait()
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod shard;

#[doc(inline)]
pub use fastws_host::offered::*;
pub use fastws_macros::{payload_smol as payload, recv_smol as recv, send_smol as send};
pub use shard::Smol;

/// A server that listens already and does not accept yet; [`start`](Server::start) and
/// [`serve`](Server::serve) do. The examples are those of the [crate].
pub type Server = fastws_host::server::Server<Smol>;

/// A server that serves; [`wait`](Running::wait) tells how it has ended. The example is the second of the
/// [crate]'s.
pub type Running = fastws_host::server::Running<Smol>;

/// A running server, for any thread; [`shutdown`](Handle::shutdown) ends it. The example is the second of
/// the [crate]'s.
///
/// A stream of one's own, over TLS, in memory or a Unix socket, is brought by it:
///
/// ```
/// use async_tungstenite::tungstenite::Message;
/// use async_tungstenite::{accept_async, client_async};
/// use fastws_smol::{Api, Router, Server};
/// use futures_lite::StreamExt;
/// use smol::future::try_zip;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let greet = Router::new().send("greet", "greeting", || "hello");
/// let running = Server::new().start(Api::new("Greetings", "1.0.0").include(greet))?;
/// let handle = running.handle();
/// let greeting = smol::block_on(async {
///     # #[cfg(unix)]
///     let (ours, theirs) = smol::net::unix::UnixStream::pair()?;
///     # #[cfg(not(unix))]
///     # let (ours, theirs) = {
///     #     let listener = smol::net::TcpListener::bind("127.0.0.1:0").await?;
///     #     let ours = smol::net::TcpStream::connect(listener.local_addr()?).await?;
///     #     (ours, listener.accept().await?.0)
///     # };
///     let client = client_async("ws://localhost/ws", ours);
///     let ((mut client, _), stream) = try_zip(client, accept_async(theirs)).await?;
///     handle.attach(stream);
///     client.send(Message::text(r#"{"type":"greet"}"#)).await?;
///     let greeting = client.next().await.expect("it is open")?;
///     Ok::<_, Box<dyn std::error::Error>>(greeting)
/// })?;
/// assert_eq!(greeting.to_text()?, r#"{"type":"greeting","payload":"hello"}"#);
/// handle.shutdown();
/// running.wait()?;
/// # Ok(())
/// # }
/// ```
pub type Handle = fastws_host::server::Handle<Smol>;

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/from-fastws.md")]
pub mod from_fastws {}

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
