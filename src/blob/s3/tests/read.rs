//! Objects on their way out over connections that break: the rest is of the same object, or does not come.

use futures::StreamExt as _;

use super::super::read::open as open_object;

use super::*;

/// A way to the store on which each connection breaks when two MiB have come down.
async fn breaking_way(to: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut store = tokio::net::TcpStream::connect(&to).await.expect("the store");
            tokio::spawn(async move {
                let ((mut from_client, mut to_client), (from_store, mut to_store)) = (client.split(), store.split());
                let mut down = tokio::io::AsyncReadExt::take(from_store, 2 * MIB as u64);
                tokio::select! {
                    _ = tokio::io::copy(&mut from_client, &mut to_store) => {}
                    _ = tokio::io::copy(&mut down, &mut to_client) => {}
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn an_object_that_is_overwritten_while_it_is_read_is_never_a_mixture() {
    for place in ObjectStore::all().into_iter().filter(|place| ["Garage", "MinIO"].contains(&place.name)) {
        let direct = open(place, 0).await;
        let url = place.url(direct.bucket.prefix.trim_end_matches('/'));
        let endpoint = url.split_once("endpoint=http://").expect("plain HTTP").1;
        let endpoint = endpoint.split('&').next().expect("an address");
        let store = open_url(&url.replace(endpoint, &breaking_way(endpoint.to_owned()).await), place, 0).await;
        let store = store.expect("opens");
        let (key, len) = (chunk(1, 1), 7 * MIB);
        let (old, new) = (bytes(len, 1), bytes(len, 2));
        direct.put(key, old.clone()).await.expect("put");
        assert!(read_all(&store, key, len).await.expect("there") == old, "{}: over several connections", place.name);

        let content = store.read(key, 0..len as u64).await.expect("answered").expect("there");
        let mut stream = content.into_stream();
        let mut read = stream.next().await.expect("a piece").expect("read").to_vec();
        direct.put(key, new).await.expect("put");
        let error = loop {
            match stream.next().await {
                Some(Ok(piece)) => read.extend_from_slice(&piece),
                Some(Err(error)) => break error,
                None => panic!("{}: a mixture of both", place.name),
            }
        };
        println!("{}: {error:?}", place.name);
        assert!(old.starts_with(&read), "{}: what came is of one object", place.name);
    }
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_is_not_believed() {
    for (second, expected) in [("\"one\"", Some(&b"0123456789"[..])), ("\"other\"", None)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("s3://b?endpoint=http://{}&region=r", listener.local_addr().expect("an address"));
        let BlobLocation::S3(location) = BlobLocation::parse(&url).expect("a URL") else { panic!() };
        let answer = |e_tag: &str, len: usize, body: &str| {
            format!("HTTP/1.1 206 Partial Content\r\netag: {e_tag}\r\ncontent-length: {len}\r\n\r\n{body}")
        };
        let answers = [answer("\"one\"", 10, "01234"), answer(second, 5, "56789")];
        let asked = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut request = vec![0; 8 << 10];
                let read = socket.read(&mut request).await.expect("a request");
                requests.push(String::from_utf8_lossy(&request[..read]).to_ascii_lowercase());
                socket.write_all(answer.as_bytes()).await.expect("written");
            }
            requests
        });
        let bucket = Arc::new(bucket_at(&location));
        let stream = open_object(bucket, "x".to_owned(), 0..10).await.expect("answered").expect("there");
        let found: Result<Vec<Bytes>, _> = stream.try_collect().await;
        assert_eq!(found.ok().map(|pieces| pieces.concat()).as_deref(), expected, "{second}");
        let requests = asked.await.expect("asked twice");
        assert!(!requests[0].contains("if-match") && requests[1].contains("if-match: \"one\""), "{requests:?}");
    }
}
