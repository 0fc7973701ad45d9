//! The baseline of the PUTs: what a careful author writes in actix who needs nothing but the bytes on disk.
//!
//! It streams the body into a file, syncs the file, and answers. No hash, no database, no rename, no folder sync.

use std::io::Write as _;
use std::path::PathBuf;

use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{App, Error, HttpResponse, HttpServer};
use anyhow::Context as _;
use futures::StreamExt as _;

/// Bytes that gather before they are written in one call.
const WRITE_BYTES: usize = 256 << 10;

/// Serves `PUT /{name}` until killed; the first line on standard output is the address.
pub(crate) fn serve(folder: PathBuf) -> anyhow::Result<()> {
    let folder = Data::new(folder);
    actix_web::rt::System::new().block_on(async move {
        let server =
            HttpServer::new(move || App::new().app_data(Data::clone(&folder)).route("/{name}", web::put().to(put)));
        let server = server.workers(std::thread::available_parallelism()?.get()).bind("127.0.0.1:0")?;
        println!("serves on http://{}", server.addrs().first().context("no address")?);
        server.run().await?;
        Ok(())
    })
}

async fn put(folder: Data<PathBuf>, name: web::Path<String>, mut body: Payload) -> Result<HttpResponse, Error> {
    let path = folder.join(name.into_inner());
    let mut file = web::block(move || std::fs::File::create(path)).await??;
    let mut gathered = Vec::<Bytes>::new();
    let mut gathered_bytes = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        gathered_bytes += piece.len();
        gathered.push(piece);
        if gathered_bytes >= WRITE_BYTES {
            gathered_bytes = 0;
            let pieces = std::mem::take(&mut gathered);
            file = web::block(move || write(file, &pieces)).await??;
        }
    }
    web::block(move || write(file, &gathered)?.sync_all()).await??;
    Ok(HttpResponse::Created().finish())
}

fn write(mut file: std::fs::File, pieces: &[Bytes]) -> std::io::Result<std::fs::File> {
    for piece in pieces {
        file.write_all(piece)?;
    }
    Ok(file)
}
