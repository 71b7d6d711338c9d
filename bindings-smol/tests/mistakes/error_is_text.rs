use fastws_smol::send;

#[send("divide", reply = "divided")]
//~ `String` cannot be a handler's error
//~ return `Err(Close::new(4000, "why"))` to close the connection with a reason, or implement `std::error::Error`
fn divide() -> Result<u32, String> {
    Err("by zero".into())
}
