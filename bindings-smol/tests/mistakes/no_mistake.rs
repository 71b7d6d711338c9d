use fastws_smol::{Client, Payload, Router, TopicRoute, Updates, payload, recv, send};

#[payload]
struct Order {
    shares: u32,
}

#[send("order", reply = "order.response")]
async fn order(Payload(order): Payload<Order>, _client: Client) -> Order {
    order
}

#[send("hello")]
fn hello() {}

#[recv("alert")]
fn alert(alert: Order) -> Order {
    alert
}

async fn market(_request: Order, updates: Updates<Order>) {
    updates.publish(&Order { shares: 1 });
}

pub fn router() -> Router {
    let orders = TopicRoute::new("orders").topic(|order: &Order| [order.shares.to_string()]);
    Router::new().include(order).include(hello).include(alert).include(orders.service(market))
}
