use fastws_smol::{Payload, Router};

fn order(Payload(shares): Payload<u32>) -> u32 {
    shares
}

pub fn router() -> Router {
    //~ cannot be included
    //~ put `#[send("subscribe", reply = "subscribe.response")]` or `#[recv("alert")]` on a handler, or declare it with `Router::send`
    Router::new().include(order)
}
