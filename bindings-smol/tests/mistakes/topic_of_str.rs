use fastws_smol::{TopicRoute, payload};

#[payload]
struct Request {
    symbol: String,
}

pub fn route() -> TopicRoute<Request, u32> {
    //~ `[&str; 1]` cannot be the parts of a topic
    //~ it returns a `String`, an array of them, or a `Vec<String>`
    TopicRoute::<Request, u32>::new("bars").topic(|request| [request.symbol.as_str()])
}
