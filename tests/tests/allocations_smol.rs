//! What shards allocate on smol. A binary of its own, because the counter counts for all of it.

mod allocations;

use fastws_smol as binding;
use fastws_smol::Smol as Binding;
