use fastws_smol::{Router, payload};

#[payload]
struct Order {
    shares: u32,
}

pub fn router() -> Router {
    //~ cannot be a handler
    //~ an argument or the result of this function does not fit
    //~ it takes a message's payload as `Payload<T>`
    Router::new().send("order", "order.response", |order: Order| order.shares)
}
