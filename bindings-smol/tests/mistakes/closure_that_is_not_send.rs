use fastws_smol::Router;
use std::cell::Cell;
use std::rc::Rc;

pub fn router() -> Router {
    let count = Rc::new(Cell::new(0));
    //~ `Rc<Cell<i32>>` cannot be sent between threads safely
    Router::new().send("count", "count.response", move || count.get())
}
