use fastws_smol::{Payload, send};

#[send("echo", reply = "echo.response")]
//~ an operation has no generic parameters, also no lifetimes: name one type for each
fn echo<T>(Payload(value): Payload<T>) -> T {
    value
}
