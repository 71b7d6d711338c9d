use fastws_smol::TopicRoute;

struct Request {
    symbol: String,
}

pub fn route() -> TopicRoute<Request, u32> {
    //~ `Request` cannot be a payload
    //~ `Request` needs `#[payload]`
    TopicRoute::new("bars")
}
