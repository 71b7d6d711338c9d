use fastws_smol::{TopicRoute, Updates};

async fn count(updates: Updates<u32>) {
    updates.publish(&1);
}

pub fn route() -> TopicRoute<(), u32> {
    //~ expected function that takes 2 arguments
    //~ write an `async fn` of these two
    TopicRoute::new("count").service(count)
}
