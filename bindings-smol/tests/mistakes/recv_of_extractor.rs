use fastws_smol::{Payload, payload, recv};

#[payload]
struct Alert {
    text: String,
}

#[recv("alert")]
//~ a `recv` handler takes its update itself: write `T` for `Payload<T>`
fn alert(Payload(alert): Payload<Alert>) -> Alert {
    alert
}
