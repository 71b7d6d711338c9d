use fastws_smol::{Api, payload};

#[payload]
struct Order {
    shares: u32,
}

pub fn api() -> Api {
    //~ `Order` cannot be included
    //~ this is no operation, no `Router` and no `TopicRoute`
    Api::new("Orders", "1.0.0").include(Order { shares: 1 })
}
