//! What shards allocate on tokio. A binary of its own, because the counter counts for all of it.

mod allocations;

use fastws_tokio as binding;
use fastws_tokio::Tokio as Binding;
