use fastws_smol::{Api, send};

#[send("hello")]
fn hello() {}

pub fn api() -> Api {
    //~ cannot be included
    Api::new("Greetings", "1.0.0").include(hello::call)
}
