//! `haulier info`.

use haulier_client::owned::Owned;
use haulier_client::{
    Ambient, End, InspectOptions, Inspected, KeyMode, Preview, ReceiveOptions, Server, parse_link, peek,
};
use haulier_wire::api::TransferState;
use haulier_wire::{Timestamp, TransferId};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{blocking, listing, owned};
use crate::cli::InfoArgs;
use crate::error::{Exit, Failure};
use crate::{config, passphrase, screen, text};

/// Said where only the receiver's passphrase opens the rest.
const SEALED: &str =
    "\nIts name, its message and its files are sealed.\nWith the passphrase, haulier get LINK --list shows them.";

/// Said of a blob of the legacy system: without all of it, there is nothing to open.
const ONE_PIECE: &str = "\nIts name is sealed with its content. haulier get LINK opens both.";

/// What a person means: a transfer, its server, and the link if there is one.
struct Wanted {
    id: TransferId,
    server: String,
    /// The link, when it alone opens the transfer.
    link: Option<Zeroizing<String>>,
    /// Plain http was agreed to when the transfer was sent there.
    sent_there: bool,
}

/// Shows what the server says of a transfer and, when the link is enough to open it, what its sender sealed.
pub(super) async fn run(args: InfoArgs) -> Result<(), Failure> {
    let (json, allow_http) = (args.json, args.allow_http);
    let known = owned::owner(json)?.list().await?;
    let wanted = blocking(move || wanted(args.wanted, &known)).await?;
    let server = Server::parse(&wanted.server, allow_http || wanted.sent_there);
    let server = server.map_err(haulier_client::Error::from)?;
    let options = InspectOptions { server, transfer_id: wanted.id, retry: owned::patience() };
    let ambient = Ambient::system();
    let info = haulier_client::inspect(options, ambient.clone(), owned::waits(json)).await?;
    let preview = match wanted.link {
        Some(link) if info.state == TransferState::Completed && info.total_chunks.is_some() => {
            let options = ReceiveOptions { allow_http, retry: owned::patience(), ..ReceiveOptions::new(link.as_str()) };
            Some(peek(options, ambient.clone(), owned::waits(json)).await?)
        }
        _ => None,
    };
    if json {
        return screen::show(as_json(&info, &wanted.server, preview.as_ref()));
    }
    lines(&info, &wanted.server, ambient.now()).into_iter().try_for_each(screen::show)?;
    match (preview, info.state) {
        (Some(preview), _) => screen::show(format_args!("\n{}", listing::lines(&preview))),
        (None, TransferState::Completed) if info.has_passphrase => screen::show(SEALED),
        (None, TransferState::Completed) if info.total_chunks.is_none() => screen::show(ONE_PIECE),
        (None, _) => Ok(()),
    }
}

fn wanted(text: String, known: &Owned) -> Result<Wanted, Failure> {
    let text = if text == "-" {
        let advice = "Pipe the link into it, such as: haulier info - < link.txt";
        passphrase::stdin_line()?.ok_or_else(|| Failure::new(Exit::Usage, "standard input holds no link", advice))?
    } else {
        Zeroizing::new(text)
    };
    if text.contains('#') || text.contains("://") {
        let link = parse_link(&text)?;
        let opens = link.mode.key_mode() == KeyMode::Link;
        return Ok(Wanted { id: link.id, server: link.base, link: opens.then_some(text), sent_there: false });
    }
    let id = known.choose(&text)?;
    let sent = known.transfers.iter().find(|transfer| transfer.transfer_id == id).map(|transfer| &transfer.server);
    let begun = || known.uploads.iter().find(|upload| upload.transfer_id == id).map(|upload| &upload.server);
    match sent.or_else(begun) {
        Some(server) => Ok(Wanted { id, server: server.clone(), link: None, sent_there: true }),
        None => Ok(Wanted { id, server: config::server(None)?, link: None, sent_there: false }),
    }
}

fn lines(info: &Inspected, server: &str, now: Timestamp) -> Vec<String> {
    let state = match info.state {
        TransferState::Pending => "the sender is still uploading",
        TransferState::Completed => "complete",
        TransferState::Exhausted => "every download is spent",
    };
    let pieces = match info.total_chunks {
        Some(1) => "1 chunk".to_owned(),
        Some(chunks) => format!("{chunks} chunks"),
        None => "one piece, as its sender says".to_owned(),
    };
    let downloads = match info.max_downloads {
        0 => info.download_count.to_string(),
        most => format!("{} of at most {most}", info.download_count),
    };
    let at = |moment| format!("{} ({})", text::moment(moment), text::from_now(moment, now));
    let expires = match info.end {
        End::At(end) => at(end),
        End::AfterComplete => "counts from when the upload is complete".into(),
        End::Never => "never".into(),
    };
    [
        ("Transfer", info.transfer_id.to_string()),
        ("Server", text::line(server)),
        ("State", state.to_owned()),
        ("Size", format!("{} in {pieces}", text::bytes(info.file_size))),
        ("Passphrase", if info.has_passphrase { "needed" } else { "not needed" }.to_owned()),
        ("Created", info.created_at.map_or_else(|| "not known".into(), at)),
        ("Expires", expires),
        ("Downloads", downloads),
    ]
    .into_iter()
    .map(|(name, value)| format!("{name:<12}{value}"))
    .collect()
}

fn as_json(info: &Inspected, server: &str, preview: Option<&Preview>) -> Value {
    json!({
        "transfer_id": info.transfer_id,
        "server": server,
        "state": info.state,
        "file_size": info.file_size,
        "total_chunks": info.total_chunks,
        "passphrase": info.has_passphrase,
        "created_at": info.created_at,
        "expires_at": match info.end {
            End::At(end) => Some(end),
            End::AfterComplete | End::Never => None,
        },
        "download_count": info.download_count,
        "max_downloads": info.max_downloads,
        "sealed": preview.map(listing::json),
    })
}
