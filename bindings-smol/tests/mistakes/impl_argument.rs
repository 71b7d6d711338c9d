use fastws_smol::send;

#[send("echo")]
//~ an operation has no generic parameters, also no lifetimes: name one type for each
fn echo(text: impl Into<String>) {
    drop(text.into());
}
