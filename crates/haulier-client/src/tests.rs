//! What callers of the library rely on.

use std::sync::Arc;

use super::*;
use crate::progress::Silent;

fn can_be_spawned(_: impl Future<Output = impl Send> + Send + 'static) {}

#[test]
fn every_call_can_run_as_a_task_of_its_own() {
    let server = Server::parse("http://127.0.0.1:1", false).unwrap();
    can_be_spawned(send(
        SendOptions::new(server, Source::Stream(Stream::new(std::io::empty())), "b"),
        Ambient::system(),
        Arc::new(Silent),
    ));
    can_be_spawned(receive(ReceiveOptions::new("c"), Ambient::system(), Arc::new(Silent)));
    can_be_spawned(peek(ReceiveOptions::new("c"), Ambient::system(), Arc::new(Silent)));
}
