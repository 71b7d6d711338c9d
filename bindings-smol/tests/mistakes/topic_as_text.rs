use fastws_smol::{TopicRoute, payload};

#[payload]
struct Request {
    symbol: String,
}

pub fn route() -> TopicRoute<Request, u32> {
    //~ `String` is no list of a topic's parts
    //~ write `[text]` for a single `text`, each part as a `String`
    TopicRoute::<Request, u32>::new("bars").topic(|request| request.symbol.clone())
}
