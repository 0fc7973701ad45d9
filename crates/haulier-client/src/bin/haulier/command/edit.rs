//! `haulier edit`.

use haulier_client::Ambient;
use haulier_client::owned::Change;
use serde_json::json;

use super::owned;
use crate::cli::EditArgs;
use crate::error::Failure;
use crate::{screen, text};

/// Changes a transfer, and says how it ends now.
pub(super) async fn run(args: &EditArgs) -> Result<(), Failure> {
    let owner = owned::owner(args.json)?;
    let id = owner.list().await?.choose(&args.wanted)?;
    let change = Change { lifetime: args.expires, max_downloads: args.downloads };
    let changed = owner.change(id, change).await?;
    if args.json {
        return screen::out(json!({
            "transfer_id": changed.transfer_id,
            "expires_at": changed.expires_at,
            "max_downloads": changed.max_downloads,
        }));
    }
    let name = text::line(&changed.name);
    let expires = match changed.expires_at {
        Some(end) => {
            let left = text::from_now(end, Ambient::system().now());
            format!("{name} expires {left}, at {}", text::moment(end))
        }
        None => format!("{name} is changed"),
    };
    screen::out(match changed.max_downloads {
        Some(most) if most > 0 => {
            format!("{expires}, or after {most} download{} in all.", if most == 1 { "" } else { "s" })
        }
        _ => format!("{expires}."),
    })
}
