use fastws_smol::{Api, FirstMessage};

fn login(message: FirstMessage) -> bool {
    message.0 == "open sesame"
}

pub fn api() -> Api {
    //~ cannot authenticate
    //~ it returns a `Result<S, E>` whose `E` is `Failure`, `Close` or an error
    Api::new("Members", "1.0.0").authenticate(login)
}
