use fastws_smol::{State, send};
use std::cell::Cell;

struct Count(Cell<u32>);

#[send("count", reply = "count.response")]
//~ `Cell<u32>` cannot be shared between threads safely
fn count(count: State<Count>) -> u32 {
    count.0.0.get()
}
