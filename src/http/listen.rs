//! The listener: how many workers and connections, how long they may take, plain or under TLS.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, Request, TlsAcceptorConfig};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::boxed::{self, BoxServiceFactory};
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, Error};
use rustls::ServerConfig;
use tokio::net::TcpStream;
#[cfg(target_os = "linux")]
use {super::socket::Socket, actix_http::Protocol, actix_service::fn_service};

use super::{Service, admit, cors, observe, routes};
use crate::config::Config;

/// The application, made anew for every worker.
type Requests = BoxServiceFactory<(), Request, ServiceResponse<BoxBody>, Error, ()>;

/// How long a connection whose body was refused is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(5);
/// How long a client may take to send a request's head, and to shake hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves on a listener until `stop` ends; requests are taken once the server is awaited.
///
/// # Errors
/// When the listener cannot be used.
pub fn listen(
    config: &Config,
    service: &Arc<Service>,
    listener: TcpListener,
    tls: Option<ServerConfig>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(config.max_connections.div_ceil(workers))
        .shutdown_timeout(config.shutdown_timeout.as_secs())
        .shutdown_signal(stop);
    let (data, draining) = (Data::from(Arc::clone(service)), server.graceful_shutdown_signal());
    let server = match tls {
        Some(tls) => server.listen("https", listener, move || {
            let handshake = TlsAcceptorConfig::default().handshake_timeout(HEAD_TIMEOUT);
            connections(&draining).finish(requests(&data)).rustls_0_23_with_config(tls.clone(), handshake)
        })?,
        None => server.listen("http", listener, move || plain(connections(&draining), requests(&data)))?,
    };
    Ok(server.run())
}

/// What becomes of the requests of one worker's connections.
fn requests(data: &Data<Service>) -> Requests {
    let app = App::new()
        .app_data(Data::clone(data))
        .wrap(from_fn(admit))
        .wrap(cors())
        .wrap(from_fn(observe))
        .configure(routes);
    boxed::factory(map_config(app.into_factory(), |()| AppConfig::default()))
}

/// How connections are treated, whatever carries them.
fn connections<T>(draining: &GracefulShutdownSignal) -> HttpServiceBuilder<T, Requests> {
    let draining = draining.clone();
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        // The end of a chunk must not wait until the client acknowledges what came before: it takes its time, up to 40 ms.
        .tcp_nodelay(true)
}

/// Without TLS the kernel can send files: bodies may have the connection's writing end.
#[cfg(target_os = "linux")]
fn plain(
    connections: HttpServiceBuilder<Socket, Requests>,
    requests: Requests,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let http = connections.on_connect_ext(|socket, data| drop(data.insert(socket.outlet()))).finish(requests);
    let open = |stream: TcpStream| async move {
        // As the framework does with connections of its own: one that cannot be asked is broken, and soon says so.
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().ok();
        Ok((Socket::new(stream), Protocol::Http1, peer))
    };
    fn_service(open).and_then(http)
}

/// Elsewhere the framework's own connections do.
#[cfg(not(target_os = "linux"))]
fn plain(
    connections: HttpServiceBuilder<TcpStream, Requests>,
    requests: Requests,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    connections.finish(requests).tcp()
}
