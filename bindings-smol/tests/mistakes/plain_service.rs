use fastws_smol::{TopicRoute, Updates};

fn count(_request: (), updates: Updates<u32>) {
    updates.publish(&1);
}

pub fn route() -> TopicRoute<(), u32> {
    //~ `()` is not a future
    //~ write an `async fn` of these two
    TopicRoute::new("count").service(count)
}
