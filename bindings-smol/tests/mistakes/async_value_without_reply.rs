use fastws_smol::{Close, send};

#[send("ping")]
//~ an operation that returns `u32` has a reply
async fn ping() -> Result<u32, Close> {
    Ok(1)
}
