//! One client's connection, and the connection to the server that belongs to it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

use super::message::{Answer, Body, Head, Input};
use super::record::Entry;
use super::{Action, Shared};

/// How long a client may go on sending what nobody reads.
const LINGER: Duration = Duration::from_secs(2);

struct Sides {
    from_client: Input,
    to_client: OwnedWriteHalf,
    from_server: Input,
    to_server: OwnedWriteHalf,
}

/// Relays requests until one side closes, or an error ends both.
pub(super) async fn serve(shared: &Shared, client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = TcpStream::connect(&shared.upstream).await?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (from_client, from_server) = (BufReader::new(from_client), BufReader::new(from_server));
    let mut sides = Sides { from_client, to_client, from_server, to_server };
    loop {
        let head = tokio::select! {
            head = Head::read(&mut sides.from_client) => head?,
            // Without a request, only the end of the connection can come from there.
            _ = sides.from_server.fill_buf() => None,
        };
        let Some(head) = head else { return Ok(()) };
        let request = head.request();
        let action = shared.hook()(&request);
        let entry = shared.record.begin(request);
        exchange(shared, &mut sides, &head, action, &entry).await?;
    }
}

async fn exchange(shared: &Shared, sides: &mut Sides, head: &Head, action: Action, entry: &Entry) -> io::Result<()> {
    match action {
        Action::Pass => forward(shared, sides, head, entry, (u64::MAX, u64::MAX)).await,
        Action::CutRequestAfter(bytes) => forward(shared, sides, head, entry, (bytes, u64::MAX)).await,
        Action::CutAnswerAfter(bytes) => forward(shared, sides, head, entry, (u64::MAX, bytes)).await,
        Action::Answer(answer) => {
            send_body(shared, &mut sides.from_client, None, head.body(), entry, u64::MAX).await?;
            say(sides, &answer, entry).await
        }
        Action::Refuse(answer) => {
            say(sides, &answer, entry).await?;
            close_kindly(sides).await
        }
        Action::LoseAnswer => {
            sides.to_server.write_all(&head.encode()).await?;
            let output = Some(&mut sides.to_server);
            send_body(shared, &mut sides.from_client, output, head.body(), entry, u64::MAX).await?;
            Head::read(&mut sides.from_server).await?;
            sides.to_client.as_ref().set_zero_linger()?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Action::Endless(answer) => {
            send_body(shared, &mut sides.from_client, None, head.body(), entry, u64::MAX).await?;
            entry.write(|exchange| exchange.status = Some(answer.status));
            sides.to_client.write_all(&answer.head(Body::Chunked(0)).encode()).await?;
            loop {
                sides.to_client.write_all(&Body::Chunked(0).frame(&answer.body)).await?;
            }
        }
        Action::Change(change) => {
            sides.to_server.write_all(&head.encode()).await?;
            let output = Some(&mut sides.to_server);
            send_body(shared, &mut sides.from_client, output, head.body(), entry, u64::MAX).await?;
            let mut answer = whole_answer(sides).await?;
            change(&mut answer);
            say(sides, &answer, entry).await
        }
    }
}

/// Relays one exchange; each direction is cut after so many bytes of its body.
async fn forward(
    shared: &Shared,
    sides: &mut Sides,
    head: &Head,
    entry: &Entry,
    (most_up, most_down): (u64, u64),
) -> io::Result<()> {
    sides.to_server.write_all(&head.encode()).await?;
    let answer = {
        let output = Some(&mut sides.to_server);
        let mut sending = Box::pin(send_body(shared, &mut sides.from_client, output, head.body(), entry, most_up));
        let mut answering = Box::pin(Head::read(&mut sides.from_server));
        tokio::select! {
            sent = &mut sending => { sent?; answering.await? }
            // The server need not read all of it, or any.
            answer = &mut answering => answer?,
        }
    };
    let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
    entry.write(|exchange| exchange.status = Some(answer.status()));
    sides.to_client.write_all(&answer.encode()).await?;
    // The head of an answer to HEAD tells of a body that does not come.
    let mut body = if head.request().method == "HEAD" { Body::Ended } else { answer.body() };
    let (framing, mut left) = (body, most_down);
    while let Some(mut piece) = body.piece(&mut sides.from_server).await? {
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= piece.len() as u64;
        shared.down.take(piece.len()).await;
        sides.to_client.write_all(&framing.frame(&piece)).await?;
        entry.went(&piece);
        if left == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    sides.to_client.write_all(framing.end()).await?;
    let is_whole = entry.write(|exchange| {
        exchange.is_answered = true;
        exchange.is_whole
    });
    if is_whole {
        return Ok(());
    }
    close_kindly(sides).await
}

/// A client that still sends would lose the answer if the connection were closed at once.
async fn close_kindly(sides: &mut Sides) -> io::Result<()> {
    sides.to_client.shutdown().await?;
    let _ = timeout(LINGER, tokio::io::copy(&mut sides.from_client, &mut tokio::io::sink())).await;
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Reads a request's body and passes it on, if to anyone.
async fn send_body(
    shared: &Shared,
    input: &mut Input,
    mut output: Option<&mut OwnedWriteHalf>,
    mut body: Body,
    entry: &Entry,
    most: u64,
) -> io::Result<()> {
    let (framing, mut left) = (body, most);
    while let Some(mut piece) = body.piece(input).await? {
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= piece.len() as u64;
        shared.up.take(piece.len()).await;
        if let Some(output) = &mut output {
            output.write_all(&framing.frame(&piece)).await?;
        }
        entry.came(&piece);
        if left == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    if let Some(output) = &mut output {
        output.write_all(framing.end()).await?;
    }
    entry.write(|exchange| exchange.is_whole = true);
    Ok(())
}

async fn whole_answer(sides: &mut Sides) -> io::Result<Answer> {
    let head = Head::read(&mut sides.from_server).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let (mut framing, mut body) = (head.body(), Vec::new());
    while let Some(piece) = framing.piece(&mut sides.from_server).await? {
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status: head.status(), headers: head.headers, body })
}

async fn say(sides: &mut Sides, answer: &Answer, entry: &Entry) -> io::Result<()> {
    answer.send(&mut sides.to_client).await?;
    entry.write(|exchange| {
        (exchange.status, exchange.answer, exchange.is_answered) = (Some(answer.status), answer.body.clone(), true);
        exchange.answer_bytes = answer.body.len() as u64;
    });
    Ok(())
}
