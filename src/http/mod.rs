//! The HTTP API: extract, call one use case, render. docs/API.md describes every route.

mod admission;
mod body;
mod client;
mod cors;
mod create;
mod delete;
mod download;
mod lease;
mod legacy;
mod listen;
mod metrics;
mod observe;
mod openapi;
#[cfg(target_os = "linux")]
mod passing;
mod path;
mod problem;
mod range;
#[cfg(target_os = "linux")]
mod sendfile;
mod service;
#[cfg(target_os = "linux")]
mod socket;
pub mod tls;
mod token;
mod upload;

use actix_web::web::{self, ServiceConfig};

pub use listen::listen;
pub use metrics::route as metrics_route;
pub use observe::observe;
#[cfg(target_os = "linux")]
pub use sendfile::Senders;
pub use service::Service;

use admission::admit;
use cors::cors;

/// The route table. The seed's bare `/transfers` answers the same as `/api/transfers`.
fn routes(config: &mut ServiceConfig) {
    for base in ["/api/transfers", "/transfers"] {
        config.service(web::scope(base).configure(transfer_routes).default_service(web::to(problem::no_route)));
    }
    config
        .service(web::scope("/api/presigned").configure(presigned_routes).default_service(web::to(problem::no_route)));
    config
        .service(
            resource("/info/health").route(web::get().to(service::healthz)).route(web::head().to(service::healthz)),
        )
        .service(resource("/api/config").route(web::get().to(service::config)).route(web::head().to(service::config)))
        .service(
            resource("/api/openapi.json")
                .route(web::get().to(openapi::document))
                .route(web::head().to(openapi::document)),
        )
        .service(resource("/api/docs").route(web::get().to(openapi::docs)).route(web::head().to(openapi::docs)))
        .service(resource("/healthz").route(web::get().to(service::healthz)).route(web::head().to(service::healthz)))
        .service(resource("/readyz").route(web::get().to(service::readyz)).route(web::head().to(service::readyz)))
        .service(web::resource(metrics::PATH).to(metrics::guarded))
        .default_service(web::to(problem::no_route));
}

fn transfer_routes(config: &mut ServiceConfig) {
    config
        .service(resource("/create").route(web::post().to(create::create)))
        .service(
            resource("/upload/{id}/chunk/{n}").route(web::put().to(upload::chunk)).route(web::post().to(upload::chunk)),
        )
        .service(
            resource("/upload/{id}")
                .route(web::get().to(upload::status))
                .route(web::head().to(upload::status))
                .route(web::patch().to(upload::update))
                .route(web::post().to(legacy::upload)),
        )
        .service(resource("/complete/{id}").route(web::post().to(upload::complete)))
        .service(
            resource("/manifest/{id}")
                .route(web::get().to(download::manifest))
                .route(web::head().to(download::manifest)),
        )
        .service(resource("/info/{id}").route(web::get().to(download::info)).route(web::head().to(download::info)))
        .service(
            resource("/download/{id}/chunk/{n}")
                .route(web::get().to(download::chunk))
                .route(web::head().to(download::chunk)),
        )
        .service(
            resource("/download/{id}").route(web::get().to(download::whole)).route(web::head().to(download::whole)),
        )
        .service(
            resource("/download-base64/{id}")
                .route(web::get().to(legacy::download_base64))
                .route(web::head().to(legacy::download_base64)),
        )
        .service(
            resource("/check-token/{name}")
                .route(web::get().to(legacy::check_token))
                .route(web::head().to(legacy::check_token)),
        )
        .service(resource("/validate-token/{name}").route(web::post().to(legacy::validate_token)))
        .service(resource("/lease/{id}").route(web::post().to(lease::take)).route(web::delete().to(lease::give_back)))
        .service(resource("/lease/{id}/commit").route(web::post().to(lease::commit)))
        .service(resource("/delete/{id}").route(web::delete().to(delete::delete)));
}

/// What the older system's clients ask of URLs into the object store.
fn presigned_routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/capabilities")
                .route(web::get().to(legacy::capabilities))
                .route(web::head().to(legacy::capabilities)),
        )
        .service(resource("/initiate").route(web::post().to(legacy::presigned_upload)))
        .service(resource("/complete").route(web::post().to(legacy::presigned_upload)))
        .service(resource("/cancel/{id}/{upload}").route(web::post().to(legacy::presigned_upload)))
        .service(
            resource("/upload-url/{id}")
                .route(web::get().to(legacy::presigned_upload_url))
                .route(web::head().to(legacy::presigned_upload_url)),
        )
        .service(
            resource("/download-url/{id}")
                .route(web::get().to(legacy::presigned_download_url))
                .route(web::head().to(legacy::presigned_download_url)),
        );
}

/// A path that answers 405 as a problem document to methods without a route.
fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(problem::no_method))
}
