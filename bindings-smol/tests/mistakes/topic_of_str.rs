use fastws_smol::{TopicRoute, payload};

#[payload]
struct Request {
    symbol: String,
}

pub fn route() -> TopicRoute<Request, u32> {
    //~ expected `String`, found `&str`
    TopicRoute::<Request, u32>::new("bars").topic(|request| [request.symbol.as_str()])
}
