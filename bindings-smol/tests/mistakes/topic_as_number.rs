use fastws_smol::{TopicRoute, payload};

#[payload]
struct Request {
    account: u32,
}

pub fn route() -> TopicRoute<Request, u32> {
    //~ `u32` cannot be the parts of a topic
    //~ it returns a `String`, an array of them, or a `Vec<String>`
    TopicRoute::<Request, u32>::new("orders").topic(|request| request.account)
}
