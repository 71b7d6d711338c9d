//! How those types look in `{:?}` of which nothing is to be read there. Knows their names only.

use crate::bell::Bell;
use crate::inbox::Inbox;
use crate::peer::Peer;
use crate::server::{Arrivals, Binding, Handle, Running, Seat, Server};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::simulation::Simulation;
use crate::socket::Wire;
use crate::stream::{Foreign, Lines, Outlet};
use crate::tasks::Tasks;
use crate::test_client::{TestClient, TestSocket};

fastws_core::opaque! {
    Bell,
    Inbox,
    Peer,
    [S] Arrivals<S>,
    [B: Binding] Handle<B>,
    [B: Binding] Running<B>,
    [S] Seat<S>,
    [B] Server<B>,
    Shard,
    Shared,
    Simulation,
    Wire,
    Foreign,
    Lines,
    Outlet,
    Tasks,
    TestClient,
    TestSocket,
}
